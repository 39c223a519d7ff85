"""What is in annotation, measured on arrays of spans.

Spans of many documents are in one pair of arrays: `starts` and `ends` count
tokens over all documents laid end to end, so that spans of different documents
never overlap.
"""

from typing import Any, Sequence, Tuple

import numpy
from numpy.typing import NDArray

from ..core.arrays import Ints, Mask

Words = NDArray[numpy.uint64]


def identical(starts: Ints, ends: Ints) -> Mask:
    """Which spans have the offsets of another. *Shape:* (n,)"""
    _, inverse, counts = _boundaries(starts, ends)
    return counts[inverse] > 1


def nested(starts: Ints, ends: Ints) -> Mask:
    """Which spans hold another or are held by one, with other offsets.
    *Shape:* (n,)"""
    bounds, inverse, _ = _boundaries(starts, ends)
    return (_held(bounds) | _holding(bounds))[inverse]


def crossing(starts: Ints, ends: Ints) -> Mask:
    """Which spans overlap another while neither holds the other. *Shape:* (n,)"""
    bounds, inverse, _ = _boundaries(starts, ends)
    starts, ends = bounds
    found = numpy.zeros(len(starts), dtype=bool)
    # Compare each span with the next, the one after it, ... as long as those begin
    # inside it.
    first = numpy.arange(len(starts))
    step = 1
    while len(first):
        first = first[first + step < len(starts)]
        first = first[starts[first + step] < ends[first]]
        second = first + step
        cross = (starts[first] < starts[second]) & (ends[first] < ends[second])
        found[first[cross]] = True
        found[second[cross]] = True
        step += 1
    return found[inverse]


def depth(starts: Ints, ends: Ints) -> int:
    """The most spans of which each holds the next; 1 if none is nested, 0 if there
    are no spans."""
    bounds, _, _ = _boundaries(starts, ends)
    levels = 0
    while bounds.shape[1]:
        # What nothing holds any more is one level.
        bounds = bounds[:, _held(bounds)]
        levels += 1
    return levels


def _boundaries(starts: Ints, ends: Ints) -> Tuple[Ints, Ints, Ints]:
    """Each pair of offsets once, by start, the longest first; for each span its
    place there; and how often each occurs. *Shapes:* (2, m), (n,), (m,)"""
    order = numpy.lexsort((-ends, starts))
    a, b = starts[order], ends[order]
    new = numpy.ones(len(order), dtype=bool)
    new[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    inverse = numpy.empty(len(order), dtype=int)
    inverse[order] = numpy.cumsum(new) - 1
    bounds = numpy.stack((a[new], b[new]))
    return bounds, inverse, numpy.bincount(inverse, minlength=bounds.shape[1])


def _held(bounds: Ints) -> Mask:
    """Which of `_boundaries` another one holds: those that begin no later end no
    earlier."""
    ends = bounds[1]
    held = numpy.zeros(len(ends), dtype=bool)
    held[1:] = numpy.maximum.accumulate(ends)[:-1] >= ends[1:]
    return held


def _holding(bounds: Ints) -> Mask:
    """Which of `_boundaries` hold another one."""
    ends = bounds[1]
    holding = numpy.zeros(len(ends), dtype=bool)
    holding[:-1] = numpy.minimum.accumulate(ends[::-1])[::-1][1:] <= ends[:-1]
    return holding


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
