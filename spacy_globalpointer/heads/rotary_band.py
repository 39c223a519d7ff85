"""Products of rotated heads and tails on the band of the lattice.

    scores[l, i, w] = (R_i q[l, i]) . (R_j k[l, j]) / sqrt(d)        j = i + w

Heads are taken in blocks. A block of B heads against its window of
C = B + width - 1 tails is one matrix product. The band is a strided view of it:
row r begins at column r, so the step from row to row is C + 1.

    q block      window of tails k0 .. k(C-1)
    head 0       [ s s s . . ]
    head 1       [ . s s s . ]         B = 3, width = 3, C = 5
    head 2       [ . . s s s ]

For example, with the products of B = 3 queries q0, q1, q2 and C = 5 keys k0 .. k4, laid
out in memory row after row, and numbered by place:

             k0  k1  k2  k3  k4
        q0 [  0   1   2   3   4 ]          w =  0   1   2
        q1 [  5   6   7   8   9 ]    ->   q0 [  0   1   2 ]
        q2 [ 10  11  12  13  14 ]         q1 [  6   7   8 ]
                                          q2 [ 12  13  14 ]

the band begins at places 0, 6, 12: row r at r (C + 1). The view has the strides
(C + 1, 1) = (6, 1), and no number is copied.

All windows are one view with overlaps, so no tail is copied. What it takes to hold
several labels at once is the larger part of the memory of a head with queries and
keys for each label, so that head goes through its labels in groups.
"""

from typing import Any, Iterator, Optional, Tuple, cast

import torch
from torch import Tensor

from ..core.lattice import Layout
from .rotary import rotations

# Fewest and most heads in a block: small blocks waste little arithmetic, large
# ones use the processor better.
MIN_BLOCK = 16
MAX_BLOCK = 128
# Most numbers in the queries and keys of a group of labels: on a CPU few enough to
# stay in its cache, on a GPU enough to keep it busy.
GROUP_SIZE = {"cpu": 2**19, "cuda": 2**26}


class Band:
    """The layout of blocks, windows and bands of a batch.

    layout (Layout): The layout of the candidates.
    head_width (int): Width d of queries and keys.
    rope (bool): Whether to use the rotation R.
    dtype (torch.dtype): Type of queries and keys.
    """

    def __init__(
        self, layout: Layout, head_width: int, rope: bool, dtype: torch.dtype
    ) -> None:
        self.valid = layout.valid
        self.n_tokens, self.width = self.valid.shape
        self.d = head_width
        self.scale = head_width**-0.5
        self.rotation = rotations(layout, head_width, dtype) if rope else None
        self.block = min(max(self.width, MIN_BLOCK), MAX_BLOCK)
        self.window = self.block + self.width - 1
        # At least 1, so that a batch without tokens is no exception.
        self.n_blocks = max(_ceil_div(self.n_tokens, self.block), 1)
        # Blocks after the last that its window reaches into.
        self.beyond = _ceil_div(self.width - 1, self.block)

    def groups(self, n_labels: int, device: torch.device) -> Iterator[slice]:
        """Labels that are computed together."""
        one = max(self.n_tokens * 2 * self.d, 1)
        size = max(GROUP_SIZE.get(device.type, GROUP_SIZE["cpu"]) // one, 1)
        for first in range(0, n_labels, size):
            yield slice(first, min(first + size, n_labels))

    def rotate(self, qk: Tensor) -> Tensor:
        """Queries and keys, rotated and laid out in blocks.

        The labels are laid end to end, so that one step leads from any window to
        the next, over labels too. What the last windows of a label see of the next
        label lies outside of all documents.

        qk (Tensor): *Shape:* (n_tokens, n_labels, 2, d)
        RETURNS (Tensor): The blocks of queries, then those of keys, then zeros.
            *Shape:* (2 * n_labels * n_blocks + beyond, block, d)
        """
        n_labels = qk.shape[1]
        n_rows = 2 * n_labels * self.n_blocks
        blocks = qk.new_empty(n_rows + self.beyond, self.block, self.d)
        blocks[n_rows:] = 0
        rows = blocks[:n_rows].view(2, n_labels, -1, self.d)
        rows[:, :, self.n_tokens :] = 0
        by_token = rows[:, :, : self.n_tokens].permute(2, 1, 0, 3)
        if self.rotation is None:
            by_token.copy_(qk)
        else:
            rotation = self.rotation[:, None, None]
            torch.mul(_as_complex(qk), rotation, out=_as_complex(by_token))
        return blocks

    def rotate_back(self, d_blocks: Tensor) -> Tensor:
        """Gradients with regard to the queries and keys that `rotate` took."""
        rows = d_blocks.view(2, -1, self.n_blocks * self.block, self.d)
        by_token = rows[:, :, : self.n_tokens].permute(2, 1, 0, 3)
        if self.rotation is None:
            return by_token.contiguous()
        d_qk = d_blocks.new_empty(by_token.shape)
        rotation = self.rotation.conj().resolve_conj()[:, None, None]
        torch.mul(_as_complex(by_token), rotation, out=_as_complex(d_qk))
        return d_qk

    def _split(self, blocks: Tensor) -> Tuple[Tensor, Tensor]:
        """Heads in blocks, and their windows of tails. *Shapes:* (n, block, d) and
        (n, window, d), the second a view with overlaps."""
        n = (len(blocks) - self.beyond) // 2
        tails = blocks[n:].as_strided(
            (n, self.window, self.d),
            (self.block * self.d, self.d, 1),
            n * self.block * self.d + blocks.storage_offset(),
        )
        return blocks[:n], tails

    def multiply(self, blocks: Tensor, scores: Tensor) -> None:
        """Write the scores, -inf outside documents.

        blocks (Tensor): From `rotate`.
        scores (Tensor): *Shape:* (n_labels, n_tokens, width)
        """
        heads, windows = self._split(blocks)
        product = _bmm(heads, windows.transpose(1, 2), self.scale)
        outside = scores.new_tensor(-torch.inf)
        for tokens, part in self._parts(product):
            inside = _as_blocks(self.valid[tokens], part)
            torch.where(inside, part, outside, out=_as_blocks(scores[:, tokens], part))

    def gradient(self, d_scores: Tensor, blocks: Tensor) -> Tensor:
        """Gradients with regard to the blocks of queries and keys.

        d_scores (Tensor): *Shape:* (n_labels, n_tokens, width)
        blocks (Tensor): From `rotate`.
        RETURNS (Tensor): *Shape:* (2 * n_labels * n_blocks, block, d)
        """
        heads, windows = self._split(blocks)
        n = len(heads)
        d_product = blocks.new_zeros(n, self.block, self.window)
        zero = d_scores.new_zeros(())
        for tokens, part in self._parts(d_product):
            inside = _as_blocks(self.valid[tokens], part)
            torch.where(inside, _as_blocks(d_scores[:, tokens], part), zero, out=part)
        d_blocks = torch.empty_like(blocks[: 2 * n])
        _bmm(d_product, windows, self.scale, out=d_blocks[:n])
        d_windows = _bmm(d_product.transpose(1, 2), heads, self.scale)
        # The windows overlap: a tail's gradient is the sum of what they hold for it.
        d_tails = d_blocks[n:]
        d_tails.copy_(d_windows[:, : self.block])
        for shift in range(1, self.beyond + 1):
            piece = d_windows[
                : n - shift, shift * self.block : (shift + 1) * self.block
            ]
            d_tails[shift:, : piece.shape[1]] += piece
        return d_blocks

    def _parts(self, product: Tensor) -> Iterator[Tuple[slice, Tensor]]:
        """The tokens of the full blocks with their bands, then those of the last.
        *Shape of bands:* (n_labels, blocks a label, block, width)"""
        step = self.block * self.window
        band = product.as_strided(
            (
                len(product) // self.n_blocks,
                self.n_blocks,
                self.block,
                self.width,
            ),
            (self.n_blocks * step, step, self.window + 1, 1),
        )
        full, rest = divmod(self.n_tokens, self.block)
        if full:
            yield slice(0, full * self.block), band[:, :full]
        if rest:
            yield slice(full * self.block, self.n_tokens), band[:, full:, :rest]


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _as_complex(x: Tensor) -> Tensor:
    """View of interleaved pairs as complex numbers."""
    return torch.view_as_complex(x.unflatten(-1, (-1, 2)))


def _as_blocks(cells: Tensor, part: Tensor) -> Tensor:
    """Cells (..., tokens, width) as (..., blocks, block, width), like `part`."""
    return cells.unflatten(-2, part.shape[1:3])


def _bmm(a: Tensor, b: Tensor, scale: float, out: Optional[Tensor] = None) -> Tensor:
    """Batched matrix product times a factor, in one pass."""
    unread = a.new_empty(1, 1, 1).expand(len(a), a.shape[1], b.shape[2])
    return torch.baddbmm(unread, a, b, beta=0, alpha=scale, out=out)


class _RotaryBand(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, qk: Tensor, band: Band) -> Tensor:
        blocks = band.rotate(qk)
        scores = qk.new_empty(qk.shape[1], band.n_tokens, band.width)
        band.multiply(blocks, scores)
        ctx.save_for_backward(blocks)
        ctx.band = band
        return scores

    @staticmethod
    def backward(ctx: Any, d_scores: Tensor) -> Tuple[Optional[Tensor], ...]:
        (blocks,) = ctx.saved_tensors
        return ctx.band.rotate_back(ctx.band.gradient(d_scores, blocks)), None


class _LinearRotaryBand(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, band: Band, train: bool
    ) -> Tensor:
        n_labels = len(weight)
        scores = hidden.new_empty(n_labels, band.n_tokens, band.width)
        kept = []
        for labels in band.groups(n_labels, hidden.device):
            rows = weight[labels].flatten(0, 2)
            qk = torch.addmm(bias[labels].flatten(), hidden, rows.T)
            blocks = band.rotate(qk.unflatten(1, (-1, 2, band.d)))
            band.multiply(blocks, scores[labels])
            if train:
                kept.append(blocks)
        ctx.save_for_backward(hidden, weight, *kept)
        ctx.band = band
        return scores

    @staticmethod
    def backward(ctx: Any, d_scores: Tensor) -> Tuple[Optional[Tensor], ...]:
        hidden, weight, *kept = ctx.saved_tensors
        band = ctx.band
        d_hidden = torch.zeros_like(hidden)
        d_weight = torch.empty_like(weight)
        d_bias = weight.new_empty(weight.shape[:-1])
        groups = band.groups(len(weight), hidden.device)
        for labels, blocks in zip(groups, kept):
            d_blocks = band.gradient(d_scores[labels], blocks)
            d_qk = band.rotate_back(d_blocks).flatten(1)
            d_hidden.addmm_(d_qk, weight[labels].flatten(0, 2))
            torch.mm(d_qk.T, hidden, out=d_weight[labels].flatten(0, 2))
            torch.sum(d_qk, dim=0, out=d_bias[labels].flatten())
        return d_hidden, d_weight, d_bias, None, None


def rotary_band(qk: Tensor, layout: Layout, rope: bool = True) -> Tensor:
    """Score each candidate by the product of its head's query and its tail's key.

    qk (Tensor): Queries and keys of each label.
        *Shape:* (n_tokens, n_labels, 2, d), d an even number
    layout (Layout): The layout of the candidates.
    rope (bool): Whether to use the rotation R.
    RETURNS (Tensor): (R_i q_i) . (R_j k_j) / sqrt(d), -inf outside documents.
        *Shape:* (n_labels, n_tokens, width)
    """
    band = Band(layout, qk.shape[-1], rope, qk.dtype)
    return cast(Tensor, _RotaryBand.apply(qk, band))


def linear_rotary_band(
    hidden: Tensor, weight: Tensor, bias: Tensor, layout: Layout, rope: bool = True
) -> Tensor:
    """The same for queries and keys that are a linear layer's output, without
    holding those of all labels at once.

    hidden (Tensor): *Shape:* (n_tokens, v)
    weight (Tensor): *Shape:* (n_labels, 2, d, v)
    bias (Tensor): *Shape:* (n_labels, 2, d)
    """
    band = Band(layout, weight.shape[2], rope, hidden.dtype)
    train = torch.is_grad_enabled()
    return cast(Tensor, _LinearRotaryBand.apply(hidden, weight, bias, band, train))
