"""Objectives of whole answers in components."""

import pytest
import spacy
from spacy.tokens import Span
from spacy.training import Example

from tests.util.pipelines import (
    GOLD,
    HEADS,
    LANG,
    NAME,
    TEXTS,
    by_disk,
    changed,
    found,
    initialize,
    loss_of_batch,
    model,
    pipeline,
    scored,
    train,
)

FLAT = {"@misc": "spacy_globalpointer.SemiMarkovCRF.v1"}
NESTED = {"@misc": "spacy_globalpointer.NestedCRF.v1"}
OUTERMOST = [{(0, 9, "GROUP")}, {(2, 3, "GPE"), (4, 9, "ORG")}]


@pytest.mark.parametrize("head", HEADS)
def test_nested_spans_are_learned_to_the_last(head, tmp_path):
    nlp = train(pipeline(head, objective=NESTED), steps=60)
    assert [set(found(doc)) for doc in nlp.pipe(TEXTS)] == GOLD
    loaded = by_disk(nlp, tmp_path)
    assert [set(found(doc)) for doc in loaded.pipe(TEXTS)] == GOLD


def test_flat_answers_hold_the_outermost_spans_and_the_others_are_reported():
    nlp = pipeline(objective=FLAT)
    with pytest.warns(UserWarning, match="beside another gold span: 7"):
        train(nlp, steps=60)
    docs = list(nlp.pipe(TEXTS))
    assert [set(found(doc)) for doc in docs] == OUTERMOST
    for doc in docs:
        # Whole answers, so probabilities of spans that overlap add up to 1 at most.
        with changed(nlp, threshold=0.0):
            p = scored(nlp(doc.text))
        for token in doc:
            total = sum(x for span, x in p.items() if span[0] <= token.i < span[1])
            assert total < 1 + 1e-6


def test_a_low_threshold_gives_more_than_the_best_answer():
    nlp = initialize(pipeline(objective=NESTED))
    few = found(nlp(TEXTS[0]))
    with changed(nlp, threshold=0.001):
        many = found(nlp(TEXTS[0]))
    assert set(few) < set(many)


@pytest.mark.parametrize("objective", [FLAT, NESTED], ids=["flat", "nested"])
def test_tokens_of_unknown_status_are_left_out(objective):
    """Only what is known teaches: a document all of whose tokens are unknown adds no
    loss, one with some adds less than one with all known."""
    nlp = spacy.blank(LANG)
    config = {"model": model(), "objective": objective, "gold": "ents"}
    nlp.add_pipe(NAME, config=config)

    def annotated(default, missing=()):
        doc = nlp.make_doc(TEXTS[1])
        gold = [Span(doc, 2, 3, "GPE"), Span(doc, 4, 9, "ORG")]
        kept = [doc[i : i + 1] for i in missing]
        doc.set_ents(gold[:1], missing=kept, default=default)
        return Example(nlp.make_doc(TEXTS[1]), doc)

    initialize(nlp, [annotated("outside")])
    whole = loss_of_batch(nlp, [annotated("outside")])
    part = loss_of_batch(nlp, [annotated("outside", missing=[5])])
    least = loss_of_batch(nlp, [annotated("missing")])
    assert 0 < least < part < whole
