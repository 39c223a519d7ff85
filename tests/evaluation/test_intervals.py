import numpy as np
import pytest

from spacy_globalpointer.evaluation import (
    intervals,
    label_counts,
    macro,
    prf,
    read_table,
    resample,
    spans_under,
)
from spacy_globalpointer.evaluation.intervals import describe, difference, interval
from tests.util import documents
from tests.util.documents import KEY, random_pairs, to_docs


def counts_of(pairs):
    return label_counts(read_table(to_docs(pairs), spans_under(KEY)))


@pytest.mark.parametrize("seed", range(3))
def test_counts_by_document_and_label(seed):
    pairs = random_pairs(seed)
    expected = [
        [
            [
                sum(x[2] == label for x in side)
                for side in (gold & predicted, predicted, gold)
            ]
            for label in "ABC"
        ]
        for gold, predicted in pairs
    ]
    assert counts_of(pairs).tolist() == expected


def test_scores_of_counts():
    rows = [[3, 4, 5], [0, 2, 0], [0, 0, 2], [0, 0, 0], [2, 2, 2]]
    expected = [documents.prf(*row) for row in rows]
    assert prf(np.array(rows)).tolist() == [pytest.approx(row) for row in expected]
    # A label that does not occur has no share in the mean.
    occurs = [row for row, count in zip(expected, rows) if any(count)]
    assert macro(np.array(rows)) == pytest.approx(np.mean(occurs, axis=0))


def test_resamples_are_sums_of_documents_drawn_with_replacement():
    values = np.zeros((4, 1, 3))
    values[:, 0, 0] = [1, 10, 100, 1000]
    annotated = np.array([True, True, False, True])
    (samples,) = resample([values], annotated, n=500, seed=1)
    possible = {
        a + b + c for a in (1, 10, 1000) for b in (1, 10, 1000) for c in (1, 10, 1000)
    }
    sums = samples[:, 0, 0]
    assert set(sums.tolist()) == possible
    assert sums.mean() == pytest.approx(1011, rel=0.1)


def test_models_are_resampled_alike_and_a_seed_repeats(monkeypatch):
    values = counts_of(random_pairs(0))
    annotated = np.ones(len(values), dtype=bool)
    one, other = resample([values, values * 2], annotated, n=20, seed=3)
    assert (other == 2 * one).all()
    (again,) = resample([values], annotated, n=20, seed=3)
    assert (again == one).all()
    assert (resample([values], annotated, n=20, seed=4)[0] != one).any()
    # In several steps there are as many.
    monkeypatch.setattr(intervals, "MOST_WEIGHTS", 7 * len(values))
    (steps,) = resample([values], annotated, n=20, seed=3)
    assert steps.shape == one.shape and (steps.sum((1, 2)) > 0).all()


def test_the_interval_is_that_of_the_normal_approximation():
    """Of 400 documents, each right or not: the interval of the recall is close to
    p ± 1.96 sqrt(p (1 - p) / n)."""
    rng = np.random.default_rng(0)
    values = np.ones((400, 1, 3))
    values[:, 0, 0] = rng.random(400) < 0.7
    p = values[:, 0, 0].mean()
    samples = resample([values], np.ones(400, dtype=bool), n=2000, seed=0)[0]
    scores = describe(values.sum(0), samples)
    half = 1.96 * np.sqrt(p * (1 - p) / 400)
    assert scores["interval"]["r"] == pytest.approx([p - half, p + half], abs=0.006)
    assert scores["r"] == p and scores["gold"] == 400
    lower, upper = interval(np.arange(1001.0))
    assert [lower, upper] == pytest.approx([25, 975])


def test_differences():
    values, others = np.array([0.5, 0.5, 0.5]), np.array([0.75, 0.5, 0.25])
    samples = np.linspace(0, 1, 11)[:, None] * np.ones(3)
    found = difference(values, others, samples, samples + np.array([0.25, 0, -0.25]))
    assert [found[name] for name in "prf"] == [0.25, 0, -0.25]
    bounds = [bound for name in "prf" for bound in found["interval"][name]]
    assert bounds == pytest.approx([0.25, 0.25, 0, 0, -0.25, -0.25])


def test_without_resamples_there_are_no_intervals():
    assert "interval" not in describe(np.ones((1, 3)), np.zeros((0, 1, 3)))
    assert "interval" not in difference(
        np.ones(3), np.ones(3), np.ones((0, 3)), np.ones((0, 3))
    )


@pytest.mark.parametrize("n_docs", [0, 3])
def test_nothing_annotated(n_docs):
    values = np.zeros((n_docs, 2, 3))
    (samples,) = resample([values], np.zeros(n_docs, dtype=bool), n=5, seed=0)
    assert samples.shape == (5, 2, 3) and not samples.any()
