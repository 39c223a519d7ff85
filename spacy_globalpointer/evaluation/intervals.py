"""Precision, recall and F1 with bootstrap intervals, resampled by document."""

from typing import Any, Dict, Iterable, List, Sequence, Tuple

import numpy

from ..core.arrays import Floats, Ints
from .table import ComparedSpans

Scores = Dict[str, Any]

# Weights of documents that are held at a time.
MOST_WEIGHTS = 10_000_000
LEVEL = 0.95


def label_counts(table: ComparedSpans) -> Floats:
    """Right, predicted and gold spans of each document and label.
    *Shape:* (n_docs, n_labels, 3)"""
    sides = table.gold[table.right[0]], table.predicted, table.gold
    columns = [(side.docs, side.labels) for side in sides]
    return count_cells(columns, table.n_docs, len(table.labels))


def count_cells(
    columns: Iterable[Tuple[Ints, Ints]], n_docs: int, n_groups: int
) -> Floats:
    """How many spans of each document are in each group.

    columns (Iterable[Tuple[Ints, Ints]]): Document and group of spans, one entry a
        count.
    RETURNS (Floats): *Shape:* (n_docs, n_groups, n_counts)
    """
    counts = [
        numpy.bincount(docs * n_groups + groups, minlength=n_docs * n_groups)
        for docs, groups in columns
    ]
    return (
        numpy.stack(counts, axis=-1)
        .reshape(n_docs, n_groups, len(counts))
        .astype("float64")
    )


def prf(counts: Floats) -> Floats:
    """Precision, recall and F1; 0 where there is nothing to divide by.

    counts (Floats): Right, predicted and gold spans. *Shape:* (..., 3)
    RETURNS (Floats): *Shape:* (..., 3)
    """
    right, predicted, gold = numpy.moveaxis(numpy.asarray(counts, "float64"), -1, 0)
    pairs = (right, predicted), (right, gold), (2 * right, predicted + gold)
    return numpy.stack([_share(*pair) for pair in pairs], axis=-1)


def _share(part: Floats, whole: Floats) -> Floats:
    empty = numpy.zeros(numpy.broadcast(part, whole).shape)
    return numpy.divide(part, whole, out=empty, where=whole > 0)


def macro(counts: Floats) -> Floats:
    """The mean of the labels that occur in gold or prediction.

    counts (Floats): *Shape:* (..., n_labels, 3)
    RETURNS (Floats): *Shape:* (..., 3)
    """
    occurs = (counts[..., 1:].sum(-1) > 0)[..., None]
    return _share((prf(counts) * occurs).sum(-2), occurs.sum(-2).astype("float64"))


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


def describe(counts: Floats, resampled: Floats, averaged: bool = False) -> Scores:
    """Scores of counts, with intervals.

    counts (Floats): Sums over all documents. *Shape:* (n_labels, 3)
    resampled (Floats): The same of each resample. *Shape:* (n, n_labels, 3)
    averaged (bool): Whether to take the mean of the labels, rather than of spans.
    RETURNS (Scores): "p", "r", "f", "interval" with a pair for each, and, unless
        averaged, the counts "right", "predicted" and "gold".
    """
    if averaged:
        values, samples = macro(counts), macro(resampled)
    else:
        counts = counts.sum(0)
        values, samples = prf(counts), prf(resampled.sum(1))
    scores: Scores = dict(zip("prf", values.tolist()))
    if len(samples):
        bounds = numpy.stack(interval(samples), axis=-1).tolist()
        scores["interval"] = dict(zip("prf", bounds))
    if not averaged:
        names = ("right", "predicted", "gold")
        scores.update(zip(names, map(int, counts)))
    return scores


def difference(
    values: Floats, others: Floats, samples: Floats, other_samples: Floats
) -> Scores:
    """How much higher the scores of another model are, with intervals.

    values, others (Floats): Precision, recall and F1 of both. *Shape:* (3,)
    samples, other_samples (Floats): Of the same resamples. *Shape:* (n, 3)
    RETURNS (Scores): "p", "r", "f", and "interval" with a pair for each.
    """
    scores: Scores = dict(zip("prf", (others - values).tolist()))
    if len(samples):
        bounds = numpy.stack(interval(other_samples - samples), axis=-1).tolist()
        scores["interval"] = dict(zip("prf", bounds))
    return scores
