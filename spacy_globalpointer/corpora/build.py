"""Records to documents: tokens, and spans on them."""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from spacy.util import get_words_and_spaces
from spacy.vocab import Vocab

from .language import LanguageTools
from .record import CorpusError, LineError, Mention, Record
from .source import reason_of
from .statistics import crossing, identical
from .tally import Tally

ALIGN = ("strict", "expand", "contract")
FRAGMENTS = ("drop", "cover", "parts")

Ints = NDArray[numpy.integer[Any]]
Key = Tuple[int, int, str]


@dataclass
class Builder:
    """Makes a document of each record.

    tools (LanguageTools): The language.
    spans_key (str): Key of doc.spans. What has no spans gets an empty group, what
        has no annotation gets none.
    align (str): What becomes of spans that begin or end inside a token: "strict"
        drops them, "expand" takes the whole token, "contract" leaves it out.
    fragments (str): What becomes of discontinuous spans: "drop", "cover" (all from
        their first to their last token) or "parts" (a span each).
    tally (Tally): The account.
    """

    tools: LanguageTools
    spans_key: str
    align: str
    fragments: str
    tally: Tally

    def __call__(self, record: Record) -> Doc:
        """The document of a record.

        RAISES (CorpusError): If there can be none.
        """
        try:
            return self._build(record)
        except ValueError as error:
            reason = reason_of(error)
            if reason is None:
                raise
            raise CorpusError.at(record.path, record.line, reason) from None

    def _build(self, record: Record) -> Doc:
        doc, places = self._make(record)
        if record.sent_starts is not None and len(doc):
            _set_sentences(doc, record.sent_starts, places)
        if record.mentions is None:
            self.tally.add("document without annotation", record)
            doc.spans.pop(self.spans_key, None)
            return doc
        mentions = self._without_fragments(record)
        if record.unit == "characters":
            keys = _CharacterAligner(self, record, doc).keys(mentions)
        else:
            keys = self._token_keys(record, mentions, len(places or doc), places)
        self._set(record, doc, keys)
        return doc

    def _make(self, record: Record) -> Tuple[Doc, Optional[List[int]]]:
        """The document, and the place in it of each token of the record, where
        that is not its own number."""
        if record.made is not None:
            return record.made, None
        if record.tokens is None:
            if record.text is None:
                raise LineError("there is neither a text nor tokens")
            return self.tools.make_doc(record.text), None
        if not all(record.tokens):
            raise LineError("a token is empty")
        if record.text is None:
            return Doc(self.tools.vocab, words=record.tokens), None
        return _with_text(record.text, record.tokens, self.tools.vocab)

    def _without_fragments(self, record: Record) -> List[Mention]:
        mentions: List[Mention] = []
        for mention in record.mentions or ():
            if not mention.fragments:
                mentions.append(mention)
                continue
            parts = sorted(mention.fragments)
            if self.fragments == "drop":
                self.tally.add("discontinuous", record, mention)
            elif self.fragments == "cover":
                self.tally.add("discontinuous, its cover kept", record, mention)
                start, end = parts[0][0], max(end for _, end in parts)
                mentions.append(Mention(start, end, mention.label))
            else:
                self.tally.add("discontinuous, its parts kept", record, mention)
                mentions += [Mention(s, e, mention.label) for s, e in parts]
        return mentions

    def _token_keys(
        self,
        record: Record,
        mentions: List[Mention],
        n_tokens: int,
        places: Optional[List[int]],
    ) -> List[Key]:
        """Spans whose offsets count tokens."""
        keys = []
        for mention in mentions:
            start, end = mention.start, mention.end + record.inclusive
            if not 0 <= start <= end <= n_tokens:
                raise LineError(
                    f"a span must be [start, end, label] with 0 <= start < end <= "
                    f"{n_tokens}, the number of tokens, not "
                    f"{[mention.start, mention.end, mention.label]!r:.80}"
                )
            if start == end:
                self.tally.add("empty", record, mention)
            elif not mention.label:
                self.tally.add("without a label", record, mention)
            elif places is None:
                keys.append((start, end, mention.label))
            else:
                keys.append((places[start], places[end - 1] + 1, mention.label))
        return keys

    def _set(self, record: Record, doc: Doc, keys: List[Key]) -> None:
        unique = dict.fromkeys(keys)
        if len(unique) < len(keys):
            seen: Dict[Key, None] = {}
            for key in keys:
                if key in seen:
                    self._note("duplicate", record, doc, key)
                seen[key] = None
        doc.spans[self.spans_key] = [
            Span(doc, start, end, label=label) for start, end, label in unique
        ]
        if len(unique) > 1:
            bounds = numpy.array([key[:2] for key in unique])
            starts, ends = bounds[:, 0], bounds[:, 1]
            self.tally.add(
                "crosses another", record, n=int(crossing(starts, ends).sum())
            )
            self.tally.add(
                "same offsets as another", record, n=int(identical(starts, ends).sum())
            )

    def _note(self, reason: str, record: Record, doc: Doc, key: Key) -> None:
        start, end, label = key
        mention = Mention(start, end, label, doc[start:end].text)
        token_record = Record(record.path, record.line, None, doc=record.doc)
        self.tally.add(reason, token_record, mention)


class _CharacterAligner:
    """Spans of characters to spans of tokens, in one document."""

    def __init__(self, builder: Builder, record: Record, doc: Doc) -> None:
        self.builder = builder
        self.record = record
        self.text = doc.text
        table = doc.to_array(["IDX", "LENGTH"]).astype("int64")
        self.starts: Ints = table[:, 0]
        self.ends: Ints = self.starts + table[:, 1]

    def keys(self, mentions: List[Mention]) -> List[Key]:
        bounds: List[Tuple[int, int]] = []
        kept: List[Mention] = []
        for mention in mentions:
            place = self._place(mention)
            if place is not None:
                bounds.append(place)
                kept.append(mention)
        if not kept:
            return []
        starts, ends = numpy.array(bounds).T
        # The tokens in which the first and the last character stand.
        first = numpy.searchsorted(self.starts, starts, side="right") - 1
        last = numpy.searchsorted(self.starts, ends - 1, side="right") - 1
        cut_start = self.starts[first] != starts
        cut_end = self.ends[last] != ends
        keys = []
        for i, (mention, cut) in enumerate(zip(kept, (cut_start | cut_end).tolist())):
            a, b = int(first[i]), int(last[i]) + 1
            if cut:
                moved = self._cut(mention, bounds[i], a, b, cut_start[i], cut_end[i])
                if moved is None:
                    continue
                a, b = moved
            keys.append((a, b, mention.label))
        return keys

    def _place(self, mention: Mention) -> Optional[Tuple[int, int]]:
        """The first character and the one behind the last, without white space at
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
            return self._drop("only white space" if surface else "empty", mention)
        start += len(surface) - len(surface.lstrip())
        end = start + len(kept)
        reason = "edged by white space, trimmed"
        self.builder.tally.add(
            reason, self.record, mention, text=surface, became=[start, end, kept]
        )
        return start, end

    def _offsets(self, mention: Mention) -> Optional[Tuple[int, int]]:
        """Where a mention stands, by its surface where there is one."""
        start, end = mention.start, mention.end
        if mention.surface is None:
            end += self.record.inclusive
            if not 0 <= start <= end <= len(self.text):
                return self._drop("outside of the text", mention, length=len(self.text))
            return start, end
        wanted = _plain(mention.surface)
        for place in ((start, end), (start, end + 1)):
            if self._says(place, wanted):
                if place[1] != end:
                    self.builder.tally.add("end taken as inclusive", self.record)
                return place
        for place in ((start, end), (start, end + 1)):
            moved = tuple(_from_utf16(self.text, offset) for offset in place)
            if self._says(moved, wanted):
                reason = "not at its offsets, moved to them in UTF-16"
                self.builder.tally.add(reason, self.record, mention, became=moved)
                return moved[0], moved[1]
        if not 0 <= start <= end <= len(self.text):
            return self._drop("outside of the text", mention, length=len(self.text))
        return self._drop("not at its offsets", mention, text=self.text[start:end])

    def _says(self, place: Tuple[int, ...], wanted: str) -> bool:
        start, end = place
        return 0 <= start <= end <= len(self.text) and (
            end - start == len(wanted) and _plain(self.text[start:end]) == wanted
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
        align = self.builder.align
        if align == "contract":
            first, last = first + bool(cut_start), last - bool(cut_end)
        if align == "strict" or first >= last:
            return self._drop("inside a token", mention, text=text, tokens=tokens)
        reason = f"inside a token, {align}ed"
        became = [int(self.starts[first]), int(self.ends[last - 1])]
        self.builder.tally.add(
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
        self.builder.tally.add(reason, self.record, mention, **details)
        return None


def _plain(text: str) -> str:
    """Annotation tools write a line break inside a mention as a space."""
    return text.translate(_BREAKS)


_BREAKS = str.maketrans("\r\n\t", "   ")


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


def _set_sentences(
    doc: Doc, sent_starts: List[int], places: Optional[List[int]]
) -> None:
    values = numpy.full((len(doc), 1), -1, dtype="int64")
    values[0] = 1
    if places is not None:
        sent_starts = [places[start] for start in sent_starts]
    values[sent_starts] = 1
    doc.from_array(["SENT_START"], values.astype("uint64"))


def _with_text(
    text: str, tokens: List[str], vocab: Vocab
) -> Tuple[Doc, Optional[List[int]]]:
    """A document with the white space of `text`, and where its tokens stand
    there: white space of more than one space is a token of its own."""
    offsets = []
    end = 0
    for token in tokens:
        if token != token.strip():
            raise LineError(f"token {token!r} begins or ends with white space")
        start = text.find(token, end)
        if start < 0 or not (text[end:start].isspace() or start == end):
            raise LineError(f"token {token!r:.80} is not next in the text {text!r:.80}")
        offsets.append(start)
        end = start + len(token)
    if text[end:].strip():
        raise LineError(f"the text goes on behind the last token: {text[end:]!r:.80}")
    words, spaces = get_words_and_spaces(tokens, text)
    doc = Doc(vocab, words=words, spaces=spaces)
    if len(doc) == len(tokens):
        return doc, None
    places = {token.idx: token.i for token in doc}
    return doc, [places[offset] for offset in offsets]
