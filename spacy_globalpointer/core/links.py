"""Pairs of spans: which are scored, and which are linked.

The pairs of a batch are a lattice of width 1 with a row for each pair: its scores have
the shape (n_labels, n_pairs, 1), and its layout says how many pairs each document has.
So the objectives are those of spans.
"""

from dataclasses import dataclass, fields, replace
from typing import Dict, List, Optional, Sequence, Tuple

import numpy
import torch
from torch import Tensor

from .arrays import Floats, Ints, Mask
from .lattice import Layout
from .span_table import SpanTable


@dataclass
class Links:
    """The pairs of a batch.

    tokens (Layout): The documents of the batch.
    layout (Layout): The same with pairs in the place of tokens, and a width of 1.
    starts, ends (Tensor): The spans, counted in tokens of the batch, ends exclusive.
        *Shape:* (n_spans,), int64
    span_labels (Tensor): The rows of their labels. *Shape:* (n_spans,), int64
    heads, tails (Tensor): The pairs, as rows of the spans. *Shape:* (n_pairs,), int64
    """

    tokens: Layout
    layout: Layout
    starts: Tensor
    ends: Tensor
    span_labels: Tensor
    heads: Tensor
    tails: Tensor

    def to(self, device: Optional[torch.device]) -> "Links":
        """The same on a device."""
        parts = {
            field.name: value.to(device)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        tokens, layout = (
            Layout(x.lengths, max_length, device)
            for x, max_length in ((self.tokens, None), (self.layout, 1))
        )
        return replace(self, tokens=tokens, layout=layout, **parts)


@dataclass
class LinkTable:
    """Links of a batch, one entry each, in arrays of the same length.

    heads, tails (Ints): The spans, as rows of a table of spans. *Shape:* (n,)
    labels (Ints): Row of the label. *Shape:* (n,)
    scores (Floats): Log odds. *Shape:* (n,)
    """

    heads: Ints
    tails: Ints
    labels: Ints
    scores: Floats

    def __len__(self) -> int:
        return len(self.heads)

    def __getitem__(self, kept: "Ints | Mask") -> "LinkTable":
        return LinkTable(*(getattr(self, field.name)[kept] for field in fields(self)))


def make_links(
    spans: SpanTable,
    lengths: Sequence[int],
    *,
    max_distance: Optional[int] = None,
    max_pairs: Optional[int] = None,
) -> Tuple[Links, Ints]:
    """The pairs of a batch that are scored: of each document the ordered pairs of two
    of its spans.

    A document with more than `max_pairs` has those of the spans next to each other, in
    the order of their starts and ends: of each span and the K after it, both
    directions, K the same for all and at least 1. No more are ever listed.

    spans (SpanTable): The spans.
    lengths (Sequence[int]): Tokens of each document.
    max_distance (Optional[int]): Most tokens between two spans. None: no limit.
    max_pairs (Optional[int]): Most pairs of a document. None: no limit.
    RETURNS (Tuple[Links, Ints]): The pairs, by document, then by their heads and
        tails in the order of starts and ends; and the documents that have more.
    """
    order = numpy.lexsort((spans.labels, spans.ends, spans.starts, spans.docs))
    docs, starts, ends = spans.docs[order], spans.starts[order], spans.ends[order]
    counts = numpy.bincount(docs, minlength=len(lengths))
    firsts = (numpy.cumsum(counts) - counts)[docs]
    lasts = firsts + counts[docs] - 1
    places = numpy.arange(len(docs))
    reach = _reach(counts, max_pairs)[docs]
    lows = numpy.maximum(places - reach, firsts)
    sizes = numpy.minimum(places + reach, lasts) - lows + 1
    heads = numpy.repeat(places, sizes)
    begins = numpy.cumsum(sizes) - sizes
    tails = numpy.arange(len(heads)) - numpy.repeat(begins - lows, sizes)
    kept = heads != tails
    following = numpy.minimum(places + reach + 1, len(places) - 1)
    is_cut = places + reach + 1 <= lasts
    if max_distance is not None:
        first = numpy.minimum(ends[heads], ends[tails])
        kept &= numpy.maximum(starts[heads], starts[tails]) - first <= max_distance
        is_cut &= starts[following] - ends <= max_distance
    heads, tails = heads[kept], tails[kept]
    n_pairs = numpy.bincount(docs[heads], minlength=len(lengths)).tolist()
    links = Links(
        Layout(lengths),
        Layout(n_pairs, 1),
        *map(_tensor, (spans.starts, spans.ends, spans.labels)),
        *map(_tensor, (order[heads], order[tails])),
    )
    return links, numpy.unique(docs[is_cut])


def _tensor(values: Ints) -> Tensor:
    return torch.from_numpy(numpy.ascontiguousarray(values, dtype="int64"))


def _reach(counts: Ints, max_pairs: Optional[int]) -> Ints:
    """How far apart two spans of a pair are in the order of the spans of a document.

    K of m spans have K (2 m - K - 1) ordered pairs.
    """
    reach = counts - 1
    if max_pairs is None:
        return reach
    n = 2.0 * counts - 1
    root = numpy.sqrt(numpy.maximum(n * n - 4.0 * max_pairs, 0))
    longest = numpy.maximum(numpy.floor((n - root) / 2).astype("int64"), 1)
    return numpy.where(counts * (counts - 1) > max_pairs, longest, reach)


def find_pairs(links: Links, heads: Ints, tails: Ints) -> Ints:
    """The rows of pairs.

    links (Links): The pairs that there are.
    heads, tails (Ints): Pairs, as rows of the spans. *Shape:* (n,)
    RETURNS (Ints): -1 where there is no such pair. *Shape:* (n,)
    """
    n_spans = len(links.starts)
    keys = (links.heads * n_spans + links.tails).cpu().numpy()
    wanted = heads * n_spans + tails
    if not len(keys):
        return numpy.full(len(wanted), -1)
    order = numpy.argsort(keys)
    rows = order[numpy.searchsorted(keys, wanted, sorter=order).clip(max=len(keys) - 1)]
    return numpy.where(keys[rows] == wanted, rows, -1)


def decode_links(
    odds: Tensor,
    links: Links,
    thresholds: Sequence[float],
    symmetric: Sequence[int] = (),
    allowed: Optional[Mask] = None,
) -> LinkTable:
    """The links that reach their label's threshold, in the order of the pairs.

    odds (Tensor): The log odds of all pairs. *Shape:* (n_labels, n_pairs)
    links (Links): The pairs.
    thresholds (Sequence[float]): The lowest log odds that are kept, for each label.
    symmetric (Sequence[int]): Rows of labels that have no direction: the log odds of a
        pair are the mean of both directions, and a link goes from the first span to
        the second.
    allowed (Optional[Mask]): Which labels may link spans of which labels. None: all.
        *Shape:* (n_labels, n_span_labels, n_span_labels)
    """
    scores = odds.double().cpu().numpy().copy()
    heads, tails = links.heads.cpu().numpy(), links.tails.cpu().numpy()
    if allowed is not None:
        labels = links.span_labels.cpu().numpy()
        scores[~allowed[:, labels[heads], labels[tails]]] = -numpy.inf
    rows = list(symmetric)
    if rows:
        back = find_pairs(links, tails, heads)
        both = (scores[rows] + scores[rows][:, back]) / 2
        # Pairs are listed by the place of their heads: the first comes first.
        is_first = (back > numpy.arange(len(back))) & (back >= 0)
        scores[rows] = numpy.where(is_first, both, -numpy.inf)
    lowest = numpy.maximum(thresholds, numpy.finfo("float64").min)
    pairs, labels = numpy.nonzero((scores >= lowest[:, None]).T)
    return LinkTable(heads[pairs], tails[pairs], labels, scores[labels, pairs])


def maximal_paths(
    heads: Sequence[int], tails: Sequence[int], most: int
) -> List[List[int]]:
    """The paths that cannot be made longer at either end.

    heads, tails (Sequence[int]): Links, without a cycle.
    most (int): How many paths are listed at most.
    RETURNS (List[List[int]]): What they link, in order; one more than `most` if there
        are more.
    """
    following: Dict[int, List[int]] = {}
    for head, tail in zip(heads, tails):
        following.setdefault(head, []).append(tail)
    paths: List[List[int]] = []
    unfinished = [[first] for first in sorted({*heads} - {*tails}, reverse=True)]
    while unfinished and len(paths) <= most:
        path = unfinished.pop()
        ways = following.get(path[-1])
        if ways is None:
            paths.append(path)
        else:
            unfinished += [[*path, way] for way in sorted(ways, reverse=True)]
    return paths
