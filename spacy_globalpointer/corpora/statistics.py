"""What is in annotation, measured on arrays of spans.

Spans of many documents stand in one pair of arrays: `starts` and `ends` count
tokens over all documents laid end to end, so that spans of different documents
never overlap.
"""

from typing import Any, Tuple

import numpy
from numpy.typing import NDArray

Ints = NDArray[numpy.integer[Any]]
Mask = NDArray[numpy.bool_]


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
    place there; and how often each stands. *Shapes:* (2, m), (n,), (m,)"""
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
