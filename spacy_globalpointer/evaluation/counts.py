"""Precision, recall and F1 of counts: right, predicted and gold spans."""

from typing import Iterable, Tuple

import numpy

from ..core.arrays import Floats, Ints
from .table import ComparedSpans


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


def macro(counts: Floats) -> Floats:
    """The mean of the labels that occur in gold or prediction.

    counts (Floats): *Shape:* (..., n_labels, 3)
    RETURNS (Floats): *Shape:* (..., 3)
    """
    occurs = (counts[..., 1:].sum(-1) > 0)[..., None]
    return _share((prf(counts) * occurs).sum(-2), occurs.sum(-2).astype("float64"))


def _share(part: Floats, whole: Floats) -> Floats:
    empty = numpy.zeros(numpy.broadcast(part, whole).shape)
    return numpy.divide(part, whole, out=empty, where=whole > 0)
