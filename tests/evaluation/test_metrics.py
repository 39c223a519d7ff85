import random

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_globalpointer.evaluation import span_metrics

KEY = "sc"
VOCAB = spacy.blank("en").vocab


def random_spans(rng):
    spans = set()
    for _ in range(rng.randint(0, 6)):
        start = rng.randrange(8)
        spans.add((start, rng.randint(start + 1, 8), rng.choice("ABC")))
    return spans


def make_doc(spans):
    doc = Doc(VOCAB, words=list("abcdefgh"))
    if spans is not None:
        doc.spans[KEY] = [Span(doc, s, e, label=label) for s, e, label in spans]
    return doc


def is_inner(span, spans):
    return any(
        other[0] <= span[0] and span[1] <= other[1] and other[:2] != span[:2]
        for other in spans
    )


def prf(pairs):
    right = sum(len(gold & predicted) for gold, predicted in pairs)
    n_gold = sum(len(gold) for gold, _ in pairs)
    n_predicted = sum(len(predicted) for _, predicted in pairs)
    p = right / n_predicted if n_predicted else 0.0
    r = right / n_gold if n_gold else 0.0
    return {"p": p, "r": r, "f": 2 * p * r / (p + r) if p + r else 0.0}


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_counting(seed):
    rng = random.Random(seed)
    pairs = [(random_spans(rng), random_spans(rng)) for _ in range(30)]
    examples = [
        Example(make_doc(predicted), make_doc(gold)) for gold, predicted in pairs
    ]
    metrics = span_metrics(examples, KEY)
    assert metrics["micro"] == pytest.approx(prf(pairs))
    for depth, inner in [("inner", True), ("outermost", False)]:
        chosen = [
            tuple({s for s in side if is_inner(s, side) == inner} for side in pair)
            for pair in pairs
        ]
        assert metrics[depth] == pytest.approx(prf(chosen))
    by_label = {
        label: prf([tuple({s for s in x if s[2] == label} for x in p) for p in pairs])
        for label in "ABC"
    }
    for label, scores in by_label.items():
        found = metrics["per_label"][label]
        assert {name: found[name] for name in "prf"} == pytest.approx(scores)
        for side, name in enumerate(("gold", "predicted")):
            assert found[name] == sum(s[2] == label for p in pairs for s in p[side])
    for name in "prf":
        mean = sum(scores[name] for scores in by_label.values()) / 3
        assert metrics["macro"][name] == pytest.approx(mean)


def test_references_without_annotation_are_left_out():
    gold = {(0, 2, "A")}
    annotated = Example(make_doc(gold), make_doc(gold))
    missing = Example(make_doc({(1, 2, "B")}), make_doc(None))
    metrics = span_metrics([annotated, missing], KEY)
    assert metrics["micro"]["f"] == 1.0
    # The same prediction is wrong where the reference says that there is none.
    empty = Example(make_doc({(1, 2, "B")}), make_doc(set()))
    assert span_metrics([annotated, empty], KEY)["micro"]["p"] == 0.5


def test_flat_scores_are_those_of_entities():
    gold, predicted = make_doc(set()), make_doc(set())
    gold.set_ents([Span(gold, 0, 2, label="A"), Span(gold, 3, 4, label="B")])
    predicted.set_ents([Span(predicted, 0, 2, label="A")])
    flat = span_metrics([Example(predicted, gold)], KEY)["flat"]
    assert flat == pytest.approx({"p": 1.0, "r": 0.5, "f": 2 / 3})


def test_nothing_to_score():
    """No score, not a score of 0."""
    none = {"p": None, "r": None, "f": None}
    for examples in ([], [Example(make_doc({(0, 1, "A")}), make_doc(None))]):
        metrics = span_metrics(examples, KEY)
        for name in ("micro", "macro", "outermost", "inner", "flat"):
            assert metrics[name] == none
        assert metrics["per_label"] == {}
