"""Attributes of span groups follow the spans that are kept."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_globalpointer.span_groups import contiguous_spans, select_positions
from tests.util.lattices import few_examples

N = 6
place = st.integers(0, N - 1)


@few_examples
@given(
    st.dictionaries(place, place),
    st.lists(st.tuples(place, place, st.sampled_from("ab"), st.floats(0, 1))),
    st.lists(st.lists(place, min_size=2, max_size=3, unique=True)),
)
def test_relations_and_fragments_keep_their_spans(kept, rows, fragments):
    # New positions are numbered from 0 without a gap.
    numbers = {new: i for i, new in enumerate(sorted({*kept.values()}))}
    kept = {old: numbers[new] for old, new in kept.items()}
    attrs = {
        "relations": [[head, tail, label] for head, tail, label, _ in rows],
        "relation_scores": [score for *_, score in rows],
        "fragments": fragments,
        "source": "x",
    }
    selected = select_positions(attrs, kept, N)
    expected = []
    for head, tail, label, score in rows:
        row = [kept.get(head), kept.get(tail), label]
        if None not in row and row not in [other for other, _ in expected]:
            expected.append((row, score))
    assert selected["relations"] == [row for row, _ in expected]
    assert selected["relation_scores"] == [score for _, score in expected]
    whole = [[kept[i] for i in places] for places in fragments if {*places} <= {*kept}]
    unique = [places for i, places in enumerate(whole) if places not in whole[:i]]
    assert selected.get("fragments", []) == unique
    assert selected["source"] == "x"


@pytest.mark.parametrize("of", [list, numpy.array])
def test_one_value_a_span_follows_its_span(of):
    values = of([0.1, 0.2, 0.3])
    selected = select_positions({"scores": values}, {2: 0, 1: 1, 0: 1}, 3)
    assert list(selected["scores"]) == [0.3, 0.2]


def test_pieces_are_no_entities_alone():
    doc = Doc(Vocab(), words=["left", "and", "right", "leg"])
    spans = [Span(doc, 2, 4, "PART"), Span(doc, 0, 1, "PART"), Span(doc, 3, 4, "PART")]
    group = SpanGroup(doc, spans=spans)
    assert contiguous_spans(group) == spans
    group.attrs["fragments"] = [[1, 2]]
    assert contiguous_spans(group) == spans[:1]
    assert contiguous_spans(None) == []
