"""Thresholds that maximise F1 on held-out data."""

from dataclasses import dataclass, replace
from typing import Any, Tuple

import numpy
from numpy.typing import NDArray

from ..decoding import Spans, resolve

Floats = NDArray[numpy.floating[Any]]
Mask = NDArray[numpy.bool_]


@dataclass
class Candidates:
    """Candidates that a component found at a very low threshold.

    spans (Spans): The candidates.
    floor (float): The threshold they were found at.
    right (NDArray): Whether each is a gold span. *Shape:* (n,)
    n_gold (NDArray): Gold spans of each label, found or not. *Shape:* (n_labels,)
    overlap (str): The strictest setting of `overlap` that the gold spans obey.
    flat (str): The component's setting.
    """

    spans: Spans
    floor: float
    right: Mask
    n_gold: NDArray[numpy.int64]
    overlap: str
    flat: str = "best"

    def f1(self, thresholds: Floats, overlap: str) -> float:
        """Micro F1 of what would be predicted with other thresholds.

        thresholds (NDArray): Lowest score (logit) of each label.
            *Shape:* (n_labels,)
        overlap (str): The component's setting.
        """
        lowest = thresholds[self.spans.labels]
        places = numpy.flatnonzero(self.spans.scores >= lowest)
        margins = (self.spans.scores - lowest)[places]
        # `docs` carries the places: nothing else is told of a span in `resolve`.
        kept = replace(self.spans[places], docs=places, margins=margins)
        predicted = resolve(kept, overlap, self.flat).docs
        total = len(predicted) + self.n_gold.sum()
        return float(2 * self.right[predicted].sum() / total) if total else 0.0


def choose_thresholds(
    candidates: Candidates, *, default: float, strength: float
) -> Tuple[float, Floats]:
    """The global threshold with the highest micro F1, and for each label the one
    with the highest F1 of that label, drawn towards the global one:

        t_a = (n_a best_a + k t) / (n_a + k)

    with n_a the number of gold spans of label a, so that a rare label, of which
    the best threshold is mostly chance, stays close to the global one. Thresholds
    are scores (logits).

    candidates (Candidates): Candidates of held-out documents.
    default (float): Threshold where no candidate is right.
    strength (float): k, the number of gold spans at which a label's threshold
        stands halfway.
    RETURNS (Tuple[float, NDArray]): The global threshold, and that of each label.
    """
    n_gold = candidates.n_gold
    every = numpy.ones(len(candidates.spans), dtype=bool)
    overall = _best(candidates, every, int(n_gold.sum()), default)
    singles = [
        _best(candidates, candidates.spans.labels == label, n, overall)
        for label, n in enumerate(n_gold.tolist())
    ]
    share = n_gold / numpy.maximum(n_gold + strength, 1)
    return overall, share * numpy.array(singles) + (1 - share) * overall


def _best(candidates: Candidates, chosen: Mask, n_gold: int, default: float) -> float:
    """The threshold with the highest F1 among the chosen candidates, halfway from
    the last one kept to the first one left out."""
    scores, right = candidates.spans.scores[chosen], candidates.right[chosen]
    order = numpy.argsort(-scores, kind="stable")
    scores, n_right = scores[order], numpy.cumsum(right[order])
    if not len(order) or not n_right[-1]:
        return default
    f1 = 2 * n_right / (numpy.arange(1, len(order) + 1) + n_gold)
    # Equal scores can only be kept together.
    f1[:-1][scores[:-1] == scores[1:]] = 0
    last = int(f1.argmax())
    left_out = scores[last + 1] if last + 1 < len(order) else candidates.floor
    return float(scores[last] + left_out) / 2
