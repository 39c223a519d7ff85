"""Records to documents: tokens, and spans on them."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import numpy
from spacy.tokens import Doc, Span
from spacy.util import get_words_and_spaces
from spacy.vocab import Vocab

from .align import CharacterAligner, Key
from .language import LanguageTools
from .record import CorpusError, LineError, Mention, Record
from .source import reason_of
from .statistics import crossing, identical
from .tally import Tally

FRAGMENTS = ("drop", "cover", "parts")


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
        self.tally.add("of a kind that is no span", record, n=record.others)
        if record.sent_starts is not None and len(doc):
            _set_sentences(doc, record.sent_starts, places)
        if record.mentions is None:
            self.tally.add("document without annotation", record)
            doc.spans.pop(self.spans_key, None)
            return doc
        mentions = self._without_fragments(record)
        if record.unit == "characters":
            aligner = CharacterAligner(record, doc, self.align, self.tally)
            keys = aligner.keys(mentions)
        else:
            n_tokens = len(doc if places is None else places)
            keys = self._token_keys(record, mentions, n_tokens, places)
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
