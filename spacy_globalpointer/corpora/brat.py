"""brat's standoff: a text in `NAME.txt`, its annotation in `NAME.ann`.

    T1<tab>Organization 0 43<tab>International Business Machines Corporation
    T2<tab>Location 0 5;16 23<tab>North America
    R1<tab>Located_In Arg1:T1 Arg2:T2

Offsets count characters, ends are exclusive. The second line is discontinuous, the
third a relation.
"""

import os
import re
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from .align import without_byte_order_mark
from .conversion_report import ConversionReport
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source

# Relations, events, attributes, notes, normalizations and equivalences.
ANNOTATION = re.compile(r"([REAMN#]\S*|\*)[\t ]")
RELATION = re.compile(r"R\S*\t(?P<label>\S+) \S+?:(?P<head>T\S+) \S+?:(?P<tail>T\S+)")


def read_brat(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read the document of a text or of its annotation. Arguments as for
    `read_corpus`."""
    yield read_standoff(path, (".ann",), report)


def read_standoff(
    path: Path, suffixes: Sequence[str], report: ConversionReport
) -> Record:
    """Read the document of a text and of the files of annotation beside it.

    path (Path): One of them.
    suffixes (Sequence[str]): Those of the files of annotation.
    report (ConversionReport): The account.
    """
    # Line ends are characters too, so they stay as they are.
    with Source(path.with_suffix(".txt"), report) as source:
        text = source.text()
    beside = [path.with_suffix(suffix) for suffix in suffixes]
    found = [other for other in beside if other.exists()]
    name = str(path.with_suffix(""))
    record = Record(beside[0], 1, None, text=text, unit="characters", doc_id=name)
    annotations = _Annotations(record)
    for other in found:
        with Source(other, report) as source:
            annotations.read(source)
    if found:
        annotations.finish()
    return record


def is_brat(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return is_standoff(preview.path, (".ann",))


def is_standoff(path: Path, suffixes: Sequence[str]) -> bool:
    """Whether a text and its annotation are beside each other, or a text is beside
    those of others.

    path (Path): One of them.
    suffixes (Sequence[str]): Those of the files of annotation.
    """
    if path.suffix not in (".txt", *suffixes) or not path.with_suffix(".txt").exists():
        return False
    if any(path.with_suffix(suffix).exists() for suffix in suffixes):
        return True
    with os.scandir(path.parent) as entries:
        return any(entry.name.endswith(tuple(suffixes)) for entry in entries)


class _Annotations:
    """The annotations of a document.

    record (Record): The document, which gets them.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.mentions: List[Mention] = []
        self._places: Dict[str, int] = {}
        self._linked: List[Tuple[str, str, str]] = []
        self._text = str(record.text).replace("\r\n", "\n")

    def read(self, source: Source) -> None:
        """Read a file. A line that is no annotation is counted and left out, as brat
        does it, if most lines are annotations.

        RAISES (LineError): If a line is no annotation, and as many are as are not.
        """
        n_read = 0
        torn: List[Tuple[int, str]] = []
        last: Optional[Mention] = None
        for line in source.lines():
            if last is not None and self._continues(last, line):
                last.surface = f"{last.surface}\n{line}"
                continue
            last = None
            if not line.strip():
                continue
            with source.record():
                if line[0] == "T":
                    last = _mention(line)
                    self._places[line.split("\t", 1)[0]] = len(self.mentions)
                    self.mentions.append(last)
                elif relation := RELATION.match(line):
                    self._linked.append(
                        (relation["head"], relation["tail"], relation["label"])
                    )
                elif ANNOTATION.match(line):
                    self.record.n_unsupported += 1
                else:
                    torn.append((source.line, line))
                    continue
            n_read += 1
        if torn and len(torn) >= n_read:
            source.line = torn[0][0]
            raise LineError(f"expected an annotation of brat, got {torn[0][1]!r:.80}")
        for number, line in torn:
            place = Record(source.path, number, None, doc=self.record.doc_id)
            source.report.add("line is not an annotation", place, text=line[:80])

    def _continues(self, mention: Mention, line: str) -> bool:
        """Whether a line goes on with the surface of a mention over several lines."""
        surface = f"{mention.surface}\n{line}"
        length = sum(end - start for start, end in mention.fragments)
        return len(surface) <= length + surface.count("\n") and (
            surface in self._text
            or (
                bool(line)
                and surface.split()
                in (
                    self._text[start : end + surface.count("\n")].split()
                    for start, end in mention.fragments
                )
            )
        )

    def finish(self) -> None:
        """Give the annotations to the record."""
        record, places = self.record, self._places
        record.mentions = self.mentions
        without_byte_order_mark(record)
        _fit_line_ends(record)
        for mention in self.mentions:
            _join(mention, record.text or "")
        relations = [
            (places[head], places[tail], label)
            for head, tail, label in self._linked
            if head in places and tail in places
        ]
        record.relations = relations or None
        # Relations of events, too, are no relations of mentions.
        record.n_unsupported += len(self._linked) - len(relations)


def _mention(line: str) -> Mention:
    cells = line.split("\t", 2)
    label, _, places = cells[1].partition(" ") if len(cells) == 3 else ("", "", "")
    fragments = []
    for place in places.split(";"):
        offsets = place.split(" ")
        if len(offsets) != 2 or not all(o.isdecimal() and o.isascii() for o in offsets):
            raise LineError(
                f"an entity must be 'T1<tab>Label 0 5<tab>text', got {line!r:.80}"
            )
        fragments.append((int(offsets[0]), int(offsets[1])))
    fragments.sort()
    start, end = fragments[0][0], fragments[-1][1]
    return Mention(start, end, label, cells[2], fragments)


def _join(mention: Mention, text: str) -> None:
    """brat cuts a mention at the end of a line: with nothing but whitespace
    between its fragments it is continuous."""
    gaps = zip(mention.fragments, mention.fragments[1:])
    if all(
        end <= start and not text[end:start].strip() for (_, end), (start, _) in gaps
    ):
        mention.fragments = []


def _fit_line_ends(record: Record) -> None:
    """Offsets may count a line end of two characters as one: where more surfaces
    are found in the text with plain line ends, that is the text."""
    assert record.text is not None
    if "\r\n" not in record.text or not record.mentions:
        return
    plain = record.text.replace("\r\n", "\n")
    if _found(plain, record.mentions) > _found(record.text, record.mentions):
        record.text = plain


def _found(text: str, mentions: List[Mention]) -> int:
    """How many surfaces are at their offsets, but for whitespace."""
    return sum(
        text[m.start : m.end].split() == (m.surface or "").split() for m in mentions
    )


FORMAT = Format(
    name="brat",
    description="brat's standoff: a text in NAME.txt, its annotation in NAME.ann.",
    matches=is_brat,
    read=read_brat,
    example={
        "a.txt": "Apple in North and South America\n",
        "a.ann": "T1\tOrg 0 5\tApple\nT2\tLoc 9 14;25 32\tNorth America\n",
    },
    is_certain=True,
)
