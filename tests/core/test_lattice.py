"""The lattice against loops over documents, heads and tails."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_globalpointer.core.lattice import Layout, band_sum, touches
from tests.util.lattices import candidates, few_examples, lattice_width, ragged_batches


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
    pair = random(5, width).requires_grad_()
    head, tail = random(2, 2, 5).requires_grad_().unbind()
    d_scores = {
        "expanded": torch.ones((), dtype=torch.float64).expand(2, 5, width),
        "permuted": random(width, 5, 2).permute(2, 1, 0),
    }[form]
    plain = d_scores.clone(memory_format=torch.contiguous_format)
    inputs = pair, head, tail
    scores = band_sum(*inputs)
    got = torch.autograd.grad(scores, inputs, d_scores, retain_graph=True)
    wanted = torch.autograd.grad(scores, inputs, plain)
    assert all(map(torch.equal, got, wanted))
