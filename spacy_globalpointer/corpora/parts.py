"""The files of a corpus, by the parts that their names tell."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import numpy
from numpy.typing import NDArray

from ..errors import Errors
from .record import Record

PARTS = ("train", "dev", "test")
WORDS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid"), "dev"),
    # CoNLL 2003 has testa for dev.
    **dict.fromkeys(("validation", "testa"), "dev"),
    **dict.fromkeys(("test", "testing", "tst", "testb", "eval"), "test"),
}
# What lies beside corpora and is no annotation.
OTHER_SUFFIXES = {
    *(".md", ".rst", ".pdf", ".html", ".xml", ".csv", ".bib", ".log", ".lock"),
    *(".py", ".sh", ".yml", ".yaml", ".toml", ".cfg", ".conf", ".ini"),
    *(".zip", ".tar", ".tgz", ".png", ".jpg", ".svg"),
}
OTHER_NAMES = re.compile(
    r"(readme|licen[cs]e|citation|changelog|makefile)\b"
    # What `datasets` saves beside the rows.
    r"|(dataset_infos?|dataset_dict|state)\.json$",
    re.I,
)
# What this package itself writes beside a corpus.
REPORT = "report.jsonl"


@dataclass
class Parts:
    """The files of each part; a corpus without parts has one with the name "".

    files (Dict[str, List[Path]]): By part, in the order train, dev, test.
    others (List[Path]): What was not taken for a part of the corpus.
    """

    files: Dict[str, List[Path]]
    others: List[Path] = field(default_factory=list)


def find_parts(source: Path) -> Parts:
    """The files of a corpus.

    source (Path): A file, or a folder. In a folder, names that hold a word such as
        "train", "dev" or "test" tell the part; these may be folders too. Where no
        name does, all files are one part.
    RAISES (FileNotFoundError): If there are none.
    """
    if not source.is_dir():
        return Parts({"": [source]})
    entries = _entries(source)
    named = [(part_of(path), path) for path in entries]
    others = [path for part, path in named if part is None]
    files: Dict[str, List[Path]] = {}
    # A link may lead back to a folder that holds it.
    seen = {source.resolve()}
    for part in PARTS:
        found = [f for p, path in named if p == part for f in _files(path, seen)]
        if found:
            files[part] = _without_copies(found)
    if not files:
        every = [f for path in entries for f in _files(path, seen)]
        files, others = {"": _without_copies(every)}, []
        if not every:
            raise FileNotFoundError(Errors.E015.format(path=source))
    return Parts(files, others)


def part_of(path: Path) -> Optional[str]:
    """The part that a name tells, if it tells one."""
    if not path.is_dir() and _is_other(path):
        return None
    words = re.split(r"[^a-z0-9]+", path.name.lower())
    found = {WORDS[word] for word in words if word in WORDS}
    return found.pop() if len(found) == 1 else None


def _entries(folder: Path) -> List[Path]:
    return sorted(path for path in folder.iterdir() if path.name[0] != ".")


def _files(path: Path, seen: Set[Path]) -> Iterator[Path]:
    """A file, or all files of a folder, in order."""
    if not path.is_dir():
        if not _is_other(path):
            yield path
    elif path.resolve() not in seen:
        seen.add(path.resolve())
        for entry in _entries(path):
            yield from _files(entry, seen)


def _is_other(path: Path) -> bool:
    return (
        path.suffix.lower() in OTHER_SUFFIXES
        or OTHER_NAMES.match(path.name) is not None
        or path.name.endswith(REPORT)
    )


def _without_copies(paths: List[Path]) -> List[Path]:
    """One of `a.jsonl` and `a.jsonl.gz`, and one of brat's `a.txt` and `a.ann`."""
    found = {*paths}
    return [
        path
        for path in paths
        if not (path.suffix == ".gz" and path.with_suffix("") in found)
        and not (path.suffix == ".ann" and path.with_suffix(".txt") in found)
    ]


def parse_shares(value: str) -> Tuple[float, ...]:
    """Shares of train, dev and test, as in "80,10,10" or "90,10".

    RAISES (ValueError): If they are none.
    """
    try:
        shares = tuple(float(share) for share in value.split(","))
    except ValueError:
        shares = ()
    if not 2 <= len(shares) <= 3 or not all(0 <= s < float("inf") for s in shares):
        raise ValueError(Errors.E014.format(value=value))
    if not sum(shares):
        raise ValueError(Errors.E014.format(value=value))
    return shares


def split_records(
    records: Iterator[Record], shares: Sequence[float], seed: int
) -> NDArray[Any]:
    """Deal documents to parts.

    records (Iterator[Record]): All of them; those with the same `doc` stay together,
        one without is a document of its own.
    shares (Sequence[float]): Share of the documents that each part gets.
    seed (int): Another seed is another split.
    RETURNS (NDArray): The part of each record. *Shape:* (n_records,)
    """
    names: Dict[str, int] = {}
    n_docs = 0
    numbers: List[Any] = [numpy.zeros(0, dtype="int32")]
    buffer: List[int] = []
    for record in records:
        number = n_docs if record.doc is None else names.setdefault(record.doc, n_docs)
        n_docs += number == n_docs
        buffer.append(number)
        if len(buffer) == 10_000:
            numbers.append(numpy.array(buffer, dtype="int32"))
            buffer = []
    docs = numpy.concatenate([*numbers, numpy.array(buffer, dtype="int32")])
    borders = numpy.rint(numpy.cumsum(shares) / sum(shares) * n_docs)
    order = numpy.random.default_rng(seed).permutation(n_docs)
    part: NDArray[Any] = numpy.searchsorted(borders, order, side="right").astype("int8")
    return part[docs]
