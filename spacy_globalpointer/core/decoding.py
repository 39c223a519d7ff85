"""From the lattice to spans: thresholds, and the choice among overlapping ones."""

from typing import Optional, Sequence

import numpy
import torch

from .arrays import Floats, Mask
from .lattice import Lattice
from .span_table import SpanTable, make_table, resolve


def decode(
    lattice: Lattice,
    thresholds: Sequence[float],
    *,
    overlap: str = "any",
    flat: str = "optimal",
    max_spans: Optional[int] = None,
) -> SpanTable:
    """Read the spans off a lattice, in the order of (document, start, end, label).

    lattice (Lattice): The log odds of all candidates.
    thresholds (Sequence[float]): The lowest log odds that are kept, for each label.
    overlap (str): As for `resolve`.
    flat (str): As for `choose_flat`.
    max_spans (Optional[int]): Most spans of a document that are considered, the
        highest scores first. None: all.
    RETURNS (SpanTable): The spans kept.
    """
    return choose(above(lattice, thresholds), thresholds, overlap, flat, max_spans)


def choose(
    spans: SpanTable,
    thresholds: Sequence[float],
    overlap: str,
    flat: str,
    max_spans: Optional[int],
) -> SpanTable:
    """The spans that are kept of those above the thresholds. Arguments as for
    `decode`."""
    spans = spans[_best_of_each_doc(spans, max_spans)]
    spans = spans[numpy.lexsort((spans.labels, spans.ends, spans.starts))]
    lowest = numpy.asarray(thresholds, dtype="float64")[spans.labels]
    weights = margins_over(spans.scores, lowest)
    return spans[resolve(spans, weights, overlap, flat)]


def above(lattice: Lattice, thresholds: Sequence[float]) -> SpanTable:
    """All candidates that reach their label's threshold. Arguments as for `decode`."""
    scores = lattice.scores.float()
    lowest = scores.new_tensor(thresholds).view(-1, 1, 1)
    # A threshold of -inf keeps all candidates, but not the cells that are none.
    lowest = lowest.clamp(min=torch.finfo(torch.float32).min)
    found = (scores >= lowest).nonzero().T
    # Indices and scores travel together: one transfer from the device.
    bits = scores[tuple(found)].view(torch.int32)
    table = torch.cat((found.int(), bits.unsqueeze(0))).cpu().numpy()
    labels, starts, offsets = table[:3].astype("int64")
    return make_table(
        lattice.layout.lengths,
        starts,
        starts + offsets + 1,
        labels,
        table[3].view("float32").astype("float64"),
    )


def margins_over(scores: Floats, thresholds: Floats) -> Floats:
    """What spans weigh against others: their log odds minus those of the threshold that
    they reach.

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


def _best_of_each_doc(spans: SpanTable, max_spans: Optional[int]) -> Mask:
    counts = numpy.bincount(spans.docs)
    if max_spans is None or counts.max(initial=0) <= max_spans:
        return numpy.ones(len(spans), dtype=bool)
    order = numpy.lexsort((-spans.scores, spans.docs))
    firsts = numpy.repeat(numpy.cumsum(counts) - counts, counts)
    kept = numpy.empty(len(spans), dtype=bool)
    kept[order] = numpy.arange(len(spans)) - firsts < max_spans
    return kept
