"""What is in annotation, measured on arrays of spans.

Spans of many documents are in one pair of arrays: `starts` and `ends` count
tokens over all documents laid end to end, so that spans of different documents
never overlap.
"""

from typing import Any, Sequence

import numpy
from numpy.typing import NDArray

from ..core.arrays import Ints, Mask
from ..core.span_table import inner, outer

Words = NDArray[numpy.uint64]


def identical(starts: Ints, ends: Ints) -> Mask:
    """Which spans have the offsets of another. *Shape:* (n,)"""
    _, inverse, counts = numpy.unique(
        numpy.stack((starts, ends)), axis=1, return_inverse=True, return_counts=True
    )
    return counts[inverse.ravel()] > 1


def nested(starts: Ints, ends: Ints) -> Mask:
    """Which spans hold another or are inside one, with other offsets.
    *Shape:* (n,)"""
    return inner(starts, ends) | outer(starts, ends)


def depth(starts: Ints, ends: Ints) -> int:
    """The most spans of which each holds the next; 1 if none is nested, 0 if there
    are no spans."""
    levels = 0
    while len(starts):
        # What is inside no other one is one level.
        rest = inner(starts, ends)
        starts, ends = starts[rest], ends[rest]
        levels += 1
    return levels


def percentiles(values: Ints, percents: Sequence[float]) -> Ints:
    """The lowest values that so many percent of all do not exceed. *Shape:* as
    `percents`"""
    ordered = numpy.sort(values)
    ranks = numpy.ceil(numpy.asarray(percents) / 100 * len(ordered)).astype(int) - 1
    return ordered[numpy.maximum(ranks, 0)]


class Hashes:
    """Hashes of runs of tokens, without a loop over them.

    words (NDArray): The word of each token. *Shape:* (n_tokens,), uint64
    """

    # Odd, so that it has an inverse modulo 2 ** 64.
    BASE = numpy.uint64(0x9E3779B97F4A7C15)
    INVERSE = numpy.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))

    def __init__(self, words: Words) -> None:
        # sum of words[i] * BASE ** i over all before each place
        self._sums = numpy.zeros(len(words) + 1, dtype="uint64")
        self._inverse = _powers(self.INVERSE, len(words) + 1)
        terms = words * _powers(self.BASE, len(words))
        self._sums[1:] = numpy.cumsum(terms, dtype="uint64")

    def __call__(self, starts: Ints, ends: Ints) -> Words:
        """A hash of each run that does not depend on its position.
        *Shape:* (n,), uint64"""
        runs = (self._sums[ends] - self._sums[starts]) * self._inverse[starts]
        return mixed(runs, ends - starts)


def mixed(*columns: NDArray[Any]) -> Words:
    """One hash of the values in each row. *Shape:* (n,), uint64"""
    total = numpy.zeros(len(columns[0]), dtype="uint64")
    for column in columns:
        total = (total ^ column.astype("uint64")) * Hashes.BASE
        total ^= total >> numpy.uint64(29)
    return total


def _powers(base: Any, n: int) -> Words:
    powers = numpy.full(n, base, dtype="uint64")
    powers[:1] = 1
    return numpy.cumprod(powers, dtype="uint64")
