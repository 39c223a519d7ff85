"""Whole answers of spans that do not cross."""

from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..arrays import Ints, Mask
from ..lattice import Layout
from ..span_table import greedy_nested, optimal_flat
from .families import Families, compatible, maximum, maximum_shares
from .segments import by_end, sum_segmentations
from .structured import StructuredObjective, covered


class NestedCRF(StructuredObjective):
    """A distribution over sets of spans of which no two cross; a span may have several
    labels.

        present(i, j) = log(prod_a (1 + exp s_a(i, j)) - 1)
        G(i, i) = 0
        G(i, j) = logsumexp(Seg(i, j-1), {Seg(i, k-1) + T(k, j): i < k <= j})
        T(i, j) = present(i, j) + G(i, j)       outermost span is exactly (i, j)
        Seg(i, j) = logaddexp(G(i, j), T(i, j)) all families inside (i, j)

    and the outermost spans of a document are those of a semi-Markov CRF with scores T.
    O(n_tokens * width^2) operations, in `width` steps.

    Of gold spans that cross, the longer are learned.
    """

    def learnable(self, starts: Ints, ends: Ints) -> Mask:
        return greedy_nested(starts, ends, (ends - starts) * 1.0)

    def log_z(
        self, scores: Tensor, layout: Layout, required: Optional[Tensor] = None
    ) -> Tuple[Tensor, Tensor]:
        # log prod_a (1 + exp s_a), which has the answer without a label too.
        any_labels = F.softplus(scores).sum(0)
        present = any_labels + torch.log(-torch.expm1(-any_labels))
        # Where all scores are so low that their exponentials are 0.
        present = torch.where(any_labels > 1e-200, present, scores.logsumexp(0))
        share = scores - F.softplus(scores) + any_labels - present
        places = None
        if required is not None:
            places = required.any(0)
            # Beside the labels that it must have, a span may have others.
            given = torch.where(required, scores, F.softplus(scores)).sum(0)
            present = torch.where(places, given, present)
            own = torch.where(required, 0.0, scores - F.softplus(scores))
            share = torch.where(places, own, share)
        share = torch.where(scores > -torch.inf, share, -torch.inf)
        outside = present.new_zeros(len(present))
        outermost = torch.ones_like(present, dtype=torch.bool)
        if places is not None and places.any():
            may_stand, outermost = compatible(places)
            present = torch.where(may_stand, present, -torch.inf)
            starts, offsets = places.nonzero().T
            held = covered(starts, offsets + 1, len(outside))
            outside.masked_fill_(held, -torch.inf)
        families = Families(present.T, None if places is None else places.T)
        trees = by_start(families.trees).T
        trees = torch.where(outermost & layout.valid, trees, -torch.inf)
        sums = sum_segmentations(trees, outside, layout)
        p = (trees + sums.context(layout)).exp_()
        p = families.backward(by_end(p).T.nan_to_num(0.0, neginf=0.0)).T
        return sums.total, share + p.clamp(max=1.0).log_()

    def best(self, scores: Tensor, layout: Layout) -> Tensor:
        positive = scores > 0
        gain = scores.clamp(min=0.0).sum(0)
        # No span whose labels all have scores below 0 is in the best answer.
        gain = torch.where(positive.any(0), gain, -torch.inf)
        families = Families(gain.T, None, maximum, maximum_shares)
        trees = by_start(families.trees).T
        starts, offsets = ((trees > 0) & layout.valid).nonzero().T
        first, end = starts.cpu().numpy(), (starts + offsets + 1).cpu().numpy()
        kept = optimal_flat(first, end, trees[starts, offsets].cpu().numpy())
        outermost = torch.from_numpy(kept).to(starts.device)
        chosen = torch.zeros_like(gain)
        chosen[starts[outermost], offsets[outermost]] = 1.0
        found = families.backward(by_end(chosen).T.clamp(min=0.0)).T
        return positive & (found > 0.5)


def by_start(trees: Tensor) -> Tensor:
    """An array by end in the order of starts, -inf past the end of the batch.
    *Shape:* (width, n_tokens)"""
    return by_end(trees.T.flip(0)).flip(0).T
