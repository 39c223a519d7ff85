"""Kinds of wrong relations, by hand."""

import pytest
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_globalpointer.evaluation.relation_errors import relation_errors

VOCAB = Vocab()
SPANS = [(0, 2, "A"), (3, 4, "B"), (5, 7, "A"), (8, 9, "B"), (0, 1, "A"), (0, 2, "C")]


def make_doc(relations):
    doc = Doc(VOCAB, words=[*"abcdefghij"])
    attrs = {} if relations is None else {"relations": relations}
    spans = [Span(doc, *span) for span in SPANS]
    doc.spans["sc"] = SpanGroup(doc, name="sc", attrs=attrs, spans=spans)
    return doc


def kinds(predicted, gold, symmetric=()):
    example = Example(make_doc(predicted), make_doc(gold))
    counts = relation_errors([example], "sc", symmetric)
    return {kind: n for kind, n in counts.items() if n}


@pytest.mark.parametrize(
    ("predicted", "gold", "expected"),
    [
        ([[0, 1, "x"]], [[0, 1, "x"]], {}),
        ([[1, 0, "x"]], [[0, 1, "x"]], {"wrong direction": 1}),
        ([[0, 1, "y"]], [[0, 1, "x"]], {"wrong label": 1}),
        ([[4, 1, "x"]], [[0, 1, "x"]], {"wrong span": 1}),
        ([[5, 1, "x"]], [[0, 1, "x"]], {"wrong span": 1}),
        ([[2, 1, "x"]], [[0, 1, "x"]], {"spurious": 1, "missed": 1}),
        ([[4, 1, "y"]], [[0, 1, "x"]], {"spurious": 1, "missed": 1}),
        ([], [[0, 1, "x"], [2, 3, "x"]], {"missed": 2}),
        ([[0, 1, "x"]], [], {"spurious": 1}),
        ([[0, 1, "x"]], None, {}),
        # A gold relation explains one error.
        ([[4, 1, "x"], [5, 1, "x"]], [[0, 1, "x"]], {"wrong span": 1, "spurious": 1}),
        # One that is found explains none.
        ([[0, 1, "x"], [0, 1, "y"]], [[0, 1, "x"]], {"spurious": 1}),
    ],
)
def test_kinds(predicted, gold, expected):
    assert kinds(predicted, gold) == expected


def test_symmetric_labels_have_no_direction():
    assert kinds([[1, 0, "x"]], [[0, 1, "x"]], ["x"]) == {}
