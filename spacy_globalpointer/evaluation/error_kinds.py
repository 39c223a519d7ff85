"""What kind of error a wrong span is."""

from dataclasses import dataclass
from typing import Any, Dict, Tuple

import numpy
from numpy.typing import NDArray

from ..core.arrays import Ints, Mask
from .table import ComparedSpans, Mentions, number_rows

# In the order in which they are tried; what is none of the others is missed, in gold,
# or spurious, in the prediction.
KINDS = ("right", "type", "boundary", "nesting", "missed", "spurious")
RIGHT, TYPE, BOUNDARY, NESTING, MISSED, SPURIOUS = range(len(KINDS))


@dataclass
class ErrorKinds:
    """The kind of each span of a table, as numbers in `KINDS`.

    "type": a wrong span on the other side has the same tokens and another label;
    these are paired one to one.
    "boundary": a wrong span of the same label overlaps it on the other side.
    "nesting": none of these, but a correct span contains it, is inside it or has
    the same tokens: a level too many, or one too few.
    "missed", "spurious": the rest.

    gold, predicted (Ints): *Shape:* (n_gold,), (n_predicted,)
    types (Ints): The pairs of type errors, numbers of a gold and of a predicted
        span. *Shape:* (n, 2)
    """

    gold: Ints
    predicted: Ints
    types: Ints

    def summary(self) -> Dict[str, Any]:
        """The counts of both sides, and the shares of all errors, false positives and
        false negatives, that are boundary errors or type errors (Bundling Learning,
        arXiv 2207.03300)."""
        counts = {
            name: dict(zip(KINDS, numpy.bincount(side, minlength=len(KINDS)).tolist()))
            for name, side in (("gold", self.gold), ("predicted", self.predicted))
        }
        # No gold span is spurious, and no predicted one is missed.
        del counts["gold"]["spurious"], counts["predicted"]["missed"]
        totals = {
            kind: sum(side.get(kind, 0) for side in counts.values()) for kind in KINDS
        }
        n_errors = max(sum(totals.values()) - totals["right"], 1)
        return {
            **counts,
            "boundary_error_rate": totals["boundary"] / n_errors,
            "type_error_rate": totals["type"] / n_errors,
        }


def error_kinds(table: ComparedSpans) -> ErrorKinds:
    """Tell the errors of a table apart.

    table (ComparedSpans): The spans.
    RETURNS (ErrorKinds): The kind of each span.
    """
    right = table.right
    gold = numpy.where(right[0], RIGHT, MISSED)
    predicted = numpy.where(right[1], RIGHT, SPURIOUS)
    types = _type_pairs(table, ~right[0], ~right[1])
    gold[types[:, 0]] = TYPE
    predicted[types[:, 1]] = TYPE
    _mark_boundaries(table, gold, predicted)
    for side, kinds, rest in (
        (table.gold, gold, MISSED),
        (table.predicted, predicted, SPURIOUS),
    ):
        wrong = numpy.flatnonzero(kinds == rest)
        around = table.gold[right[0]]
        first, second = _pairs(side.docs[wrong], around.docs)
        held = _holds(around[second], side[wrong[first]])
        held |= _holds(side[wrong[first]], around[second])
        kinds[wrong[first[held]]] = NESTING
    return ErrorKinds(gold, predicted, types)


def confusion(table: ComparedSpans, kinds: ErrorKinds) -> NDArray[numpy.int64]:
    """Gold labels (rows) against predicted ones (columns) on the same tokens; the
    last row and column are for none. The rows add up to the gold spans, the columns
    to the predicted ones. *Shape:* (n_labels + 1, n_labels + 1)"""
    none = len(table.labels)
    matrix = numpy.zeros((none + 1, none + 1), dtype="int64")
    right = table.gold.labels[table.right[0]]
    numpy.add.at(matrix, (right, right), 1)
    pairs = (
        table.gold.labels[kinds.types[:, 0]],
        table.predicted.labels[kinds.types[:, 1]],
    )
    numpy.add.at(matrix, pairs, 1)
    alone = kinds.gold > TYPE, kinds.predicted > TYPE
    missed, spurious = table.gold.labels[alone[0]], table.predicted.labels[alone[1]]
    matrix[:-1, none] = numpy.bincount(missed, minlength=none)
    matrix[none, :-1] = numpy.bincount(spurious, minlength=none)
    return matrix


def _type_pairs(table: ComparedSpans, gold: Mask, predicted: Mask) -> Ints:
    """Wrong spans of both sides on the same tokens, paired in the order of labels."""
    rows = numpy.flatnonzero(gold), numpy.flatnonzero(predicted)
    sides = table.gold[rows[0]], table.predicted[rows[1]]
    places = number_rows(*((side.docs, side.starts, side.ends) for side in sides))
    of_gold, of_predicted = number_rows(
        *((place, _ranks(place, side.labels)) for place, side in zip(places, sides))
    )
    _, first, second = numpy.intersect1d(
        of_gold, of_predicted, assume_unique=True, return_indices=True
    )
    return numpy.stack((rows[0][first], rows[1][second]), axis=1)


def _ranks(groups: Ints, values: Ints) -> Ints:
    """The place of each entry in its group, by value."""
    order = numpy.lexsort((values, groups))
    _, first, counts = numpy.unique(
        groups[order], return_index=True, return_counts=True
    )
    ranks = numpy.empty_like(groups)
    ranks[order] = numpy.arange(len(groups)) - numpy.repeat(first, counts)
    return ranks


def _mark_boundaries(table: ComparedSpans, gold: Ints, predicted: Ints) -> None:
    rows = numpy.flatnonzero(gold == MISSED), numpy.flatnonzero(predicted == SPURIOUS)
    sides = table.gold[rows[0]], table.predicted[rows[1]]
    groups = number_rows(*((side.docs, side.labels) for side in sides))
    first, second = _pairs(*groups)
    a, b = sides[0][first], sides[1][second]
    overlap = (a.starts < b.ends) & (b.starts < a.ends)
    gold[rows[0][first[overlap]]] = BOUNDARY
    predicted[rows[1][second[overlap]]] = BOUNDARY


def _holds(outer: Mentions, inner: Mentions) -> Mask:
    return (outer.starts <= inner.starts) & (inner.ends <= outer.ends)


def _pairs(left: Ints, right: Ints) -> Tuple[Ints, Ints]:
    """All pairs of entries of the same group, as indices into both."""
    order = numpy.argsort(right, kind="stable")
    low, high = (
        numpy.searchsorted(right[order], left, side=side) for side in ("left", "right")
    )
    counts = high - low
    first = numpy.repeat(numpy.arange(len(left)), counts)
    places = numpy.arange(counts.sum()) - numpy.repeat(
        numpy.cumsum(counts) - counts, counts
    )
    return first, order[numpy.repeat(low, counts) + places]
