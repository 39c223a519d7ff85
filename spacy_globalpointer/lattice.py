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

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Iterator, Optional, Sequence, Tuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

# Fewest and most heads in a block of `band_product`. A block of B heads is
# multiplied with a window of B + width - 1 tails, of which `width` are used, so
# small blocks waste little arithmetic and large ones use the processor better.
MIN_BLOCK = 32
MAX_BLOCK = 128


class Layout:
    """Where the candidates of a batch stand.

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
    layout (Layout): Where the candidates stand.
    """

    scores: Tensor
    layout: Layout


@dataclass
class GoldSpans:
    """Annotation of a batch, as indices into the lattice.

    labels, heads, widths (Tensor): One entry a gold span, no span twice.
        *Shape:* (n_gold,), int64
    unknown (Optional[Tensor]): Tokens without annotation: a candidate that holds
        one is neither right nor wrong, and no gold span does. None: all are
        annotated.
        *Shape:* (n_tokens,), bool
    n_docs (int): Documents with at least one annotated token.
    """

    labels: Tensor
    heads: Tensor
    widths: Tensor
    unknown: Optional[Tensor]
    n_docs: int

    @property
    def index(self) -> Tuple[Tensor, Tensor, Tensor]:
        """Index of the gold cells in the scores."""
        return self.labels, self.heads, self.widths


def touches(tokens: Tensor, width: int) -> Tensor:
    """Whether a candidate holds at least one of the tokens that are True.

    tokens (Tensor): *Shape:* (n_tokens,), bool
    RETURNS (Tensor): *Shape:* (n_tokens, width), bool. Cells past the end of the
        batch count the tokens that are there.
    """
    return _windows(tokens, width).cumsum(1) > 0


def _windows(x: Tensor, width: int) -> Tensor:
    """The entries of each token and of the width - 1 tokens behind it, 0 past the
    end of the batch. *Shapes:* (..., n_tokens) to (..., n_tokens, width)"""
    return F.pad(x, (0, width)).unfold(-1, width, 1)[..., : x.shape[-1], :]


class _BandProduct(torch.autograd.Function):
    """scores[l, i, w] = scale * q[l, i] . k[l, i + w], by blocks of heads.

    A block of B heads against its window of C = B + width - 1 tails is one
    matrix product. The band is a strided view of it: row r begins at column r,
    so the step from row to row is C + 1.

        q block      window of tails k0 .. k(C-1)
        head 0       [ s s s . . ]
        head 1       [ . s s s . ]         B = 3, width = 3, C = 5
        head 2       [ . . s s s ]
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, valid: Tensor, scale: float) -> Tensor:
        n_labels, n_tokens, _ = q.shape
        width = valid.shape[1]
        block = min(max(width, MIN_BLOCK), MAX_BLOCK)
        heads, windows = _blocks(q, k, width, block)
        product = _bmm(heads, windows.transpose(1, 2), scale)
        scores = q.new_empty(n_labels, n_tokens, width)
        outside = scores.new_tensor(-torch.inf)
        for tokens, part in _parts(n_tokens, _band(product, n_labels, width)):
            inside = _as_blocks(valid[tokens], part)
            torch.where(inside, part, outside, out=_as_blocks(scores[:, tokens], part))
        ctx.save_for_backward(heads, windows, valid)
        ctx.scale = scale
        return scores

    @staticmethod
    def backward(ctx: Any, d_scores: Tensor) -> Tuple[Optional[Tensor], ...]:
        heads, windows, valid = ctx.saved_tensors
        n_labels, n_tokens, width = d_scores.shape
        d_scores = torch.where(valid, d_scores, 0.0)
        d_product = heads.new_zeros(len(heads), heads.shape[1], windows.shape[1])
        for tokens, part in _parts(n_tokens, _band(d_product, n_labels, width)):
            part.copy_(_as_blocks(d_scores[:, tokens], part))
        d_heads = _bmm(d_product, windows, ctx.scale)
        d_windows = _bmm(d_product.transpose(1, 2), heads, ctx.scale)
        d_q = d_heads.view(n_labels, -1, heads.shape[2])[:, :n_tokens]
        d_k = _overlap_add(d_windows, n_labels, heads.shape[1])[:, :n_tokens]
        return d_q, d_k, None, None


def _blocks(q: Tensor, k: Tensor, width: int, block: int) -> Tuple[Tensor, Tensor]:
    """Heads in blocks, and for each block its window of tails.

    The labels are laid end to end, so that one step leads from any window to the
    next, over labels too. What the last windows of a label see of the next label
    lies outside of all documents.

    RETURNS (Tuple[Tensor, Tensor]): *Shapes:* (n_blocks, block, d) and
        (n_blocks, block + width - 1, d); the second is a view with overlaps.
    """
    n_labels, n_tokens, d = q.shape
    beyond = _ceil_div(width - 1, block)
    n_blocks = _ceil_div(n_tokens, block)
    heads = F.pad(q, (0, 0, 0, n_blocks * block - n_tokens)).reshape(-1, block, d)
    tails = k.new_zeros(n_labels * n_blocks + beyond, block, d)
    rows = tails[: n_labels * n_blocks].view(n_labels, -1, d)
    rows[:, :n_tokens] = k
    size = (len(heads), block + width - 1, d)
    return heads, tails.as_strided(size, (block * d, d, 1))


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _bmm(a: Tensor, b: Tensor, scale: float) -> Tensor:
    """Batched matrix product times a factor, in one pass."""
    unread = a.new_empty(1, 1, 1).expand(len(a), a.shape[1], b.shape[2])
    return torch.baddbmm(unread, a, b, beta=0, alpha=scale)


def _band(product: Tensor, n_labels: int, width: int) -> Tensor:
    """View of the bands. *Shape:* (n_labels, blocks a label, block, width)"""
    n_blocks, block, window = product.shape
    n_blocks //= n_labels
    step = block * window
    return product.as_strided(
        (n_labels, n_blocks, block, width), (n_blocks * step, step, window + 1, 1)
    )


def _parts(n_tokens: int, band: Tensor) -> Iterator[Tuple[slice, Tensor]]:
    """The tokens of the full blocks with their bands, then those of the last."""
    block = band.shape[2]
    full, rest = divmod(n_tokens, block)
    if full:
        yield slice(0, full * block), band[:, :full]
    if rest:
        yield slice(full * block, n_tokens), band[:, full : full + 1, :rest]


def _as_blocks(cells: Tensor, part: Tensor) -> Tensor:
    """Cells (..., tokens, width) as (..., blocks, block, width), like `part`."""
    return cells.unflatten(-2, part.shape[1:3])


def _overlap_add(windows: Tensor, n_labels: int, block: int) -> Tensor:
    """Sum what overlapping windows hold for the same tail: the inverse of the
    view that `_blocks` makes. *Shape:* (n_labels, n_rows, d)"""
    n_blocks, size, d = windows.shape
    rows = windows.new_zeros(n_blocks + _ceil_div(size, block) - 1, block, d)
    for shift, start in enumerate(range(0, size, block)):
        piece = windows[:, start : start + block]
        rows[shift : shift + n_blocks, : piece.shape[1]] += piece
    return rows[:n_blocks].view(n_labels, -1, d)


def band_product(q: Tensor, k: Tensor, layout: Layout, scale: float = 1.0) -> Tensor:
    """Score each candidate by the product of its head's and its tail's vector.

    q (Tensor): Vectors of heads. *Shape:* (n_labels, n_tokens, d)
    k (Tensor): Vectors of tails. *Shape:* (n_labels, n_tokens, d)
    layout (Layout): Where the candidates stand.
    scale (float): Factor on the scores.
    RETURNS (Tensor): scale * q[l, i] . k[l, i + w], -inf outside documents.
        *Shape:* (n_labels, n_tokens, width)
    """
    return cast(Tensor, _BandProduct.apply(q, k, layout.valid, scale))


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
        # in front these cells stand width - 1 apart, so a strided view has them.
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
