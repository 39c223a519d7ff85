"""Losses on the lattice.

Gold is kept as indices and the gradient is written down, so no target array is
made and no graph is kept. All of it is computed in float32 or better.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Optional, Sequence, Tuple

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import Errors
from .arrays import Ints, Mask
from .lattice import GoldSpans, Lattice, Layout, touches

CellsT = Tuple[Tensor, Tensor, Tensor]


class Objective(ABC):
    """A loss on the lattice and its link from scores to probabilities.

    mutually_exclusive (bool): Whether each candidate has exactly one of n_labels + 1
        classes, the last of them "no entity", rather than each label or not.
    """

    mutually_exclusive = False

    @abstractmethod
    def sums(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor, int]:
        """The summed loss, which is what components train with, and its gradient.

        lattice (Lattice): Scores of all candidates. They are not changed.
        gold (GoldSpans): The annotation. Candidates that touch a token without
            annotation add neither loss nor gradient, unless they are gold spans or
            rejected.
        RETURNS (Tuple[Tensor, Tensor, int]): The loss, summed over annotated
            documents and labels (over candidates, where labels exclude one
            another), *shape* (); its gradient, *shape* that of the scores; the number
            of terms of the sum, at least 1.
        """

    def __call__(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor]:
        """The mean loss, which is what components report, and its gradient.

        lattice (Lattice): Scores of all candidates. They are not changed.
        gold (GoldSpans): The annotation.
        RETURNS (Tuple[Tensor, Tensor]): The loss, *shape* (); its gradient, *shape*
            that of the scores.
        """
        loss, d_scores, n_terms = self.sums(lattice, gold)
        return loss / n_terms, d_scores / n_terms

    def learnable(self, starts: Ints, ends: Ints) -> Mask:
        """Which gold spans of a document the loss learns. *Shape:* (n,)

        starts, ends (Ints): First token, and the one behind the last. A span with
            several labels comes several times. *Shape:* (n,)
        """
        return numpy.ones(len(starts), dtype=bool)

    def log_odds(
        self, lattice: Lattice, temperatures: Optional[Sequence[float]] = None
    ) -> Lattice:
        """The log odds of each label, log p - log(1 - p), which decoding,
        thresholds and calibration read.

        lattice (Lattice): Scores of all candidates.
        temperatures (Optional[Sequence[float]]): What the log odds of each label are
            divided by. None: nothing.
        RETURNS (Lattice): *Shape:* (n_labels, n_tokens, width); -inf where a label
            cannot be predicted.
        """
        odds = self.untempered_log_odds(lattice)
        if temperatures is None or all(x == 1 for x in temperatures):
            return odds
        divisors = odds.scores.new_tensor(temperatures).view(-1, 1, 1)
        return replace(odds, scores=odds.scores / divisors)

    def untempered_log_odds(self, lattice: Lattice) -> Lattice:
        """As `log_odds`, without temperatures. The default is for objectives whose
        scores are log odds."""
        return lattice

    def log_odds_of(self, lattice: Lattice, cells: CellsT) -> Tensor:
        """The log odds of single cells, also of those that cannot be predicted.

        lattice (Lattice): Scores of all candidates.
        cells (Tuple[Tensor, Tensor, Tensor]): Labels, starts, and lengths - 1.
            *Shapes:* (n,)
        RETURNS (Tensor): Without temperatures. *Shape:* (n,)
        """
        return self.untempered_log_odds(lattice).scores[cells]

    def label_probabilities(self, lattice: Lattice) -> Tensor:
        """The probability of each label, whatever decoding would choose.

        lattice (Lattice): Scores of all candidates.
        RETURNS (Tensor): 0 outside of documents. *Shape:* (n_labels, n_tokens, width),
            float32 or better
        """
        dtype = torch.promote_types(lattice.scores.dtype, torch.float32)
        return lattice.scores.to(dtype).sigmoid()

    def probability(self, scores: Tensor) -> Tensor:
        """The link: probabilities of log odds, of the same shape."""
        return scores.sigmoid()

    def to_logit(self, probability: float) -> float:
        """The inverse of the link."""
        if probability in (0.0, 1.0):
            return math.copysign(math.inf, probability - 0.5)
        return math.log(probability) - math.log1p(-probability)


class ClassImbalanceLoss(Objective):
    """Class-imbalance loss (arXiv 2208.03054, eq. 13): for each document and
    label, P its gold spans and Q all other candidates,

        log(1 + sum_P exp(-s)) + log(1 + sum_Q exp(s))

        d/ds =  exp(s) / (1 + sum_Q exp(s))      for s in Q
        d/ds = -exp(-s) / (1 + sum_P exp(-s))    for s in P
    """

    def sums(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor, int]:
        docs, n_docs = lattice.layout.doc_ids, lattice.layout.n_docs
        negatives, positives = _split(lattice, gold)
        loss_q, d_scores = _log1p_sum_exp(negatives, docs, n_docs)
        # A gold span is a row of one cell, in the segment of its label and document.
        segments = gold.labels * n_docs + docs[gold.heads]
        loss_p, d_positives = _log1p_sum_exp(
            -positives.view(1, -1, 1), segments, len(d_scores) * n_docs
        )
        d_scores[gold.index] = -d_positives.flatten()
        return loss_p + loss_q, d_scores, _n_terms(d_scores, gold)


class BinaryCrossEntropy(Objective):
    """Binary cross-entropy, the baseline of arXiv 2208.03054, table 7: for each
    document and label, P its gold spans and Q all other candidates,

        sum_P log(1 + exp(-s)) + sum_Q log(1 + exp(s))
    """

    def sums(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor, int]:
        negatives, positives = _split(lattice, gold)
        loss = F.softplus(negatives).sum() + F.softplus(-positives).sum()
        d_scores = negatives.sigmoid_()
        d_scores[gold.index] = -torch.sigmoid(-positives)
        return loss, d_scores, _n_terms(d_scores, gold)


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
        positives = gold.heads * width + gold.widths
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
        # Cells stand in the order of documents, and do so when shuffled in each.
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

    def log_odds_of(self, lattice: Lattice, cells: CellsT) -> Tensor:
        labels, *places = cells
        scores = lattice.scores[:, places[0], places[1]].double()
        own = labels, torch.arange(len(labels), device=scores.device)
        return scores.softmax(0)[own].logit()


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
    labels, heads, widths = gold.rejected
    cells, places = (heads * width + widths).unique(return_inverse=True)
    may_be = torch.zeros(n_classes, len(cells), dtype=torch.bool, device=device)
    # Where all tokens are annotated, the labels that are say that there is no entity.
    may_be[[*gold.unknown_labels, -1]] = True
    if gold.unknown is not None:
        may_be |= touches(gold.unknown, width).flatten()[cells]
    may_be[labels, places] = False
    kept = free[cells]
    return cells[kept], may_be[:, kept]


def _split(lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor]:
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


def _n_terms(scores: Tensor, gold: GoldSpans) -> int:
    """How many annotated documents times labels there are, at least 1."""
    return max(gold.n_docs * (len(scores) - len(gold.unknown_labels)), 1)


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
