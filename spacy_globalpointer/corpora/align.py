"""Character offsets to tokens: the position of a span, and what becomes of one that
begins or ends inside a token."""

from typing import Any, List, Optional, Tuple

import numpy
from spacy.tokens import Doc

from .conversion_report import ConversionReport
from .record import Mention, Record
from .span_statistics import Ints

ALIGN = ("strict", "expand", "contract")

Key = Tuple[int, int, str]
# Some editors and exports begin a text with it.
MARK = "\ufeff"


class CharacterAligner:
    """Spans of characters to spans of tokens, in one document.

    record (Record): The document as it is given.
    doc (Doc): The document.
    align (str): One of ALIGN, as for `DocBuilder`.
    report (ConversionReport): Counts what is dropped or changed.
    """

    def __init__(
        self, record: Record, doc: Doc, align: str, report: ConversionReport
    ) -> None:
        self.record = record
        self.align = align
        self.report = report
        self.text = doc.text
        table = doc.to_array(["IDX", "LENGTH"]).astype("int64")
        self.starts: Ints = table[:, 0]
        self.ends: Ints = self.starts + table[:, 1]

    def keys(self, mentions: List[Mention]) -> List[Optional[Key]]:
        """First token, the one behind the last, and label of each span; None for
        one that is dropped."""
        keys: List[Optional[Key]] = [None] * len(mentions)
        found = [
            (i, place) for i, m in enumerate(mentions) if (place := self._place(m))
        ]
        if not found:
            return keys
        starts, ends = numpy.array([place for _, place in found]).T
        # The tokens that contain the first and the last character.
        first = numpy.searchsorted(self.starts, starts, side="right") - 1
        last = numpy.searchsorted(self.starts, ends - 1, side="right") - 1
        cut_start = self.starts[first] != starts
        cut_end = self.ends[last] != ends
        for row, ((i, place), cut) in enumerate(
            zip(found, (cut_start | cut_end).tolist())
        ):
            a, b = int(first[row]), int(last[row]) + 1
            if cut:
                cuts = cut_start[row], cut_end[row]
                moved = self._cut(mentions[i], place, a, b, *cuts)
                if moved is None:
                    continue
                a, b = moved
            keys[i] = a, b, mentions[i].label
        return keys

    def tokens_in(self, places: List[Tuple[int, int]]) -> List[Tuple[int, int]]:
        """The tokens that begin in places of the text."""
        borders = numpy.array(places, dtype="int64").reshape(-1, 2)
        first, last = numpy.searchsorted(self.starts, borders).T.tolist()
        return list(zip(first, last))

    def _place(self, mention: Mention) -> Optional[Tuple[int, int]]:
        """The first character and the one behind the last, without whitespace at
        the edges."""
        found = self._offsets(mention)
        if found is None:
            return None
        start, end = found
        if not mention.label:
            return self._drop("without a label", mention)
        surface = self.text[start:end]
        kept = surface.strip()
        if kept == surface and surface:
            return start, end
        if not kept:
            return self._drop("only whitespace" if surface else "empty", mention)
        start += len(surface) - len(surface.lstrip())
        end = start + len(kept)
        reason = "whitespace at span boundary (trimmed)"
        self.report.add(
            reason, self.record, mention, text=surface, became=[start, end, kept]
        )
        return start, end

    def _offsets(self, mention: Mention) -> Optional[Tuple[int, int]]:
        """The position of a mention, by its surface if it has one."""
        start, end = mention.start, mention.end
        if mention.surface is None:
            end += self.record.inclusive
            if not 0 <= start <= end <= len(self.text):
                return self._drop("outside the text", mention, length=len(self.text))
            return start, end
        wanted = _plain(mention.surface)
        for place in ((start, end), (start, end + 1)):
            if self._matches(place, wanted):
                if place[1] != end:
                    self.report.add("end offset is inclusive", self.record)
                return place
        for place in ((start, end), (start, end + 1)):
            moved = tuple(_from_utf16(self.text, offset) for offset in place)
            if self._matches(moved, wanted):
                reason = "surface text does not match offsets (UTF-16 offsets used)"
                self.report.add(reason, self.record, mention, became=moved)
                return moved[0], moved[1]
        if not 0 <= start <= end <= len(self.text):
            return self._drop("outside the text", mention, length=len(self.text))
        return self._drop(
            "surface text does not match offsets", mention, text=self.text[start:end]
        )

    def _matches(self, place: Tuple[int, ...], wanted: str) -> bool:
        start, end = place
        return 0 <= start <= end <= len(self.text) and (
            _plain(self.text[start:end]) == wanted
        )

    def _cut(
        self,
        mention: Mention,
        place: Tuple[int, int],
        first: int,
        last: int,
        cut_start: bool,
        cut_end: bool,
    ) -> Optional[Tuple[int, int]]:
        """What becomes of a span that begins or ends inside a token."""
        text = self.text[place[0] : place[1]]
        tokens = self._tokens(first, last)
        if self.align == "contract":
            first, last = first + bool(cut_start), last - bool(cut_end)
        if self.align == "strict" or first >= last:
            return self._drop(
                "boundary inside a token", mention, text=text, tokens=tokens
            )
        reason = f"boundary inside a token ({self.align}ed)"
        became = [int(self.starts[first]), int(self.ends[last - 1])]
        self.report.add(
            reason,
            self.record,
            mention,
            text=text,
            tokens=tokens,
            became=[*became, self.text[became[0] : became[1]]],
        )
        return first, last

    def _tokens(self, first: int, last: int) -> List[str]:
        return [
            self.text[start:end]
            for start, end in zip(self.starts[first:last], self.ends[first:last])
        ]

    def _drop(
        self, reason: str, mention: Mention, **details: Any
    ) -> Optional[Tuple[int, int]]:
        self.report.add(reason, self.record, mention, **details)
        return None


def _plain(text: str) -> str:
    """Annotation tools write whitespace inside a mention as one space or none, and
    take it off at the edges."""
    return "".join(text.split())


def _from_utf16(text: str, offset: int) -> int:
    """The character at an offset that counts the units of UTF-16, as programs in
    JavaScript and Java do; -1 where there is none."""
    if offset < 0:
        return -1
    units = text[:offset].encode("utf-16-le", "surrogatepass")[: 2 * offset]
    try:
        return len(units.decode("utf-16-le", "surrogatepass"))
    except UnicodeDecodeError:
        return -1


def is_at_fragments(mention: Mention, record: Record) -> bool:
    """Whether the surface of a discontinuous mention is that of its fragments or, as
    some programs write it, that of all from the first to the last one."""
    text = record.text
    if text is None or mention.surface is None or record.unit != "characters":
        return True
    fragments = sorted(mention.fragments)
    cover = text[fragments[0][0] : max(end for _, end in fragments)]
    pieces = "".join(text[start:end] for start, end in fragments)
    return _plain(mention.surface) in (_plain(pieces), _plain(cover))


def without_byte_order_mark(record: Record) -> None:
    """Take the byte order mark off a text. Offsets are moved if they count it: if
    more surfaces are at their offsets then, or without surfaces more borders of
    words."""
    text = record.text
    if not text or text[0] != MARK:
        return
    if record.unit == "tokens" and record.tokens and record.tokens[0] == MARK:
        # It is counted as a token.
        return
    record.text = text[1:]
    if record.tokens and record.tokens[0].startswith(MARK):
        record.tokens[0] = record.tokens[0][1:]
    if record.unit != "characters":
        return
    if record.tokens and not record.tokens[0]:
        del record.tokens[0]
    mentions = record.mentions or []

    def fit(shift: int) -> Tuple[int, int]:
        """How many surfaces, and how many ends at borders of words, there are."""
        moved = [(m, m.start + 1 - shift, m.end + 1 - shift) for m in mentions]
        return (
            sum(
                _plain(text[start : end + extra].lstrip(MARK)) == _plain(m.surface)
                for m, start, end in moved
                if m.surface is not None
                for extra in (0, 1)
            ),
            sum(
                _at_words(text, start) + _at_words(text, end + record.inclusive)
                for _, start, end in moved
            ),
        )

    if fit(1) < fit(0):
        return
    for mention in mentions:
        mention.start = max(mention.start - 1, 0)
        mention.end -= 1
        mention.fragments = [(max(s - 1, 0), e - 1) for s, e in mention.fragments]


def _at_words(text: str, place: int) -> bool:
    """Whether a place is at the border of a word."""
    inside = text[place - 1 : place].isalnum() and text[place : place + 1].isalnum()
    return 0 <= place <= len(text) and not inside
