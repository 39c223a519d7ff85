"""Counts of relations and of discontinuous entities, by hand."""

from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_globalpointer.corpora.corpus_table import CorpusTable
from spacy_globalpointer.corpora.findings import check

KEY = "sc"


def make_doc(spans, relations, fragments):
    doc = Doc(Vocab(), words=[*"abcdefgh"])
    attrs = {"relations": relations}
    if fragments:
        attrs["fragments"] = fragments
    own = [Span(doc, *span) for span in spans]
    doc.spans[KEY] = SpanGroup(doc, name=KEY, attrs=attrs, spans=own)
    return doc


SPANS = [(0, 1, "A"), (2, 4, "B"), (3, 4, "A"), (6, 8, "B"), (7, 8, "C")]
DOCS = [
    make_doc(
        SPANS,
        [[0, 1, "x"], [1, 0, "x"], [3, 0, "x"], [1, 2, "y"], [1, 2, "y"], [2, 2, "y"]],
        [],
    ),
    make_doc(SPANS, [[0, 1, "x"], [0, 5, "x"]], [[0, 1], [2, 1], [2, 3, 4]]),
    make_doc(SPANS, [], [[0, 3]]),
]


def test_counts(tmp_path):
    DocBin(docs=DOCS).to_disk(tmp_path / "train.spacy")
    table = CorpusTable.read(tmp_path / "train.spacy", KEY)
    result = check({"train": table, "dev": table}, KEY)
    found = result["links"]["train"]
    assert found["relations"] == {
        "x": {
            "count": 4,
            "median_distance": 1,
            "max_distance": 5,
            "forward": 0.5,
            "both_directions": 0.5,
            "ends": {"A > B": 2, "B > A": 2},
        },
        "y": {
            "count": 1,
            "median_distance": 0,
            "max_distance": 0,
            "forward": 1.0,
            "both_directions": 0.0,
            "ends": {"B > A": 1},
        },
    }
    assert found["unusable"] == {
        "the same relation twice": 1,
        "of a span with itself": 1,
        "of a span that is not there": 1,
    }
    assert found["discontinuous"] == {
        "count": 4,
        "pieces": {"2": 3, "3": 1},
        "sharing_a_piece": 3,
    }
    texts = [finding["message"] for finding in result["findings"]]
    assert "train: 1 relations of a span with itself are not learned." in texts
    # Spans that are only pieces are no entities.
    assert len(table.starts) == 5 + 0 + 3
