"""Measures on arrays of spans, against all pairs of spans."""

import numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spacy_globalpointer.core.span_table import crossing
from spacy_globalpointer.corpora.span_statistics import (
    Hashes,
    depth,
    identical,
    nested,
    percentiles,
)
from tests.util.lattices import few_examples

spans = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 6)).map(lambda p: (p[0], p[0] + p[1])),
    max_size=12,
)


def bounds(pairs):
    return numpy.array(pairs, dtype=int).reshape(-1, 2).T


def holds(a, b):
    return a != b and a[0] <= b[0] and b[1] <= a[1]


def cross(a, b):
    return a[0] < b[0] < a[1] < b[1] or b[0] < a[0] < b[1] < a[1]


def chain(pairs, outer):
    inner = [chain(pairs, span) for span in pairs if holds(outer, span)]
    return 1 + max(inner, default=0)


@few_examples
@given(spans)
def test_measures_agree_with_all_pairs(pairs):
    starts, ends = bounds(pairs)
    assert nested(starts, ends).tolist() == [
        any(holds(a, b) or holds(b, a) for b in pairs) for a in pairs
    ]
    assert crossing(starts, ends).tolist() == [
        any(cross(a, b) for b in pairs) for a in pairs
    ]
    assert identical(starts, ends).tolist() == [pairs.count(a) > 1 for a in pairs]
    unique = {*pairs}
    assert depth(starts, ends) == max((chain(unique, a) for a in unique), default=0)


@few_examples
@given(st.lists(st.integers(1, 50), min_size=1))
def test_percentiles_cover_so_much_and_no_more(values):
    for percent, value in zip((1, 50, 99, 100), percentiles(values, (1, 50, 99, 100))):
        covered = sum(v <= value for v in values)
        assert 100 * covered >= percent * len(values)
        fewer = sum(v < value for v in values)
        assert 100 * fewer < percent * len(values)


@few_examples
@given(arrays.arrays("uint64", st.integers(0, 40), elements=st.integers(0, 3)))
def test_runs_have_the_same_hash_if_and_only_if_they_are_the_same(words):
    pairs = [(i, j) for i in range(len(words) + 1) for j in range(i, len(words) + 1)]
    starts, ends = bounds(pairs)
    found = {}
    for (i, j), value in zip(pairs, Hashes(words)(starts, ends).tolist()):
        found.setdefault(tuple(words[i:j]), set()).add(value)
    assert all(len(values) == 1 for values in found.values())
    assert len(set().union(*found.values())) == len(found)
