"""Binary cross-entropy."""

from typing import Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..lattice import GoldSpans, Lattice
from .cells import count_terms, split_scores
from .objective import Objective


class BinaryCrossEntropy(Objective):
    """Binary cross-entropy, the baseline of arXiv 2208.03054, table 7: for each
    document and label, P its gold spans and Q all other candidates,

        sum_P log(1 + exp(-s)) + sum_Q log(1 + exp(s))
    """

    def sums(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor, int]:
        negatives, positives = split_scores(lattice, gold)
        loss = F.softplus(negatives).sum() + F.softplus(-positives).sum()
        d_scores = negatives.sigmoid_()
        d_scores[gold.index] = -torch.sigmoid(-positives)
        return loss, d_scores, count_terms(d_scores, gold)
