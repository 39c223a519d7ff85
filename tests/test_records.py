"""Spans as rows of a table, and their scores as an attribute."""

import numpy
import pytest
import spacy
from spacy.tokens import Span, SpanGroup

import spacy_globalpointer
from spacy_globalpointer.records import COLUMNS
from spacy_globalpointer.report.notebook import LatticeScores


@pytest.fixture
def docs():
    nlp = spacy.blank("en")
    first, second = nlp("Ann met Bob's boss"), nlp("Nobody did")
    spans = [Span(first, 0, 1, "A"), Span(first, 2, 3, "A"), Span(first, 2, 5, "B")]
    scores = numpy.array([0.91234, 0.5, 0.75], dtype="f")
    first.spans["sc"] = SpanGroup(first, spans=spans, attrs={"scores": scores})
    second.spans["sc"] = []
    first.set_ents([spans[0], spans[2]])
    return [first, second]


def test_records_are_plain_values(docs):
    records = spacy_globalpointer.to_records(docs)
    assert records[0] == {
        **{"doc": 0, "text": "Ann", "label": "A", "score": 0.9123},
        **{"start": 0, "end": 3, "token_start": 0, "token_end": 1},
    }
    assert [(x["text"], x["score"]) for x in records[1:]] == [
        ("Bob", 0.5),
        ("Bob's boss", 0.75),
    ]
    assert spacy_globalpointer.to_records(docs[0]) == records
    assert [x["doc"] for x in spacy_globalpointer.to_records(docs[::-1])] == [1] * 3
    assert spacy_globalpointer.to_records(docs[1]) == []
    with pytest.raises(ValueError, match=r"E040.*'people'.*'sc'"):
        spacy_globalpointer.to_records(docs, "people")


def test_a_span_without_a_score_has_none(docs):
    docs[0].spans["gold"] = [docs[0][0:1]]
    (record,) = spacy_globalpointer.to_records(docs[0], "gold")
    assert record["score"] is None


def test_a_table_has_a_row_for_each_span(docs):
    pandas = pytest.importorskip("pandas")
    table = spacy_globalpointer.to_dataframe(docs)
    assert isinstance(table, pandas.DataFrame)
    assert table.to_dict("records") == spacy_globalpointer.to_records(docs)
    # The columns of no spans, too.
    assert [*spacy_globalpointer.to_dataframe(docs[1]).columns] == [*COLUMNS]


def test_spans_have_scores_once_asked_for(docs):
    assert not Span.has_extension("score")
    spacy_globalpointer.add_score_extension()
    try:
        expected = [numpy.float32(0.91234), 0.5, 0.75]
        assert [span._.score for span in docs[0].spans["sc"]] == expected
        assert [span._.score for span in docs[0].ents] == [expected[0], expected[2]]
        assert docs[0][1:2]._.score is None
        # Another label on the same tokens is another span.
        assert Span(docs[0], 0, 1, "B")._.score is None
        with pytest.raises(ValueError, match="E090"):
            spacy_globalpointer.add_score_extension()
        spacy_globalpointer.add_score_extension("probability")
        assert docs[0].ents[0]._.probability == expected[0]
    finally:
        for name in ("score", "probability"):
            if Span.has_extension(name):
                Span.remove_extension(name)


def test_scores_of_a_lattice_are_shown_in_one_line(docs):
    scores = numpy.zeros((5, 5))
    shown = repr(LatticeScores(docs[0], "A", scores, scores, 1 / 3))
    assert shown == "LatticeScores(label='A', n_tokens=5, threshold=0.333)"
