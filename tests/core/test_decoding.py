"""Decoding against plain Python, and the choice among overlapping spans against
the enumeration of all choices."""

import math
from itertools import combinations

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.util import filter_spans
from spacy.vocab import Vocab

from spacy_globalpointer.core.decoding import decode, margins_over
from spacy_globalpointer.core.lattice import Lattice, Layout
from spacy_globalpointer.core.span_table import (
    OVERLAPS,
    greedy_flat,
    greedy_nested,
    inner,
    longest_flat,
    optimal_flat,
    overlap_of,
    resolve,
)
from tests.util.lattices import candidates, few_examples, lattice_width

INF = math.inf


def overlap(a, b):
    return a[0] < b[1] and b[0] < a[1]


def cross(a, b):
    """Whether spans overlap while neither holds the other."""
    (a, b), (c, d) = sorted((a, b))
    return a < c < b < d


def subsets(n):
    return (chosen for size in range(n + 1) for chosen in combinations(range(n), size))


def best_sum(spans, weights):
    """The highest sum of weights of disjoint spans, out of all subsets."""
    return max(
        sum(weights[i] for i in chosen)
        for chosen in subsets(len(spans))
        if not any(overlap(spans[i], spans[j]) for i, j in combinations(chosen, 2))
    )


def nested_highest_first(spans, weights):
    """The spans with the highest weights first, unless they cross one chosen."""
    chosen = []
    for i in sorted(range(len(spans)), key=lambda i: -weights[i]):
        if not any(cross(spans[i], spans[j]) for j in chosen):
            chosen.append(i)
    return sorted(chosen)


def highest_first(spans, weights):
    """The spans with the highest weights first, unless they overlap one chosen."""
    chosen = []
    for i in sorted(range(len(spans)), key=lambda i: -weights[i]):
        if not any(overlap(spans[i], spans[j]) for j in chosen):
            chosen.append(i)
    return sorted(chosen)


def holds(a, b):
    """Whether a span stands around another."""
    return a[0] <= b[0] and b[1] <= a[1] and a != b


def outermost_first(spans, scores):
    """Of the spans that no other holds the one with the highest score, then the same
    with those that do not overlap it. Of equal spans the first, with the highest of
    their scores."""
    best_score = {}
    for span, score in zip(spans, scores):
        best_score[span] = max(score, best_score.get(span, score))
    scores = [best_score[span] for span in spans]
    chosen, rest = [], [*range(len(spans))]
    while rest:
        outer = [i for i in rest if not any(holds(spans[j], spans[i]) for j in rest)]
        best = min(
            outer,
            key=lambda i: (-scores[i], spans[i][0] - spans[i][1], spans[i][0], i),
        )
        chosen.append(best)
        rest = [i for i in rest if not overlap(spans[i], spans[best])]
    return sorted(chosen)


def filtered(spans):
    """What spaCy keeps, by number."""
    doc = Doc(Vocab(), words=["x"] * 20)
    numbered = [Span(doc, *span, span_id=i + 1) for i, span in enumerate(spans)]
    return sorted(span.id - 1 for span in filter_spans(numbered))


def choose(function, spans, weights):
    starts, ends = numpy.array(spans, dtype="int64").reshape(-1, 2).T
    mask = function(starts, ends, numpy.array(weights, dtype="float64"))
    assert mask.dtype == bool
    assert mask.shape == (len(spans),)
    return numpy.flatnonzero(mask).tolist()


@st.composite
def weighted_spans(draw, weights):
    """Up to 8 spans, among them equal ones, in any order."""
    start = st.integers(0, 9)
    length = st.sampled_from([1, 1, 2, 2, 3, 4, 6, 10])
    pairs = draw(st.lists(st.tuples(start, length), max_size=8))
    return [(s, s + n) for s, n in pairs], draw(weights(len(pairs)))


def any_weights(n):
    # Small integers make ties and zeros.
    return st.lists(st.integers(0, 4) | st.floats(0, 9), min_size=n, max_size=n)


def distinct_weights(n):
    return st.permutations([0.5 * i for i in range(n)])


@few_examples
@given(st.data())
def test_flat_choice_has_the_highest_sum_of_all_subsets(data):
    # Several sets an example: hypothesis spends its time between examples.
    for _ in range(5):
        spans, weights = data.draw(weighted_spans(any_weights))
        chosen = choose(optimal_flat, spans, weights)
        for i, j in combinations(chosen, 2):
            assert not overlap(spans[i], spans[j])
        total = sum(weights[i] for i in chosen)
        assert math.isclose(total, best_sum(spans, weights), abs_tol=1e-9)
        # Nothing is left out without a reason, not even a span of weight 0.
        for i in set(range(len(spans))) - set(chosen):
            assert any(overlap(spans[i], spans[j]) for j in chosen)


@few_examples
@given(st.data())
def test_greedy_choice_takes_the_highest_weights_first(data):
    for _ in range(5):
        spans, weights = data.draw(weighted_spans(any_weights))
        assert choose(greedy_flat, spans, weights) == highest_first(spans, weights)
        # Log odds may be below 0.
        weights = [weight - 2 for weight in weights]
        assert choose(greedy_flat, spans, weights) == highest_first(spans, weights)


@few_examples
@given(st.data())
def test_longest_choice_takes_the_outermost_first(data):
    for _ in range(5):
        spans, scores = data.draw(weighted_spans(any_weights))
        scores = [score - 2 for score in scores]
        chosen = choose(longest_flat, spans, scores)
        assert chosen == outermost_first(spans, scores)
        # Of two spans that cross the higher score decides, nothing else.
        for i, j in combinations(range(len(spans)), 2):
            if cross(spans[i], spans[j]) and scores[i] != scores[j]:
                pair = [scores[i], scores[j]]
                (kept,) = choose(longest_flat, [spans[i], spans[j]], pair)
                assert pair[kept] == max(pair)


@few_examples
@given(st.data())
def test_longest_choice_is_that_of_spacy(data):
    """If scores are equal, and whatever they are if nothing crosses."""
    for _ in range(5):
        spans, scores = data.draw(weighted_spans(any_weights))
        assert choose(longest_flat, spans, [1.5] * len(spans)) == filtered(spans)
        places = [*dict.fromkeys(spans)]
        kept = choose(greedy_nested, places, scores[: len(places)])
        nested = [places[i] for i in kept]
        # Some of them twice, as with a second label.
        nested += nested[::2]
        weights = [scores[i % len(scores)] for i in range(len(nested))]
        assert choose(longest_flat, nested, weights) == filtered(nested)


def test_longest_choice_on_many_spans():
    rng = numpy.random.default_rng(0)
    starts = rng.integers(0, 90, 300)
    spans = list(zip(starts.tolist(), (starts + rng.integers(1, 9, 300)).tolist()))
    scores = rng.integers(0, 40, 300).tolist()
    assert choose(longest_flat, spans, scores) == outermost_first(spans, scores)


@few_examples
@given(st.data())
def test_inner_spans_stand_in_another(data):
    for _ in range(5):
        spans, _ = data.draw(weighted_spans(any_weights))
        starts, ends = numpy.array(spans, dtype="int64").reshape(-1, 2).T
        expected = [any(holds(other, span) for other in spans) for span in spans]
        assert inner(starts, ends).tolist() == expected


@pytest.mark.parametrize("threshold", [-INF, INF])
def test_margins_over_no_threshold_rank_and_weigh_as_probabilities(threshold):
    p = numpy.array([1e-30, 0.047, 0.5, 0.993, 1 - 1e-15])
    scores = numpy.append(numpy.log(p) - numpy.log1p(-p), [-INF, INF])
    margins = margins_over(scores, numpy.full(7, threshold))
    assert margins[:5] == pytest.approx(-numpy.log1p(-p))
    assert numpy.isfinite(margins).all() and (margins >= 0).all()
    assert margins[5] < margins[0] < margins[4] < margins[6]
    # One sure span outweighs its three unlikely words.
    assert margins[3] > 3 * margins[1]
    finite = margins_over(scores[1:4], numpy.array([-3.5, 0.0, 1.0]))
    assert finite == pytest.approx(scores[1:4] - [-3.5, 0.0, 1.0])


@pytest.mark.parametrize("flat", ["longest", "optimal", "greedy"])
@pytest.mark.parametrize("thresholds", [[-INF, -INF], [-INF, 0.0], [0.0, -INF]])
def test_a_sure_span_is_kept_over_its_unlikely_words(flat, thresholds):
    layout = Layout([3])
    scores = torch.full((2, 3, 3), math.log(0.047 / 0.953))
    scores[0, 0, 2] = math.log(0.993 / 0.007)
    lattice = Lattice(torch.where(layout.valid, scores, -INF), layout)
    spans = decode(lattice, thresholds, overlap="flat", flat=flat)
    assert [row[1:4] for row in rows_of(spans, thresholds)] == [(0, 3, 0)]


@few_examples
@given(st.data())
def test_nested_choice_takes_the_highest_weights_first(data):
    for _ in range(5):
        spans, weights = data.draw(weighted_spans(distinct_weights))
        assert choose(greedy_nested, spans, weights) == nested_highest_first(
            spans, weights
        )


@few_examples
@given(st.data())
def test_nested_choice_with_ties_crosses_nothing_and_leaves_nothing_out(data):
    for _ in range(5):
        spans, weights = data.draw(weighted_spans(any_weights))
        chosen = choose(greedy_nested, spans, weights)
        for i, j in combinations(chosen, 2):
            assert not cross(spans[i], spans[j])
        for i in set(range(len(spans))) - set(chosen):
            assert any(
                cross(spans[i], spans[j]) and weights[j] >= weights[i] for j in chosen
            )


def test_flat_choice_is_exact_on_many_spans():
    """Against the plain recursion over tokens, where enumeration is too long."""
    rng = numpy.random.default_rng(0)
    starts = rng.integers(0, 300, 900)
    ends = starts + rng.integers(1, 9, 900)
    weights = rng.random(900)
    best = [0.0]
    for token in range(1, ends.max() + 1):
        options = numpy.flatnonzero(ends == token)
        best.append(max([best[-1], *(best[starts[i]] + weights[i] for i in options)]))
    mask = optimal_flat(starts, ends, weights)
    assert math.isclose(weights[mask].sum(), best[-1], rel_tol=1e-12)
    order = starts[mask].argsort()
    assert (starts[mask][order][1:] >= ends[mask][order][:-1]).all()


def test_nested_choice_on_many_spans():
    rng = numpy.random.default_rng(0)
    starts = rng.integers(0, 60, 300)
    spans = list(zip(starts.tolist(), (starts + rng.integers(1, 9, 300)).tolist()))
    weights = rng.permutation(300).tolist()
    assert choose(greedy_nested, spans, weights) == nested_highest_first(spans, weights)


def random_lattice(lengths, max_length, n_labels=3, seed=0, dtype=torch.float32):
    layout = Layout(lengths, max_length)
    generator = torch.Generator().manual_seed(seed)
    shape = n_labels, layout.n_tokens, layout.width
    values = torch.randn(shape, generator=generator) * 3
    return Lattice(torch.where(layout.valid, values, -INF).to(dtype), layout)


def read(lattice, lengths, max_length, thresholds, max_spans=1000):
    """(doc, start, end, label, score, margin) of each span, in order."""
    found = {doc: [] for doc in range(len(lengths))}
    scores = lattice.scores.tolist()
    for doc, i, j in candidates(lengths, lattice_width(lengths, max_length)):
        for label, threshold in enumerate(thresholds):
            score = scores[label][i][j - i]
            if score >= threshold:
                row = doc, i, j + 1, label, score, score - threshold
                found[doc].append(row)
    rows = []
    for spans in found.values():
        rows += sorted(spans, key=lambda row: -row[4])[:max_spans]
    return sorted(rows)


def rows_of(spans, thresholds=(0.0, 0.0, 0.0)):
    columns = (
        spans.docs,
        spans.starts,
        spans.ends,
        spans.labels,
        spans.scores,
        margins_of(spans, thresholds),
    )
    assert len({len(spans), *map(len, columns)}) == 1
    return list(zip(*(column.tolist() for column in columns)))


def margins_of(spans, thresholds):
    return margins_over(spans.scores, numpy.array(thresholds, float)[spans.labels])


def close(got, wanted):
    assert [row[:4] for row in got] == [row[:4] for row in wanted]
    for x, y in zip(got, wanted):
        assert x[4] == y[4]
        assert math.isclose(x[5], y[5], abs_tol=1e-6)


BATCHES = [
    ([4], None),
    ([5, 0, 3, 1], 3),
    ([0, 6, 0, 0, 2, 0], 4),
    ([3, 2], 1),
    ([1, 1], None),
    ([40, 7], 11),
]
every_batch = pytest.mark.parametrize("lengths, max_length", BATCHES)


@every_batch
@pytest.mark.parametrize("thresholds", [(0, 0, 0), (-1.5, 2.25, 0.5), (3, -3, INF)])
@pytest.mark.parametrize("max_spans", [1, 3, 1000])
def test_decode_reads_what_reaches_the_threshold(
    lengths, max_length, thresholds, max_spans
):
    lattice = random_lattice(lengths, max_length)
    spans = decode(lattice, thresholds, max_spans=max_spans)
    close(
        rows_of(spans, thresholds),
        read(lattice, lengths, max_length, thresholds, max_spans),
    )


@few_examples
@given(
    st.lists(st.integers(0, 5), max_size=4).filter(any),
    st.integers(1, 5),
    st.lists(st.floats(-4, 4, width=16), min_size=1, max_size=3),
    st.integers(1, 6),
    st.integers(0, 99),
)
def test_decode_of_any_batch(lengths, max_length, thresholds, max_spans, seed):
    lattice = random_lattice(lengths, max_length, len(thresholds), seed)
    for n in (max_spans, 1000):
        spans = decode(lattice, thresholds, max_spans=n)
        close(
            rows_of(spans, thresholds),
            read(lattice, lengths, max_length, thresholds, n),
        )


@every_batch
@pytest.mark.parametrize("mode", ["flat", "nested"])
@pytest.mark.parametrize("max_spans", [6, 1000])
def test_overlap_modes_choose_by_margin(lengths, max_length, mode, max_spans):
    """Margins, not scores: labels differ in their thresholds."""
    # High thresholds leave few enough spans for the enumeration of all subsets.
    thresholds = (4.5, 4.0, 5.0) if sum(lengths) > 9 else (1.5, 3.0, 2.0)
    lattice = random_lattice(lengths, max_length, seed=3)
    spans = decode(lattice, thresholds, overlap=mode, max_spans=max_spans)
    got = rows_of(spans, thresholds)
    assert got == sorted(got)
    everything = read(lattice, lengths, max_length, thresholds, max_spans)
    by_doc = [
        [row for row in everything if row[0] == doc] for doc in range(len(lengths))
    ]
    for doc, rows in enumerate(by_doc):
        chosen = [row for row in got if row[0] == doc]
        places, margins = [row[1:3] for row in rows], [row[5] for row in rows]
        if mode == "nested":
            close(chosen, [rows[i] for i in nested_highest_first(places, margins)])
            continue
        assert {row[:5] for row in chosen} <= {row[:5] for row in rows}
        assert not any(overlap(a[1:3], b[1:3]) for a, b in combinations(chosen, 2))
        if len(rows) <= 12:
            total = sum(row[5] for row in chosen)
            assert math.isclose(total, best_sum(places, margins), abs_tol=1e-5)


@every_batch
@pytest.mark.parametrize("max_spans", [6, 1000])
def test_greedy_takes_the_highest_scores_first(lengths, max_length, max_spans):
    """Scores, not margins: the most probable first, whatever the thresholds."""
    thresholds = (1.5, 3.0, -2.0)
    lattice = random_lattice(lengths, max_length, seed=3)
    spans = decode(
        lattice, thresholds, overlap="flat", flat="greedy", max_spans=max_spans
    )
    expected = []
    for doc in range(len(lengths)):
        everything = read(lattice, lengths, max_length, thresholds, max_spans)
        rows = [row for row in everything if row[0] == doc]
        chosen = highest_first([row[1:3] for row in rows], [row[4] for row in rows])
        expected += [rows[i] for i in chosen]
    close(rows_of(spans, thresholds), expected)


def test_the_cases_of_overlap_are_told_apart():
    """Scores by hand: a long span of one token more than its two parts, one that
    crosses it, and the sum of two small margins against a large one."""
    layout = Layout([5])
    scores = torch.full((2, 5, 5), -9.0)
    scores[0, 0, 3] = 3.0  # 0-4, margin 2
    scores[1, 0, 1] = 1.5  # 0-2, margin 1.5
    scores[1, 2, 1] = 1.0  # 2-4, margin 1
    scores[0, 1, 3] = 2.5  # 1-5, margin 1.5, crosses 0-4 and 0-2
    lattice = Lattice(torch.where(layout.valid, scores, -INF), layout)
    expected = {
        "any": [(0, 2, 1), (0, 4, 0), (1, 5, 0), (2, 4, 1)],
        "nested": [(0, 2, 1), (0, 4, 0), (2, 4, 1)],
        "flat": [(0, 2, 1), (2, 4, 1)],
    }
    assert expected.keys() == set(OVERLAPS)
    for mode, places in expected.items():
        spans = decode(lattice, [1.0, 0.0], overlap=mode)
        assert [row[1:4] for row in rows_of(spans, [1.0, 0.0])] == places
    greedy = decode(lattice, [1.0, 0.0], overlap="flat", flat="greedy")
    assert [row[1:4] for row in rows_of(greedy, [1.0, 0.0])] == [(0, 4, 0)]


@pytest.mark.parametrize("mode", OVERLAPS)
def test_spans_read_before_can_be_resolved_later(mode):
    lattice = random_lattice([9, 0, 6], 4)
    thresholds = [0.0, -1.0, 1.0]
    wanted = rows_of(decode(lattice, thresholds, overlap=mode), thresholds)
    spans = decode(lattice, thresholds)
    kept = resolve(spans, margins_of(spans, thresholds), mode, "optimal")
    assert rows_of(spans[kept], thresholds) == wanted


@every_batch
def test_a_threshold_of_minus_infinity_keeps_all_candidates(lengths, max_length):
    """And not the cells outside of documents, which score -inf too."""
    lattice = random_lattice(lengths, max_length)
    thresholds = [-INF, INF, -INF]
    spans = decode(lattice, thresholds)
    wanted = read(lattice, lengths, max_length, [-1e30, INF, -1e30])
    got = rows_of(spans, thresholds)
    assert [row[:5] for row in got] == [row[:5] for row in wanted]
    # Margins still rank the candidates as the scores do, and can be summed.
    margins, scores = margins_of(spans, thresholds), spans.scores
    assert numpy.isfinite(margins).all()
    assert (margins.argsort() == scores.argsort()).all()
    flat = decode(lattice, thresholds, overlap="flat")
    held = {
        token for row in rows_of(flat, thresholds) for token in range(row[1], row[2])
    }
    assert held == set(range(sum(lengths)))


def test_scores_beyond_the_range_of_margins_still_decode():
    """A flat choice among scores below the margin of a threshold of -inf."""
    layout = Layout([3])
    scores = torch.where(layout.valid, -500.0, -INF)[None]
    spans = decode(Lattice(scores, layout), [-INF], overlap="flat")
    assert (margins_of(spans, [-INF]) >= 0).all()
    assert sorted(
        t for row in rows_of(spans, [-INF]) for t in range(row[1], row[2])
    ) == [
        0,
        1,
        2,
    ]


def test_a_score_equal_to_its_threshold_is_kept():
    layout = Layout([2])
    scores = torch.where(layout.valid, 0.25, -INF)[None]
    below = numpy.nextafter(numpy.float32(0.25), numpy.float32(1)).item()
    assert len(decode(Lattice(scores, layout), [0.25])) == 3
    assert len(decode(Lattice(scores, layout), [below])) == 0


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
@pytest.mark.parametrize("mode", OVERLAPS)
def test_documents_without_tokens_have_no_spans(lengths, mode):
    layout = Layout(lengths, 3)
    lattice = Lattice(torch.zeros(2, 0, 0), layout)
    spans = decode(lattice, [-INF, 0.0], overlap=mode)
    assert rows_of(spans, [-INF, 0.0]) == []


@pytest.mark.parametrize("mode", OVERLAPS)
def test_nothing_reaches_the_threshold(mode):
    lattice = random_lattice([3, 4], 2)
    assert rows_of(decode(lattice, [INF] * 3, overlap=mode)) == []
    assert rows_of(decode(lattice, [1e9] * 3, overlap=mode, max_spans=1)) == []


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_any_precision_decodes_as_float32(dtype):
    lattice = random_lattice([5, 3], 3, dtype=dtype)
    as_float = Lattice(lattice.scores.float(), lattice.layout)
    thresholds = [0.5, -1.0, 0.0]
    assert rows_of(decode(lattice, thresholds)) == rows_of(decode(as_float, thresholds))


def test_ties_of_max_spans_still_give_that_many():
    layout = Layout([6, 0, 3])
    scores = torch.where(layout.valid, 1.0, -INF).repeat(2, 1, 1)
    spans = decode(Lattice(scores, layout), [0.0, 0.0], max_spans=4)
    assert spans.docs.tolist() == [0] * 4 + [2] * 4


def test_decoding_does_not_change_the_lattice():
    lattice = random_lattice([4, 2], 3)
    before = lattice.scores.clone()
    for mode in OVERLAPS:
        spans = decode(lattice, [-INF, 0.0, 0.0], overlap=mode, max_spans=2)
        spans.scores[:] = 0
    assert torch.equal(lattice.scores, before)


def test_spans_are_indexed_by_masks_and_numbers():
    spans = decode(random_lattice([4], None), [0.0, 0.0, 0.0])
    rows = rows_of(spans)
    every_second = numpy.arange(len(rows)) % 2 == 0
    assert rows_of(spans[every_second]) == rows[::2]
    assert rows_of(spans[numpy.array([2, 0])]) == [rows[2], rows[0]]


@pytest.mark.parametrize("seed", range(30))
def test_overlap_of_is_the_strictest_setting_obeyed(seed):
    rng = numpy.random.default_rng(seed)
    starts = rng.integers(0, 30, rng.integers(0, 6))
    spans = list(
        zip(starts.tolist(), (starts + rng.integers(1, 8, len(starts))).tolist())
    )
    pairs = list(combinations(spans, 2))
    expected = "any" if any(cross(a, b) for a, b in pairs) else "nested"
    if not any(overlap(a, b) for a, b in pairs):
        expected = "flat"
    starts, ends = numpy.array(spans, dtype="int64").reshape(-1, 2).T
    assert overlap_of(starts, ends) == expected
