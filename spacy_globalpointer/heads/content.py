"""What is between the ends of a candidate: its mean, its maximum and its length.

    u(i, j) = LayerNorm(GELU(A h_i + B h_j + C mean(h_i .. h_j) + max(D h_i .. D h_j)
                             + e_(j - i)))

Means and maxima of one length follow from those of the length before and one more
token, so no tokens are copied for each candidate. Starts are ordered by their room, the
tokens from there to the end of the document. Then the candidates of each length are the
first of them, and no cell outside of documents is computed:

    start     0  3  1  4  2     (documents of 3 and 2 tokens)
    room      3  2  2  1  1
    length 1  .  .  .  .  .
    length 2  .  .  .
    length 3  .

Starts are taken in blocks, and lengths in chunks, so that all that is at work stays in
the processor's cache.
"""

from dataclasses import dataclass
from typing import Any, Iterator, List, Optional, Sequence, Tuple, cast

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.lattice import Layout

# Starts in a block, and candidates in a chunk: on a CPU few enough for the cache, on a
# GPU enough to keep it busy.
BLOCK = {"cpu": 512, "cuda": 2**16}
CHUNK = {"cpu": 3072, "cuda": 2**18}
# Most numbers of a batch that the backward pass finds as the forward pass left them;
# what is more is computed again.
KEPT = 2**24
EPS = 1e-5


class Content(nn.Module):
    """A linear classifier w of u, with dropout on u in training.

    Dropout sets the same features of all candidates of a batch to zero: a draw for each
    candidate would take longer than all the rest.

    width (int): Width v of the hidden states.
    n_labels (int): Number of labels.
    content_width (int): Width m of u.
    dropout (float): Share of the features of u that are set to zero where gradients
        are computed.
    max_length (Optional[int]): Longest candidate that has this term, in tokens. None:
        no limit.
    n_lengths (int): Lengths that have an embedding of their own; longer spans share
        that of the last.
    """

    def __init__(
        self,
        width: int,
        n_labels: int,
        content_width: int,
        *,
        dropout: float = 0.2,
        max_length: Optional[int] = None,
        n_lengths: int = 32,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.max_length = max_length
        # Rows of A, B, C and D, in this order. A constant is part of the embedding.
        self.projection = nn.Linear(width, 4 * content_width, bias=False)
        self.lengths = nn.Embedding(n_lengths, content_width)
        self.classifier = nn.Linear(content_width, n_labels)

    def forward(self, hidden: Tensor, layout: Layout) -> Tensor:
        """Score all candidates.

        hidden (Tensor): *Shape:* (n_tokens, width)
        layout (Layout): The layout of the candidates.
        RETURNS (Tensor): w_a . u(i, j), 0 outside documents.
            *Shape:* (n_labels, n_tokens, layout.width)
        """
        layers = (
            self.projection.weight,
            self.lengths.weight,
            *self.classifier.parameters(),
        )
        projection, embedding, weight, bias = (x.to(hidden.dtype) for x in layers)
        # Prediction needs no gradients, so nothing of the module has to change for it.
        if self.dropout and torch.is_grad_enabled():
            weight = weight * F.dropout(torch.ones_like(weight[0]), self.dropout)
        length = layout.width if self.max_length is None else self.max_length
        return score_content(
            F.linear(hidden, projection), embedding, weight, bias, layout, length
        )

    @torch.no_grad()
    def resized(self, n_labels: int) -> "Content":
        """A copy with more labels, which scores the present ones as before. The
        content of new labels counts nothing until they are trained."""
        n_lengths, content_width = self.lengths.weight.shape
        content = Content(
            self.projection.in_features,
            n_labels,
            content_width,
            dropout=self.dropout,
            max_length=self.max_length,
            n_lengths=n_lengths,
        ).to(self.projection.weight)
        content.projection.load_state_dict(self.projection.state_dict())
        content.lengths.load_state_dict(self.lengths.state_dict())
        n_old = self.classifier.out_features
        for new, old in zip(
            content.classifier.parameters(), self.classifier.parameters()
        ):
            new.zero_()[:n_old] = old
        return content


@dataclass
class Block:
    """Candidates with some of the starts, by length, each length's by room.

    starts (Tensor): The starts by room. *Shape:* (n_starts,)
    ends (Sequence[Tensor]): The last tokens of the candidates of each length.
    cells (Tensor): The place of each candidate in the lattice, (n_tokens, width) as one
        row. *Shape:* (n_candidates,)
    """

    starts: Tensor
    ends: Sequence[Tensor]
    cells: Tensor

    def chunks(self, size: int) -> Iterator[range]:
        """Lengths that are computed together."""
        first = n_cells = 0
        for w, ends in enumerate(self.ends):
            n_cells += len(ends)
            if n_cells > size and w > first:
                yield range(first, w)
                first, n_cells = w, len(ends)
        yield range(first, len(self.ends))


def make_blocks(layout: Layout, max_length: int, device: torch.device) -> List[Block]:
    """The candidates of a batch of at most `max_length` tokens. Made on the host, so
    that a GPU need not be waited for."""
    width = layout.width
    lengths = numpy.asarray(layout.lengths, dtype=numpy.int64)
    last = numpy.repeat(lengths.cumsum(), lengths)
    rooms = (last - numpy.arange(len(last))).clip(max=min(max_length, width))
    order = numpy.argsort(-rooms, kind="stable")
    size = BLOCK.get(device.type, BLOCK["cpu"])
    blocks = []
    for first in range(0, len(order), size):
        starts = order[first : first + size]
        is_inside = rooms[starts] > numpy.arange(rooms[starts[0]])[:, None]
        w, rows = is_inside.nonzero()
        counts = is_inside.sum(1).tolist()
        block_starts, ends, cells = (
            torch.from_numpy(x).to(device, non_blocking=True)
            for x in (starts, starts[rows] + w, starts[rows] * width + w)
        )
        blocks.append(Block(block_starts, ends.split(counts), cells))
    return blocks


class _Content(torch.autograd.Function):
    """Scores of all candidates.

    The norm is never written down: with g the result of GELU and W the sum of w,

        w . LayerNorm(g) = (w . g - mean(g) W) / std(g)
    """

    @staticmethod
    def forward(
        ctx: Any,
        projected: Tensor,
        embedding: Tensor,
        weight: Tensor,
        bias: Tensor,
        blocks: List[Block],
        width: int,
        train: bool,
    ) -> Tensor:
        ctx.save_for_backward(projected, embedding, weight)
        ctx.runs = []
        n_tokens, m = len(projected), embedding.shape[1]
        with_mean = torch.cat([weight, weight.new_full((1, m), 1 / m)]).T
        total = weight.sum(1)
        # By candidate, its labels together.
        scores = projected.new_zeros(n_tokens * width, len(weight))
        room = KEPT
        for block in blocks:
            run = _Run(block, embedding)
            room -= 3 * m * len(block.cells)
            keep = train and room >= 0
            parts = []
            for sums, g in run.forward(projected, keep):
                products, mean = torch.split(g @ with_mean, [len(weight), 1], dim=1)
                rstd = _inverse_std(g, mean)
                if keep:
                    run.kept.append((sums, g, mean.contiguous(), rstd))
                part = products.addcmul_(mean, total, value=-1)
                parts.append(part.mul_(rstd).add_(bias))
            scores.index_copy_(0, block.cells, torch.cat(parts))
            if train:
                ctx.runs.append(run)
        return scores.view(n_tokens, width, len(weight)).permute(2, 0, 1)

    @staticmethod
    def backward(ctx: Any, d_scores: Tensor) -> Tuple[Optional[Tensor], ...]:
        projected, embedding, weight = ctx.saved_tensors
        m = embedding.shape[1]
        d_scores = d_scores.permute(1, 2, 0).flatten(0, 1)
        d_start = torch.empty_like(projected[:, :m])
        d_end = projected.new_zeros(len(projected), 3 * m)
        d_embedding = torch.zeros_like(embedding)
        d_weight = torch.zeros_like(weight)
        d_bias = weight.new_zeros(len(weight))
        for run in ctx.runs:
            if not run.kept:
                # A new one, which is forgotten after its turn.
                run = _Run(run.block, embedding)
            d_cells = d_scores.index_select(0, run.block.cells)
            d_bias += d_cells.sum(0)
            # Gradients with regard to the sums under GELU.
            d_sums = projected.new_empty(len(d_cells), m)
            first = 0
            for sums, g, mean, rstd in run.kept or run.again(projected):
                cells = slice(first, first + len(g))
                first += len(g)
                d = d_cells[cells]
                d_scaled = d * rstd
                d_weight.addmm_(d_scaled.T, g).sub_(d_scaled.T @ mean)
                d_g, *_ = torch.ops.aten.native_layer_norm_backward(
                    d @ weight, g, [m], mean, rstd, None, None, [True, False, False]
                )
                torch.ops.aten.gelu_backward.grad_input(
                    d_g, sums, grad_input=d_sums[cells]
                )
            run.backward(d_sums, d_start, d_end, d_embedding)
        d_projected = torch.cat([d_start, d_end], dim=1)
        return d_projected, d_embedding, d_weight, d_bias, None, None, None


def _inverse_std(g: Tensor, mean: Tensor) -> Tensor:
    """1 / std(g), of each row. *Shape:* (n_rows, 1)"""
    square = torch.linalg.vector_norm(g, dim=1, keepdim=True).square_()
    variance = square.div_(g.shape[1]).addcmul_(mean, mean, value=-1)
    return variance.clamp_(min=0).add_(EPS).rsqrt_()


class _Run:
    """The way of one block of candidates from the projections to GELU, and back.

    block (Block): The candidates.
    embedding (Tensor): e. *Shape:* (n_lengths, m)
    """

    def __init__(self, block: Block, embedding: Tensor) -> None:
        self.block, self.embedding = block, embedding
        # By chunk: what is under GELU, GELU, its mean and 1 / std.
        self.kept: List[Tuple[Tensor, ...]] = []

    def forward(
        self, projected: Tensor, keep: bool = False
    ) -> Iterator[Tuple[Tensor, Tensor]]:
        """What is under GELU, and GELU, of the candidates in chunks.

        projected (Tensor): A h, B h, C h and D h. *Shape:* (n_tokens, 4 * m)
        keep (bool): Whether `backward` is to follow.
        """
        m = self.embedding.shape[1]
        starts, ends = self.block.starts, self.block.ends
        of_length = self.embedding.unbind()
        of_start = projected[:, :m].index_select(0, starts)
        # What the last tokens give: one memory for all lengths, so that it is cached.
        at_ends = projected.new_empty(len(starts), 3 * m)
        # Of each length but the first: how far the last token is above the maximum of
        # those before.
        self.rises: List[Tensor] = []
        size = CHUNK.get(projected.device.type, CHUNK["cpu"])
        for chunk in self.block.chunks(size):
            counts = [len(ends[w]) for w in chunk]
            sums = projected.new_empty(sum(counts), m)
            for w, n, part in zip(chunk, counts, sums.split(counts)):
                at_end = at_ends[:n]
                torch.index_select(projected[:, m:], 0, ends[w], out=at_end)
                b, c, d = at_end.split(m, dim=1)
                if w == 0:
                    maxima, totals = d.clone(), c.clone()
                else:
                    maxima, totals = maxima[:n], totals[:n]
                    if keep:
                        self.rises.append(d - maxima)
                    torch.maximum(maxima, d, out=maxima)
                    totals += c
                torch.add(of_start[:n], of_length[min(w, len(of_length) - 1)], out=part)
                part += b
                part += maxima
                part.add_(totals, alpha=1 / (w + 1))
            yield sums, F.gelu(sums)

    def again(self, projected: Tensor) -> Iterator[Tuple[Tensor, ...]]:
        """The same as what is kept, computed again."""
        for sums, g in self.forward(projected, keep=True):
            mean = g.mean(1, keepdim=True)
            yield sums, g, mean, _inverse_std(g, mean)

    def backward(
        self, d_sums: Tensor, d_start: Tensor, d_end: Tensor, d_embedding: Tensor
    ) -> None:
        """Add the gradients with regard to A h, to B h, C h and D h, and to e.

        From the longest candidates to the shortest: what a mean and a maximum get is
        passed on to those of one token less, but for the last token's share.
        """
        counts = [len(ends) for ends in self.block.ends]
        # By row of the block.
        of_start = d_sums.new_zeros(len(self.block.starts), d_sums.shape[1])
        of_mean, of_maximum = torch.zeros_like(of_start), torch.zeros_like(of_start)
        at_ends = d_sums.new_empty(len(of_start), d_end.shape[1])
        d_lengths: List[Tensor] = []
        for w, d in reversed([*enumerate(d_sums.split(counts))]):
            start, mean, maximum = (
                x[: len(d)] for x in (of_start, of_mean, of_maximum)
            )
            start += d
            mean.add_(d, alpha=1 / (w + 1))
            maximum += d
            d_lengths.append(d.sum(0))
            if w:
                # Where the last token is the maximum.
                taken = torch.ops.aten.threshold_backward(maximum, self.rises[w - 1], 0)
                maximum -= taken
            else:
                taken = maximum
            at_end = at_ends[: len(d)]
            torch.cat([d, mean, taken], dim=1, out=at_end)
            d_end.index_add_(0, self.block.ends[w], at_end)
        d_start.index_copy_(0, self.block.starts, of_start)
        own, shared = torch.stack(d_lengths[::-1]).tensor_split([len(d_embedding) - 1])
        d_embedding[: len(own)] += own
        d_embedding[-1] += shared.sum(0)


def score_content(
    projected: Tensor,
    embedding: Tensor,
    weight: Tensor,
    bias: Tensor,
    layout: Layout,
    max_length: int,
) -> Tensor:
    """Score each candidate by what is between its ends.

    projected (Tensor): A h, B h, C h and D h, side by side.
        *Shape:* (n_tokens, 4 * m)
    embedding (Tensor): e, that of the last length for all longer ones too.
        *Shape:* (n_lengths, m)
    weight (Tensor): w. *Shape:* (n_labels, m)
    bias (Tensor): A constant for each label. *Shape:* (n_labels,)
    layout (Layout): The layout of the candidates.
    max_length (int): Longest candidate that is scored, in tokens.
    RETURNS (Tensor): w_a . u(i, j) + bias_a; 0 for longer candidates, and outside
        documents. *Shape:* (n_labels, n_tokens, layout.width)
    """
    blocks = make_blocks(layout, max_length, projected.device)
    train = torch.is_grad_enabled()
    args = projected, embedding, weight, bias, blocks, layout.width, train
    return cast(Tensor, _Content.apply(*args))
