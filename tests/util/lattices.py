"""What several tests share: slow and simple versions of what the package does."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spacy_globalpointer.heads import GlobalPointer

# The same examples in every run, and no clock that could fail on a busy machine.
few_examples = settings(max_examples=30, deadline=None, derandomize=True)

# Tokens of each document, and the longest candidate.
ragged_batches = st.tuples(
    st.lists(st.integers(0, 6), min_size=1, max_size=4).filter(any),
    st.none() | st.integers(1, 7),
)


def lattice_width(lengths: Sequence[int], max_length: int | None = None) -> int:
    """The longest candidate of a batch."""
    longest = max(lengths, default=0)
    width = longest if max_length is None else min(longest, max_length)
    return max(width, 1)


def candidates(lengths: Sequence[int], width: int) -> Iterator[tuple[int, int, int]]:
    """(document, head, tail) of each candidate, tokens counted over the batch."""
    offset = 0
    for doc, length in enumerate(lengths):
        for i in range(length):
            for j in range(i, min(i + width, length)):
                yield doc, offset + i, offset + j
        offset += length


def lattice_of(
    cells: Any, n_labels: int, lengths: Sequence[int], width: int
) -> list[list[list[Any]]]:
    """Nested lists [label][head][w] of cells(label, head, tail), -inf outside."""
    n_tokens = sum(lengths)
    outside = torch.tensor(-math.inf, dtype=torch.float64)
    lattice = [[[outside] * width for _ in range(n_tokens)] for _ in range(n_labels)]
    for _, i, j in candidates(lengths, width):
        for label in range(n_labels):
            lattice[label][i][j - i] = cells(label, i, j)
    return lattice


def rotated(x: Tensor, position: int) -> Tensor:
    """R_p x, pair by pair (arXiv 2104.09864, eq. 15)."""
    d = len(x)
    y = []
    for m in range(d // 2):
        angle = position / 10000 ** (2 * m / d)
        cos, sin = math.cos(angle), math.sin(angle)
        y.append(x[2 * m] * cos - x[2 * m + 1] * sin)
        y.append(x[2 * m] * sin + x[2 * m + 1] * cos)
    return torch.stack(y)


def head_scores(
    head: nn.Module,
    hidden: Tensor,
    lengths: Sequence[int],
    max_length: int | None = None,
) -> Tensor:
    """Equations 2 to 7 of arXiv 2208.03054 for one label, head and tail at a time.
    Tokens without candidates add nothing, so gradients flow by autograd."""
    width = lattice_width(lengths, max_length)
    d = head.head_width
    weight, bias = head.projection.weight, head.projection.bias
    positions = [p for length in lengths for p in range(length)]
    n_labels = (
        len(weight) // (2 * d)
        if isinstance(head, GlobalPointer)
        else len(head.labeler.weight) // 2
    )

    def project(i: int, row: int) -> Tensor:
        return weight[row : row + d] @ hidden[i] + bias[row : row + d]

    def cell(label: int, i: int, j: int) -> Tensor:
        first_row = 2 * d * label if isinstance(head, GlobalPointer) else 0
        q, k = project(i, first_row), project(j, first_row + d)
        if head.rope:
            q, k = rotated(q, positions[i]), rotated(k, positions[j])
        score = (q @ k) / math.sqrt(d)
        if isinstance(head, GlobalPointer):
            return score
        for token, row in ((i, 2 * label), (j, 2 * label + 1)):
            f = hidden[token]
            if head.features == "projected":
                f = torch.cat((project(token, 0), project(token, d)))
            score = score + head.labeler.weight[row] @ f + head.labeler.bias[row]
        return score

    lattice = lattice_of(cell, n_labels, lengths, width)
    flat = [x for rows in lattice for cells in rows for x in cells]
    return torch.stack(flat).view(n_labels, sum(lengths), width)
