"""PubTator: a title and an abstract, and the mentions in them.

    10192393|t|A common human skin tumour is caused by mutations in beta-catenin.
    10192393|a|WNT signalling orchestrates a number of ...
    10192393<tab>15<tab>26<tab>skin tumour<tab>Disease<tab>D012878
    10192393<tab>Association<tab>D012878<tab>1499

A blank line follows each document. Offsets count the characters of title and
abstract with one character between them, ends are exclusive.

A relation such as the last line links two concepts, not two mentions. It is put on
those mentions of both that are nearest to each other.
"""

import re
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

from .conversion_report import ConversionReport
from .preview import Preview
from .record import LineError, Mention, Record, Relation
from .registry import Format
from .source import Source

# A mention may be of several concepts.
CONCEPTS = re.compile(r"[|;,]")
# By which the format is known.
N_LINES = 50
PASSAGE = re.compile(r"([^|\t]+)\|([a-zA-Z])\|(.*)", re.DOTALL)


@dataclass
class _Document:
    """What was read of a document so far.

    concepts (Dict[str, List[int]]): The mentions of each concept, by position.
    relations (List[Tuple[str, str, str]]): Two concepts and the label.
    """

    record: Record
    passages: List[str] = field(default_factory=list)
    concepts: Dict[str, List[int]] = field(default_factory=dict)
    relations: List[Tuple[str, str, str]] = field(default_factory=list)

    def finished(self, report: ConversionReport) -> Record:
        """The document as a record."""
        record = self.record
        if not self.passages:
            raise LineError(
                f"there is no title and no abstract of {record.doc_id!r:.80}"
            )
        record.text = "\n".join(self.passages)
        found = [self._between_mentions(*relation) for relation in self.relations]
        relations = [relation for relation, _ in found if relation]
        record.relations = relations or None
        record.n_unsupported += len(found) - len(relations)
        n_chosen = sum(chosen for _, chosen in found)
        report.add(
            "relation between concepts (linked to the nearest mentions)",
            record,
            n=n_chosen,
        )
        return record

    def _between_mentions(
        self, head: str, tail: str, label: str
    ) -> Tuple[Optional[Relation], bool]:
        """A relation on the mentions that are nearest to each other, if there are
        any, and whether there was a choice."""
        mentions = self.record.mentions or []

        def distance(pair: Tuple[int, int]) -> int:
            first, second = sorted(mentions[i].start for i in pair)
            return second - first

        pairs = [
            (i, j)
            for i, j in product(
                self.concepts.get(head, ()), self.concepts.get(tail, ())
            )
            if i != j
        ]
        if not pairs:
            return None, False
        return (*min(pairs, key=distance), label), len(pairs) > 1


def read_pubtator(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, document by document. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        document: Optional[_Document] = None
        for line in source.lines():
            if not line.strip():
                if document is not None:
                    yield document.finished(report)
                document = None
                continue
            passage = PASSAGE.fullmatch(line)
            name = passage.group(1) if passage else line.split("\t", 1)[0]
            if document is not None and name != document.record.doc_id:
                # Some files have no blank line between documents.
                yield document.finished(report)
                document = None
            if document is None:
                record = Record(path, source.line, [], unit="characters", doc_id=name)
                document = _Document(record)
            if passage:
                document.passages.append(passage.group(3))
            else:
                with source.record():
                    _read_annotation(line, document)
        if document is not None:
            yield document.finished(report)


def is_pubtator(preview: Preview) -> bool:
    """Whether a file is of this format."""
    lines = [line for line in preview.lines if line.strip()][:N_LINES]
    first = PASSAGE.fullmatch(lines[0]) if lines else None
    if first is None or first[2] != "t":
        return False
    # A token of columns may look like a title; what is damaged is for the reader.
    n_fitting = sum(
        line.count("\t") >= 3 or PASSAGE.fullmatch(line) is not None for line in lines
    )
    return 2 * n_fitting > len(lines)


def _read_annotation(line: str, document: _Document) -> None:
    cells = line.split("\t")
    # BioRED adds a fifth cell, whether the relation is new.
    if len(cells) in (4, 5) and cells[1][:1].isalpha():
        document.relations.append((cells[2], cells[3], cells[1]))
        return
    if len(cells) < 5 or not (_is_number(cells[1]) and _is_number(cells[2])):
        raise LineError(
            f"a mention must be 'ID<tab>start<tab>end<tab>text<tab>label', not "
            f"{line!r:.80}"
        )
    mentions = document.record.mentions
    assert mentions is not None
    start, end = int(cells[1]), int(cells[2])
    for concept in CONCEPTS.split(cells[5]) if len(cells) > 5 else ():
        document.concepts.setdefault(concept, []).append(len(mentions))
    mentions.append(Mention(start, end, cells[4], cells[3]))


def _is_number(cell: str) -> bool:
    return cell.isascii() and cell.isdecimal()


FORMAT = Format(
    name="pubtator",
    description="PubTator: a title and an abstract, and the mentions in them.",
    matches=is_pubtator,
    read=read_pubtator,
    example={
        "train.txt": """\
10192393|t|A common skin tumour.
10192393|a|Caused by mutations in beta-catenin.
10192393\t9\t20\tskin tumour\tDisease\tD012878
"""
    },
)
