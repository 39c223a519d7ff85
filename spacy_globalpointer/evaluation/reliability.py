"""Calibration of probabilities, and precision-recall curves."""

from typing import Any, Dict, Tuple

import numpy

from ..core.arrays import Floats, Mask
from .counts import prf

N_BINS = 10
# Points that are kept of a curve.
MOST_POINTS = 200


def reliability(
    probabilities: Floats, right: Mask, n_bins: int = N_BINS
) -> Dict[str, Any]:
    """How often spans are right, by their probability.

    probabilities (Floats): *Shape:* (n,)
    right (Mask): Whether each is right. *Shape:* (n,)
    n_bins (int): Ranges of probability, all of the same width.
    RETURNS (Dict[str, Any]): "ece", the expected calibration error: the mean distance
        between probability and accuracy over the bins, weighted by spans, None
        without spans; and "bins", a list with the bounds "from" and "to", "n",
        "probability", its mean, and "accuracy"; bins without spans are left out.
    """
    bins = numpy.minimum((probabilities * n_bins).astype("int64"), n_bins - 1)
    counts = numpy.bincount(bins, minlength=n_bins)
    used = numpy.flatnonzero(counts)
    means, accuracy = (
        numpy.bincount(bins, values, minlength=n_bins)[used] / counts[used]
        for values in (probabilities, right.astype("float64"))
    )
    n = int(counts.sum())
    ece = float((counts[used] * numpy.abs(means - accuracy)).sum() / n) if n else None
    return {
        "n": n,
        "ece": ece,
        "bins": [
            {
                "from": int(i) / n_bins,
                "to": (int(i) + 1) / n_bins,
                "n": int(counts[i]),
                "probability": float(mean),
                "accuracy": float(share),
            }
            for i, mean, share in zip(used, means, accuracy)
        ],
    }


def precision_recall(
    probabilities: Floats, right: Mask, n_gold: int
) -> Tuple[Floats, Floats, float]:
    """Precision and recall at every threshold.

    probabilities (Floats): Of the candidates. *Shape:* (n,)
    right (Mask): Whether each is gold. *Shape:* (n,)
    n_gold (int): Gold spans, found among the candidates or not.
    RETURNS (Tuple[Floats, Floats, float]): Precision and recall, from the highest
        threshold to the lowest, at most `MOST_POINTS` of them; and the average
        precision, the mean of precision over the gold spans, of all.
    """
    order = numpy.argsort(-probabilities, kind="stable")
    scores, n_right = probabilities[order], numpy.cumsum(right[order])
    # Equal probabilities can only be kept together.
    last = numpy.append(scores[1:] != scores[:-1], True)[: len(scores)]
    places = numpy.flatnonzero(last)
    counts = numpy.broadcast_arrays(n_right[places], places + 1, n_gold)
    precision, recall, _ = prf(numpy.stack(counts, axis=-1)).T
    gains = numpy.diff(recall, prepend=0.0)
    average = float((precision * gains).sum())
    if len(places) > MOST_POINTS:
        kept = numpy.linspace(0, len(places) - 1, MOST_POINTS).round().astype("int64")
        precision, recall = precision[kept], recall[kept]
    return precision, recall, average
