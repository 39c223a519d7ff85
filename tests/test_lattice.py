"""The lattice against loops over documents, heads and tails."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from util import candidates, few_examples, lattice_width, ragged_batches

from spacy_globalpointer.lattice import (
    MAX_BLOCK,
    MIN_BLOCK,
    Layout,
    band_product,
    band_sum,
    touches,
)

LO, HI = MIN_BLOCK, MAX_BLOCK
# (tokens, width) around the borders between block sizes and between blocks.
BLOCK_BORDERS = [
    *((n, 1) for n in (1, LO - 1, LO, LO + 1, 2 * LO)),
    *((n, w) for n in (LO, 2 * LO + 1) for w in (LO - 1, LO)),
    (LO + 1, LO + 1),
    (2 * LO, LO + 1),
    (3 * LO - 1, LO + 1),
    (2 * LO + 1, 2 * LO + 1),
    *((n, HI - 1) for n in (HI - 1, HI)),
    *((n, HI) for n in (HI, HI + 1)),
    *((n, HI + 1) for n in (HI + 1, 2 * HI)),
    (2 * HI + 1, HI + 2),
    (2 * HI + 2, 2 * HI + 2),
]


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize(
    "lengths, max_length",
    [
        ([3, 2], None),
        ([3, 2], 2),
        ([3, 2], 1),
        ([3, 2], 9),
        ([1], None),
        ([1, 1, 1], 3),
        ([0, 4, 2], None),
        ([4, 0, 0, 2], 3),
        ([4, 2, 0], 3),
        ([0, 1, 0], 1),
        ([0, 0], 4),
        ([0], None),
        ([], None),
        ([], 3),
    ],
)
def test_layout_is_a_walk_over_the_documents(lengths, max_length):
    layout = Layout(lengths, max_length)
    width = lattice_width(lengths, max_length)
    offsets, doc_ids, positions, valid = [], [], [], []
    for doc, length in enumerate(lengths):
        offsets.append(len(doc_ids))
        for i in range(length):
            doc_ids.append(doc)
            positions.append(i)
            valid.append([i + w < length for w in range(width)])
    assert layout.width == width
    assert layout.n_tokens == sum(lengths)
    assert layout.n_docs == len(lengths)
    assert layout.offsets.tolist() == offsets
    assert layout.doc_ids.tolist() == doc_ids
    assert layout.positions.tolist() == positions
    assert layout.valid.tolist() == valid
    assert layout.valid.dtype == torch.bool
    assert layout.valid.shape == (sum(lengths), width)


@few_examples
@given(st.lists(st.booleans(), min_size=1, max_size=9), st.data())
def test_touches_finds_any_marked_token(marked, data):
    width = data.draw(st.integers(1, len(marked)))
    expected = [
        [any(marked[i : i + w + 1]) for w in range(width)] for i in range(len(marked))
    ]
    assert touches(torch.tensor(marked), width).tolist() == expected


def test_touches_takes_a_batch_without_tokens():
    assert touches(torch.zeros(0, dtype=torch.bool), 1).shape == (0, 1)


def product_by_loops(q, k, d_scores, lengths, width, scale):
    """Scores and gradients of band_product, cell by cell."""
    n_labels, n_tokens, d = q.shape
    scores = torch.full((n_labels, n_tokens, width), -math.inf).tolist()
    d_q, d_k = torch.zeros_like(q).tolist(), torch.zeros_like(k).tolist()
    q, k, d_scores = q.tolist(), k.tolist(), d_scores.tolist()
    cells = list(candidates(lengths, width))
    for label in range(n_labels):
        for _, i, j in cells:
            q_i, k_j = q[label][i], k[label][j]
            scores[label][i][j - i] = scale * sum(x * y for x, y in zip(q_i, k_j))
            step = scale * d_scores[label][i][j - i]
            for m in range(d):
                d_q[label][i][m] += step * k_j[m]
                d_k[label][j][m] += step * q_i[m]
    return [torch.tensor(x, dtype=torch.float64) for x in (scores, d_q, d_k)]


def check_band_product(lengths, max_length, n_labels, d, scale, seed=0):
    layout = Layout(lengths, max_length)
    n_tokens, width = sum(lengths), lattice_width(lengths, max_length)
    q, k = random(2, n_labels, n_tokens, d, seed=seed).requires_grad_().unbind()
    d_scores = random(n_labels, n_tokens, width, seed=seed + 1)
    expected = product_by_loops(q, k, d_scores, lengths, width, scale)
    # What comes back to cells outside of documents must not count.
    d_scores[:, ~layout.valid] = math.nan
    scores = band_product(q, k, layout, scale)
    gradients = torch.autograd.grad(scores, (q, k), d_scores)
    # assert_close takes -inf as equal to -inf alone.
    for got, wanted in zip((scores, *gradients), expected):
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


@few_examples
@given(ragged_batches, st.integers(1, 3), st.integers(1, 4), st.integers(0, 99))
def test_band_product_is_a_double_loop(batch, n_labels, d, seed):
    check_band_product(*batch, n_labels, d, 0.7, seed)


@pytest.mark.parametrize("n_tokens, width", BLOCK_BORDERS)
def test_band_product_at_block_borders(n_tokens, width):
    check_band_product([n_tokens], width, 2, 2, 1.0)


@pytest.mark.parametrize("border", [LO, HI])
@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_band_product_of_documents_that_end_at_block_borders(border, shift):
    check_band_product([border + shift, 0, border, 3], 5, 2, 1, -2.0)
    check_band_product([7, border + shift - 7, 9], border + 1, 1, 1, 1.0)


@few_examples
@given(ragged_batches, st.integers(1, 3), st.integers(0, 99))
def test_band_sum_is_a_double_loop(batch, n_labels, seed):
    lengths, max_length = batch
    layout = Layout(lengths, max_length)
    n_tokens, width = layout.n_tokens, layout.width
    head, tail = random(2, n_labels, n_tokens, seed=seed).requires_grad_().unbind()
    pair = random(n_tokens, width, seed=seed + 1).requires_grad_()
    d_scores = random(n_labels, n_tokens, width, seed=seed + 2)
    d_scores[:, ~layout.valid] = 0.0
    expected = torch.full_like(d_scores, -math.inf)
    d_pair, d_head, d_tail = (torch.zeros_like(x) for x in (pair, head, tail))
    with torch.no_grad():
        for label in range(n_labels):
            for _, i, j in candidates(lengths, width):
                cell = label, i, j - i
                expected[cell] = pair[i, j - i] + head[label, i] + tail[label, j]
                d_pair[i, j - i] += d_scores[cell]
                d_head[label, i] += d_scores[cell]
                d_tail[label, j] += d_scores[cell]
    masked = torch.where(layout.valid, pair, -math.inf)
    scores = band_sum(masked, head, tail)
    gradients = torch.autograd.grad(scores, (pair, head, tail), d_scores)
    for got, wanted in zip((scores, *gradients), (expected, d_pair, d_head, d_tail)):
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


GRADCHECK_BATCHES = [([1], None), ([4, 0, 1, 3], 3), ([5], 1), ([2, 2], None)]


@pytest.mark.parametrize("lengths, max_length", GRADCHECK_BATCHES)
def test_band_product_passes_gradcheck(lengths, max_length):
    layout = Layout(lengths, max_length)
    q, k = random(2, 2, layout.n_tokens, 2).unbind()

    def inside(q, k):
        return torch.where(layout.valid, band_product(q, k, layout, 1.3), 0.0)

    assert torch.autograd.gradcheck(inside, (q.requires_grad_(), k.requires_grad_()))


@pytest.mark.parametrize("lengths, max_length", GRADCHECK_BATCHES)
def test_band_sum_passes_gradcheck(lengths, max_length):
    layout = Layout(lengths, max_length)
    n_tokens, width = layout.n_tokens, layout.width
    pair, head, tail = random(n_tokens, width), random(2, n_tokens), random(2, n_tokens)

    def inside(pair, head, tail):
        return torch.where(layout.valid, band_sum(pair, head, tail), 0.0)

    inputs = [x.requires_grad_() for x in (pair, head, tail)]
    assert torch.autograd.gradcheck(inside, inputs)


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("form", ["expanded", "permuted"])
def test_gradients_of_any_strides(width, form):
    """Autograd passes on views: a sum gives a gradient that is one number, seen
    many times."""
    layout = Layout([3, 2], width)
    q, k = random(2, 2, 5, 2).requires_grad_().unbind()
    pair = random(5, width).requires_grad_()
    head, tail = random(2, 2, 5).requires_grad_().unbind()
    d_scores = {
        "expanded": torch.ones((), dtype=torch.float64).expand(2, 5, width),
        "permuted": random(width, 5, 2).permute(2, 1, 0),
    }[form]
    plain = d_scores.clone(memory_format=torch.contiguous_format)
    for scores, inputs in (
        (band_product(q, k, layout), (q, k)),
        (band_sum(pair, head, tail), (pair, head, tail)),
    ):
        got = torch.autograd.grad(scores, inputs, d_scores, retain_graph=True)
        wanted = torch.autograd.grad(scores, inputs, plain)
        assert all(map(torch.equal, got, wanted))


@pytest.mark.parametrize("max_length", [None, 4, 50])
def test_documents_of_a_batch_do_not_touch(max_length):
    lengths = [3, 40, 0, 1, 70, 5]
    layout = Layout(lengths, max_length)
    q, k = random(2, 2, sum(lengths), 6).unbind()
    together = band_product(q, k, layout)
    for length, start in zip(lengths, layout.offsets.tolist()):
        if not length:
            continue
        tokens = slice(start, start + length)
        own = Layout([length], max_length)
        alone = band_product(q[:, tokens], k[:, tokens], own)
        widths = own.width, layout.width - own.width
        here, beyond = together[:, tokens].split(widths, 2)
        torch.testing.assert_close(here, alone, rtol=1e-12, atol=1e-12)
        assert (beyond == -math.inf).all()


@pytest.mark.parametrize("n_tokens", [MIN_BLOCK, 2 * MIN_BLOCK])
def test_products_take_vectors_of_any_strides_at_full_blocks(n_tokens):
    """Without padding nothing else makes the vectors contiguous."""
    q, k = random(2, n_tokens, 3, 4).transpose(1, 2)
    layout = Layout([n_tokens], 2)
    expected = band_product(q.contiguous(), k.contiguous(), layout)
    torch.testing.assert_close(band_product(q, k, layout), expected)
