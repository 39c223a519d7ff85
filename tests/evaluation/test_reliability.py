import numpy as np
import pytest

from spacy_globalpointer.evaluation import precision_recall, reliability
from spacy_globalpointer.evaluation.reliability import MOST_POINTS


def test_bins():
    probabilities = np.array([0.05, 0.11, 0.19, 0.95, 1.0, 1.0])
    right = np.array([False, True, False, True, True, False])
    found = reliability(probabilities, right)
    assert [(b["from"], b["to"], b["n"]) for b in found["bins"]] == [
        (0.0, 0.1, 1),
        (0.1, 0.2, 2),
        (0.9, 1.0, 3),
    ]
    assert [b["accuracy"] for b in found["bins"]] == pytest.approx([0, 0.5, 2 / 3])
    gaps = [0.05, 0.5 - 0.15, (0.95 + 2) / 3 - 2 / 3]
    assert found["ece"] == pytest.approx(np.dot(gaps, [1, 2, 3]) / 6)


def test_a_model_that_says_the_truth_is_calibrated():
    rng = np.random.default_rng(0)
    probabilities = rng.random(200_000)
    right = rng.random(200_000) < probabilities
    assert reliability(probabilities, right)["ece"] < 0.01
    assert reliability(probabilities, ~right)["ece"] > 0.3


def test_no_spans():
    nothing = np.zeros(0), np.zeros(0, dtype=bool)
    assert reliability(*nothing) == {"n": 0, "ece": None, "bins": []}
    precision, recall, average = precision_recall(*nothing, 3)
    assert len(precision) == len(recall) == 0 and average == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_precision_and_recall_at_every_threshold(seed):
    rng = np.random.default_rng(seed)
    # Few values, so that some are equal.
    probabilities = rng.integers(0, 12, 40) / 12
    right = rng.random(40) < 0.4
    n_gold = int(right.sum()) + 5
    precision, recall, average = precision_recall(probabilities, right, n_gold)
    expected, total, before = [], 0.0, 0.0
    for threshold in sorted(set(probabilities.tolist()), reverse=True):
        kept = probabilities >= threshold
        p, r = right[kept].mean(), right[kept].sum() / n_gold
        expected.append((p, r))
        total += p * (r - before)
        before = r
    assert list(zip(precision, recall)) == [pytest.approx(x) for x in expected]
    assert average == pytest.approx(total)


def test_long_curves_are_thinned_from_end_to_end():
    rng = np.random.default_rng(0)
    probabilities, right = rng.random(5000), rng.random(5000) < 0.5
    precision, recall, _ = precision_recall(probabilities, right, int(right.sum()))
    assert len(precision) == len(recall) == MOST_POINTS
    assert recall[-1] == 1.0 and precision[-1] == pytest.approx(right.mean())
