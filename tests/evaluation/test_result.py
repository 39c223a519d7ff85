import json

import numpy as np
import pytest
from nervaluate import Evaluator
from spacy.util import filter_spans

from spacy_globalpointer.evaluation import (
    TrainingSet,
    compare,
    span_metrics,
    spans_under,
)
from tests.util.documents import (
    KEY,
    make_doc,
    random_pairs,
    result,
    to_docs,
    to_examples,
)


def metrics_of(*docs, **kwargs):
    results = [result(pairs, f"model-{i}") for i, pairs in enumerate(docs)]
    return compare(results, **{"n_bootstrap": 50, **kwargs})


def flat_docs(seed):
    docs = to_docs(random_pairs(seed))
    for pair in docs:
        for doc in pair:
            doc.spans[KEY] = filter_spans(doc.spans[KEY])
            doc.set_ents(list(doc.spans[KEY]))
    return docs


@pytest.mark.parametrize("seed", range(3))
def test_numbers_are_those_of_spacys_scorer_and_of_nervaluate(seed):
    docs = flat_docs(seed)
    model = metrics_of(docs)["models"][0]
    expected = span_metrics(to_examples(docs), KEY)
    for name, scores in model["summary"].items():
        assert {x: scores[x] for x in "prf"} == pytest.approx(expected[name]), name
    for label, scores in model["per_label"].items():
        assert {
            x: scores[x] for x in ("p", "r", "f", "gold", "predicted")
        } == pytest.approx(expected["per_label"][label])
    sides = [
        [
            [{"label": s.label_, "start": s.start, "end": s.end - 1} for s in doc.ents]
            for doc in side
        ]
        for side in zip(*docs)
    ]
    strict = Evaluator(*sides, tags=list("ABC"), loader="dict").evaluate()
    found = strict["overall"]["strict"]
    micro = model["summary"]["micro"]
    assert [micro[x] for x in "prf"] == pytest.approx(
        [found.precision, found.recall, found.f1]
    )
    assert micro["right"] == found.correct


def test_counts_add_up():
    docs = to_docs(random_pairs(3))
    training = TrainingSet.read([gold for gold, _ in docs[:5]], spans_under(KEY))
    metrics = metrics_of(docs, training=training)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    model = metrics["models"][0]
    for name in ("right", "predicted", "gold"):
        total = model["summary"]["micro"][name]
        parts = [
            model["per_label"].values(),
            [model["summary"][x] for x in ("outermost", "inner")],
            *(x["buckets"] for x in model["buckets"].values()),
        ]
        # An inner span that is outermost on the other side is right, but in neither.
        sums = [sum(row[name] for row in part) for part in parts]
        assert sums[0] == total and set(sums[2:]) == {total}
        assert sums[1] <= total if name == "right" else sums[1] == total
    errors = model["errors"]
    assert sum(errors["gold"].values()) == model["summary"]["micro"]["gold"]
    assert np.sum(errors["confusion"]["matrix"]) == sum(
        (
            errors["gold"]["right"],
            errors["gold"]["type"],
            *(errors["gold"][x] for x in ("boundary", "nesting", "missed")),
            *(errors["predicted"][x] for x in ("boundary", "nesting", "spurious")),
        )
    )
    # The documents have no entities, so there is no score of them.
    flat = model["summary"].pop("flat")
    assert flat["f"] is None and "interval" not in flat
    for scores in (*model["summary"].values(), *model["per_label"].values()):
        for x in "prf":
            low, high = scores["interval"][x]
            assert low <= high and (scores[x] == 0 or low <= scores[x] + 0.2)


def test_scores_of_outputs():
    scores = metrics_of(to_docs(random_pairs(1)))["models"][0]["scores"]
    reliability = scores["reliability"]
    (only,) = reliability["bins"]
    assert reliability["ece"] == pytest.approx(abs(only["accuracy"] - 0.75))
    assert scores["gold_probability"]["wrong"]["mean"] == 0.25
    curve = scores["precision_recall"]["A"]
    assert len(curve["precision"]) == 1
    assert curve["average_precision"] == pytest.approx(
        curve["precision"][0] * curve["recall"][0]
    )
    assert [row["label"] for row in scores["discrepancies"]] == ["A", "B", "C"]


def test_models_side_by_side():
    """The second model finds all that the first does, and what it missed too."""
    docs = to_docs(random_pairs(0))
    better = [
        (gold, make_doc(8, sorted({(s.start, s.end, s.label_) for s in both})))
        for gold, predicted in docs
        for both in [[*gold.spans[KEY], *predicted.spans[KEY]]]
    ]
    metrics = metrics_of(docs, better, docs, n_bootstrap=200)
    first, second, third = metrics["models"]
    assert "differences" not in first
    difference = second["differences"]["summary"]["micro"]
    for x in "prf":
        gain = second["summary"]["micro"][x] - first["summary"]["micro"][x]
        assert difference[x] == pytest.approx(gain)
        assert 0 < difference["interval"][x][0] < gain < difference["interval"][x][1]
    assert set(second["differences"]["per_label"]) == {"A", "B", "C"}
    assert set(second["differences"]["buckets"]) == set(second["buckets"])
    # The same predictions differ in no resample.
    for scores in third["differences"]["summary"].values():
        assert all(scores["interval"][x] == [0, 0] for x in "prf")


def test_a_label_that_one_model_alone_predicts():
    gold = make_doc(4, [(0, 1, "A")])
    docs = [(gold, gold)]
    others = [(gold, make_doc(4, [(0, 1, "A"), (1, 2, "B")]))]
    first, second = metrics_of(docs, others)["models"]
    assert set(first["per_label"]) == {"A"}
    assert second["differences"]["per_label"]["B"]["f"] == 0
    assert second["differences"]["summary"]["macro"]["f"] == -0.5


@pytest.mark.parametrize("docs", [[], [(make_doc(3, None), make_doc(3, []))]])
def test_nothing_to_score(docs):
    metrics = metrics_of(docs, n_bootstrap=10)
    assert metrics["annotated_documents"] == 0
    model = metrics["models"][0]
    for name in ("micro", "macro", "outermost", "inner", "flat"):
        assert all(model["summary"][name][x] is None for x in "prf")
    assert model["per_label"] == {}
    assert model["errors"]["confusion"]["matrix"] == [[0]]
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
