"""Whole answers of disjoint spans."""

from typing import Optional, Tuple

import numpy
import torch
from torch import Tensor

from ..arrays import Ints, Mask
from ..lattice import Layout, touches
from ..span_table import optimal_flat
from .segments import sum_segmentations
from .structured import StructuredObjective, covered


class SemiMarkovCRF(StructuredObjective):
    """Semi-Markov conditional random field: an answer is a set of disjoint spans with
    one label each (Sarawagi and Cohen 2004), here without scores of transitions.

    Of gold spans that overlap, the ones that cover most are learned; of two labels of
    the same tokens, the first.
    """

    def learnable(self, starts: Ints, ends: Ints) -> Mask:
        spans = numpy.stack((starts, ends))
        (starts, ends), firsts = numpy.unique(spans, axis=1, return_index=True)
        kept = numpy.zeros(spans.shape[1], dtype=bool)
        # With squares, one span outweighs all those that it is made of.
        kept[firsts] = optimal_flat(starts, ends, (ends - starts) ** 2.0)
        return kept

    def log_z(
        self, scores: Tensor, layout: Layout, required: Optional[Tensor] = None
    ) -> Tuple[Tensor, Tensor]:
        outside = scores.new_zeros(scores.shape[1])
        if required is not None:
            # A token of a required span is neither outside nor in another span.
            starts, offsets = required.any(0).nonzero().T
            held = covered(starts, offsets + 1, len(outside))
            outside.masked_fill_(held, -torch.inf)
            may_stand = required | ~touches(held, layout.width)
            scores = torch.where(may_stand, scores, -torch.inf)
        inside = scores.logsumexp(0)
        sums = sum_segmentations(inside, outside, layout)
        return sums.total, scores + sums.context(layout)

    def best(self, scores: Tensor, layout: Layout) -> Tensor:
        highest, labels = scores.max(0)
        # No span with a score below 0 is in the best answer.
        starts, offsets = (highest > 0).nonzero().T
        weights = highest[starts, offsets].cpu().numpy()
        first, end = starts.cpu().numpy(), (starts + offsets + 1).cpu().numpy()
        kept = torch.from_numpy(optimal_flat(first, end, weights)).to(starts.device)
        starts, offsets = starts[kept], offsets[kept]
        found = torch.zeros_like(scores, dtype=torch.bool)
        found[labels[starts, offsets], starts, offsets] = True
        return found
