"""The span classifier against the equations, one class, head and tail at a time."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_globalpointer.core.lattice import Layout
from spacy_globalpointer.heads import SpanClassifier
from spacy_globalpointer.heads.span_classifier import (
    REPRESENTATIONS,
    attend,
    max_product,
)
from tests.util.lattices import few_examples, lattice_of, lattice_width, ragged_batches

WIDTH = 5
LENGTH_WIDTH = 3
BATCHES = [([3, 0, 5, 1], 3), ([4], None), ([3, 2], 1), ([1, 0, 1], 4), ([6, 2], 6)]

every_representation = pytest.mark.parametrize("representation", REPRESENTATIONS)


def make_head(representation, n_labels=3, n_lengths=4):
    """A head in float64. Its weights are larger than at first, so that scores
    differ by more than rounding."""
    torch.manual_seed(0)
    head = SpanClassifier(
        WIDTH,
        n_labels,
        representation=representation,
        length_width=LENGTH_WIDTH,
        n_lengths=n_lengths,
    ).double()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_()
    return head


def hidden_states(n_tokens, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_tokens, WIDTH, dtype=torch.float64, generator=generator)


def span_vector(head, hidden, lengths, i, j):
    """The representation of one span, put together part by part."""
    span = hidden[i : j + 1]
    ends = torch.tensor(lengths).cumsum(0)
    doc = int((ends <= i).sum())
    tokens = hidden[int(ends[doc]) - lengths[doc] : int(ends[doc])]
    e_w = head.lengths.weight[min(j - i, len(head.lengths.weight) - 1)]
    boundary = [hidden[i], hidden[j]]
    pooling = [span.max(0).values, tokens.mean(0)]
    parts = {"boundary": boundary, "pooling": pooling, "hybrid": boundary + pooling}
    if head.representation == "attention":
        weights = torch.softmax(span @ head.attention.weight[0], 0)
        parts["attention"] = [(weights.unsqueeze(1) * span).sum(0)]
    return torch.cat([*parts[head.representation], e_w])


def reference(head, hidden, lengths, max_length=None):
    width = lattice_width(lengths, max_length)
    weight, bias = head.classifier.weight, head.classifier.bias
    vectors = {}

    def cell(label, i, j):
        if (i, j) not in vectors:
            vectors[i, j] = span_vector(head, hidden, lengths, i, j)
        return weight[label] @ vectors[i, j] + bias[label]

    lattice = lattice_of(cell, len(weight), lengths, width)
    flat = [x for rows in lattice for cells in rows for x in cells]
    return torch.stack(flat).view(len(weight), sum(lengths), width)


def close(got, wanted):
    torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


@every_representation
@pytest.mark.parametrize("lengths, max_length", BATCHES)
def test_scores_and_gradients_follow_the_equations(representation, lengths, max_length):
    head = make_head(representation)
    hidden = hidden_states(sum(lengths)).requires_grad_()
    layout = Layout(lengths, max_length)
    inputs = [hidden, *head.parameters()]
    expected = reference(head, hidden, lengths, max_length)
    lattice = head(hidden, layout)
    close(lattice.scores, expected)
    assert lattice.layout is layout
    d_scores = torch.empty_like(lattice.scores).copy_(torch.randn(expected.shape))
    d_scores[:, ~layout.valid] = 0.0
    wanted = torch.autograd.grad(
        torch.where(layout.valid, expected, 0.0), inputs, d_scores, allow_unused=True
    )
    got = torch.autograd.grad(lattice.scores, inputs, d_scores, allow_unused=True)
    for x, y, parameter in zip(got, wanted, inputs):
        # Attention over one token has no gradient.
        x, y = (torch.zeros_like(parameter) if d is None else d for d in (x, y))
        close(x, y)


@few_examples
@given(ragged_batches, st.sampled_from([*REPRESENTATIONS]), st.integers(0, 99))
def test_any_batch(batch, representation, seed):
    lengths, max_length = batch
    head = make_head(representation, n_labels=1, n_lengths=3)
    hidden = hidden_states(sum(lengths), seed)
    got = head(hidden, Layout(lengths, max_length)).scores
    close(got, reference(head, hidden, lengths, max_length))


@pytest.mark.parametrize("width", [1, 2, 7])
def test_gradients_of_the_parts_are_differences(width):
    """Also where the same token is the maximum of many spans."""
    hidden = hidden_states(7).requires_grad_()
    weight = hidden_states(3, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(max_product, (hidden, weight, width))
    logits = hidden_states(7, seed=3)[:, 0].clone().requires_grad_()
    values = hidden_states(7, seed=4).T.clone().requires_grad_()
    assert torch.autograd.gradcheck(attend, (values, logits, width))


def test_of_equal_maxima_one_token_takes_the_gradient():
    """As torch.max has it: dropout makes many zeros."""
    hidden = torch.zeros(4, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.ones(1, 2, dtype=torch.float64)
    max_product(hidden, weight, 4)[0, 0, 3].backward()
    assert hidden.grad.sum(0).tolist() == [1.0, 1.0]
    assert (hidden.grad > 0).sum(0).tolist() == [1, 1]


@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4, 1e30])
def test_attention_bears_any_logits(scale):
    """In float32, where exp(100) is infinite, and on falling and rising logits."""
    values = torch.randn(3, 9)
    for logits in (torch.randn(9), torch.arange(9.0), -torch.arange(9.0)):
        logits = logits * scale
        got = attend(values, logits, 9)
        assert got.isfinite().all()
        for i in range(9):
            for j in range(i, 9):
                weights = logits[i : j + 1].double().softmax(0)
                wanted = values[:, i : j + 1].double() @ weights
                torch.testing.assert_close(
                    got[:, i, j - i].double(), wanted, rtol=1e-4, atol=1e-5
                )


@every_representation
@pytest.mark.parametrize("lengths", [[], [0, 0]])
def test_a_batch_without_tokens(representation, lengths):
    head = make_head(representation)
    hidden = torch.zeros(0, WIDTH, dtype=torch.float64, requires_grad=True)
    scores = head(hidden, Layout(lengths, 4)).scores
    assert scores.shape == (4, 0, 1)
    scores.sum().backward()
    assert hidden.grad.shape == (0, WIDTH)


@every_representation
@pytest.mark.parametrize("max_length", [None, 4])
def test_a_document_scores_alone_as_in_any_batch(representation, max_length):
    head = make_head(representation, n_lengths=8)
    docs = [hidden_states(n) * (n + 1) / 9 for n in (7, 0, 40, 1, 3)]
    alone = [head(x, Layout([len(x)], max_length)).scores for x in docs if len(x)]
    for order in ([0, 1, 2, 3, 4], [4, 2, 1, 0, 3], [3, 2, 1, 4, 0]):
        batch = [docs[i] for i in order]
        lengths = [len(x) for x in batch]
        together = head(torch.cat(batch), Layout(lengths, max_length)).scores
        parts = dict(zip(order, together.split(lengths, dim=1)))
        for own, part in zip(alone, (parts[i] for i in (0, 2, 3, 4))):
            here, beyond = part.split((own.shape[2], part.shape[2] - own.shape[2]), 2)
            torch.testing.assert_close(here, own, rtol=1e-12, atol=1e-12)
            assert (beyond == -math.inf).all()


@every_representation
@pytest.mark.parametrize("n_labels", [4, 9])
def test_more_labels_leave_the_present_classes_as_they_are(representation, n_labels):
    head = make_head(representation)
    hidden, layout = hidden_states(9), Layout([5, 4], 3)
    before = head(hidden, layout).scores
    resized = head.resized(n_labels)
    scores = resized(hidden, layout).scores
    assert scores.shape == (n_labels + 1, 9, 3)
    assert scores.dtype == before.dtype
    close(scores[:3], before[:3])
    # "No entity" stays the last class.
    close(scores[-1], before[-1])
    for row in scores[3:-1]:
        assert not torch.allclose(row[layout.valid], before[-1][layout.valid])
    with torch.no_grad():
        for parameter in resized.parameters():
            parameter.zero_()
    assert all(x.requires_grad and x.is_leaf for x in resized.parameters())
    close(head(hidden, layout).scores, before)


@every_representation
def test_a_head_scores_the_same_in_training_and_evaluation(representation):
    head = make_head(representation)
    hidden, layout = hidden_states(6), Layout([4, 2], 3)
    scores = head.train()(hidden, layout).scores
    assert torch.equal(head.eval()(hidden, layout).scores, scores)


def test_no_array_of_spans_and_vectors_is_kept():
    """Pooling keeps the tokens for the backward pass, not the maxima of spans."""
    sizes = []
    hidden = torch.randn(200, 64, requires_grad=True)
    weight = torch.randn(3, 64, requires_grad=True)

    def note(x):
        sizes.append(x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        max_product(hidden, weight, 30)
    assert sum(sizes) == hidden.numel() + weight.numel()
