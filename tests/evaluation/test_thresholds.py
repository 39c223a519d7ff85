from dataclasses import replace

import numpy
import pytest

from spacy_globalpointer.core.span_table import SpanTable
from spacy_globalpointer.evaluation import Candidates, Target, choose_thresholds


def make_candidates(seed, n=40, n_labels=3, missed=5, decimals=1):
    """Random candidates on 10 tokens; right ones tend to score higher."""
    rng = numpy.random.default_rng(seed)
    starts = rng.integers(0, 8, n)
    ends = starts + rng.integers(1, 3, n)
    labels = rng.integers(0, n_labels, n)
    right = rng.random(n) < 0.4
    # Rounded to one decimal, some scores are equal.
    scores = numpy.round(rng.normal(size=n) + right, decimals)
    n_gold = numpy.bincount(labels[right], minlength=n_labels) + missed
    spans = SpanTable(numpy.zeros(n, dtype=int), starts, ends, labels, scores)
    return Candidates(spans, -5.0, right, n_gold, "any")


def choose(candidates, default, strength):
    return choose_thresholds(
        candidates, default=default, strength=strength, target=Target()
    )


def f1(candidates, chosen, lowest):
    """F1 by counting, of the candidates with the label that reach a score."""
    spans = candidates.spans
    kept = [i for i in range(len(spans)) if chosen(i) and spans.scores[i] >= lowest]
    n_right = sum(bool(candidates.right[i]) for i in kept)
    n_gold = sum(
        n
        for label, n in enumerate(candidates.n_gold.tolist())
        if label in chosen.labels
    )
    return 2 * n_right / (len(kept) + n_gold)


class Chosen:
    def __init__(self, candidates, labels):
        self.rows = candidates.spans.labels
        self.labels = labels

    def __call__(self, i):
        return self.rows[i] in self.labels


@pytest.mark.parametrize("seed", range(20))
def test_thresholds_are_the_best_of_all(seed):
    candidates = make_candidates(seed)
    overall, singles = choose_thresholds(
        candidates, default=0.0, strength=0.0, target=Target()
    )
    # Thresholds below, between and above all scores.
    every = numpy.arange(-6, 6, 0.05)
    for labels, threshold in [
        ({0, 1, 2}, overall),
        *(({a}, singles[a]) for a in range(3)),
    ]:
        chosen = Chosen(candidates, labels)
        best = max(f1(candidates, chosen, lowest) for lowest in every)
        assert f1(candidates, chosen, threshold) == pytest.approx(best)


@pytest.mark.parametrize("wished", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("measure", ["precision", "recall"])
@pytest.mark.parametrize("seed", range(5))
def test_thresholds_that_reach_a_precision_or_a_recall(seed, measure, wished):
    candidates = make_candidates(seed, n=120, missed=2)
    target = Target(**{measure: wished})
    overall, singles = choose_thresholds(
        candidates, default=0.0, strength=0.0, target=target
    )

    def measures(label, lowest):
        rows = candidates.spans.labels
        kept = [
            bool(candidates.right[i])
            for i in range(len(rows))
            if label in (None, rows[i]) and candidates.spans.scores[i] >= lowest
        ]
        n_gold = candidates.n_gold.sum() if label is None else candidates.n_gold[label]
        found = {
            "precision": sum(kept) / max(len(kept), 1),
            "recall": sum(kept) / n_gold,
        }
        own = found.pop(measure)
        return own, *found.values()

    for label, threshold in [(None, overall), *enumerate(singles)]:
        every = [measures(label, x) for x in numpy.arange(-6, 6, 0.05)]
        reached = [other for own, other in every if own >= wished]
        own, other = measures(label, threshold)
        if reached and max(reached) > 0:
            assert own >= wished
            assert other == pytest.approx(max(reached))
        else:
            assert own == pytest.approx(max(own for own, _ in every))


def test_thresholds_of_rare_labels_are_drawn_towards_the_global_one():
    candidates = make_candidates(1)
    overall, singles = choose_thresholds(
        candidates, default=0.0, strength=0.0, target=Target()
    )
    _, drawn = choose(candidates, 0.0, 50.0)
    for n, single, value in zip(candidates.n_gold.tolist(), singles, drawn):
        assert value == pytest.approx((n * single + 50 * overall) / (n + 50))
    _, all_drawn = choose(candidates, 0.0, 1e9)
    assert all_drawn == pytest.approx(numpy.full(3, overall), abs=1e-5)


def test_a_label_without_right_candidates_has_the_global_threshold():
    candidates = make_candidates(2)
    candidates.right[candidates.spans.labels == 1] = False
    overall, singles = choose_thresholds(
        candidates, default=0.0, strength=0.0, target=Target()
    )
    assert singles[1] == overall


def test_nothing_found_keeps_the_default():
    candidates = make_candidates(3, n=0)
    overall, singles = choose_thresholds(
        candidates, default=-1.5, strength=100.0, target=Target()
    )
    assert overall == -1.5
    assert singles == pytest.approx(numpy.full(3, -1.5))


@pytest.mark.parametrize("overlap", ["any", "nested", "flat"])
@pytest.mark.parametrize("seed", range(10))
def test_count_is_of_what_the_decoder_would_keep(seed, overlap):
    candidates = make_candidates(seed, n=8, decimals=9)
    spans = candidates.spans
    thresholds = numpy.array([0.0, 0.3, -0.4])
    margins = spans.scores - thresholds[spans.labels]
    kept = [i for i in range(8) if margins[i] >= 0]
    if overlap == "nested":
        chosen = []
        for i in sorted(kept, key=lambda i: (-margins[i], i)):
            if not any(cross(spans, i, j) for j in chosen):
                chosen.append(i)
    elif overlap == "flat":
        chosen = best_disjoint(spans, kept, margins)
    else:
        chosen = kept
    n_right = sum(bool(candidates.right[i]) for i in chosen)
    counts = n_right, len(chosen), candidates.n_gold.sum()
    assert candidates.count(thresholds, overlap) == counts


@pytest.mark.parametrize("seed", range(10))
def test_count_of_a_greedy_choice(seed):
    """By score, not by margin."""
    candidates = replace(make_candidates(seed, n=8, decimals=9), flat="greedy")
    spans = candidates.spans
    thresholds = numpy.array([0.0, 0.3, -0.4])
    kept = [i for i in range(8) if spans.scores[i] >= thresholds[spans.labels[i]]]
    tokens, chosen = set(), []
    for i in sorted(kept, key=lambda i: -spans.scores[i]):
        if tokens.isdisjoint(range(spans.starts[i], spans.ends[i])):
            tokens.update(range(spans.starts[i], spans.ends[i]))
            chosen.append(i)
    n_right = sum(bool(candidates.right[i]) for i in chosen)
    counts = n_right, len(chosen), candidates.n_gold.sum()
    assert candidates.count(thresholds, "flat") == counts


def cross(spans, i, j):
    a, b, c, d = spans.starts[i], spans.ends[i], spans.starts[j], spans.ends[j]
    return a < c < b < d or c < a < d < b


def best_disjoint(spans, kept, margins):
    """The best of all subsets without overlap."""
    best, best_sum = [], -1.0
    for bits in range(2 ** len(kept)):
        subset = [x for n, x in enumerate(kept) if bits >> n & 1]
        tokens = [t for i in subset for t in range(spans.starts[i], spans.ends[i])]
        total = sum(margins[i] for i in subset)
        if len(tokens) == len(set(tokens)) and total > best_sum + 1e-12:
            best, best_sum = subset, total
    return best
