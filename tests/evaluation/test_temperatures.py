"""Temperatures against the likelihood, written out."""

import math

import numpy
import pytest

from spacy_globalpointer.core.span_table import SpanTable
from spacy_globalpointer.evaluation import Candidates, fit_temperatures


def make_candidates(true, n=4000, seed=0):
    """Candidates of each label, right as often as their score over the label's true
    temperature says."""
    rng = numpy.random.default_rng(seed)
    labels = numpy.repeat(range(len(true)), n)
    scores = rng.normal(0, 4, len(labels))
    right = rng.random(len(labels)) < 1 / (1 + numpy.exp(-scores / true[labels]))
    zeros = numpy.zeros(len(labels), dtype=int)
    spans = SpanTable(zeros, zeros, zeros + 1, labels, scores)
    n_gold = numpy.bincount(labels[right], minlength=len(true))
    return Candidates(spans, -20.0, right, n_gold, "any")


def loss(candidates, label, temperature):
    total = 0.0
    for row, score, right in zip(
        candidates.spans.labels, candidates.spans.scores, candidates.right
    ):
        if row == label:
            p = 1 / (1 + math.exp(-score / temperature))
            total -= math.log(p if right else 1 - p)
    return total


def test_the_true_temperatures_are_found():
    true = numpy.array([0.5, 1.0, 3.0])
    found = fit_temperatures(make_candidates(true), strength=0.0)
    assert found == pytest.approx(true, rel=0.1)


def test_no_other_temperature_has_a_lower_loss():
    candidates = make_candidates(numpy.array([0.7, 2.0]), n=150)
    for label, found in enumerate(fit_temperatures(candidates, strength=0.0)):
        best = loss(candidates, label, found)
        for factor in (0.5, 0.9, 0.95, 1.05, 1.1, 2.0):
            assert best < loss(candidates, label, factor * found)


def test_temperatures_are_drawn_towards_that_of_all():
    candidates = make_candidates(numpy.array([0.5, 3.0]), n=500)
    singles = numpy.log(fit_temperatures(candidates, strength=0.0))
    overall = numpy.log(fit_temperatures(candidates, strength=1e12))
    assert overall[0] == pytest.approx(overall[1])
    drawn = numpy.log(fit_temperatures(candidates, strength=100.0))
    for n, single, value in zip(candidates.n_gold, singles, drawn):
        assert value == pytest.approx((n * single + 100 * overall[0]) / (n + 100))


@pytest.mark.parametrize("right", [True, False])
def test_a_label_that_is_always_right_or_wrong_has_that_of_all(right):
    candidates = make_candidates(numpy.array([0.5, 0.5]), n=300)
    candidates.right[candidates.spans.labels == 0] = right
    first, _ = fit_temperatures(candidates, strength=0.0)
    overall, _ = fit_temperatures(candidates, strength=1e12)
    assert first == pytest.approx(overall)


def test_nothing_found():
    candidates = make_candidates(numpy.array([1.0, 1.0]), n=0)
    assert fit_temperatures(candidates, strength=300.0).tolist() == [1.0, 1.0]
