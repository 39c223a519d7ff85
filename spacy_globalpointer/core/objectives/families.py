"""Sums over families of spans that do not cross, all inside one span.

Arrays have the length first, (width, n_tokens): row w of an array by start has
the candidate of w + 1 tokens that begins at a token, of an array by end the one that
ends there.
"""

from dataclasses import dataclass
from typing import Callable, Optional, Tuple

import torch
from torch import Tensor

# The sum of logarithms over the first axis, or what takes its place.
Combine = Callable[[Tensor], Tensor]


def log_sum(ways: Tensor) -> Tensor:
    return ways.logsumexp(0)


def log_sum_shares(ways: Tensor) -> Tensor:
    return ways.softmax(0).nan_to_num_(0.0)


def maximum(ways: Tensor) -> Tensor:
    return ways.max(0).values


def maximum_shares(ways: Tensor) -> Tensor:
    return torch.zeros_like(ways).scatter_(0, ways.max(0, keepdim=True).indices, 1.0)


@dataclass
class Families:
    """The logarithm of the sum over all families of each kind.

    present (Tensor): Weight of each candidate itself. *Shape:* (width, n_tokens)
    required (Optional[Tensor]): Candidates that no family may lack. *Shape:* (width,
        n_tokens), bool
    combine, shares (Callable): The sum, and its gradient: how much of it each term is.
    """

    present: Tensor
    required: Optional[Tensor] = None
    combine: Combine = log_sum
    shares: Combine = log_sum_shares

    def __post_init__(self) -> None:
        self.width, self.n_tokens = self.present.shape
        # All families inside, by start; those that have the candidate itself, by end.
        self.inside = torch.full_like(self.present, -torch.inf)
        self.trees = torch.full_like(self.present, -torch.inf)
        for w in range(self.width):
            proper = self.combine(self._ways(w))
            trees = self.present[w, : self.n_tokens - w] + proper
            self.trees[w, w:] = trees
            self.inside[w, : self.n_tokens - w] = self.combine(
                self._with_or_without(w, proper, trees)
            )

    def _ways(self, w: int) -> Tensor:
        """The families inside a candidate that do not have itself, by their last
        outermost span: none ends with the last token, or one that begins 1, 2, ...,
        w tokens after the first. *Shape:* (w + 1, n_tokens - w)"""
        n = self.n_tokens - w
        if w == 0:
            return self.present.new_zeros(1, n)
        last = self.trees[:w, w:].flip(0)
        ways = torch.cat((self.inside[w - 1 : w, :n], self.inside[:w, :n] + last))
        if self.required is not None:
            # Those that end with the last token must be in the last outermost span.
            steps = torch.arange(1, w + 1, device=ways.device).unsqueeze(1)
            tokens = torch.arange(n, device=ways.device)
            ends_too = self.required[w - steps, tokens + steps]
            lacking = ends_too.cumsum(0) - ends_too.long() > 0
            lacking = torch.cat((ends_too.any(0, keepdim=True), lacking))
            ways.masked_fill_(lacking, -torch.inf)
        return ways

    def _with_or_without(self, w: int, proper: Tensor, trees: Tensor) -> Tensor:
        if self.required is not None:
            required = self.required[w, : self.n_tokens - w]
            proper = proper.masked_fill(required, -torch.inf)
        return torch.stack((proper, trees))

    def backward(self, d_trees: Tensor) -> Tensor:
        """The gradient with regard to `present`.

        d_trees (Tensor): The gradient with regard to `trees`. It is changed.
            *Shape:* (width, n_tokens), by end
        RETURNS (Tensor): *Shape:* (width, n_tokens), by start
        """
        d_present = torch.zeros_like(self.present)
        d_inside = torch.zeros_like(self.present)
        for w in reversed(range(self.width)):
            n = self.n_tokens - w
            ways = self._ways(w)
            both = self._with_or_without(w, self.combine(ways), self.trees[w, w:])
            d_proper, d_own = self.shares(both) * d_inside[w, :n]
            d_own = d_own + d_trees[w, w:]
            d_present[w, :n] = d_own
            if w == 0:
                continue
            d_ways = self.shares(ways) * (d_proper + d_own)
            d_inside[w - 1, :n] += d_ways[0]
            d_inside[:w, :n] += d_ways[1:]
            d_trees[:w, w:] += d_ways[1:].flip(0)
        return d_present


def compatible(required: Tensor) -> Tuple[Tensor, Tensor]:
    """Which candidates cross none of the required ones, and which are no part of one.

    required (Tensor): Candidates that do not cross. *Shape:* (n_tokens, width), bool
    RETURNS (Tuple[Tensor, Tensor]): *Shape:* (n_tokens, width), bool
    """
    n_tokens, width = required.shape
    starts, offsets = required.nonzero().T.unsqueeze(2)
    lasts = starts + offsets
    tokens = torch.arange(n_tokens, device=required.device)
    ends = tokens.unsqueeze(1) + torch.arange(width, device=required.device)
    holds = (starts <= tokens) & (tokens <= lasts)
    # Of the required spans that hold a token: the first start, and the last end.
    first = torch.where(holds, starts, n_tokens).amin(0)
    last = torch.where(holds, lasts, -1).amax(0)
    # The same of those that began before it, and of those that continue after it.
    soonest = torch.where(holds & (starts < tokens), lasts, n_tokens).amin(0)
    latest = torch.where(holds & (tokens < lasts), starts, -1).amax(0)
    latest = latest[ends.clamp(max=n_tokens - 1)]
    crosses = (soonest.unsqueeze(1) < ends) | (latest > tokens.unsqueeze(1))
    is_outermost = (first == tokens).unsqueeze(1) & (last.unsqueeze(1) == ends)
    return ~crosses, (last.unsqueeze(1) < ends) | is_outermost
