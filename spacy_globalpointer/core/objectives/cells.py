"""What losses share that judge each cell of each label alone."""

from typing import Tuple

import torch
from torch import Tensor

from ..lattice import GoldSpans, Lattice, touches


def split_scores(lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor]:
    """Scores of the negatives, a new array that is -inf elsewhere, and of the
    gold spans. *Shapes:* (n_labels, n_tokens, width), (n_gold,)"""
    scores = lattice.scores
    dtype = torch.promote_types(scores.dtype, torch.float32)
    negatives = scores.to(dtype, copy=True)
    positives = negatives[gold.index]
    negatives[gold.index] = -torch.inf
    negatives[gold.unknown_labels] = -torch.inf
    if gold.unknown is not None:
        negatives.masked_fill_(touches(gold.unknown, scores.shape[2]), -torch.inf)
    if gold.rejected is not None:
        negatives[gold.rejected] = scores[gold.rejected].to(dtype)
    return negatives, positives


def count_terms(scores: Tensor, gold: GoldSpans) -> int:
    """How many annotated documents times labels there are, at least 1."""
    return max(gold.n_docs * (len(scores) - len(gold.unknown_labels)), 1)
