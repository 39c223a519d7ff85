"""Products on the band against loops over documents, heads and tails."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_globalpointer.core.lattice import Layout
from spacy_globalpointer.heads import rotary_band as module
from spacy_globalpointer.heads.rotary_band import (
    MAX_BLOCK,
    MIN_BLOCK,
    linear_rotary_band,
    rotary_band,
)
from tests.util.lattices import (
    candidates,
    few_examples,
    lattice_width,
    ragged_batches,
    rotated,
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


def by_loops(qk, layout, rope):
    """The scores, cell by cell, of numbers that autograd follows."""
    n_tokens, n_labels, _, d = qk.shape
    cells = [
        [[-math.inf] * layout.width for _ in range(n_tokens)] for _ in range(n_labels)
    ]
    scores = torch.tensor(cells, dtype=torch.float64).view(n_labels, n_tokens, -1)
    places, values = [], []
    for doc, i, j in candidates(layout.lengths, layout.width):
        start = sum(layout.lengths[:doc])
        for label in range(n_labels):
            q, k = qk[i, label, 0], qk[j, label, 1]
            if rope:
                q, k = rotated(q, i - start), rotated(k, j - start)
            places.append((label, i, j - i))
            values.append(q @ k / d**0.5)
    if not places:
        return scores
    index = tuple(torch.tensor(places).T)
    return scores.index_put(index, torch.stack(values))


def check(lengths, max_length, n_labels, d, rope, seed=0):
    """Scores and gradients of both functions."""
    layout = Layout(lengths, max_length)
    n_tokens, width = sum(lengths), lattice_width(lengths, max_length)
    hidden = random(n_tokens, 3, seed=seed).requires_grad_()
    weight = random(n_labels, 2, d, 3, seed=seed + 1).requires_grad_()
    bias = random(n_labels, 2, d, seed=seed + 2).requires_grad_()
    qk = torch.einsum("nv,lpdv->nlpd", hidden, weight) + bias
    d_scores = random(n_labels, n_tokens, width, seed=seed + 3)
    clean = torch.where(layout.valid, d_scores, 0.0)
    # What comes back to cells outside of documents must not count.
    d_scores[:, ~layout.valid] = math.nan
    expected = by_loops(qk, layout, rope)
    inside = torch.where(layout.valid, expected, 0.0)
    inputs = hidden, weight, bias
    wanted = [expected]
    if n_tokens:
        wanted += torch.autograd.grad(inside, (qk, *inputs), clean, retain_graph=True)
    for call in (
        lambda: rotary_band(qk, layout, rope),
        lambda: linear_rotary_band(*inputs, layout, rope),
    ):
        scores = call()
        got = [scores]
        if n_tokens:
            got += torch.autograd.grad(scores, inputs, d_scores, retain_graph=True)
        # assert_close takes -inf as equal to -inf alone.
        for one, other in zip(got, [wanted[0], *wanted[2:]]):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@few_examples
@given(
    ragged_batches,
    st.integers(1, 3),
    st.sampled_from([2, 4]),
    st.booleans(),
    st.integers(0, 99),
)
def test_it_is_a_double_loop(batch, n_labels, d, rope, seed):
    check(*batch, n_labels, d, rope, seed)


@pytest.mark.parametrize("n_tokens, width", BLOCK_BORDERS)
def test_block_borders(n_tokens, width):
    """Of whole vectors, since loops take long here."""
    layout = Layout([n_tokens], width)
    qk = random(n_tokens, 2, 2, 2).requires_grad_()
    q, k = qk.permute(2, 1, 0, 3)
    full = torch.nn.functional.pad(q @ k.transpose(1, 2) / 2**0.5, (0, width))
    heads = torch.arange(n_tokens).unsqueeze(1)
    expected = full[:, heads, heads + torch.arange(layout.width)]
    expected = torch.where(layout.valid, expected, -math.inf)
    scores = rotary_band(qk, layout, rope=False)
    torch.testing.assert_close(scores, expected, rtol=1e-12, atol=1e-12)
    d_scores = torch.where(layout.valid, random(*scores.shape, seed=1), 0.0)
    (got,) = torch.autograd.grad(scores, qk, d_scores)
    (wanted,) = torch.autograd.grad(expected, qk, d_scores)
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("border", [LO, HI])
@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_documents_that_end_at_block_borders(border, shift):
    check([border + shift, 0, border, 3], 5, 2, 2, False)
    check([7, border + shift - 7, 9], border + 1, 1, 2, True)


@pytest.mark.parametrize("labels_a_group", [1, 2, 3, 5, 7])
def test_groups_of_labels(labels_a_group, monkeypatch):
    lengths, d = [5, 3, 9], 4
    size = labels_a_group * sum(lengths) * 2 * d
    monkeypatch.setattr(module, "GROUP_SIZE", {"cpu": size})
    check(lengths, 4, 5, d, True)


@pytest.mark.parametrize("lengths, max_length", [([1], None), ([4, 0, 1, 3], 3)])
@pytest.mark.parametrize("rope", [True, False])
def test_gradcheck(lengths, max_length, rope):
    layout = Layout(lengths, max_length)

    def inside(*inputs):
        scores = linear_rotary_band(*inputs, layout, rope)
        return torch.where(layout.valid, scores, 0.0)

    inputs = random(layout.n_tokens, 3), random(2, 2, 4, 3), random(2, 2, 4)
    assert torch.autograd.gradcheck(inside, [x.requires_grad_() for x in inputs])


@pytest.mark.parametrize("form", ["expanded", "permuted"])
def test_gradients_of_any_strides(form):
    """Autograd passes on views: a sum gives a gradient that is one number, seen
    many times."""
    layout = Layout([3, 2], 3)
    inputs = random(5, 3), random(2, 2, 4, 3), random(2, 2, 4)
    inputs = [x.requires_grad_() for x in inputs]
    d_scores = {
        "expanded": torch.ones((), dtype=torch.float64).expand(2, 5, 3),
        "permuted": random(3, 5, 2).permute(2, 1, 0),
    }[form]
    scores = linear_rotary_band(*inputs, layout)
    got = torch.autograd.grad(scores, inputs, d_scores, retain_graph=True)
    wanted = torch.autograd.grad(scores, inputs, d_scores.contiguous())
    assert all(map(torch.equal, got, wanted))


@pytest.mark.parametrize("max_length", [None, 4, 50])
@pytest.mark.parametrize("rope", [True, False])
def test_documents_of_a_batch_do_not_touch(max_length, rope):
    lengths = [3, 40, 0, 1, 70, 5]
    layout = Layout(lengths, max_length)
    qk = random(sum(lengths), 2, 2, 6)
    together = rotary_band(qk, layout, rope)
    for length, start in zip(lengths, layout.offsets.tolist()):
        if not length:
            continue
        tokens = slice(start, start + length)
        own = Layout([length], max_length)
        alone = rotary_band(qk[tokens], own, rope)
        widths = own.width, layout.width - own.width
        here, beyond = together[:, tokens].split(widths, 2)
        torch.testing.assert_close(here, alone, rtol=1e-12, atol=1e-12)
        assert (beyond == -math.inf).all()


@pytest.mark.parametrize("n_tokens", [LO, 2 * LO])
@pytest.mark.parametrize("rope", [True, False])
def test_vectors_of_any_strides_at_full_blocks(n_tokens, rope):
    """Without padding nothing else makes the vectors contiguous."""
    qk = random(3, 2, n_tokens, 4).permute(2, 0, 1, 3)
    layout = Layout([n_tokens], 2)
    expected = rotary_band(qk.contiguous(), layout, rope)
    torch.testing.assert_close(rotary_band(qk, layout, rope), expected)


def test_nothing_is_kept_without_gradients():
    """At prediction the queries and keys of one group of labels exist at a time."""
    layout = Layout([4], 2)
    inputs = random(4, 3), random(2, 2, 4, 3).requires_grad_(), random(2, 2, 4)
    saved = []
    hooks = torch.autograd.graph.saved_tensors_hooks(saved.append, lambda x: x)
    with hooks, torch.no_grad():
        without = linear_rotary_band(*inputs, layout)
    assert not without.requires_grad and not saved
    with hooks:
        scores = linear_rotary_band(*inputs, layout)
    assert scores.requires_grad and saved
    assert torch.equal(without, scores)
