"""Bootstrap intervals of precision, recall and F1, resampled by document."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy

from ..core.arrays import Floats
from .counts import macro, prf

Scores = Dict[str, Any]

# Weights of documents that are held at a time.
MOST_WEIGHTS = 10_000_000
LEVEL = 0.95


def resample(
    counts: Sequence[Floats], annotated: Any, *, n: int, seed: int
) -> List[Floats]:
    """Sums of counts over documents drawn with replacement.

    counts (Sequence[Floats]): Such as those of several models. All are resampled
        alike, so that differences are those on the same documents.
        *Shape:* (n_docs, n_labels, 3)
    annotated (Mask): Documents that are drawn. *Shape:* (n_docs,)
    n (int): How many times.
    seed (int): Seed of the draws.
    RETURNS (List[Floats]): *Shape:* (n, n_labels, 3)
    """
    drawn = numpy.flatnonzero(annotated)
    shapes = [table.shape[1:] for table in counts]
    tables = [
        table[drawn].reshape(len(drawn), shape[0] * shape[1])
        for table, shape in zip(counts, shapes)
    ]
    sums = [numpy.zeros((n, table.shape[1])) for table in tables]
    random = numpy.random.default_rng(seed)
    step = max(MOST_WEIGHTS // max(len(drawn), 1), 1)
    chances = numpy.full(len(drawn), 1 / max(len(drawn), 1))
    for first in range(0, n if len(drawn) else 0, step):
        size = min(step, n - first)
        weights = random.multinomial(len(drawn), chances, size=size).astype("float64")
        for rows, table in zip(sums, tables):
            rows[first : first + size] = weights @ table
    return [rows.reshape(n, *shape) for rows, shape in zip(sums, shapes)]


def interval(values: Floats) -> Tuple[Floats, Floats]:
    """The percentile interval of resampled values.

    values (Floats): *Shape:* (n, ...)
    RETURNS (Tuple[Floats, Floats]): Lower and upper bounds. *Shape:* (...)
    """
    tail = (1 - LEVEL) / 2
    lower, upper = numpy.quantile(values, [tail, 1 - tail], axis=0)
    return lower, upper


def describe(
    counts: Floats, resampled: Optional[Floats] = None, averaged: bool = False
) -> Scores:
    """Scores of counts, with intervals.

    counts (Floats): Sums over all documents. *Shape:* (n_labels, 3)
    resampled (Optional[Floats]): The same of each resample. None: no intervals.
        *Shape:* (n, n_labels, 3)
    averaged (bool): Whether to take the mean of the labels, rather than of spans.
    RETURNS (Scores): "p", "r", "f", "interval" with a pair for each, and, unless
        averaged, the counts "right", "predicted" and "gold".
    """
    samples = numpy.zeros((0, *counts.shape)) if resampled is None else resampled
    if averaged:
        return _with_interval(macro(counts), macro(samples))
    scores = _with_interval(prf(counts.sum(0)), prf(samples.sum(1)))
    names = ("right", "predicted", "gold")
    return {**scores, **dict(zip(names, map(int, counts.sum(0))))}


def difference(
    values: Floats, others: Floats, samples: Floats, other_samples: Floats
) -> Scores:
    """How much higher the scores of another model are, with intervals.

    values, others (Floats): Precision, recall and F1 of both. *Shape:* (3,)
    samples, other_samples (Floats): Of the same resamples. *Shape:* (n, 3)
    RETURNS (Scores): "p", "r", "f", and "interval" with a pair for each.
    """
    return _with_interval(others - values, other_samples - samples)


def _with_interval(values: Floats, samples: Floats) -> Scores:
    scores: Scores = dict(zip("prf", values.tolist()))
    if len(samples):
        bounds = numpy.stack(interval(samples), axis=-1).tolist()
        scores["interval"] = dict(zip("prf", bounds))
    return scores
