"""Temperatures that calibrate probabilities on held-out data."""

import numpy

from ..core.arrays import Floats, Mask
from .candidates import Candidates

# Temperatures that are tried: from a seventh to seven times.
TRIED = numpy.exp(numpy.linspace(-2, 2, 161))


def fit_temperatures(candidates: Candidates, *, strength: float) -> Floats:
    """For each label the temperature, what its scores are divided by, at which the
    likelihood of which candidates are right and which are not is highest, drawn
    towards the one of all labels together:

        log T_a = (n_a log best_a + k log T) / (n_a + k)

    with n_a the number of gold spans of label a. (A temperature does not change the
    order of the scores of a label.)

    candidates (Candidates): Candidates of held-out documents, with scores of
        temperature 1.
    strength (float): k.
    RETURNS (NDArray): *Shape:* (n_labels,)
    """
    n_gold = candidates.n_gold
    overall = _best(candidates, numpy.ones(len(candidates.spans), dtype=bool), 1.0)
    singles = [
        _best(candidates, candidates.spans.labels == label, overall)
        for label in range(len(n_gold))
    ]
    share = n_gold / numpy.maximum(n_gold + strength, 1)
    return numpy.exp(share * numpy.log(singles) + (1 - share) * numpy.log(overall))


def _best(candidates: Candidates, chosen: Mask, default: float) -> float:
    scores, right = candidates.spans.scores[chosen], candidates.right[chosen]
    if not right.any() or right.all():
        return default
    signed = numpy.where(right, -scores, scores)
    losses = [numpy.logaddexp(0, signed / t).sum() for t in TRIED]
    return float(TRIED[numpy.argmin(losses)])
