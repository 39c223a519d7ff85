"""The class-imbalance loss of Global Pointer."""

from typing import Tuple

import torch
from torch import Tensor

from ..lattice import GoldSpans, Lattice
from .cells import count_terms, split_scores
from .objective import Objective


class ClassImbalanceLoss(Objective):
    """Class-imbalance loss (arXiv 2208.03054, eq. 13): for each document and
    label, P its gold spans and Q all other candidates,

        log(1 + sum_P exp(-s)) + log(1 + sum_Q exp(s))

        d/ds =  exp(s) / (1 + sum_Q exp(s))      for s in Q
        d/ds = -exp(-s) / (1 + sum_P exp(-s))    for s in P
    """

    def sums(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor, int]:
        docs, n_docs = lattice.layout.doc_ids, lattice.layout.n_docs
        negatives, positives = split_scores(lattice, gold)
        loss_q, d_scores = _log1p_sum_exp(negatives, docs, n_docs)
        # A gold span is a row of one cell, in the segment of its label and document.
        segments = gold.labels * n_docs + docs[gold.starts]
        loss_p, d_positives = _log1p_sum_exp(
            -positives.view(1, -1, 1), segments, len(d_scores) * n_docs
        )
        d_scores[gold.index] = -d_positives.flatten()
        return loss_p + loss_q, d_scores, count_terms(d_scores, gold)


def _log1p_sum_exp(x: Tensor, segments: Tensor, n: int) -> Tuple[Tensor, Tensor]:
    """The sum over labels and segments of log(1 + sum exp(x)), and its gradient
    exp(x) / (1 + sum exp(x)).

    x (Tensor): *Shape:* (n_labels, n_rows, n_cells)
    segments (Tensor): The segment of each row. *Shape:* (n_rows,)
    n (int): Number of segments.
    RETURNS (Tuple[Tensor, Tensor]): *Shapes:* () and that of x.
    """
    # The 1 is the exponential of a score 0, so no peak is below 0.
    peaks = x.new_zeros(len(x), n)
    peaks.scatter_reduce_(1, segments.expand(len(x), -1), x.amax(2), "amax")
    exp = (x - peaks[:, segments].unsqueeze(2)).exp_()
    totals = torch.exp(-peaks).index_add_(1, segments, exp.sum(2))
    loss = (peaks + totals.log()).sum()
    return loss, exp.div_(totals[:, segments].unsqueeze(2))
