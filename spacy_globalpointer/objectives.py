"""Losses on the lattice.

Gold is kept as indices and the gradient is written down, so no target array is
made and no graph is kept. All of it is computed in float32 or better.
"""

import math
from abc import ABC, abstractmethod
from typing import Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .lattice import GoldSpans, Lattice, touches


class Objective(ABC):
    """A loss on the lattice and its link from scores to probabilities."""

    @abstractmethod
    def __call__(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor]:
        """The loss and its gradient.

        lattice (Lattice): Scores of all candidates. They are not changed.
        gold (GoldSpans): The annotation. Candidates that touch a token without
            annotation add neither loss nor gradient.
        RETURNS (Tuple[Tensor, Tensor]): The loss, the mean over annotated
            documents and labels, *shape* (); its gradient, *shape* (n_labels,
            n_tokens, width).
        """

    @abstractmethod
    def probability(self, scores: Tensor) -> Tensor:
        """The link: probabilities of scores, of the same shape."""

    @abstractmethod
    def score(self, probability: float) -> float:
        """The inverse of the link."""


class _SigmoidObjective(Objective):
    """Each candidate and label is a decision of its own."""

    def probability(self, scores: Tensor) -> Tensor:
        return scores.sigmoid()

    def score(self, probability: float) -> float:
        if probability in (0.0, 1.0):
            return math.copysign(math.inf, probability - 0.5)
        return math.log(probability) - math.log1p(-probability)


class ClassImbalanceLoss(_SigmoidObjective):
    """Class-imbalance loss (arXiv 2208.03054, eq. 13): for each document and
    label, P its gold spans and Q all other candidates,

        log(1 + sum_P exp(-s)) + log(1 + sum_Q exp(s))

        d/ds =  exp(s) / (1 + sum_Q exp(s))      for s in Q
        d/ds = -exp(-s) / (1 + sum_P exp(-s))    for s in P
    """

    def __call__(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor]:
        docs, n_docs = lattice.layout.doc_ids, lattice.layout.n_docs
        negatives, positives = _split(lattice, gold)
        loss_q, d_scores = _log1p_sum_exp(negatives, docs, n_docs)
        # A gold span is a row of one cell, in the segment of its label and document.
        segments = gold.labels * n_docs + docs[gold.heads]
        loss_p, d_positives = _log1p_sum_exp(
            -positives.view(1, -1, 1), segments, len(d_scores) * n_docs
        )
        d_scores[gold.index] = -d_positives.flatten()
        return _mean(loss_p + loss_q, d_scores, gold)


class BinaryCrossEntropy(_SigmoidObjective):
    """Binary cross-entropy, the baseline of arXiv 2208.03054, table 7: for each
    document and label, P its gold spans and Q all other candidates,

        sum_P log(1 + exp(-s)) + sum_Q log(1 + exp(s))
    """

    def __call__(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor]:
        negatives, positives = _split(lattice, gold)
        loss = F.softplus(negatives).sum() + F.softplus(-positives).sum()
        d_scores = negatives.sigmoid_()
        d_scores[gold.index] = -torch.sigmoid(-positives)
        return _mean(loss, d_scores, gold)


def _split(lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor]:
    """Scores of the negatives, a new array that is -inf elsewhere, and of the
    gold spans. *Shapes:* (n_labels, n_tokens, width), (n_gold,)"""
    scores = lattice.scores
    dtype = torch.promote_types(scores.dtype, torch.float32)
    negatives = scores.to(dtype, copy=True)
    positives = negatives[gold.index]
    negatives[gold.index] = -torch.inf
    if gold.unknown is not None:
        negatives.masked_fill_(touches(gold.unknown, scores.shape[2]), -torch.inf)
    return negatives, positives


def _mean(loss: Tensor, d_scores: Tensor, gold: GoldSpans) -> Tuple[Tensor, Tensor]:
    """Turn sums into means over annotated documents and labels."""
    n_terms = max(gold.n_docs, 1) * len(d_scores)
    return loss / n_terms, d_scores.div_(n_terms)


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
