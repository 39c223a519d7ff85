"""Margins and entropies of documents, cell by cell."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_globalpointer.core.lattice import Layout
from spacy_globalpointer.core.uncertainty import (
    span_entropies,
    span_margins,
    tag_entropies,
    tag_margins,
)
from tests.util.lattices import candidates, few_examples, lattice_width, ragged_batches


def entropy(*ps):
    return -sum(p * math.log(p) for p in ps if p > 0)


@few_examples
@given(ragged_batches, st.booleans(), st.integers(0, 99))
def test_spans(batch, mutually_exclusive, seed):
    lengths, max_length = batch
    layout = Layout(lengths, max_length)
    width = lattice_width(lengths, max_length)
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, sum(lengths), width, generator=generator).double() * 4
    p = scores.softmax(0)[:2] if mutually_exclusive else scores.sigmoid()[:2]
    p = torch.where(layout.valid, p, 0.0)
    before = p.clone()
    thresholds = [0.2, 0.7]
    margins = [math.inf] * len(lengths)
    entropies = [0.0] * len(lengths)
    for doc, i, j in candidates(lengths, width):
        a, b = p[:, i, j - i].tolist()
        gaps = (abs(x - t) for x, t in zip((a, b), thresholds))
        margins[doc] = min(margins[doc], *gaps)
        if mutually_exclusive:
            entropies[doc] += entropy(a, b, 1 - a - b)
        else:
            entropies[doc] += entropy(a, 1 - a) + entropy(b, 1 - b)
    assert span_margins(p, thresholds, layout).tolist() == pytest.approx(margins)
    found = span_entropies(p, mutually_exclusive, layout)
    assert found.tolist() == pytest.approx(entropies)
    assert torch.equal(p, before)


@few_examples
@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 99))
def test_tags(lengths, seed):
    generator = torch.Generator().manual_seed(seed)
    p = torch.randn(sum(lengths), 4, generator=generator).double().softmax(1)
    layout = Layout(lengths)
    rows = iter(p.tolist())
    docs = [[sorted(next(rows)) for _ in range(n)] for n in lengths]
    margins = [min((r[3] - r[2] for r in doc), default=math.inf) for doc in docs]
    entropies = [sum(entropy(*row) for row in doc) for doc in docs]
    assert tag_margins(p, layout).tolist() == pytest.approx(margins)
    assert tag_entropies(p, layout).tolist() == pytest.approx(entropies)
