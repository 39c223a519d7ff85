"""From the lattice to spans: thresholds, and the choice among overlapping ones."""

from dataclasses import dataclass, fields
from typing import Any, Optional, Sequence

import numpy
import torch
from numpy.typing import NDArray

from .lattice import Lattice

OVERLAPS = ("any", "nested", "flat")
FLAT = ("longest", "best", "greedy")

Ints = NDArray[numpy.integer[Any]]
Floats = NDArray[numpy.floating[Any]]
Mask = NDArray[numpy.bool_]


@dataclass
class Spans:
    """Spans of a batch, one entry each, in arrays of the same length.

    docs (Ints): The document.
    starts, ends (Ints): First token, and the one behind the last, counted over
        the batch, so that spans of different documents never overlap.
    labels (Ints): Row of the label in the lattice.
    scores (Floats): Logit, over the label's temperature.
    margins (Floats): The same minus the threshold's.
    """

    docs: Ints
    starts: Ints
    ends: Ints
    labels: Ints
    scores: Floats
    margins: Floats

    def __len__(self) -> int:
        return len(self.docs)

    def __getitem__(self, kept: "Ints | Mask") -> "Spans":
        return Spans(*(getattr(self, field.name)[kept] for field in fields(self)))


def decode(
    lattice: Lattice,
    thresholds: Sequence[float],
    *,
    temperatures: Optional[Sequence[float]] = None,
    overlap: str = "any",
    flat: str = "best",
    max_spans: Optional[int] = None,
) -> Spans:
    """Read the spans off a lattice, in the order of (document, start, end, label).

    lattice (Lattice): Scores of all candidates.
    thresholds (Sequence[float]): Lowest score that is kept, for each label.
    temperatures (Optional[Sequence[float]]): What the scores of each label, and its
        threshold, are divided by before they are compared with those of others.
        None: nothing.
    overlap (str): "any"; "nested", no span may cross another, of two that do the
        one with the higher margin is kept; "flat", disjoint spans.
    flat (str): Which disjoint spans: "longest", the outermost; "best", those with the
        highest sum of margins; "greedy", the highest scores first.
    max_spans (Optional[int]): Most spans of a document that are considered, the
        highest scores first. None: all.
    RETURNS (Spans): The spans kept.
    """
    found = above(lattice, thresholds, temperatures)
    return choose(found, overlap, flat, max_spans)


def choose(spans: Spans, overlap: str, flat: str, max_spans: Optional[int]) -> Spans:
    """The spans that are kept of those above the thresholds. Arguments as for
    `decode`."""
    spans = spans[_best_of_each_doc(spans, max_spans)]
    spans = spans[numpy.lexsort((spans.labels, spans.ends, spans.starts))]
    return resolve(spans, overlap, flat)


def resolve(spans: Spans, overlap: str, flat: str = "best") -> Spans:
    """The best of the spans that may stand together. Arguments as for `decode`."""
    if overlap == "nested":
        return spans[best_nested(spans.starts, spans.ends, spans.margins)]
    if overlap == "flat":
        return spans[choose_flat(spans, flat)]
    return spans


def choose_flat(spans: Spans, flat: str) -> Mask:
    """The disjoint spans that are kept. *Shape:* (n,)

    spans (Spans): The spans.
    flat (str): As for `decode`.
    """
    if flat == "longest":
        return longest_flat(spans.starts, spans.ends, spans.scores)
    if flat == "greedy":
        return greedy_flat(spans.starts, spans.ends, spans.scores)
    return best_flat(spans.starts, spans.ends, spans.margins)


def above(
    lattice: Lattice,
    thresholds: Sequence[float],
    temperatures: Optional[Sequence[float]] = None,
) -> Spans:
    """All candidates that reach their label's threshold. Arguments as for `decode`."""
    scores = lattice.scores.float()
    lowest = scores.new_tensor(thresholds).view(-1, 1, 1)
    # A threshold of -inf keeps all candidates, but not the cells that are none.
    lowest = lowest.clamp(min=torch.finfo(torch.float32).min)
    found = (scores >= lowest).nonzero().T
    # Indices and scores travel together: one transfer from the device.
    bits = scores[tuple(found)].view(torch.int32)
    table = torch.cat((found.int(), bits.unsqueeze(0))).cpu().numpy()
    labels, heads, widths = table[:3].astype("int64")
    values = table[3].view("float32").astype("float64")
    doc_ends = numpy.cumsum(lattice.layout.lengths)
    lows = numpy.asarray(thresholds, dtype="float64")[labels]
    if temperatures is not None:
        divisors = numpy.asarray(temperatures)[labels]
        values, lows = values / divisors, lows / divisors
    return Spans(
        docs=numpy.searchsorted(doc_ends, heads, side="right"),
        starts=heads,
        ends=heads + widths + 1,
        labels=labels,
        scores=values,
        margins=margins_over(values, lows),
    )


def margins_over(scores: Floats, thresholds: Floats) -> Floats:
    """What spans weigh: their scores minus the thresholds that they reach.

    Over a threshold of probability 0 or 1, which is infinitely far away, a span weighs
    -log(1 - p), p its probability: about its log odds if it is likely, and next to
    nothing if it is not.

    scores, thresholds (Floats): Log odds. *Shape:* (n,)
    RETURNS (Floats): None below 0, all finite. *Shape:* (n,)
    """
    # A probability that is rounded to 1 has infinite log odds.
    scores = numpy.clip(scores, -LARGEST_SCORE, LARGEST_SCORE)
    finite = numpy.isfinite(thresholds)
    lows = numpy.where(finite, thresholds, 0.0)
    over = numpy.where(finite, scores - lows, numpy.logaddexp(0.0, scores))
    return numpy.maximum(over, 0.0)


# Log odds beyond this weigh no more.
LARGEST_SCORE = 1e12


def _best_of_each_doc(spans: Spans, max_spans: Optional[int]) -> Mask:
    counts = numpy.bincount(spans.docs)
    if max_spans is None or counts.max(initial=0) <= max_spans:
        return numpy.ones(len(spans), dtype=bool)
    order = numpy.lexsort((-spans.scores, spans.docs))
    firsts = numpy.repeat(numpy.cumsum(counts) - counts, counts)
    kept = numpy.empty(len(spans), dtype=bool)
    kept[order] = numpy.arange(len(spans)) - firsts < max_spans
    return kept


def overlap_of(starts: Ints, ends: Ints) -> str:
    """The strictest setting of `overlap` that spans obey.

    starts, ends (Ints): *Shape:* (n,)
    """
    if not _overlapping(starts, ends).any():
        return "flat"
    return "any" if _crossing(starts, ends).any() else "nested"


def best_flat(starts: Ints, ends: Ints, weights: Floats) -> Mask:
    """The disjoint spans with the highest sum of weights: weighted interval
    scheduling, exact, O(n log n).

    starts, ends (Ints): *Shape:* (n,)
    weights (Floats): None below 0. *Shape:* (n,)
    RETURNS (Mask): The spans chosen. *Shape:* (n,)
    """
    kept = ~_overlapping(starts, ends)
    # Only spans that overlap another are left to choose from.
    rest = numpy.flatnonzero(~kept)
    rest = rest[numpy.argsort(ends[rest], kind="stable")]
    # How many of them end before each begins.
    n_before = numpy.searchsorted(ends[rest], starts[rest], side="right").tolist()
    gains = weights[rest].tolist()
    best = [0.0]
    for gain, before in zip(gains, n_before):
        best.append(max(best[-1], best[before] + gain))
    i = len(rest)
    while i > 0:
        if best[n_before[i - 1]] + gains[i - 1] >= best[i]:
            kept[rest[i - 1]] = True
            i = n_before[i - 1]
        else:
            i -= 1
    return kept


def longest_flat(starts: Ints, ends: Ints, scores: Floats) -> Mask:
    """Disjoint spans, the outermost first: of the spans that no other one holds, the
    one with the highest score is kept, what overlaps it is dropped, and so on with the
    spans that are left. Of equal scores the longest is kept, then the first. Where no
    spans cross, this is what `spacy.util.filter_spans` keeps: the outermost, and of
    several labels on the same tokens the first.

    starts, ends (Ints): *Shape:* (n,)
    scores (Floats): *Shape:* (n,)
    RETURNS (Mask): The spans chosen. *Shape:* (n,)
    """
    kept = numpy.zeros(len(starts), dtype=bool)
    # Spans on the same tokens are one, with the highest of their scores.
    cells = numpy.stack((starts, ends))
    _, firsts, of_cell = numpy.unique(
        cells, axis=1, return_index=True, return_inverse=True
    )
    if len(firsts) < len(starts):
        highest = numpy.full(len(firsts), -numpy.inf)
        numpy.maximum.at(highest, of_cell.ravel(), scores)
        kept[firsts] = longest_flat(starts[firsts], ends[firsts], highest)
        return kept
    # The rank of each span among those that may be kept next.
    rank = numpy.empty(len(starts), dtype="int64")
    rank[numpy.lexsort((starts, starts - ends, -scores))] = numpy.arange(len(starts))
    rest = numpy.argsort(starts, kind="stable")
    while len(rest):
        # Spans that are joined by others that overlap both are a group. In each
        # group one span can be kept at a time.
        reach = numpy.maximum.accumulate(ends[rest])
        borders = numpy.append(True, starts[rest][1:] >= reach[:-1])
        groups = numpy.cumsum(borders) - 1
        may = ~inner(starts[rest], ends[rest])
        outer, of_outer = rest[may], groups[may]
        order = numpy.lexsort((rank[outer], of_outer))
        _, first = numpy.unique(of_outer[order], return_index=True)
        chosen = outer[order][first]
        kept[chosen] = True
        before = ends[rest] <= starts[chosen][groups]
        behind = starts[rest] >= ends[chosen][groups]
        rest = rest[before | behind]
    return kept


def greedy_flat(starts: Ints, ends: Ints, weights: Floats) -> Mask:
    """Disjoint spans, the highest weights first, each kept unless it overlaps one
    kept before; of equal weights, the first.

    starts, ends (Ints): *Shape:* (n,)
    weights (Floats): *Shape:* (n,)
    RETURNS (Mask): The spans chosen. *Shape:* (n,)
    """
    kept = ~_overlapping(starts, ends)
    rest = numpy.flatnonzero(~kept)
    rest = rest[numpy.argsort(-weights[rest], kind="stable")]
    taken = numpy.zeros(ends.max(initial=0), dtype=bool)
    for i, start, end in zip(rest, starts[rest], ends[rest]):
        if not taken[start:end].any():
            taken[start:end] = kept[i] = True
    return kept


def inner(starts: Ints, ends: Ints) -> Mask:
    """Spans that stand inside another span. Of those with the same start and end
    none is inside the others.

    starts, ends (Ints): *Shape:* (n,)
    RETURNS (Mask): *Shape:* (n,)
    """
    order = numpy.lexsort((-ends, starts))
    sorted_starts, sorted_ends = starts[order], ends[order]
    # How far the spans reach that begin before, or with it and are longer.
    is_new = numpy.ones(len(starts), dtype=bool)
    is_new[1:] = (numpy.diff(sorted_starts) != 0) | (numpy.diff(sorted_ends) != 0)
    before = numpy.flatnonzero(is_new)[numpy.cumsum(is_new) - 1] - 1
    reach = numpy.append(numpy.maximum.accumulate(sorted_ends), -1)[before]
    found = numpy.empty(len(starts), dtype=bool)
    found[order] = sorted_ends <= reach
    return found


def _overlapping(starts: Ints, ends: Ints) -> Mask:
    """Which spans share a token with another."""
    order = numpy.argsort(starts, kind="stable")
    reach = numpy.maximum.accumulate(ends[order])
    joined = starts[order][1:] < reach[:-1]
    overlapping = numpy.zeros(len(starts), dtype=bool)
    overlapping[order[1:]] |= joined
    overlapping[order[:-1]] |= joined
    return overlapping


def best_nested(starts: Ints, ends: Ints, weights: Floats) -> Mask:
    """Spans of which none crosses another, the highest weights first.

    starts, ends (Ints): *Shape:* (n,)
    weights (Floats): *Shape:* (n,)
    RETURNS (Mask): The spans chosen. *Shape:* (n,)
    """
    kept = ~_crossing(starts, ends)
    rest = numpy.flatnonzero(~kept)
    rest = rest[numpy.argsort(-weights[rest], kind="stable")]
    chosen_starts, chosen_ends = starts[rest], ends[rest]
    n = 0
    for i in rest:
        s, e = chosen_starts[:n], chosen_ends[:n]
        if not _cross(s, e, starts[i], ends[i]).any():
            chosen_starts[n], chosen_ends[n] = starts[i], ends[i]
            kept[i] = True
            n += 1
    return kept


def _cross(starts: Ints, ends: Ints, start: Any, end: Any) -> Mask:
    """Whether spans overlap while neither holds the other."""
    first = (starts < start) & (start < ends) & (ends < end)
    second = (start < starts) & (starts < end) & (end < ends)
    return first | second


def _crossing(starts: Ints, ends: Ints) -> Mask:
    """Which spans cross another."""
    order = numpy.argsort(starts, kind="stable")
    starts, ends = starts[order], ends[order]
    crossing = numpy.zeros(len(starts), dtype=bool)
    # Compare each span with the next, the one after it, ... until all of those
    # begin too far behind to overlap.
    for step in range(1, len(starts)):
        if not (starts[step:] < ends[:-step]).any():
            break
        pairs = _cross(starts[:-step], ends[:-step], starts[step:], ends[step:])
        crossing[:-step] |= pairs
        crossing[step:] |= pairs
    unsorted = numpy.empty_like(crossing)
    unsorted[order] = crossing
    return unsorted
