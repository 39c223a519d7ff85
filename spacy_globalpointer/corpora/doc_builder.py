"""Records to documents: tokens, and spans on them."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
from spacy.tokens import Doc, Span, SpanGroup
from spacy.util import get_words_and_spaces
from spacy.vocab import Vocab

from ..core.span_table import crossing
from ..span_groups import FRAGMENTS, RELATIONS, negative_key, select_positions
from .align import (
    CharacterAligner,
    Key,
    is_at_fragments,
    without_byte_order_mark,
)
from .conversion_report import ConversionReport
from .language import LanguageTools
from .record import CorpusError, LineError, Mention, Record
from .source import reason_of
from .span_statistics import identical

DISCONTINUOUS = ("drop", "cover", "parts", "keep")
# Key of doc.user_data, until the document is written: tokens of which is not known
# whether they belong to an entity.
UNKNOWN = "spacy_globalpointer.unknown_tokens"

Place = Callable[[List[Mention]], List[Optional[Key]]]


@dataclass
class DocBuilder:
    """Makes a document of each record.

    tools (LanguageTools): The language.
    spans_key (str): Key of doc.spans. What has no spans gets an empty group, what
        has no annotation gets none. Rejected spans are under `negative_key` of it.
    align (str): What becomes of spans that begin or end inside a token: "strict"
        drops them, "expand" takes the whole token, "contract" leaves it out.
    fragments (str): What becomes of discontinuous spans: "drop", "cover" (all from
        their first to their last token), "parts" (a span each), or "keep": a span
        each, with the positions of those of one mention in the group's attributes.
    report (ConversionReport): The account.
    """

    tools: LanguageTools
    spans_key: str
    align: str
    fragments: str
    report: ConversionReport

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
        without_byte_order_mark(record)
        for _, _, label in record.relations or ():
            # What cannot be written is an error here, where the line is known.
            label.encode("utf8")
        doc, places = self._make(record)
        self.report.add(
            "unsupported annotation (relation, event)", record, n=record.n_unsupported
        )
        if record.sent_starts is not None and len(doc):
            _set_sentences(doc, record.sent_starts, places)
        if record.mentions is None:
            self.report.add("document without annotation", record)
            doc.spans.pop(self.spans_key, None)
            return doc
        place: Place
        tokens_in: Callable[[List[Tuple[int, int]]], List[Tuple[int, int]]]
        if record.unit == "characters":
            aligner = CharacterAligner(record, doc, self.align, self.report)
            place, tokens_in = aligner.keys, aligner.tokens_in
        else:
            place, tokens_in = _token_places(record, doc, places, self.report)
        group = _Group(record, doc, self.report)
        self._fill(group, record, place)
        doc.spans[self.spans_key] = group.spans(self.spans_key)
        if record.rejected is not None:
            self._add_rejected(record, doc, place)
        if record.outside is not None:
            self._mark_unknown(record, doc, group, tokens_in(record.outside))
        return doc

    def _make(self, record: Record) -> Tuple[Doc, Optional[List[int]]]:
        """The document, and the place in it of each token of the record, where
        that is not its own number."""
        if record.doc is not None:
            return record.doc, None
        if record.tokens is None:
            if record.text is None:
                raise LineError("neither text nor tokens")
            return self.tools.make_doc(record.text), None
        if not all(record.tokens):
            raise LineError("empty token")
        if record.text is None:
            return Doc(self.tools.vocab, words=record.tokens), None
        return _with_text(record.text, record.tokens, self.tools.vocab)

    def _fill(self, group: "_Group", record: Record, place: Place) -> None:
        """Add the mentions of a record to its group."""
        whole: Dict[int, Mention] = {}
        parts: List[Mention] = []
        kept: List[int] = []
        for i, mention in enumerate(record.mentions or ()):
            if not mention.fragments:
                whole[i] = mention
                continue
            fragments = sorted(mention.fragments)
            if self.fragments == "drop":
                self.report.add("discontinuous", record, mention)
            elif not is_at_fragments(mention, record):
                self.report.add("surface text does not match offsets", record, mention)
            elif self.fragments == "cover":
                self.report.add("discontinuous (covering span kept)", record, mention)
                start, end = fragments[0][0], max(end for _, end in fragments)
                end -= record.inclusive
                whole[i] = Mention(start, end, mention.label)
            elif self.fragments == "parts":
                self.report.add("discontinuous (parts kept as spans)", record, mention)
                parts += _pieces(mention, record)
            else:
                kept.append(i)
        for i, key in zip(whole, place(list(whole.values()))):
            if key is not None:
                group.add(key, i)
        for key in place(parts):
            if key is not None:
                group.add(key)
        for i in kept:
            assert record.mentions is not None
            self._add_pieces(group, record.mentions[i], i, record, place)

    def _add_pieces(
        self, group: "_Group", mention: Mention, i: int, record: Record, place: Place
    ) -> None:
        """Add a discontinuous mention, whole or not at all."""
        keys: Dict[Key, None] = {}
        for piece in _pieces(mention, record):
            # One at a time, so that a mention is counted once.
            (key,) = place([piece])
            if key is None:
                return
            keys[key] = None
        if len(keys) == 1:
            group.add(next(iter(keys)), i)
        else:
            group.add_fragments(list(keys), i)

    def _add_rejected(self, record: Record, doc: Doc, place: Place) -> None:
        rejected = record.rejected or []
        keys = dict.fromkeys(key for key in place(rejected) if key is not None)
        spans = [Span(doc, *key) for key in keys]
        name = negative_key(self.spans_key)
        doc.spans[name] = SpanGroup(doc, name=name, spans=spans)
        reason = "span rejected (kept as rejected)"
        self.report.add(reason, record, n=len(spans))

    def _mark_unknown(
        self,
        record: Record,
        doc: Doc,
        group: "_Group",
        outside: List[Tuple[int, int]],
    ) -> None:
        known = numpy.zeros(len(doc), dtype=bool)
        for start, end in (*outside, *group.bounds()):
            known[start:end] = True
        unknown = numpy.flatnonzero(~known).tolist()
        if unknown:
            self.report.add("token with unknown entity status", record, n=len(unknown))
            doc.user_data[UNKNOWN] = unknown


class _Group:
    """The spans of a document and what is between them, each span once.

    record (Record): The record.
    doc (Doc): Its document.
    report (ConversionReport): The account.
    """

    def __init__(self, record: Record, doc: Doc, report: ConversionReport) -> None:
        self.record = record
        self.doc = doc
        self.report = report
        # Position of each span, and the first mention of each.
        self._keys: Dict[Key, int] = {}
        self._mentions: List[Mention] = []
        self._positions: Dict[int, int] = {}
        self._fragments: Dict[Tuple[Key, ...], None] = {}

    def add(self, key: Key, mention: Optional[int] = None) -> None:
        """Add a span.

        key (Key): First token, the one behind the last, and label.
        mention (Optional[int]): Its position in the record's mentions.
        """
        if key in self._keys:
            self._note_duplicate(key)
        else:
            self._keys[key] = len(self._keys)
            mentions = self.record.mentions or []
            given = Mention(*key) if mention is None else mentions[mention]
            self._mentions.append(given)
        if mention is not None:
            self._positions[mention] = self._keys[key]

    def add_fragments(self, keys: List[Key], mention: int) -> None:
        """Add a discontinuous entity by its pieces."""
        fragments = tuple(sorted(keys))
        if fragments in self._fragments:
            self._note_duplicate(fragments[0])
        self._fragments[fragments] = None

    def bounds(self) -> List[Tuple[int, int]]:
        """First token, and the one behind the last, of all spans."""
        pieces = (key for fragments in self._fragments for key in fragments)
        return [key[:2] for key in (*self._keys, *pieces)]

    def spans(self, name: str) -> SpanGroup:
        """The group, and what is counted of it."""
        record, doc = self.record, self.doc
        n_given = len(record.mentions or ())
        attrs: Dict[str, Any] = {}
        if record.attrs:
            attrs = select_positions(record.attrs, self._positions, n_given)
        if record.relations is not None:
            relations = {RELATIONS: record.relations}
            attrs.update(select_positions(relations, self._positions, n_given))
            n_lost = len(record.relations) - len(attrs[RELATIONS])
            self.report.add(
                "unsupported annotation (relation, event)", record, n=n_lost
            )
        spans = [
            Span(doc, start, end, label, kb_id=given.kb_id, span_id=given.id)
            for (start, end, label), given in zip(self._keys, self._mentions)
        ]
        if self._fragments:
            pieces = dict.fromkeys(key for keys in self._fragments for key in keys)
            places = {key: len(spans) + i for i, key in enumerate(pieces)}
            attrs[FRAGMENTS] = [
                [places[key] for key in keys] for keys in self._fragments
            ]
            spans += [Span(doc, start, end, label) for start, end, label in pieces]
        if len(self._keys) > 1:
            starts, ends = numpy.array([key[:2] for key in self._keys]).T
            n_crossing = int(crossing(starts, ends).sum())
            self.report.add("crosses another span", record, n=n_crossing)
            n_identical = int(identical(starts, ends).sum())
            self.report.add("same offsets as another span", record, n=n_identical)
        return SpanGroup(doc, name=name, attrs=attrs, spans=spans)

    def _note_duplicate(self, key: Key) -> None:
        start, end, label = key
        mention = Mention(start, end, label, self.doc[start:end].text)
        record = self.record
        token_record = Record(record.path, record.line, None, doc_id=record.doc_id)
        self.report.add("duplicate", token_record, mention)


def _pieces(mention: Mention, record: Record) -> List[Mention]:
    """The pieces of a discontinuous mention. Their ends are exclusive, and those of
    the record's mentions perhaps not."""
    return [
        Mention(start, end - record.inclusive, mention.label)
        for start, end in sorted(mention.fragments)
    ]


def _token_places(
    record: Record, doc: Doc, places: Optional[List[int]], report: ConversionReport
) -> Tuple[Place, Callable[[List[Tuple[int, int]]], List[Tuple[int, int]]]]:
    """For offsets that count tokens: what finds spans, and what finds tokens.

    places (Optional[List[int]]): Where the tokens of the record are in the document.
    """
    n_tokens = len(doc if places is None else places)

    def tokens_in(bounds: List[Tuple[int, int]]) -> List[Tuple[int, int]]:
        if places is None:
            return bounds
        return [(places[start], places[end - 1] + 1) for start, end in bounds]

    def place(mentions: List[Mention]) -> List[Optional[Key]]:
        keys: List[Optional[Key]] = []
        for mention in mentions:
            start, end = mention.start, mention.end + record.inclusive
            if not 0 <= start <= end <= n_tokens:
                raise LineError(
                    f"a span must be [start, end, label] with 0 <= start < end <= "
                    f"{n_tokens}, the number of tokens, not "
                    f"{[mention.start, mention.end, mention.label]!r:.80}"
                )
            if start == end or not mention.label:
                reason = "empty" if start == end else "without a label"
                report.add(reason, record, mention)
                keys.append(None)
            else:
                keys.append((*tokens_in([(start, end)])[0], mention.label))
        return keys

    return place, tokens_in


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
    """A document with the whitespace of `text`, and the positions of its tokens
    there: whitespace of more than one space is a token of its own."""
    offsets = []
    end = 0
    for token in tokens:
        if token != token.strip():
            raise LineError(f"token {token!r} begins or ends with whitespace")
        start = text.find(token, end)
        if start < 0 or not (text[end:start].isspace() or start == end):
            raise LineError(f"token {token!r:.80} is not next in the text {text!r:.80}")
        offsets.append(start)
        end = start + len(token)
    if text[end:].strip():
        raise LineError(f"text after the last token: {text[end:]!r:.80}")
    words, spaces = get_words_and_spaces(tokens, text)
    doc = Doc(vocab, words=words, spaces=spaces)
    if len(doc) == len(tokens):
        return doc, None
    places = {token.idx: token.i for token in doc}
    return doc, [places[offset] for offset in offsets]
