"""brat's standoff: a text in `NAME.txt`, its annotation in `NAME.ann`.

    T1<tab>Organization 0 43<tab>International Business Machines Corporation
    T2<tab>Location 0 5;16 23<tab>North America
    R1<tab>Located_In Arg1:T1 Arg2:T2

Offsets count characters, ends are exclusive. The second line is discontinuous, the
third a relation.
"""

import re
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

from .align import without_byte_order_mark
from .head import Head
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source
from .tally import Tally

# Relations, events, attributes, notes, normalisations and equivalences.
OTHER = "REAMN*#"
RELATION = re.compile(r"R\S*\t(?P<label>\S+) \S+?:(?P<head>T\S+) \S+?:(?P<tail>T\S+)")


def read_brat(path: Path, tally: Tally) -> Iterator[Record]:
    """Read the document of a text or of its annotation. Arguments as for
    `read_corpus`."""
    text_path, ann_path = path.with_suffix(".txt"), path.with_suffix(".ann")
    # Line ends are characters too, so they stay as they are.
    with Source(text_path, tally) as source:
        text = source.text()
    name = str(path.with_suffix(""))
    record = Record(ann_path, 1, None, text=text, unit="characters", doc=name)
    if ann_path.exists():
        with Source(ann_path, tally) as source:
            _annotations(source, record)
        without_byte_order_mark(record)
        _fit_line_ends(record)
        for mention in record.mentions or ():
            _join(mention, record.text or "")
    yield record


def is_brat(head: Head) -> bool:
    """Whether a file is of this format."""
    return head.path.suffix in (".txt", ".ann") and all(
        head.path.with_suffix(suffix).exists() for suffix in (".txt", ".ann")
    )


def _annotations(source: Source, record: Record) -> None:
    """Read the annotations of a file into a record."""
    mentions: List[Mention] = []
    places: Dict[str, int] = {}
    linked: List[Tuple[str, str, str]] = []
    for line in source.lines():
        if line[:1] == "T":
            places[line.split("\t", 1)[0]] = len(mentions)
            mentions.append(_mention(line))
        elif relation := RELATION.match(line):
            linked.append((relation["head"], relation["tail"], relation["label"]))
        elif line.strip() and line[0] not in OTHER:
            raise LineError(f"this is no annotation of brat: {line!r:.80}")
        elif line.strip():
            record.others += 1
    relations = [
        (places[head], places[tail], label)
        for head, tail, label in linked
        if head in places and tail in places
    ]
    record.mentions = mentions
    record.relations = relations or None
    # Relations of events, too, are no relations of mentions.
    record.others += len(linked) - len(relations)


def _mention(line: str) -> Mention:
    cells = line.split("\t", 2)
    label, _, places = cells[1].partition(" ") if len(cells) == 3 else ("", "", "")
    fragments = []
    for place in places.split(";"):
        offsets = place.split(" ")
        if len(offsets) != 2 or not all(o.isdecimal() and o.isascii() for o in offsets):
            raise LineError(
                f"an entity must be 'T1<tab>Label 0 5<tab>text', not {line!r:.80}"
            )
        fragments.append((int(offsets[0]), int(offsets[1])))
    fragments.sort()
    start, end = fragments[0][0], fragments[-1][1]
    return Mention(start, end, label, cells[2], fragments)


def _join(mention: Mention, text: str) -> None:
    """brat cuts a mention at the end of a line: with nothing but white space
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
    """How many surfaces are at their offsets, but for white space."""
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
)
