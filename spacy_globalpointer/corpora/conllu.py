"""CoNLL-U whose last column, MISC, has the tags of entities, as in `name=B-PER`. The
whitespace of texts is that of `SpaceAfter=No`.
"""

import re
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

from .columns import DOCUMENT, NO_TOKEN
from .conversion_report import ConversionReport
from .preview import Preview
from .record import LineError, Record
from .registry import Format
from .source import Source
from .tags import TAG, TagReader

N_COLUMNS = 10
Token = Tuple[str, Dict[str, str]]


def read_conllu(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, sentence by sentence. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        key = _find_key(Preview.of(path, report.encoding))
        if key is None:
            raise LineError("MISC, the last column, has no tags such as name=B-PER")
        tags = TagReader(report)
        tokens: List[Token] = []
        doc: Optional[str] = None
        has_ranges = False
        first = 1
        for line in source.lines():
            if line.strip() and line[0] != "#":
                with source.record():
                    token = _token(line, key)
                    first = first if tokens else source.line
                    has_ranges = has_ranges or token is None
                    tokens += [] if token is None else [token]
                continue
            if tokens:
                yield _to_record(tokens, key, path, first, doc, has_ranges, tags)
                tokens, has_ranges = [], False
            found = DOCUMENT.match(line)
            if found and "newdoc" in line:
                doc = found[1] or f"{path}:{source.line}"
        if tokens:
            yield _to_record(tokens, key, path, first, doc, has_ranges, tags)
        tags.finish(Record(path, source.line, None))


def is_conllu(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return _find_key(preview) is not None


def describe_conllu(path: Path, report: ConversionReport) -> List[str]:
    """Which part of a file is read as what, for people."""
    return [
        f"words: FORM; tags: {_find_key(Preview.of(path, report.encoding))}= in MISC"
    ]


def _find_key(preview: Preview) -> Optional[str]:
    """The key of MISC whose values are tags; of several the first."""
    values: Dict[str, List[str]] = {}
    rows = [line.split("\t") for line in preview.lines if line[:1] not in ("", "#")]
    whole = [row for row in rows if len(row) == N_COLUMNS]
    if not whole or 2 * len(whole) < len(rows):
        return None
    for row in whole:
        for key, value in _misc(row[-1]).items():
            values.setdefault(key, []).append(value)
    for key, found in values.items():
        n_tags = sum(TAG.fullmatch(value) is not None for value in found)
        if 2 * n_tags > len(found):
            return key
    return None


def _misc(cell: str) -> Dict[str, str]:
    pairs = (part.partition("=") for part in cell.split("|"))
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}


def _token(line: str, key: str) -> Optional[Token]:
    """The word of a line and its MISC; None for a range of words or an empty node."""
    cells = line.split("\t")
    if len(cells) != N_COLUMNS:
        raise LineError(f"expected {N_COLUMNS} columns, got {len(cells)}: {line!r:.80}")
    if NO_TOKEN.fullmatch(cells[0]):
        return None
    if not cells[1].strip():
        raise LineError("empty token")
    misc = _misc(cells[-1])
    tag = misc.setdefault(key, "O")
    if not TAG.fullmatch(tag):
        raise LineError(f"expected a tag such as 'B-ORG', got {tag!r:.80}")
    return cells[1], misc


def _to_record(
    tokens: List[Token],
    key: str,
    path: Path,
    line: int,
    doc: Optional[str],
    has_ranges: bool,
    tags: TagReader,
) -> Record:
    words = [word for word, _ in tokens]
    record = Record(path, line, None, tokens=words, doc_id=doc)
    # The words of a range are not those of the text.
    if not has_ranges and not any(re.search(r"^\s|\s$", word) for word in words):
        spaces = ["" if misc.get("SpaceAfter") == "No" else " " for _, misc in tokens]
        record.text = "".join(map("".join, zip(words, spaces))).rstrip(" ")
    tags.read(record, [[misc[key] for _, misc in tokens]])
    return record


FORMAT = Format(
    name="conllu",
    description="CoNLL-U with the tags of entities in MISC, such as name=B-PER.",
    matches=is_conllu,
    read=read_conllu,
    example={
        "train.conllu": """\
# text = Ann left.
1\tAnn\tAnn\tPROPN\t_\t_\t2\tnsubj\t_\tname=B-PER
2\tleft\tleave\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No|name=O
3\t.\t.\tPUNCT\t_\t_\t2\tpunct\t_\tname=O
"""
    },
    describe=describe_conllu,
)
