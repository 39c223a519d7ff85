"""Losses of whole answers: the scores of the lattice as a distribution over sets of
spans that may occur together, normalized exactly.

    p(Y) = exp(sum of s over Y) / Z
"""

from abc import abstractmethod
from dataclasses import replace
from typing import Optional, Tuple

import torch
from torch import Tensor

from ..lattice import GoldSpans, Lattice, Layout, touches
from .objective import Objective

# The largest log odds: those of a probability that is 1 in float64.
LARGEST_ODDS = 36.0


class StructuredObjective(Objective):
    """The negative log probability of the right answer, the sum over documents:

        log Z - sum of s over gold

    Where tokens or labels have no annotation, that of all answers that agree with what
    is known: they hold all gold spans, and beside them only spans with a token or a
    label that has no annotation, and none that is rejected.

    The probability of a span is the sum of those of all answers that have it, which is
    the gradient of log Z. All of it is computed in float64.

    best_answer (bool): Whether a threshold of 0.5 gives exactly the most probable
        answer. The log odds of a span that is on the other side of 0 are then set
        to (nearly) 0. Else it gives all spans that are more probable than not.
    """

    def __init__(self, best_answer: bool = True) -> None:
        self.best_answer = best_answer

    @abstractmethod
    def log_z(
        self, scores: Tensor, layout: Layout, required: Optional[Tensor] = None
    ) -> Tuple[Tensor, Tensor]:
        """The logarithm of the sum over all answers, and its gradient.

        scores (Tensor): -inf where a span is in no answer.
            *Shape:* (n_labels, n_tokens, width), float64
        layout (Layout): The layout of the candidates.
        required (Optional[Tensor]): Spans that each answer has.
            *Shape:* (n_labels, n_tokens, width), bool
        RETURNS (Tuple[Tensor, Tensor]): The logarithm for each document, and the
            logarithm of the probability of each span. *Shapes:* (n_docs,),
            (n_labels, n_tokens, width)
        """

    @abstractmethod
    def best(self, scores: Tensor, layout: Layout) -> Tensor:
        """The spans of the most probable answer of each document.
        *Shape:* (n_labels, n_tokens, width), bool

        scores (Tensor): *Shape:* (n_labels, n_tokens, width), float64
        layout (Layout): The layout of the candidates.
        """

    def sums(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor, int]:
        scores, layout = lattice.scores.double(), lattice.layout
        gold = self._reduce(gold)
        log_z, log_p = self.log_z(scores, layout)
        d_scores = log_p.exp_()
        if gold.unknown is None and not gold.unknown_labels:
            # All that is no gold span is rejected.
            loss = log_z.sum() - scores[gold.index].sum()
            d_scores[gold.index] -= 1.0
        else:
            allowed = torch.zeros_like(scores, dtype=torch.bool)
            if gold.unknown is not None:
                allowed |= touches(gold.unknown, layout.width)
            allowed[gold.unknown_labels] = True
            if gold.rejected is not None:
                allowed[gold.rejected] = False
            required = torch.zeros_like(allowed)
            required[gold.index] = True
            known = scores.masked_fill(~(allowed | required), -torch.inf)
            log_known, log_p = self.log_z(known, layout, required)
            loss = (log_z - log_known).sum()
            d_scores -= log_p.exp_()
        dtype = torch.promote_types(lattice.scores.dtype, torch.float32)
        return loss.to(dtype), d_scores.to(dtype), max(gold.n_docs, 1)

    def _reduce(self, gold: GoldSpans) -> GoldSpans:
        """The gold spans without those that no answer has room for."""
        first, lengths = gold.starts.cpu().numpy(), gold.offsets.cpu().numpy() + 1
        kept = torch.from_numpy(self.learnable(first, first + lengths))
        index = (part[kept.to(part.device)] for part in gold.index)
        labels, starts, offsets = index
        return replace(gold, labels=labels, starts=starts, offsets=offsets)

    def label_probabilities(self, lattice: Lattice) -> Tensor:
        """The sum of the probabilities of all answers that have a span."""
        _, log_p = self.log_z(lattice.scores.double(), lattice.layout)
        return log_p.clamp(max=0.0).exp_()

    def untempered_log_odds(self, lattice: Lattice) -> Lattice:
        """The log odds of the probability of each span."""
        scores = lattice.scores.double()
        _, log_p = self.log_z(scores, lattice.layout)
        p = log_p.clamp(max=0.0)
        odds = (p - torch.log(-torch.expm1(p))).clamp_(max=LARGEST_ODDS)
        if self.best_answer:
            best = self.best(scores, lattice.layout)
            odds = torch.where(best, odds.clamp(min=0.0), odds.clamp(max=-1e-6))
        dtype = torch.promote_types(lattice.scores.dtype, torch.float32)
        return replace(lattice, scores=odds.to(dtype))


def covered(starts: Tensor, lengths: Tensor, n_tokens: int) -> Tensor:
    """Tokens that are in at least one of some spans. *Shape:* (n_tokens,), bool

    starts, lengths (Tensor): First tokens, and numbers of tokens. *Shape:* (n,)
    """
    change = torch.zeros(n_tokens + 1, dtype=torch.long, device=starts.device)
    ones = torch.ones_like(starts)
    change.index_add_(0, starts, ones).index_add_(0, starts + lengths, -ones)
    return change.cumsum(0)[:-1] > 0
