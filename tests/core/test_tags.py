"""Spans to tags and back."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import biluo_to_iob, offsets_to_biluo_tags
from spacy.vocab import Vocab

from spacy_globalpointer.core.tags import SCHEMES, TagScheme
from tests.util.lattices import few_examples

LABELS = ["A", "B", "C"]


@st.composite
def flat_spans(draw):
    """A number of tokens, and (start, end, label) of spans that do not overlap."""
    spans, end = [], 0
    for gap, length, label in draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(0, 2)),
            max_size=5,
        )
    ):
        spans.append((end + gap, end + gap + length, label))
        end += gap + length
    return end + draw(st.integers(0, 2)), spans


def arrays(spans):
    return numpy.array(spans, dtype=int).reshape(-1, 3).T


def names(scheme, tags):
    letters = ["O"] + [f"{part}-{label}" for label in LABELS for part in scheme.parts]
    return [letters[tag] for tag in tags]


@few_examples
@given(st.sampled_from(sorted(SCHEMES)), flat_spans())
def test_tags_are_those_of_spacy_and_give_the_spans_back(name, case):
    n_tokens, spans = case
    scheme = TagScheme(name, len(LABELS))
    tags = scheme.encode(*arrays(spans), n_tokens)
    doc = Doc(Vocab(), words=["x"] * n_tokens)
    doc.ents = [Span(doc, start, end, LABELS[label]) for start, end, label in spans]
    offsets = [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
    expected = offsets_to_biluo_tags(doc, offsets)
    if name == "BIO":
        expected = biluo_to_iob(expected)
    assert names(scheme, tags) == list(expected)
    assert list(zip(*(part.tolist() for part in scheme.decode(tags)))) == spans


@pytest.mark.parametrize("name", SCHEMES)
def test_more_labels_leave_tags_and_transitions_as_they_are(name):
    small, large = TagScheme(name, 2), TagScheme(name, 3)
    n = small.n_tags
    assert n == {"BIO": 5, "BILUO": 9}[name]
    assert (large.legal[:n, :n] == small.legal).all()
    assert (large.legal_first[:n] == small.legal_first).all()
    assert (large.legal_last[:n] == small.legal_last).all()
    spans = arrays([(0, 1, 0), (1, 3, 1), (4, 7, 0)])
    assert (small.encode(*spans, 8) == large.encode(*spans, 8)).all()


@few_examples
@given(st.sampled_from(sorted(SCHEMES)), flat_spans())
def test_what_encode_makes_is_legal(name, case):
    n_tokens, spans = case
    scheme = TagScheme(name, len(LABELS))
    tags = scheme.encode(*arrays(spans), n_tokens)
    assert scheme.legal[tags[:-1], tags[1:]].all()
    assert scheme.legal_first[tags[:1]].all()
    assert scheme.legal_last[tags[-1:]].all()


@pytest.mark.parametrize("name", SCHEMES)
def test_as_many_legal_paths_as_sets_of_spans(name):
    """Each set of spans has one path, and there are no others: n tokens have
    as many paths as there are ways to cut them into spans and tokens outside."""
    scheme = TagScheme(name, 2)
    paths = scheme.legal_first.astype(int)
    n_sets = [1, 3]  # f(n) = f(n - 1) + 2 * (f(0) + ... + f(n - 1))
    for n_tokens in range(1, 8):
        assert (paths * scheme.legal_last).sum() == n_sets[n_tokens]
        paths = paths @ scheme.legal
        n_sets.append(n_sets[-1] + 2 * sum(n_sets))
