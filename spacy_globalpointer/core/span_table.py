"""Spans as arrays: one table, what spans are to one another, and which of those that
overlap are kept."""

from dataclasses import dataclass, fields
from typing import Any, Optional, Sequence

import numpy

from .arrays import Floats, Ints, Mask

OVERLAPS = ("any", "nested", "flat")
FLAT = ("longest", "optimal", "greedy")
# What "auto" is as value of `flat`: for doc.spans if `overlap` is "flat", and for
# doc.ents.
FLAT_SPANS, FLAT_ENTS = "optimal", "longest"


def flat_choice(flat: str, automatic: str) -> str:
    """The value of the setting `flat`, `automatic` if it is "auto"."""
    return automatic if flat == "auto" else flat


@dataclass
class SpanTable:
    """Spans of a batch, one entry each, in arrays of the same length.

    docs (Ints): The document. *Shape:* (n,)
    starts, ends (Ints): Start (inclusive) and end (exclusive) token, counted over the
        batch, so that spans of different documents never overlap. *Shape:* (n,)
    labels (Ints): Row of the label. *Shape:* (n,)
    scores (Floats): What they are ranked by: log odds of cells of a lattice,
        probabilities of spans of tags. *Shape:* (n,)
    """

    docs: Ints
    starts: Ints
    ends: Ints
    labels: Ints
    scores: Floats

    def __len__(self) -> int:
        return len(self.docs)

    def __getitem__(self, kept: "Ints | Mask") -> "SpanTable":
        return SpanTable(*(getattr(self, field.name)[kept] for field in fields(self)))

    def shifted(self, n_docs: int, n_tokens: int) -> "SpanTable":
        """The same spans, counted over more documents.

        n_docs (int): How many documents come before.
        n_tokens (int): How many tokens they have.
        """
        docs, starts, ends = self.docs + n_docs, self.starts, self.ends
        return SpanTable(
            docs, starts + n_tokens, ends + n_tokens, self.labels, self.scores
        )


def make_table(
    lengths: "Sequence[int] | Ints",
    starts: Ints,
    ends: Ints,
    labels: Ints,
    scores: Optional[Floats] = None,
) -> SpanTable:
    """Make a table of spans, with their documents.

    lengths (Sequence[int]): Tokens of each document.
    starts, ends, labels (Ints): Columns of `SpanTable`. *Shape:* (n,)
    scores (Optional[Floats]): The same. None: 0. *Shape:* (n,)
    """
    docs = numpy.searchsorted(numpy.cumsum(lengths), starts, side="right")
    if scores is None:
        scores = numpy.zeros(len(starts))
    return SpanTable(docs, starts, ends, labels, scores)


def concatenate(tables: Sequence[SpanTable]) -> SpanTable:
    """Join tables whose documents and tokens are counted together.

    tables (Sequence[SpanTable]): Any number of them.
    """
    none = numpy.zeros(0, dtype="int64")
    tables = [*tables, make_table([], none, none, none)]
    columns = (field.name for field in fields(SpanTable))
    return SpanTable(
        *(numpy.concatenate([getattr(x, name) for x in tables]) for name in columns)
    )


def overlap_of(starts: Ints, ends: Ints) -> str:
    """The strictest setting of `overlap` that spans obey.

    starts, ends (Ints): *Shape:* (n,)
    """
    if not overlapping(starts, ends).any():
        return "flat"
    return "any" if crossing(starts, ends).any() else "nested"


def inner(starts: Ints, ends: Ints) -> Mask:
    """Which spans are inside another span. Of those with the same start and end none
    is inside the others.

    starts, ends (Ints): *Shape:* (n,)
    RETURNS (Mask): *Shape:* (n,)
    """
    order = numpy.lexsort((-ends, starts))
    sorted_starts, sorted_ends = starts[order], ends[order]
    # How far the spans reach that begin before, or with it and are longer.
    is_new = numpy.ones(len(starts), dtype=bool)
    is_new[1:] = (numpy.diff(sorted_starts) != 0) | (numpy.diff(sorted_ends) != 0)
    before = numpy.flatnonzero(is_new)[numpy.cumsum(is_new) - 1] - 1
    nothing = ends.min(initial=0) - 1
    reach = numpy.append(numpy.maximum.accumulate(sorted_ends), nothing)[before]
    found = numpy.empty(len(starts), dtype=bool)
    found[order] = sorted_ends <= reach
    return found


def outer(starts: Ints, ends: Ints) -> Mask:
    """Which spans hold another span. Of those with the same start and end none holds
    the others. *Shapes:* (n,)"""
    # On a mirrored axis what holds is inside.
    return inner(-starts, -ends)


def overlapping(starts: Ints, ends: Ints) -> Mask:
    """Which spans share a token with another."""
    order = numpy.argsort(starts, kind="stable")
    reach = numpy.maximum.accumulate(ends[order])
    joined = starts[order][1:] < reach[:-1]
    found = numpy.zeros(len(starts), dtype=bool)
    found[order[1:]] |= joined
    found[order[:-1]] |= joined
    return found


def crossing(starts: Ints, ends: Ints) -> Mask:
    """Which spans overlap another while neither holds the other. *Shape:* (n,)"""
    order = numpy.lexsort((-ends, starts))
    starts, ends = starts[order], ends[order]
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
    unsorted = numpy.empty_like(found)
    unsorted[order] = found
    return unsorted


def _cross(starts: Ints, ends: Ints, start: Any, end: Any) -> Mask:
    """Whether spans overlap while neither holds the other."""
    first = (starts < start) & (start < ends) & (ends < end)
    second = (start < starts) & (starts < end) & (end < ends)
    return first | second


def touches_any(starts: Ints, ends: Ints, tokens: Mask) -> Mask:
    """Which spans hold at least one of the tokens that are True.

    starts, ends (Ints): *Shape:* (n,)
    tokens (Mask): *Shape:* (n_tokens,)
    RETURNS (Mask): *Shape:* (n,)
    """
    before = numpy.concatenate(([0], numpy.cumsum(tokens)))
    touches: Mask = before[starts] < before[ends]
    return touches


def resolve(spans: SpanTable, weights: Floats, overlap: str, flat: str) -> Ints:
    """The spans that are kept of those that overlap.

    spans (SpanTable): The spans.
    weights (Floats): What each weighs against others: its log odds minus those of
        its threshold. *Shape:* (n,)
    overlap (str): "any": all; "nested": no span crosses another, of two that do the one
        that weighs more is kept; "flat": disjoint spans.
    flat (str): Which disjoint spans, as for `choose_flat`.
    RETURNS (Ints): Their rows.
    """
    if overlap == "nested":
        kept = greedy_nested(spans.starts, spans.ends, weights)
    elif overlap == "flat":
        kept = choose_flat(spans, weights, flat)
    else:
        return numpy.arange(len(spans))
    return numpy.flatnonzero(kept)


def choose_flat(spans: SpanTable, weights: Floats, flat: str) -> Mask:
    """The disjoint spans that are kept. *Shape:* (n,)

    spans (SpanTable): The spans.
    weights (Floats): As for `resolve`. *Shape:* (n,)
    flat (str): "longest", the outermost; "optimal", those with the highest sum of
        weights; "greedy", the highest scores first.
    """
    if flat == "longest":
        return longest_flat(spans.starts, spans.ends, spans.scores)
    if flat == "greedy":
        return greedy_flat(spans.starts, spans.ends, spans.scores)
    return optimal_flat(spans.starts, spans.ends, weights)


def optimal_flat(starts: Ints, ends: Ints, weights: Floats) -> Mask:
    """The disjoint spans with the highest sum of weights: weighted interval
    scheduling, exact, O(n log n).

    starts, ends (Ints): *Shape:* (n,)
    weights (Floats): None below 0. *Shape:* (n,)
    RETURNS (Mask): The spans chosen. *Shape:* (n,)
    """
    kept = ~overlapping(starts, ends)
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
    kept = ~overlapping(starts, ends)
    rest = numpy.flatnonzero(~kept)
    rest = rest[numpy.argsort(-weights[rest], kind="stable")]
    taken = numpy.zeros(ends.max(initial=0), dtype=bool)
    for i, start, end in zip(rest, starts[rest], ends[rest]):
        if not taken[start:end].any():
            taken[start:end] = kept[i] = True
    return kept


def greedy_nested(starts: Ints, ends: Ints, weights: Floats) -> Mask:
    """Spans of which none crosses another, the highest weights first.

    starts, ends (Ints): *Shape:* (n,)
    weights (Floats): *Shape:* (n,)
    RETURNS (Mask): The spans chosen. *Shape:* (n,)
    """
    kept = ~crossing(starts, ends)
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
