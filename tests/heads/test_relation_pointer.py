"""Scores of pairs against the formula, written as loops, in float64."""

import cmath

import numpy
import pytest
import torch

from spacy_globalpointer.core.links import make_links
from spacy_globalpointer.heads import RelationPointer
from tests.core.test_links import N_SPAN_LABELS, random_batch, table_of

WIDTH, N_LABELS, D = 5, 3, 4


def make_head(rope=True, shared=False):
    torch.manual_seed(0)
    head = RelationPointer(
        WIDTH,
        N_LABELS,
        n_span_labels=N_SPAN_LABELS,
        head_width=D,
        rope=rope,
        shared=shared,
        label_width=2,
    )
    return head.double()


def batch(seed):
    lengths, docs = random_batch(seed)
    links, _ = make_links(table_of(lengths, docs), lengths)
    torch.manual_seed(seed)
    return lengths, docs, links, torch.randn(sum(lengths), WIDTH, dtype=torch.float64)


def rotated(vector, position):
    out = []
    for m in range(0, D, 2):
        pair = complex(vector[m], vector[m + 1])
        pair *= cmath.exp(1j * position * 10000 ** (-m / D))
        out += [pair.real, pair.imag]
    return numpy.array(out)


def by_loops(head, hidden, docs, lengths):
    """The scores of each pair of spans, given as rows."""
    weight, bias = (x.detach().numpy() for x in head.pointer.parameters())
    ends, end_bias = (x.detach().numpy() for x in head.classifier.parameters())
    table = head.span_labels.weight.detach().numpy()
    hidden = hidden.detach().numpy()
    scores, row, offset = {}, 0, 0
    for spans, length in zip(docs, lengths):
        features = []
        for start, end, label in spans:
            own = hidden[offset + start : offset + end]
            parts = (own[0], own[-1], own.mean(0), table[label])
            features.append(numpy.concatenate(parts))
        for i, (start, *_) in enumerate(spans):
            for j, (other, *_) in enumerate(spans):
                for r in range(N_LABELS):
                    first = 0 if head.shared else r * 2 * D
                    q = weight[first : first + D] @ features[i]
                    q = q + bias[first : first + D]
                    k = weight[first + D : first + 2 * D] @ features[j]
                    k = k + bias[first + D : first + 2 * D]
                    if head.rope:
                        q, k = rotated(q, start), rotated(k, other)
                    u, v = ends[2 * r], ends[2 * r + 1]
                    score = q @ k / D**0.5 + u @ features[i] + v @ features[j]
                    score += end_bias[2 * r] + end_bias[2 * r + 1]
                    scores[row + i, row + j, r] = score
        row, offset = row + len(spans), offset + length
    return scores


@pytest.mark.parametrize("rope", [True, False])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_scores(seed, rope, shared):
    head = make_head(rope, shared)
    lengths, docs, links, hidden = batch(seed)
    scores = head(hidden, links).scores.detach()
    expected = by_loops(head, hidden, docs, lengths)
    assert scores.shape == (N_LABELS, len(links.heads), 1)
    for p, (i, j) in enumerate(zip(links.heads.tolist(), links.tails.tolist())):
        for r in range(N_LABELS):
            assert float(scores[r, p, 0]) == pytest.approx(expected[i, j, r])


@pytest.mark.parametrize("shared", [True, False])
def test_gradients(shared):
    head = make_head(shared=shared)
    _, _, links, hidden = batch(1)
    hidden.requires_grad_()
    names, weights = zip(*head.named_parameters())

    def score(hidden, *weights):
        values = dict(zip(names, weights))
        return torch.func.functional_call(head, values, (hidden, links)).scores

    assert torch.autograd.gradcheck(score, (hidden, *weights))


def test_batches_and_order_change_nothing():
    head = make_head().float()
    lengths, docs, links, hidden = batch(2)
    hidden = hidden.float()
    together = head(hidden, links).scores
    offset, alone = 0, []
    for length, spans in zip(lengths, docs):
        own, _ = make_links(table_of([length], [spans]), [length])
        if len(own.heads):
            alone.append(head(hidden[offset : offset + length], own).scores)
        offset += length
    assert torch.allclose(torch.cat(alone, 1), together, atol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_a_new_label_leaves_the_scores_of_others(shared):
    head = make_head(shared=shared)
    _, _, links, hidden = batch(1)
    larger = head.resized(N_LABELS + 2)
    scores = larger(hidden, links).scores
    assert len(scores) == N_LABELS + 2
    before = head(hidden, links).scores
    assert torch.allclose(scores[:N_LABELS], before, rtol=0, atol=1e-12)
