"""From annotated examples to indices into the lattice, nothing lost in silence."""

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from spacy.attrs import ORTH
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..lattice import GoldSpans
from ..span_groups import contiguous_spans

SOURCES = ("spans", "ents")
# How many dropped spans of each kind are shown.
N_SHOWN = 3

Ints = NDArray[numpy.integer[Any]]


@dataclass
class DroppedGold:
    """Gold spans that cannot be learnt from, by reason.

    counts (Dict[str, int]): How many, by reason.
    shown (Dict[str, List[str]]): The first few, by reason.
    """

    counts: Dict[str, int] = field(default_factory=dict)
    shown: Dict[str, List[str]] = field(default_factory=dict)

    def add(self, reason: str, span: Span) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        shown = self.shown.setdefault(reason, [])
        if len(shown) < N_SHOWN:
            shown.append(f"{span.text!r} ({span.label_}, {len(span)} tokens)")

    def add_new(self, other: "DroppedGold") -> "DroppedGold":
        """Take over the reasons that are not known yet, and give them back."""
        new = DroppedGold()
        for reason, count in other.counts.items():
            if reason not in self.counts:
                new.counts[reason] = self.counts[reason] = count
                new.shown[reason] = self.shown[reason] = other.shown[reason]
        return new

    def report(self) -> str:
        return " ".join(
            f"{reason.capitalize()}: {count}, for example "
            f"{', '.join(self.shown[reason])}."
            for reason, count in self.counts.items()
        )


@dataclass
class AlignedGold:
    """The gold spans of one example on the tokens of its predicted document.

    spans (List[Tuple[int, int, Span]]): First token, the one behind the last,
        and the gold span.
    unknown (Optional[NDArray]): Tokens without annotation; None: all have it.
    """

    spans: List[Tuple[int, int, Span]]
    unknown: Optional[NDArray[numpy.bool_]]


class GoldReader:
    """Reads the gold spans of examples.

    source (str): "spans" for doc.spans[spans_key], "ents" for doc.ents.
    spans_key (str): The key.
    """

    def __init__(self, source: str, spans_key: str) -> None:
        self.source = source
        self.spans_key = spans_key

    def is_annotated(self, reference: Doc) -> bool:
        """Missing is not empty: whether the document says anything of spans."""
        if self.source == "ents":
            return reference.has_annotation("ENT_IOB")
        return self.spans_key in reference.spans

    def spans(self, reference: Doc) -> Optional[List[Span]]:
        """The gold spans of a document, None if it has no annotation."""
        if not self.is_annotated(reference):
            return None
        if self.source == "ents":
            return list(reference.ents)
        return contiguous_spans(reference.spans[self.spans_key])

    def read(self, example: Example, dropped: DroppedGold) -> AlignedGold:
        """Align the gold spans of an example with its predicted document. What
        begins or ends inside a token there is dropped, and what has no label."""
        reference = example.reference
        n_tokens = len(example.predicted)
        gold = self.spans(reference)
        if gold is None:
            return AlignedGold([], numpy.ones(n_tokens, dtype=bool))
        tokens = None if _same_tokens(example) else _AlignedTokens(example)
        spans = []
        for span in gold:
            start, end = span.start, span.end
            if start == end:
                dropped.add("empty", span)
            elif not span.label:
                dropped.add("without a label", span)
            elif tokens is None:
                spans.append((start, end, span))
            elif tokens.has_borders(start, end):
                spans.append((*tokens.align(start, end), span))
            else:
                dropped.add("not on token boundaries", span)
        return AlignedGold(spans, self.unknown(example))

    def unknown(self, example: Example) -> Optional[NDArray[numpy.bool_]]:
        """The tokens of the predicted document that have no annotation, which
        training and evaluation leave out. *Shape:* (n_tokens,). None: all have it."""
        reference = example.reference
        if not self.is_annotated(reference):
            return numpy.ones(len(example.predicted), dtype=bool)
        if self.source == "spans":
            return None
        missing = reference.to_array("ENT_IOB") == 0
        if not missing.any():
            return None
        if _same_tokens(example):
            return missing
        return _AlignedTokens(example).spread(missing)

    def can_judge(
        self, example: Example, spans: Sequence[Span]
    ) -> NDArray[numpy.bool_]:
        """Which spans of the predicted document can be right or wrong: those that
        touch no token without annotation, as for `spacy.scorer.get_ner_prf`.
        *Shape:* (n_spans,)"""
        unknown = self.unknown(example)
        if unknown is None:
            return numpy.ones(len(spans), dtype=bool)
        places = [(span.start, span.end) for span in spans]
        starts, ends = numpy.array(places, dtype="int64").reshape(-1, 2).T
        return ~touches_any(starts, ends, unknown)


def touches_any(starts: Ints, ends: Ints, tokens: NDArray[numpy.bool_]) -> Any:
    """Which spans hold at least one of the tokens that are True.

    starts, ends (Ints): *Shape:* (n,)
    tokens (NDArray): *Shape:* (n_tokens,)
    RETURNS (NDArray): *Shape:* (n,)
    """
    before = numpy.concatenate(([0], numpy.cumsum(tokens)))
    return before[starts] < before[ends]


def _same_tokens(example: Example) -> bool:
    if len(example.predicted) != len(example.reference):
        return False
    words = example.predicted.to_array(ORTH), example.reference.to_array(ORTH)
    return words[0].tobytes() == words[1].tobytes()


class _AlignedTokens:
    """Token boundaries of a reference found in the predicted document."""

    def __init__(self, example: Example) -> None:
        alignment = example.alignment
        self.first, self.last = _edges(alignment.y2x)
        self.back_first, self.back_last = _edges(alignment.x2y)

    def align(self, start: int, end: int) -> Tuple[int, int]:
        """A span on the predicted tokens."""
        return int(self.first[start]), int(self.last[end - 1]) + 1

    def has_borders(self, start: int, end: int) -> bool:
        """Whether predicted tokens begin and end where a span does."""
        first, last = self.first[start], self.last[end - 1]
        return bool(
            min(first, last) >= 0
            and self.back_first[first] == start
            and self.back_last[last] == end - 1
        )

    def spread(self, marked: NDArray[numpy.bool_]) -> NDArray[numpy.bool_]:
        """Predicted tokens that share characters with marked reference tokens."""
        before = numpy.concatenate(([0], numpy.cumsum(marked)))
        found: NDArray[numpy.bool_] = (
            before[self.back_last + 1] > before[numpy.maximum(self.back_first, 0)]
        )
        return found & (self.back_first >= 0)


def _edges(alignment: Any) -> Tuple[Ints, Ints]:
    """The first and last token aligned with each token, -1 where there is none."""
    lengths = numpy.asarray(alignment.lengths)
    tokens = numpy.append(alignment.data, -1)
    ends = numpy.cumsum(lengths)
    first = numpy.where(lengths > 0, tokens[ends - lengths], -1)
    last = numpy.where(lengths > 0, tokens[ends - 1], -1)
    return first, last


def usable_cells(
    gold: AlignedGold,
    label_ids: Dict[int, int],
    max_length: Optional[int],
    dropped: DroppedGold,
) -> List[Tuple[int, int, int]]:
    """The cells (label, head, width) of gold spans that have one in the lattice.

    gold (AlignedGold): The gold spans of one example.
    label_ids (Dict[int, int]): Row of each label in the lattice, by the hash of
        its name.
    max_length (Optional[int]): Longest candidate, in tokens. None: no limit.
    dropped (DroppedGold): Counts the others.
    """
    cells: Dict[Tuple[int, int, int], None] = {}
    for start, end, span in gold.spans:
        if span.label not in label_ids:
            dropped.add("unknown label", span)
        elif max_length is not None and end - start > max_length:
            dropped.add(f"longer than max_length = {max_length}", span)
        else:
            cells[label_ids[span.label], start, end - start - 1] = None
    return list(cells)


def count_second_labels(gold: AlignedGold, dropped: DroppedGold) -> None:
    """Count the gold spans that share all of their tokens with one before, of
    another label: a softmax predicts one of them."""
    labels: Dict[Tuple[int, int], int] = {}
    for start, end, span in gold.spans:
        if labels.setdefault((start, end), span.label) != span.label:
            dropped.add("a second label of the same tokens", span)


def batch_gold(
    examples: Iterable[Example],
    reader: GoldReader,
    label_ids: Dict[int, int],
    max_length: Optional[int],
    device: torch.device,
    dropped: DroppedGold,
) -> GoldSpans:
    """The gold spans of a batch as indices into its lattice, on `device`. The
    other arguments are those of `usable_cells`."""
    cells: List[Tuple[int, int, int]] = []
    unknown = []
    n_docs = offset = 0
    for example in examples:
        gold = reader.read(example, dropped)
        n_tokens = len(example.predicted)
        cells.extend(
            (label, offset + head, width)
            for label, head, width in usable_cells(gold, label_ids, max_length, dropped)
        )
        if gold.unknown is None:
            unknown.append(numpy.zeros(n_tokens, dtype=bool))
            n_docs += n_tokens > 0
        else:
            unknown.append(gold.unknown)
            n_docs += not gold.unknown.all()
        offset += n_tokens
    mask = numpy.concatenate(unknown)
    index = torch.tensor(cells, dtype=torch.long, device=device).view(-1, 3)
    labels, heads, widths = index.T
    return GoldSpans(
        labels=labels,
        heads=heads,
        widths=widths,
        unknown=torch.tensor(mask, device=device) if mask.any() else None,
        n_docs=n_docs,
    )


def annotation_found(docs: Iterable[Doc]) -> str:
    """A sentence that says under which keys of doc.spans, and in doc.ents, there
    is annotation, and with which labels; empty if there is none."""
    found: Dict[str, Dict[str, None]] = {}
    for doc in docs:
        for key, group in doc.spans.items():
            for span in group:
                found.setdefault(f"doc.spans[{key!r}]", {})[span.label_] = None
        for ent in doc.ents:
            found.setdefault("doc.ents", {})[ent.label_] = None
    places = (
        f"{place} with the labels {', '.join(sorted(labels))}"
        for place, labels in found.items()
    )
    return f"There is {'; '.join(places)}." if found else ""
