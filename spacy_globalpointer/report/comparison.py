"""Gold beside predicted: which spans are right, missed and spurious."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from spacy.tokens import Doc, Span
from spacy.training import Example

from ..errors import Errors
from ..evaluation.error_kinds import KINDS, error_kinds
from ..evaluation.table import read_table
from ..pipeline.scoring import SpanSource, spans_under

# What documents can be chosen by.
FILTERS = ("right", "missed", "spurious", "boundary", "type", "nesting")


class Mention(NamedTuple):
    """A span as it is compared: by characters, since the two documents may be split
    into tokens differently."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Annotation:
    """The spans of one document under one key, each mention once.

    doc (Doc): The document.
    present (bool): Whether the document has the key: missing is not empty.
    spans (dict[Mention, Span]): The spans, in the order of the mentions.
    scores (dict[Mention, float]): Their scores, empty where none are stored.
    """

    doc: Doc
    present: bool
    spans: dict[Mention, Span]
    scores: dict[Mention, float]

    @classmethod
    def read(cls, doc: Doc, spans_key: str) -> "Annotation":
        """Read the spans off a document.

        doc (Doc): The document.
        spans_key (str): Key of `doc.spans`.
        RETURNS (Annotation): Its spans.
        """
        if spans_key not in doc.spans:
            return cls(doc, False, {}, {})
        group = doc.spans[spans_key]
        spans = list(group)
        mentions = [Mention(s.start_char, s.end_char, s.label_) for s in spans]
        stored = group.attrs.get("scores")
        scored = stored is not None and len(stored) == len(spans)
        return cls(
            doc,
            True,
            dict(sorted(zip(mentions, spans), key=lambda item: item[0])),
            dict(zip(mentions, map(float, stored))) if scored else {},
        )


@dataclass(frozen=True)
class Comparison:
    """The gold and the predicted spans of one text.

    Without gold annotation nothing can be judged: no prediction is spurious.

    gold, predicted (Annotation): Both sides.
    kinds (Mapping[Mention, str]): What `error_kinds` says of the wrong spans.
    unknown (frozenset[Mention]): Predicted spans that touch gold tokens without
        annotation.
    """

    gold: Annotation
    predicted: Annotation
    kinds: Mapping[Mention, str] = field(default_factory=dict)
    unknown: frozenset[Mention] = frozenset()

    @property
    def n_errors(self) -> int:
        """RETURNS (int): How many spans are missed or spurious."""
        return len(self.missed) + len(self.spurious)

    @property
    def right(self) -> set[Mention]:
        """RETURNS (set[Mention]): Predicted, and in gold."""
        return self.gold.spans.keys() & self.predicted.spans.keys()

    @property
    def missed(self) -> set[Mention]:
        """RETURNS (set[Mention]): In gold, but not predicted."""
        return self.gold.spans.keys() - self.predicted.spans.keys()

    @property
    def spurious(self) -> set[Mention]:
        """RETURNS (set[Mention]): Predicted, but not in gold."""
        return self.predicted.spans.keys() - self.gold.spans.keys() - self.unjudged

    @property
    def unjudged(self) -> set[Mention]:
        """RETURNS (set[Mention]): Predicted, where gold has no annotation."""
        return set(self.unknown if self.gold.present else self.predicted.spans)


def kinds_in(comparison: Comparison) -> list[str]:
    """What of `FILTERS` is found in a document. An error of any kind is missed, or
    spurious, as well.

    comparison (Comparison): The document.
    RETURNS (list[str]): The names, in their order.
    """
    found = set(comparison.kinds.values())
    found |= {name for name in FILTERS[:3] if getattr(comparison, name)}
    return [name for name in FILTERS if name in found]


def compare_documents(
    pairs: Iterable[tuple[Doc, Doc]], spans_key: str, source: str = "spans"
) -> list[Comparison]:
    """Compare documents. Arguments as for `span_page`."""
    spans = spans_under(spans_key, source)
    pairs = list(pairs)
    for number, (gold, predicted) in enumerate(pairs, 1):
        if gold.text != predicted.text:
            raise ValueError(
                Errors.E013.format(
                    number=number, gold=gold.text[:40], predicted=predicted.text[:40]
                )
            )
    return [
        Comparison(
            Annotation.read(gold, spans_key),
            Annotation.read(predicted, spans_key),
            kinds,
            _unknown(gold, predicted, spans),
        )
        for (gold, predicted), kinds in zip(pairs, _wrong_kinds(pairs, spans))
    ]


def _unknown(gold: Doc, predicted: Doc, source: SpanSource) -> frozenset[Mention]:
    """The predicted spans that touch gold tokens without annotation."""
    example = Example(predicted, gold)
    spans = list(source.get_predicted(predicted))
    judged = source.reader.can_judge(example, spans)
    return frozenset(
        Mention(span.start_char, span.end_char, span.label_)
        for span, is_judged in zip(spans, judged)
        if not is_judged
    )


def _wrong_kinds(
    pairs: list[tuple[Doc, Doc]], source: SpanSource
) -> list[dict[Mention, str]]:
    """The kinds of the wrong spans of each document."""
    table = read_table(pairs, source)
    kinds = error_kinds(table)
    found: list[dict[Mention, str]] = [{} for _ in pairs]
    sides = (table.gold, kinds.gold), (table.predicted, kinds.predicted)
    for mentions, numbers in sides:
        wrong = numbers.nonzero()[0]
        rows = mentions[wrong]
        columns = (rows.docs, rows.starts, rows.ends, rows.labels, numbers[wrong])
        for doc, start, end, label, kind in zip(*(x.tolist() for x in columns)):
            found[doc][Mention(start, end, table.labels[label])] = KINDS[kind]
    return found
