"""Thresholds that maximize F1, or reach a precision or a recall, on held-out data."""

from dataclasses import dataclass
from typing import Any, Optional, Tuple

import numpy

from ..core.arrays import Floats, Mask
from .candidates import Candidates
from .counts import prf


@dataclass
class Target:
    """What thresholds are chosen for: the highest F1; or, with one of both given, the
    highest recall at a precision of at least so much, or the highest precision at a
    recall of at least so much.

    precision (Optional[float]): 0 to 1.
    recall (Optional[float]): 0 to 1.
    """

    precision: Optional[float] = None
    recall: Optional[float] = None

    def value(self, n_right: Any, n_predicted: Any, n_gold: int) -> Any:
        """How good predictions are; below 0 where what is asked is not reached, and
        the farther from it the lower.

        n_right, n_predicted (Any): Numbers, or arrays of the same shape.
        n_gold (int): How many gold spans there are.
        RETURNS (Any): Of the same shape.
        """
        counts = numpy.broadcast_arrays(n_right, n_predicted, n_gold)
        precision, recall, f1 = numpy.moveaxis(prf(numpy.stack(counts, axis=-1)), -1, 0)
        if self.precision is not None:
            reached = precision >= self.precision
            return numpy.where(reached, recall, precision - self.precision)
        if self.recall is not None:
            reached = recall >= self.recall
            return numpy.where(reached, precision, recall - self.recall)
        return f1


def choose_thresholds(
    candidates: Candidates, *, default: float, strength: float, target: Target
) -> Tuple[float, Floats]:
    """The global threshold that is best for all labels together, and for each label
    the one that is best for that label, drawn towards the global one:

        t_a = (n_a best_a + k t) / (n_a + k)

    with n_a the number of gold spans of label a, so that a rare label, of which
    the best threshold is mostly chance, stays close to the global one. Thresholds
    are scores (logits).

    candidates (Candidates): Candidates of held-out documents.
    default (float): Threshold where no candidate is right.
    strength (float): k, the number of gold spans at which a label's own best
        threshold is weighted equally with the global one.
    target (Target): What is best.
    RETURNS (Tuple[float, NDArray]): The global threshold, and that of each label.
    """
    n_gold = candidates.n_gold

    def best(chosen: Any, n: int, default: float) -> float:
        return best_threshold(
            candidates.spans.scores[chosen],
            candidates.right[chosen],
            n,
            floor=candidates.floor,
            default=default,
            target=target,
        )

    overall = best(slice(None), int(n_gold.sum()), default)
    singles = [
        best(candidates.spans.labels == label, n, overall)
        for label, n in enumerate(n_gold.tolist())
    ]
    share = n_gold / numpy.maximum(n_gold + strength, 1)
    return overall, share * numpy.array(singles) + (1 - share) * overall


def best_threshold(
    scores: Floats,
    right: Mask,
    n_gold: int,
    *,
    floor: float,
    default: float,
    target: Target,
) -> float:
    """The best threshold, halfway from the last candidate kept to the first one left
    out.

    scores (Floats): Scores of the candidates. *Shape:* (n,)
    right (Mask): Whether each is a gold span. *Shape:* (n,)
    n_gold (int): Gold spans, among the candidates or not.
    floor (float): The lowest score of a candidate.
    default (float): Threshold where no candidate is right.
    target (Target): What is best.
    RETURNS (float): The threshold.
    """
    order = numpy.argsort(-scores, kind="stable")
    scores, n_right = scores[order], numpy.cumsum(right[order])
    if not len(order) or not n_right[-1]:
        return default
    values = target.value(n_right, numpy.arange(1, len(order) + 1), n_gold)
    # Equal scores can only be kept together.
    values[:-1][scores[:-1] == scores[1:]] = -numpy.inf
    last = int(values.argmax())
    left_out = scores[last + 1] if last + 1 < len(order) else floor
    return float(scores[last] + left_out) / 2
