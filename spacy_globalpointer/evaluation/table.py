"""Gold and predicted spans of documents as arrays, from which everything is counted."""

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Iterable, List, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..core.arrays import Ints, Mask
from ..core.span_table import inner
from ..pipeline.scoring import SpanSource


@dataclass
class Mentions:
    """Spans, one entry each, in arrays of the same length, none of them twice.

    docs (Ints): The document.
    starts, ends (Ints): Start (inclusive) and end (exclusive) character.
    labels (Ints): Number of the label in the table.
    lengths (Ints): Tokens of the gold document that begin in it.
    texts (NDArray): Its text.
    """

    docs: Ints
    starts: Ints
    ends: Ints
    labels: Ints
    lengths: Ints
    texts: NDArray[Any]

    def __len__(self) -> int:
        return len(self.docs)

    def __getitem__(self, kept: "Ints | Mask") -> "Mentions":
        return Mentions(*(getattr(self, part.name)[kept] for part in fields(self)))


@dataclass
class ComparedSpans:
    """The spans of documents, gold and predicted. Documents without gold annotation
    have none of either, and predicted spans that touch a token without it are left out.

    labels (Tuple[str, ...]): The labels that occur, in alphabetical order.
    gold, predicted (Mentions): The spans.
    annotated (Mask): Documents with gold annotation. *Shape:* (n_docs,)
    n_tokens (Ints): Tokens of the gold documents. *Shape:* (n_docs,)
    n_entity_tokens (Ints): Those inside a gold span. *Shape:* (n_docs,)
    off_tokens (int): Predicted spans that begin or end inside a gold token. They
        can never be right; like spaCy's scorer, the table leaves them out.
    """

    labels: Tuple[str, ...]
    gold: Mentions
    predicted: Mentions
    annotated: Mask
    n_tokens: Ints
    n_entity_tokens: Ints
    off_tokens: int = 0

    @property
    def n_docs(self) -> int:
        return len(self.annotated)

    @property
    def has_spans(self) -> bool:
        """RETURNS (bool): Whether there is anything to score."""
        return len(self.gold) + len(self.predicted) > 0

    @cached_property
    def right(self) -> Tuple[Mask, Mask]:
        """RETURNS (Tuple[Mask, Mask]): Gold spans that are predicted, and predicted
        spans that are gold: same document, characters and label."""
        gold, predicted = number_rows(
            *(
                (side.docs, side.starts, side.ends, side.labels)
                for side in (self.gold, self.predicted)
            )
        )
        return numpy.isin(gold, predicted), numpy.isin(predicted, gold)

    def only(self, gold: Mask, predicted: Mask) -> "ComparedSpans":
        """The table of some of the spans. Masks as `right`."""
        return ComparedSpans(
            self.labels,
            self.gold[gold],
            self.predicted[predicted],
            self.annotated,
            self.n_tokens,
            self.n_entity_tokens,
        )

    def by_depth(self, *, inner: bool) -> "ComparedSpans":
        """The table of the spans that are inside another one on their side, or
        of those that do not."""
        masks = (is_inner(side) == inner for side in (self.gold, self.predicted))
        return self.only(*masks)


@dataclass
class _Rows:
    """Spans of one side, document by document, before labels are numbered."""

    docs: List[int] = field(default_factory=list)
    starts: List[int] = field(default_factory=list)
    ends: List[int] = field(default_factory=list)
    labels: List[str] = field(default_factory=list)
    texts: List[str] = field(default_factory=list)

    def add(self, number: int, spans: Iterable[Span]) -> None:
        places = {(s.start_char, s.end_char, s.label_): s.text for s in spans}
        for (start, end, label), text in places.items():
            self.docs.append(number)
            self.starts.append(start)
            self.ends.append(end)
            self.labels.append(label)
            self.texts.append(text)


def read_table(pairs: Iterable[Tuple[Doc, Doc]], source: SpanSource) -> ComparedSpans:
    """Read the spans of documents into a table.

    pairs (Iterable[Tuple[Doc, Doc]]): Gold and predicted documents, each pair of
        one and the same text, the tokens may differ.
    source (SpanSource): Where their spans are.
    RETURNS (ComparedSpans): The table.
    """
    sides = _Rows(), _Rows()
    annotated, tokens = [], []
    for number, (gold, predicted) in enumerate(pairs):
        spans = source.read(Example(predicted, gold))
        annotated.append(spans is not None)
        tokens.append(gold.to_array(["IDX", "LENGTH"]).astype("int64"))
        for side, found in zip(sides, spans or ()):
            side.add(number, found)
    names = tuple(sorted({*sides[0].labels, *sides[1].labels}))
    n_tokens = numpy.array([len(rows) for rows in tokens], dtype="int64")
    borders = _TokenBorders(tokens)
    gold_side, predicted_side = (_mentions(side, names, borders) for side in sides)
    aligned = borders.match(predicted_side)
    return ComparedSpans(
        labels=names,
        gold=gold_side,
        predicted=predicted_side[aligned],
        annotated=numpy.array(annotated, dtype=bool),
        n_tokens=n_tokens,
        n_entity_tokens=borders.n_inside(gold_side, n_tokens),
        off_tokens=int((~aligned).sum()),
    )


class _TokenBorders:
    """Where the tokens of the gold documents begin and end, documents laid end to
    end on one line of characters."""

    def __init__(self, tokens: Sequence[Ints]) -> None:
        empty = numpy.zeros((0, 2), dtype="int64")
        sizes = [rows.sum(1).max(initial=0) + 1 for rows in tokens]
        self.offsets = numpy.cumsum([0, *sizes]).astype("int64")
        starts, lengths = numpy.concatenate([empty, *tokens]).T
        self.starts = starts + numpy.repeat(self.offsets[:-1], list(map(len, tokens)))
        self.ends = self.starts + lengths

    def match(self, mentions: Mentions) -> Mask:
        """Spans that begin and end where tokens do."""
        offsets = self.offsets[mentions.docs]
        return numpy.isin(mentions.starts + offsets, self.starts) & numpy.isin(
            mentions.ends + offsets, self.ends
        )

    def count(self, docs: Ints, starts: Ints, ends: Ints) -> Ints:
        """Tokens that begin in each span."""
        first, last = self._range(docs, starts, ends)
        return last - first

    def n_inside(self, mentions: Mentions, n_tokens: Ints) -> Ints:
        """Tokens of each document that are inside some span. *Shape:* (n_docs,)"""
        first, last = self._range(mentions.docs, mentions.starts, mentions.ends)
        n = len(self.starts)
        opened, closed = (numpy.bincount(x, minlength=n + 1)[:n] for x in (first, last))
        is_inside = numpy.cumsum(opened - closed) > 0
        docs = numpy.repeat(numpy.arange(len(n_tokens)), n_tokens)
        return numpy.bincount(docs[is_inside], minlength=len(n_tokens))

    def _range(self, docs: Ints, starts: Ints, ends: Ints) -> Tuple[Ints, Ints]:
        first, last = (
            numpy.searchsorted(self.starts, places + self.offsets[docs])
            for places in (starts, ends)
        )
        return first, last


def _mentions(rows: _Rows, labels: Tuple[str, ...], borders: _TokenBorders) -> Mentions:
    numbers = {label: number for number, label in enumerate(labels)}
    docs, starts, ends = (
        numpy.array(column, dtype="int64")
        for column in (rows.docs, rows.starts, rows.ends)
    )
    texts = numpy.empty(len(rows.texts), dtype=object)
    texts[:] = rows.texts
    return Mentions(
        docs=docs,
        starts=starts,
        ends=ends,
        labels=numpy.array([numbers[label] for label in rows.labels], dtype="int64"),
        lengths=borders.count(docs, starts, ends),
        texts=texts,
    )


def number_rows(*tables: Tuple[Ints, ...]) -> List[Ints]:
    """Give each row of tables with the same columns a number, equal rows the same.

    RETURNS (List[Ints]): The numbers of each table.
    """
    rows = [numpy.stack(columns, axis=1) for columns in tables]
    _, numbers = numpy.unique(numpy.concatenate(rows), axis=0, return_inverse=True)
    return numpy.split(numbers.ravel(), numpy.cumsum([len(r) for r in rows])[:-1])


def is_inner(mentions: Mentions) -> Mask:
    """Spans that are inside another span of their document. Of two labels on the
    same tokens neither is inside the other. *Shape:* (n,)"""
    # On one line of characters, documents apart.
    offsets = mentions.docs * (int(mentions.ends.max(initial=0)) + 1)
    return inner(mentions.starts + offsets, mentions.ends + offsets)
