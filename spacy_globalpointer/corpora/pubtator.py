"""PubTator: a title and an abstract, and the mentions in them.

    10192393|t|A common human skin tumour is caused by mutations in beta-catenin.
    10192393|a|WNT signalling orchestrates a number of ...
    10192393<tab>15<tab>26<tab>skin tumour<tab>Disease<tab>D012878

A blank line stands behind each document. Offsets count the characters of title and
abstract with one character between them, ends are exclusive.
"""

import re
from pathlib import Path
from typing import Iterator, List, Optional

from .head import Head
from .record import LineError, Mention, Record
from .source import Source
from .tally import Tally

PASSAGE = re.compile(r"([^|\t]+)\|([a-zA-Z])\|(.*)", re.DOTALL)


def read_pubtator(path: Path, tally: Tally) -> Iterator[Record]:
    """Read a file, document by document. Arguments as for `read_corpus`."""
    with Source(path, tally.advance) as source:
        record: Optional[Record] = None
        passages: List[str] = []
        for line in source.lines():
            if not line.strip():
                if record is not None:
                    yield _finished(record, passages)
                record, passages = None, []
                continue
            passage = PASSAGE.fullmatch(line)
            name = passage.group(1) if passage else line.split("\t", 1)[0]
            if record is not None and name != record.doc:
                # Some files have no blank line between documents.
                yield _finished(record, passages)
                record, passages = None, []
            if record is None:
                record = Record(path, source.line, [], unit="characters", doc=name)
            if passage:
                passages.append(passage.group(3))
            else:
                _read_mention(line, record)
        if record is not None:
            yield _finished(record, passages)


def is_pubtator(head: Head) -> bool:
    """Whether a file is of this format."""
    first = next((line for line in head.lines if line.strip()), "")
    found = PASSAGE.fullmatch(first)
    return found is not None and found.group(2) == "t"


def _read_mention(line: str, record: Record) -> None:
    cells = line.split("\t")
    if len(cells) == 4 and not cells[1].isdecimal():
        record.others += 1  # a relation: type and two identifiers
        return
    if len(cells) < 5 or not (_is_number(cells[1]) and _is_number(cells[2])):
        raise LineError(
            f"a mention must be 'ID<tab>start<tab>end<tab>text<tab>label', not "
            f"{line!r:.80}"
        )
    assert record.mentions is not None
    start, end = int(cells[1]), int(cells[2])
    record.mentions.append(Mention(start, end, cells[4], cells[3]))


def _is_number(cell: str) -> bool:
    return cell.isascii() and cell.isdecimal()


def _finished(record: Record, passages: List[str]) -> Record:
    if not passages:
        raise LineError(f"there is no title and no abstract of {record.doc!r:.80}")
    record.text = "\n".join(passages)
    return record
