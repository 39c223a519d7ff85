"""The ragged span lattice: all candidate spans of a batch in one array.

The documents of a batch are laid end to end. A candidate is a head token `i`
and a tail token `i + w`, so it is `w + 1` tokens long:

    document          0  0  0  1  1
    token             0  1  2  3  4
    w = 0             .  .  .  .  .
    w = 1             .  .  x  .  x        x: the tail is outside the document
    w = 2             .  x  x  x  x

Scores have the shape (n_labels, n_tokens, width) and are -inf at every x. There
is no padding, so nothing depends on how documents are batched.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, List, Optional, Sequence, Tuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor


class Layout:
    """The layout of the candidates of a batch.

    lengths (Sequence[int]): Tokens of each document.
    max_length (Optional[int]): Longest candidate, in tokens. None: no limit.
    device (torch.device): Where the index arrays are kept.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        max_length: Optional[int] = None,
        device: Optional[torch.device] = None,
    ) -> None:
        self.lengths = tuple(lengths)
        longest = max(self.lengths, default=0)
        width = longest if max_length is None else min(longest, max_length)
        # At least 1, so that the lattice of a batch without tokens is no exception.
        self.width = max(width, 1)
        self.device = device

    @property
    def n_tokens(self) -> int:
        return sum(self.lengths)

    @property
    def n_docs(self) -> int:
        return len(self.lengths)

    @cached_property
    def _lengths(self) -> Tensor:
        return torch.tensor(self.lengths, dtype=torch.long, device=self.device)

    @cached_property
    def offsets(self) -> Tensor:
        """The first token of each document. *Shape:* (n_docs,)"""
        return self._lengths.cumsum(0) - self._lengths

    @cached_property
    def doc_ids(self) -> Tensor:
        """The document of each token. *Shape:* (n_tokens,)"""
        docs = torch.arange(self.n_docs, device=self.device)
        return docs.repeat_interleave(self._lengths, output_size=self.n_tokens)

    @cached_property
    def positions(self) -> Tensor:
        """The place of each token in its document. *Shape:* (n_tokens,)"""
        tokens = torch.arange(self.n_tokens, device=self.device)
        return tokens - self.offsets[self.doc_ids]

    @cached_property
    def valid(self) -> Tensor:
        """Whether a candidate stays inside its document.
        *Shape:* (n_tokens, width)"""
        room = self._lengths[self.doc_ids] - self.positions
        widths = torch.arange(self.width, device=self.device)
        return widths < room.unsqueeze(1)


@dataclass
class Lattice:
    """The scores (logits) of all candidates of a batch.

    scores (Tensor): -inf where the candidate leaves its document.
        *Shape:* (n_labels, n_tokens, width)
    layout (Layout): The layout of the candidates.
    """

    scores: Tensor
    layout: Layout


@dataclass
class GoldSpans:
    """Annotation of a batch, as indices into the lattice.

    labels (Tensor): Row of the label. One entry a gold span, no span twice.
    starts, offsets (Tensor): First token, and the number of tokens after it.
        *Shape:* (n_gold,), int64
    unknown (Optional[Tensor]): Tokens without annotation: a candidate that holds
        one is neither right nor wrong, unless it is a gold span or rejected. None:
        all are annotated.
        *Shape:* (n_tokens,), bool
    n_docs (int): Documents with at least one annotated token, gold span or rejected
        candidate.
    unknown_labels (List[int]): Labels without annotation: any candidate may have one
        of them or not, unless it is rejected.
    rejected (Optional[Tuple[Tensor, Tensor, Tensor]]): Labels, starts and offsets of
        candidates that are known to be wrong, although tokens in them, or their
        labels, have no annotation. One entry a candidate, no gold span. None: there
        are none.
        *Shape:* (n_rejected,) each, int64
    """

    labels: Tensor
    starts: Tensor
    offsets: Tensor
    unknown: Optional[Tensor]
    n_docs: int
    unknown_labels: List[int] = field(default_factory=list)
    rejected: Optional[Tuple[Tensor, Tensor, Tensor]] = None

    @property
    def index(self) -> Tuple[Tensor, Tensor, Tensor]:
        """Index of the gold cells in the scores."""
        return self.labels, self.starts, self.offsets

    def to(self, device: torch.device) -> "GoldSpans":
        """The same on a device."""
        labels, starts, offsets = _move(self.index, device)
        return replace(
            self,
            labels=labels,
            starts=starts,
            offsets=offsets,
            unknown=None if self.unknown is None else self.unknown.to(device),
            rejected=None if self.rejected is None else _move(self.rejected, device),
        )


def _move(
    cells: Tuple[Tensor, Tensor, Tensor], device: torch.device
) -> Tuple[Tensor, Tensor, Tensor]:
    labels, starts, offsets = cells
    return labels.to(device), starts.to(device), offsets.to(device)


def touches(tokens: Tensor, width: int) -> Tensor:
    """Whether a candidate holds at least one of the tokens that are True.

    tokens (Tensor): *Shape:* (n_tokens,), bool
    RETURNS (Tensor): *Shape:* (n_tokens, width), bool. Cells past the end of the
        batch count the tokens that are there.
    """
    return _windows(tokens, width).cumsum(1) > 0


def _windows(x: Tensor, width: int) -> Tensor:
    """The entries of each token and of the width - 1 tokens after it, 0 past the
    end of the batch. *Shapes:* (..., n_tokens) to (..., n_tokens, width)"""
    return F.pad(x, (0, width)).unfold(-1, width, 1)[..., : x.shape[-1], :]


class _BandSum(torch.autograd.Function):
    """scores[l, i, w] = pair[i, w] + head[l, i] + tail[l, i + w]."""

    @staticmethod
    def forward(ctx: Any, pair: Tensor, head: Tensor, tail: Tensor) -> Tensor:
        width = pair.shape[-1]
        return (pair + head.unsqueeze(-1)).add_(_windows(tail, width))

    @staticmethod
    def backward(ctx: Any, d_scores: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        n_labels, n_tokens, width = d_scores.shape
        # Tail j is the tail of (j - w, w) for each w. With width - 1 empty rows
        # in front these cells are width - 1 apart, so a strided view has them.
        rows = F.pad(d_scores, (0, 0, width - 1, 0)).contiguous()
        tails = rows.as_strided(
            (n_labels, n_tokens, width),
            (rows.stride(0), width, width - 1),
            width - 1,
        )
        return d_scores.sum(0), d_scores.sum(2), tails.sum(2)


def band_sum(pair: Tensor, head: Tensor, tail: Tensor) -> Tensor:
    """Add a term of the head and a term of the tail to each candidate.

    pair (Tensor): Scores shared by all labels, -inf outside documents.
        *Shape:* (n_tokens, width)
    head (Tensor): *Shape:* (n_labels, n_tokens)
    tail (Tensor): *Shape:* (n_labels, n_tokens)
    RETURNS (Tensor): pair[i, w] + head[l, i] + tail[l, i + w].
        *Shape:* (n_labels, n_tokens, width)
    """
    return cast(Tensor, _BandSum.apply(pair, head, tail))
