"""The files of a corpus by split, as determined by their names."""

import re
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

import numpy
from numpy.typing import NDArray

from ..errors import Errors
from .record import Record

SPLITS = ("train", "dev", "test")
WORDS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid"), "dev"),
    # CoNLL 2003 has testa for dev.
    **dict.fromkeys(("validation", "testa"), "dev"),
    **dict.fromkeys(("test", "testing", "tst", "testb", "eval"), "test"),
}
# What lies beside corpora and is no annotation.
OTHER_SUFFIXES = {
    *(".md", ".rst", ".pdf", ".html", ".bib", ".log", ".lock"),
    *(".py", ".sh", ".yml", ".yaml", ".toml", ".cfg", ".conf", ".ini"),
    *(".zip", ".tar", ".tgz", ".png", ".jpg", ".svg"),
}
# What is a corpus only where nothing else is.
UNUSUAL_SUFFIXES = {".csv", ".xml"}
# Pieces of names that tell a split where a piece is in several names that are the same
# but for it, as in NCBItrainset_corpus and NCBItestset_corpus.
STEMS = {
    **dict.fromkeys(("training", "train"), "train"),
    **dict.fromkeys(("development", "develop", "devel", "dev"), "dev"),
    **dict.fromkeys(("validation", "valid"), "dev"),
    **dict.fromkeys(("testing", "test"), "test"),
}
OTHER_NAMES = re.compile(
    r"(readme|licen[cs]e|citation|changelog|makefile)\b"
    # What `datasets` saves beside the rows.
    r"|(dataset_infos?|dataset_dict|state)\.json$",
    re.I,
)
# Annotation beside a text of the same name.
STANDOFF = {".ann", ".a1", ".a2"}
# What this package itself writes beside a corpus.
REPORT = "report.jsonl"


@dataclass
class Splits:
    """The files of each split; a corpus without splits has one with the name "".

    files (Dict[str, List[Path]]): By split, in the order train, dev, test.
    others (List[Path]): What was not taken for a split of the corpus.
    doubtful (List[Path]): Files whose names hold "train", "dev" or "test", but not so
        that they tell a split.
    """

    files: Dict[str, List[Path]]
    others: List[Path] = field(default_factory=list)
    doubtful: List[Path] = field(default_factory=list)


def find_splits(source: Path, patterns: Optional[Mapping[str, str]] = None) -> Splits:
    """The files of a corpus.

    source (Path): A file, or a folder. In a folder, names that hold a word such as
        "train", "dev" or "test" tell the split; these may be folders too. Where no
        name does, all files are one split.
    patterns (Optional[Mapping[str, str]]): Instead, a pattern of the names of files,
        such as `*_Train*.txt`, for each split.
    RAISES (FileNotFoundError): If there are none.
    """
    if not source.is_dir():
        return Splits({"": [source]})
    if patterns:
        return _by_patterns(source, patterns)
    entries = _entries(source)
    for skipped in (OTHER_SUFFIXES | UNUSUAL_SUFFIXES, OTHER_SUFFIXES):
        splits = _by_names(source, entries, skipped)
        if splits.files:
            return splits
    for skipped in (OTHER_SUFFIXES | UNUSUAL_SUFFIXES, OTHER_SUFFIXES):
        seen = {source.resolve()}
        every = [f for path in entries for f in _files(path, seen, skipped)]
        if every:
            doubtful = [path for path in every if _stem(path) is not None]
            return Splits({"": _without_copies(every)}, doubtful=doubtful)
    raise FileNotFoundError(Errors.E015.format(path=source))


def _by_names(source: Path, entries: List[Path], skipped: Set[str]) -> Splits:
    named = {path: split_of(path, skipped) for path in entries}
    unknown = [
        path
        for path, split in named.items()
        if split is None and not (path.is_file() and _is_other(path, skipped))
    ]
    named.update(_splits_of_alike(unknown))
    others = [path for path, split in named.items() if split is None]
    files: Dict[str, List[Path]] = {}
    # A link may lead back to a folder that holds it.
    seen = {source.resolve()}
    for split in SPLITS:
        found = [
            f
            for path in entries
            if named[path] == split
            for f in _files(path, seen, skipped)
        ]
        if found:
            files[split] = _without_copies(found)
    doubtful = [p for p in others if p in unknown and _stem(p) is not None]
    return Splits(files, [path for path in others if path not in doubtful], doubtful)


def _by_patterns(source: Path, patterns: Mapping[str, str]) -> Splits:
    every = sorted(path for path in source.rglob("*") if path.is_file())
    files: Dict[str, List[Path]] = {}
    for split in SPLITS:
        if split not in patterns:
            continue
        pattern = patterns[split]
        found = [
            path
            for path in every
            if fnmatch(path.name, pattern)
            or fnmatch(path.relative_to(source).as_posix(), pattern)
        ]
        if not found:
            raise FileNotFoundError(Errors.E018.format(path=source, pattern=pattern))
        files[split] = _without_copies(found)
    used = {path for found in files.values() for path in found}
    return Splits(files, [path for path in every if path not in used])


def parse_patterns(values: Sequence[str]) -> Dict[str, str]:
    """Patterns of the names of files, as in "train=*_Train*.txt".

    RAISES (ValueError): If they are none.
    """
    found = dict(value.partition("=")[::2] for value in values)
    if not all(found.values()) or not {*found} <= {*SPLITS}:
        raise ValueError(Errors.E019.format(value=" ".join(values)))
    return found


def split_of(path: Path, skipped: Set[str] = OTHER_SUFFIXES) -> Optional[str]:
    """The split that a name tells, if it tells one."""
    if not path.is_dir() and _is_other(path, skipped):
        return None
    words = re.split(r"[^a-z0-9]+", path.name.lower())
    # TrainingSet and wnut17train are words too.
    words += re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", path.name)
    found = {WORDS[word.lower()] for word in words if word.lower() in WORDS}
    return found.pop() if len(found) == 1 else None


def _stem(path: Path) -> Optional[Tuple[str, str]]:
    """The split whose stem a name holds, and the rest of the name."""
    name = path.name.lower()
    found: Dict[str, str] = {}
    for stem, split in STEMS.items():
        if stem in name:
            found.setdefault(split, name.replace(stem, "*", 1))
    return found.popitem() if len(found) == 1 else None


def _splits_of_alike(paths: List[Path]) -> Dict[Path, str]:
    """The splits of files whose names are the same but for a stem."""
    alike: Dict[str, Dict[Path, str]] = {}
    for path in paths:
        found = _stem(path)
        if found is not None:
            alike.setdefault(found[1], {})[path] = found[0]
    return {
        path: split
        for splits in alike.values()
        if len({*splits.values()}) > 1
        for path, split in splits.items()
    }


def _entries(folder: Path) -> List[Path]:
    return sorted(path for path in folder.iterdir() if path.name[0] != ".")


def _files(path: Path, seen: Set[Path], skipped: Set[str]) -> Iterator[Path]:
    """A file, or all files of a folder, in order."""
    if not path.is_dir():
        if not _is_other(path, skipped):
            yield path
    elif path.resolve() not in seen:
        seen.add(path.resolve())
        for entry in _entries(path):
            yield from _files(entry, seen, skipped)


def _is_other(path: Path, skipped: Set[str]) -> bool:
    return (
        path.suffix.lower() in skipped
        or OTHER_NAMES.match(path.name) is not None
        or path.name.endswith(REPORT)
    )


def _without_copies(paths: List[Path]) -> List[Path]:
    """One of `a.jsonl` and `a.jsonl.gz`, and the text alone of those with
    standoff annotation, such as brat's `a.txt` and `a.ann`."""
    found = {*paths}
    return [
        path
        for path in paths
        if not (path.suffix == ".gz" and path.with_suffix("") in found)
        and not (path.suffix in STANDOFF and path.with_suffix(".txt") in found)
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
    """Deal documents to splits.

    records (Iterator[Record]): All of them; those with the same `doc_id` stay together,
        one without is a document of its own.
    shares (Sequence[float]): Share of the documents that each split gets.
    seed (int): Another seed is another split.
    RETURNS (NDArray): The split of each record. *Shape:* (n_records,)
    """
    names: Dict[str, int] = {}
    n_docs = 0
    numbers: List[Any] = [numpy.zeros(0, dtype="int32")]
    buffer: List[int] = []
    for record in records:
        number = (
            n_docs if record.doc_id is None else names.setdefault(record.doc_id, n_docs)
        )
        n_docs += number == n_docs
        buffer.append(number)
        if len(buffer) == 10_000:
            numbers.append(numpy.array(buffer, dtype="int32"))
            buffer = []
    docs = numpy.concatenate([*numbers, numpy.array(buffer, dtype="int32")])
    borders = numpy.rint(numpy.cumsum(shares) / sum(shares) * n_docs)
    order = numpy.random.default_rng(seed).permutation(n_docs)
    split: NDArray[Any] = numpy.searchsorted(borders, order, side="right").astype(
        "int8"
    )
    return split[docs]
