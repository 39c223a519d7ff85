"""The content term against its equation, one label and one candidate at a time."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from spacy_globalpointer.core.lattice import Layout
from spacy_globalpointer.heads import EfficientGlobalPointer, GlobalPointer
from spacy_globalpointer.heads import content as module
from spacy_globalpointer.heads.content import Content
from tests.util.lattices import candidates, few_examples, ragged_batches

WIDTH, M = 5, 4
HEADS = [GlobalPointer, EfficientGlobalPointer]


def make_content(n_labels=3, seed=0, **settings):
    """In float64, with weights larger than at first."""
    torch.manual_seed(seed)
    settings = {"dropout": 0.0, "n_lengths": 3, **settings}
    content = Content(WIDTH, n_labels, M, **settings).double()
    with torch.no_grad():
        for parameter in content.parameters():
            parameter.normal_()
    return content


def hidden_states(n_tokens, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_tokens, WIDTH, dtype=torch.float64, generator=generator)


def by_loops(content, hidden, lengths, width, max_length=None):
    """The term, cell by cell, of numbers that autograd follows."""
    A, B, C, D = content.projection.weight.split(M)
    weight, bias = content.classifier.weight, content.classifier.bias
    places, values = [], []
    for _, i, j in candidates(lengths, width):
        if max_length is not None and j - i >= max_length:
            continue
        span = hidden[i : j + 1]
        length = content.lengths.weight[min(j - i, len(content.lengths.weight) - 1)]
        maximum = (span @ D.T).max(0).values
        x = A @ span[0] + B @ span[-1] + C @ span.mean(0) + maximum + length
        g = x * (1 + torch.erf(x / 2**0.5)) / 2
        u = (g - g.mean()) / (g.var(unbiased=False) + module.EPS).sqrt()
        for label in range(len(weight)):
            places.append((label, i, j - i))
            values.append(weight[label] @ u + bias[label])
    scores = torch.zeros(len(weight), len(hidden), width, dtype=torch.float64)
    if not places:
        return scores
    return scores.index_put(tuple(torch.tensor(places).T), torch.stack(values))


def check(content, lengths, max_length, seed=0):
    layout = Layout(lengths, max_length)
    hidden = hidden_states(sum(lengths), seed).requires_grad_()
    expected = by_loops(content, hidden, lengths, layout.width, content.max_length)
    scores = content(hidden, layout)
    torch.testing.assert_close(scores, expected, rtol=1e-10, atol=1e-10)
    if not len(hidden):
        return
    # What comes back to cells outside of documents does not count.
    d_scores = torch.randn_like(expected)
    inputs = [hidden, *content.parameters()]
    clean = torch.where(layout.valid, d_scores, 0.0)
    wanted = torch.autograd.grad(expected, inputs, clean, allow_unused=True)
    for x, y in zip(torch.autograd.grad(scores, inputs, d_scores), wanted):
        y = torch.zeros_like(x) if y is None else y
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)


@few_examples
@given(
    ragged_batches,
    st.integers(1, 3),
    st.sampled_from([None, 1, 2, 5]),
    st.integers(0, 99),
)
def test_scores_and_gradients_are_those_of_the_equation(batch, n_labels, limit, seed):
    check(make_content(n_labels, seed, max_length=limit), *batch, seed)


@pytest.mark.parametrize("block", [1, 2, 5, 16])
@pytest.mark.parametrize("chunk, kept", [(1, 0), (7, 200), (40, 10**6)])
def test_borders_of_blocks_and_chunks(block, chunk, kept, monkeypatch):
    """And of what is kept for the backward pass: nothing, something, all."""
    monkeypatch.setattr(module, "KEPT", kept)
    monkeypatch.setattr(module, "BLOCK", {"cpu": block})
    monkeypatch.setattr(module, "CHUNK", {"cpu": chunk})
    check(make_content(), [5, 0, 3, 1, 9], 6)


@pytest.mark.parametrize("lengths, max_length", [([1], None), ([4, 0, 1, 3], 3)])
def test_gradcheck(lengths, max_length):
    layout, content = Layout(lengths, max_length), make_content()
    names = [name for name, _ in content.named_parameters()]

    def call(hidden, *weights):
        weights = dict(zip(names, weights))
        return torch.func.functional_call(content, weights, (hidden, layout))

    inputs = hidden_states(sum(lengths)).requires_grad_(), *content.parameters()
    assert torch.autograd.gradcheck(call, inputs)


@pytest.mark.parametrize("lengths", [[], [0, 0]])
def test_a_batch_without_tokens(lengths):
    check(make_content(), lengths, 4)


@pytest.mark.parametrize("max_length", [None, 4])
def test_a_document_scores_alone_as_in_any_batch(max_length):
    content = make_content()
    docs = [hidden_states(n, n) for n in (7, 0, 40, 1, 3)]
    for order in ([0, 1, 2, 3, 4], [4, 2, 1, 0, 3]):
        lengths = [len(docs[i]) for i in order]
        hidden = torch.cat([docs[i] for i in order])
        together = content(hidden, Layout(lengths, max_length)).split(lengths, dim=1)
        for i, part in zip(order, together):
            own = content(docs[i], Layout([len(docs[i])], max_length))
            here, beyond = part.split((own.shape[2], part.shape[2] - own.shape[2]), 2)
            torch.testing.assert_close(here, own, rtol=1e-12, atol=1e-12)
            assert (beyond == 0).all()


def test_float32_holds_in_a_long_document_with_large_activations():
    """Sums over a document would lose what a short span adds to them."""
    content = make_content()
    hidden = hidden_states(3000) + 30
    layout = Layout([3000], 4)
    with torch.no_grad():
        exact = content(hidden, layout)
        found = content.float()(hidden.float(), layout)
    assert exact.abs().max() > 1
    torch.testing.assert_close(found.double(), exact, rtol=1e-3, atol=1e-3)


def test_dropout_leaves_out_features_where_gradients_are_computed():
    content, layout = make_content(dropout=0.5), Layout([6, 3])
    hidden = hidden_states(9)
    torch.manual_seed(3)
    dropped = content(hidden, layout)
    torch.manual_seed(3)
    factors = F.dropout(torch.ones(M, dtype=torch.float64), 0.5)
    assert 0 < (factors == 0).sum() < M
    with torch.no_grad():
        whole = content(hidden, layout)
        torch.testing.assert_close(whole, content.train()(hidden, layout))
        content.classifier.weight *= factors
        torch.testing.assert_close(content(hidden, layout), dropped)
    assert not torch.allclose(whole, dropped)


@pytest.mark.parametrize("head_class", HEADS)
@pytest.mark.parametrize("max_length", [None, 2])
def test_a_head_adds_it_to_its_scores(head_class, max_length):
    """With no content the head is the paper's formula, with the same weights."""
    torch.manual_seed(0)
    head = head_class(WIDTH, 3, head_width=4, content_width=M, content_dropout=0.0)
    plain = head_class(WIDTH, 3, head_width=4).double()
    head = head.double()
    head.content.max_length = max_length
    weights = head.state_dict()
    assert {name for name in weights if name.startswith("content.")}
    plain.load_state_dict({k: weights[k] for k in plain.state_dict()})
    lengths, hidden = [5, 2], hidden_states(7)
    layout = Layout(lengths, 4)
    scores, without = head(hidden, layout).scores, plain(hidden, layout).scores
    assert plain.content is None and "content" not in str(plain.state_dict().keys())
    term = by_loops(head.content, hidden, lengths, 4, max_length)
    torch.testing.assert_close(scores, without + term, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("head_class", HEADS)
def test_more_labels_leave_the_present_ones_as_they_are(head_class):
    settings = {"content_dropout": 0.1, "content_max_length": 3}
    head = head_class(WIDTH, 3, head_width=4, content_width=M, **settings).double()
    resized = head.resized(5)
    hidden, layout = hidden_states(9), Layout([5, 4])
    with torch.no_grad():
        scores = resized(hidden, layout).scores
        torch.testing.assert_close(scores[:3], head(hidden, layout).scores)
        # The content counts nothing for a new label.
        resized.content.projection.weight.normal_()
        torch.testing.assert_close(resized(hidden, layout).scores[3:], scores[3:])
    assert (resized.content.dropout, resized.content.max_length) == (0.1, 3)
    assert all(x.requires_grad and x.is_leaf for x in resized.parameters())
