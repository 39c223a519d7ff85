"""Cross-entropy of a softmax over labels and "no entity"."""

from dataclasses import replace
from typing import Optional, Tuple

import numpy
import torch
from torch import Tensor

from ...errors import Errors
from ..lattice import GoldSpans, Lattice, Layout, touches
from .objective import Objective


class SampledSoftmax(Objective):
    """Cross-entropy of a softmax over the labels and "no entity", for the gold
    spans and a random choice of the other candidates of each document (SpanNER,
    arXiv 2207.03300). Each that enters is a term of the sum.

    A span with two gold labels enters twice, and half of its probability is the
    best that each label can get. Where labels have no annotation, what is no gold span
    may have one of them: the sum of their probabilities and that of "no entity" is
    right. Where a candidate is rejected with a label and not known otherwise, the sum
    of all other probabilities is right. Rejected candidates always enter.

    negatives (Optional[int]): Candidates of each document that enter as "no
        entity", drawn without replacement; None: all.
    seed (int): Seed of the draws.
    """

    mutually_exclusive = True

    def __init__(self, negatives: Optional[int] = 100, seed: int = 0) -> None:
        if negatives is not None and negatives < 1:
            raise ValueError(
                Errors.E004.format(
                    setting="negatives", allowed="1 or more, or null", value=negatives
                )
            )
        self.negatives = negatives
        self.seed = seed
        # Of numpy, which can be copied and pickled, and draws the same for a GPU.
        self._random = numpy.random.default_rng(seed)

    def sums(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor, int]:
        width = lattice.layout.width
        scores = lattice.scores.flatten(1)
        positives = gold.starts * width + gold.offsets
        free = scores[-1] > -torch.inf
        free[positives] = False
        rejected, may_be = _rejected_cells(scores, free, gold, width)
        free[rejected] = False
        if gold.unknown is not None:
            free &= ~touches(gold.unknown, width).flatten()
        negatives = self._sample(free.nonzero().squeeze(1), lattice.layout)
        cells = torch.cat((positives, negatives, rejected))
        right = torch.zeros(
            len(scores), len(cells), dtype=torch.bool, device=cells.device
        )
        right[[*gold.unknown_labels, -1], len(positives) :] = True
        right[gold.labels, torch.arange(len(positives), device=cells.device)] = True
        right[:, len(cells) - len(rejected) :] = may_be

        dtype = torch.promote_types(scores.dtype, torch.float32)
        log_p = scores[:, cells].to(dtype).log_softmax(0)
        log_right = log_p.masked_fill(~right, -torch.inf)
        loss = -log_right.logsumexp(0).sum()
        # p - 1 of the right class, as the sum of the others: nothing is rounded off
        # where p is nearly 1. Several right classes have a share each.
        d_cells = log_p.exp_().masked_fill_(right, 0.0)
        d_cells -= log_right.softmax(0) * d_cells.sum(0, keepdim=True)
        d_scores = torch.zeros_like(scores, dtype=dtype).index_add_(1, cells, d_cells)
        return loss, d_scores.view(lattice.scores.shape), max(len(cells), 1)

    def _sample(self, cells: Tensor, layout: Layout) -> Tensor:
        """At most `negatives` cells of each document. *Shapes:* (n,) to (m,)"""
        if self.negatives is None:
            return cells
        # Cells are in the order of documents, also after the shuffle in each.
        docs = layout.doc_ids[cells.div(layout.width, rounding_mode="floor")]
        draws = torch.from_numpy(self._random.random(len(cells))).to(cells.device)
        shuffled = cells[(docs + draws).argsort()]
        counts = docs.bincount(minlength=layout.n_docs)
        places = torch.arange(len(cells), device=cells.device)
        return shuffled[places - (counts.cumsum(0) - counts)[docs] < self.negatives]

    def label_probabilities(self, lattice: Lattice) -> Tensor:
        """Those of the softmax, without "no entity"."""
        dtype = torch.promote_types(lattice.scores.dtype, torch.float32)
        return lattice.scores.to(dtype).softmax(0)[:-1].nan_to_num_(0.0)

    def untempered_log_odds(self, lattice: Lattice) -> Lattice:
        """The log odds of the class with the highest probability, unless it is "no
        entity"; -inf for all others."""
        dtype = torch.promote_types(lattice.scores.dtype, torch.float32)
        scores = lattice.scores.to(dtype)
        best, winner = scores.max(0, keepdim=True)
        # log(1 - p) is the logsumexp of the other classes: exact where p is near 1.
        others = scores.scatter(0, winner, -torch.inf).logsumexp(0, keepdim=True)
        odds = torch.where(best > -torch.inf, best - others, best)
        outside = torch.full_like(scores, -torch.inf)
        return replace(lattice, scores=outside.scatter_(0, winner, odds)[:-1])


def _rejected_cells(
    scores: Tensor, free: Tensor, gold: GoldSpans, width: int
) -> Tuple[Tensor, Tensor]:
    """The rejected cells of a softmax, and which classes each may have.

    scores (Tensor): *Shape:* (n_labels + 1, n_cells)
    free (Tensor): Candidates that are no gold span. *Shape:* (n_cells,), bool
    gold (GoldSpans): The annotation.
    width (int): Width of the lattice.
    RETURNS (Tuple[Tensor, Tensor]): *Shapes:* (n_rejected,), int64, and
        (n_labels + 1, n_rejected), bool
    """
    n_classes, device = len(scores), scores.device
    if gold.rejected is None:
        none = torch.zeros(0, dtype=torch.long, device=device)
        return none, torch.zeros(n_classes, 0, dtype=torch.bool, device=device)
    labels, starts, offsets = gold.rejected
    cells, places = (starts * width + offsets).unique(return_inverse=True)
    may_be = torch.zeros(n_classes, len(cells), dtype=torch.bool, device=device)
    # Where all tokens are annotated, the labels that are say that there is no entity.
    may_be[[*gold.unknown_labels, -1]] = True
    if gold.unknown is not None:
        may_be |= touches(gold.unknown, width).flatten()[cells]
    may_be[labels, places] = False
    kept = free[cells]
    return cells[kept], may_be[:, kept]
