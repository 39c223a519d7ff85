"""The task of spans: each cell of the lattice is a span or not, for each label."""

import warnings
from dataclasses import replace
from math import inf
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from torch import Tensor, from_numpy

from ..core.arrays import Floats
from ..core.decoding import above, choose, margins_over
from ..core.lattice import GoldSpans, Lattice, Layout
from ..core.objectives import Objective
from ..core.rehearsal import span_divergence
from ..core.span_table import FLAT_SPANS, SpanTable, flat_choice, make_table
from ..core.threads import one_thread
from ..core.uncertainty import span_entropies, span_margins
from ..errors import Errors, Warnings
from ..models.span_scorer import get_head_layer, predict_lattice
from ..models.types import SpanModelT
from .drop_report import DropReport
from .gold import AlignedGold, GoldTable
from .task import Settings, Task
from .thresholds import label_temperatures, logit_thresholds

# max_length where the setting is null and there is no gold span to measure.
DEFAULT_MAX_LENGTH = 32
# Most scores of documents that are predicted together: 64 MB. Of whole novels, a
# batch has fewer documents than it is asked for.
MAX_CELLS = 2**24


class SpanTask(Task[Lattice, GoldSpans, Tensor]):
    """Finds spans, which may overlap, and labels them.

    The scores of tables of spans are log odds.

    name (str): Name of the component, for messages.
    objective (Objective): The loss, and the link from scores to probabilities.
    """

    def __init__(self, name: str, objective: Objective) -> None:
        super().__init__(name)
        self.objective = objective
        self._warned_of_cut = False

    def configure(self, model: SpanModelT, settings: Settings) -> None:
        # Building runs the model: without a limit, a long document would have a
        # lattice as wide as it is long.
        get_head_layer(model).attrs["max_length"] = settings["max_length"]

    def check_head(self, model: SpanModelT, settings: Settings) -> None:
        mutually_exclusive = get_head_layer(model).attrs["mutually_exclusive"]
        if mutually_exclusive != self.objective.mutually_exclusive:
            classes = {True: "exclude each other", False: "do not exclude each other"}
            raise ValueError(
                Errors.E020.format(
                    name=self.name,
                    model=classes[mutually_exclusive],
                    objective=type(self.objective).__name__,
                    other=classes[self.objective.mutually_exclusive],
                )
            )

    def count_unusable(
        self,
        gold: AlignedGold,
        label_ids: Dict[int, int],
        settings: Settings,
        dropped: DropReport,
    ) -> None:
        # A length that is measured is that of the longest span.
        is_measured = _is_length_measured(settings)
        limit = None if is_measured else settings["max_length"]
        gold_cells(gold, label_ids, limit, dropped)
        if self.objective.mutually_exclusive:
            _count_multilabel(gold, dropped)
        _count_without_room(gold, self.objective, dropped)

    def measure(self, longest: int, settings: Settings) -> Dict[str, Any]:
        if not _is_length_measured(settings):
            return {}
        longest = longest or DEFAULT_MAX_LENGTH
        return {"max_length": longest, "measured_length": longest}

    def split(self, docs: List[Doc], settings: Settings) -> Iterator[List[Doc]]:
        limit, n_labels = settings["max_length"], len(settings["labels"])
        part: List[Doc] = []
        n_tokens = longest = 0
        for doc in docs:
            n_tokens, longest = n_tokens + len(doc), max(longest, len(doc))
            width = longest if limit is None else min(longest, limit)
            if part and n_tokens * width * n_labels > MAX_CELLS:
                yield part
                part, n_tokens, longest = [], len(doc), len(doc)
            part.append(doc)
        yield part

    def predict(
        self, model: SpanModelT, docs: List[Doc], settings: Settings, closed: List[int]
    ) -> Lattice:
        """As `Task.predict`.

        RETURNS (Lattice): Scores of shape (n_labels, n_tokens, width); where labels
            exclude each other, of shape (n_labels + 1, n_tokens, width).
        """
        if not any(map(len, docs)):
            layout = Layout([0] * len(docs))
            n_classes = len(settings["labels"]) + self.objective.mutually_exclusive
            return Lattice(Tensor(n_classes, 0, layout.width), layout)
        lattice = predict_lattice(model, docs, settings["max_length"])
        lattice.scores[closed] = -inf
        return lattice

    @one_thread()
    def decode(self, scores: Lattice, settings: Settings) -> SpanTable:
        thresholds = logit_thresholds(self.objective, settings)
        odds = self.objective.log_odds(scores, label_temperatures(settings))
        found = above(odds, thresholds)
        self._warn_of_cut(scores.layout, found, settings["max_spans"])
        spans = choose(
            found,
            thresholds,
            settings["overlap"],
            flat_choice(settings["flat"], FLAT_SPANS),
            settings["max_spans"],
        )
        rank = numpy.argsort(numpy.argsort(settings["labels"]))
        return spans[numpy.lexsort((rank[spans.labels], spans.ends, spans.starts))]

    def candidates(
        self, scores: Lattice, settings: Settings, lowest: float
    ) -> SpanTable:
        odds = self.objective.log_odds(scores, label_temperatures(settings))
        found = above(odds, [self.objective.to_logit(lowest)] * len(odds.scores))
        return found[numpy.lexsort((found.labels, found.ends, found.starts))]

    def link(self, scores: Floats) -> NDArray[numpy.floating[Any]]:
        # In float64: float32 rounds the probabilities of sure spans to one.
        return self.objective.probability(from_numpy(scores)).numpy()

    def margins(self, spans: SpanTable, settings: Settings) -> Floats:
        lowest = numpy.array(logit_thresholds(self.objective, settings))[spans.labels]
        return margins_over(spans.scores, lowest)

    def probabilities(
        self, scores: Lattice, spans: SpanTable, settings: Settings
    ) -> Floats:
        # In float64: float32 rounds the probabilities of sure spans to one.
        lattice = replace(scores, scores=scores.scores.double())
        cells = from_numpy(spans.labels), *_cells(spans)
        return self._label_probabilities(lattice, settings)[cells].cpu().numpy()

    @one_thread()
    def uncertainty(self, scores: Lattice, by: str, settings: Settings) -> Floats:
        p = self._label_probabilities(scores, settings)
        if by == "entropy":
            exclusive = self.objective.mutually_exclusive
            return span_entropies(p, exclusive, scores.layout).double().cpu().numpy()
        single, overall = settings["label_thresholds"], settings["threshold"]
        thresholds = [single.get(label, overall) for label in settings["labels"]]
        margins = span_margins(p, thresholds, scores.layout)
        return (1 - margins).clamp_(min=0).double().cpu().numpy()

    def _label_probabilities(self, scores: Lattice, settings: Settings) -> Tensor:
        """The probability of each label, whatever decoding would choose.
        *Shape:* (n_labels, n_tokens, width)"""
        p = self.objective.label_probabilities(scores)
        for row, temperature in zip(p, label_temperatures(settings)):
            if temperature != 1:
                row.copy_(row.logit().div_(temperature).sigmoid_())
        return p

    def logits(self, scores: Lattice, spans: SpanTable) -> Floats:
        starts, offsets = _cells(spans)
        return scores.scores[:, starts, offsets].T.double().cpu().numpy()

    def targets(
        self,
        golds: Sequence[AlignedGold],
        label_ids: Dict[int, int],
        settings: Settings,
        dropped: DropReport,
    ) -> GoldSpans:
        return batch_gold(golds, label_ids, settings["max_length"], dropped)

    def gold_table(
        self, targets: GoldSpans, lengths: Sequence[int], settings: Settings
    ) -> GoldTable:
        labels, starts, offsets = (part.numpy() for part in targets.index)
        spans = make_table(lengths, starts, starts + offsets + 1, labels)
        table = GoldTable(spans, numpy.zeros(sum(lengths), dtype=bool))
        if targets.unknown is not None:
            table.unknown = targets.unknown.numpy()
        if targets.rejected is not None:
            labels, starts, offsets = (part.numpy() for part in targets.rejected)
            ends = starts + offsets + 1
            table.rejected = make_table(lengths, starts, ends, labels)
        return table

    @one_thread()
    def loss(
        self, scores: Lattice, targets: GoldSpans, settings: Settings
    ) -> Tuple[Tensor, Tensor, int]:
        return self.objective.sums(scores, targets.to(scores.scores.device))

    @one_thread()
    def divergence(
        self, scores: Lattice, target: Lattice, rows: List[int], settings: Settings
    ) -> Tuple[Tensor, Tensor, int]:
        loss, d_scores = span_divergence(
            scores.scores, target.scores, rows, self.objective.mutually_exclusive
        )
        return loss, d_scores, max(scores.layout.n_docs * len(rows), 1)

    def _warn_of_cut(self, layout: Layout, found: SpanTable, most: int) -> None:
        """Warn once if a document loses spans to `max_spans`. One with more spans than
        tokens does not count: that is what a model finds before it has learned."""
        counts = numpy.bincount(found.docs, minlength=layout.n_docs)
        if self._warned_of_cut or counts.max(initial=0) <= most:
            return
        cut = counts[(counts > most) & (counts <= numpy.array(layout.lengths))]
        if len(cut):
            self._warned_of_cut = True
            message = Warnings.W023.format(
                name=self.name, n_docs=len(cut), found=cut.max(), max_spans=most
            )
            warnings.warn(message, stacklevel=2)


def batch_gold(
    golds: Sequence[AlignedGold],
    label_ids: Dict[int, int],
    max_length: Optional[int],
    dropped: DropReport,
) -> GoldSpans:
    """The gold spans of a batch, and the rejected ones, as indices into its lattice.

    golds (Sequence[AlignedGold]): The annotation of each example.
    label_ids (Dict[int, int]): Row of each label in the lattice, by the hash of its
        name.
    max_length (Optional[int]): Longest candidate, in tokens. None: no limit.
    dropped (DropReport): Counts the gold spans that have no cell.
    """
    cells: List[Tuple[int, int, int]] = []
    wrong: List[Tuple[int, int, int]] = []
    offset = 0
    for gold in golds:
        found = gold_cells(gold, label_ids, max_length, dropped)
        cells.extend((label, offset + start, width) for label, start, width in found)
        if gold.rejected:
            found = _rejected_cells(gold, found, label_ids, max_length, dropped)
            wrong.extend((label, offset + i, width) for label, i, width in found)
        offset += gold.n_tokens
    mask = numpy.zeros(offset, dtype=bool)
    ends = numpy.cumsum([gold.n_tokens for gold in golds], dtype=int).tolist()
    for gold, end in zip(golds, ends):
        if gold.unknown is not None:
            mask[end - gold.n_tokens : end] = gold.unknown
    labels, starts, offsets = _columns(cells)
    return GoldSpans(
        labels=labels,
        starts=starts,
        offsets=offsets,
        unknown=from_numpy(mask) if mask.any() else None,
        n_docs=sum(gold.is_annotated for gold in golds),
        rejected=_columns(wrong) if wrong else None,
    )


def _columns(cells: List[Tuple[int, int, int]]) -> Tuple[Tensor, Tensor, Tensor]:
    labels, starts, offsets = torch.tensor(cells, dtype=torch.long).view(-1, 3).T
    return labels, starts, offsets


def gold_cells(
    gold: AlignedGold,
    label_ids: Dict[int, int],
    max_length: Optional[int],
    dropped: DropReport,
) -> List[Tuple[int, int, int]]:
    """The cells (label, start, length - 1) of the gold spans of an example that have
    one in the lattice. The other arguments are those of `batch_gold`."""
    cells: Dict[Tuple[int, int, int], None] = {}
    for start, end, span in gold.spans:
        if span.label not in label_ids:
            dropped.add("unknown label", span)
        elif max_length is not None and end - start > max_length:
            dropped.add(f"longer than max_length = {max_length}", span)
        else:
            cells[label_ids[span.label], start, end - start - 1] = None
    return list(cells)


def _rejected_cells(
    gold: AlignedGold,
    right: Sequence[Tuple[int, int, int]],
    label_ids: Dict[int, int],
    max_length: Optional[int],
    dropped: DropReport,
) -> List[Tuple[int, int, int]]:
    """The cells of rejected spans. Those that have none are never predicted, so there
    is nothing to learn from them. The other arguments are those of `batch_gold`.

    gold (AlignedGold): The annotation of an example.
    right (Sequence[Tuple[int, int, int]]): The cells of its gold spans, which stay
        right.
    """
    cells: Dict[Tuple[int, int, int], None] = {}
    for start, end, span in gold.rejected:
        if max_length is not None and end - start > max_length:
            continue
        for label in [span.label] if span.label else label_ids:
            if label not in label_ids:
                continue
            cell = label_ids[label], start, end - start - 1
            if cell not in right:
                cells[cell] = None
            elif span.label:
                dropped.add("rejected, and also a gold span", span)
    return list(cells)


def keep_candidates(
    lattice: Lattice,
    candidates: Sequence[Iterable[Span]],
    max_length: Optional[int],
    dropped: DropReport,
) -> Lattice:
    """The lattice with -inf wherever there is no candidate.

    lattice (Lattice): Scores of all spans.
    candidates (Sequence[Iterable[Span]]): The candidates of each document.
    max_length (Optional[int]): Longest span, in tokens. None: no limit.
    dropped (DropReport): Counts the candidates that have no cell.
    """
    cells: List[Tuple[int, int]] = []
    offset = 0
    for spans, length in zip(candidates, lattice.layout.lengths):
        for span in spans:
            if span.start == span.end:
                dropped.add("empty", span)
            elif max_length is not None and len(span) > max_length:
                dropped.add(f"longer than max_length = {max_length}", span)
            else:
                cells.append((offset + span.start, len(span) - 1))
        offset += length
    starts, offsets = numpy.array(cells, dtype="int64").reshape(-1, 2).T
    mask: NDArray[numpy.bool_] = numpy.zeros(lattice.scores.shape[1:], dtype=bool)
    mask[starts, offsets] = True
    is_candidate = from_numpy(mask).to(lattice.scores.device)
    return replace(
        lattice, scores=torch.where(is_candidate, lattice.scores, -torch.inf)
    )


def _is_length_measured(settings: Settings) -> bool:
    return settings["max_length"] in (None, settings["measured_length"])


def _cells(spans: SpanTable) -> Tuple[Tensor, Tensor]:
    """Starts and lengths - 1. *Shapes:* (n,), (n,)"""
    return from_numpy(spans.starts), from_numpy(spans.ends - spans.starts - 1)


def _count_multilabel(gold: AlignedGold, dropped: DropReport) -> None:
    """Count the gold spans that share all of their tokens with one before, of
    another label: a softmax predicts one of them."""
    labels: Dict[Tuple[int, int], int] = {}
    for start, end, span in gold.spans:
        if labels.setdefault((start, end), span.label) != span.label:
            dropped.add("a second label of the same tokens", span)


def _count_without_room(
    gold: AlignedGold, objective: Objective, dropped: DropReport
) -> None:
    """Count the gold spans that an objective of whole answers leaves out."""
    cells = {(start, end, span.label): span for start, end, span in gold.spans}
    if not cells:
        return
    starts, ends = numpy.array([cell[:2] for cell in cells]).T
    spans = list(cells.values())
    for i in numpy.flatnonzero(~objective.learnable(starts, ends)).tolist():
        dropped.add("cannot be predicted beside another gold span", spans[i])
