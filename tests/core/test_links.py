"""Pairs of spans against plain loops."""

import math
import random
from itertools import combinations, pairwise

import numpy
import pytest
import torch

from spacy_globalpointer.core.lattice import GoldSpans, Lattice
from spacy_globalpointer.core.links import (
    decode_links,
    find_pairs,
    make_links,
    maximal_paths,
)
from spacy_globalpointer.core.objectives import BinaryCrossEntropy, ClassImbalanceLoss
from spacy_globalpointer.core.span_table import make_table

N_LABELS = 3
N_SPAN_LABELS = 2


def random_batch(seed, n_docs=4, longest=8):
    """Lengths of documents, and spans of each in any order: start, end, label."""
    rng = random.Random(seed)
    lengths = [
        rng.choice([0, 1, longest, rng.randint(1, longest)]) for _ in "." * n_docs
    ]
    docs = []
    for length in lengths:
        spans = set()
        for _ in range(rng.randint(0, 6) if length else 0):
            start = rng.randrange(length)
            end = rng.randint(start + 1, length)
            spans.add((start, end, rng.randrange(N_SPAN_LABELS)))
        docs.append(rng.sample(sorted(spans), len(spans)))
    return lengths, docs


def table_of(lengths, docs):
    offsets = numpy.cumsum([0, *lengths])
    rows = [
        (offset + start, offset + end, label)
        for offset, spans in zip(offsets, docs)
        for start, end, label in spans
    ]
    return make_table(lengths, *numpy.array(rows, dtype=int).reshape(-1, 3).T)


def pairs_by_loops(docs, max_distance=None, max_pairs=None):
    """Rows of heads and tails, and the documents that are cut."""
    found, cut, offset = [], [], 0
    for number, spans in enumerate(docs):
        order = sorted(range(len(spans)), key=lambda i: spans[i])

        def within(reach, order=order, spans=spans):
            for a, i in enumerate(order):
                for b, j in enumerate(order):
                    gap = max(spans[i][0], spans[j][0]) - min(spans[i][1], spans[j][1])
                    near = max_distance is None or gap <= max_distance
                    if i != j and abs(a - b) <= reach:
                        yield i, j, near

        reach = max(len(spans) - 1, 0)
        while max_pairs is not None and reach > 1:
            if len(list(within(reach))) <= max_pairs:
                break
            reach -= 1
        pairs = [(offset + i, offset + j) for i, j, near in within(reach) if near]
        every = [pair for pair in within(len(spans)) if pair[2]]
        found += pairs
        cut += [number] * (len(pairs) < len(every))
        offset += len(spans)
    return found, cut


@pytest.mark.parametrize("max_pairs", [None, 1, 4, 9, 20])
@pytest.mark.parametrize("max_distance", [None, 0, 2])
@pytest.mark.parametrize("seed", range(10))
def test_pairs(seed, max_distance, max_pairs):
    lengths, docs = random_batch(seed)
    links, cut = make_links(
        table_of(lengths, docs), lengths, max_distance=max_distance, max_pairs=max_pairs
    )
    expected, expected_cut = pairs_by_loops(docs, max_distance, max_pairs)
    pairs = [*zip(links.heads.tolist(), links.tails.tolist())]
    assert pairs == expected
    assert cut.tolist() == expected_cut
    n_spans = len(links.starts)
    every = [(i, j) for i in range(n_spans) for j in range(n_spans)]
    rows = find_pairs(links, *numpy.array(every, dtype=int).reshape(-1, 2).T)
    assert rows.tolist() == [pairs.index(x) if x in pairs else -1 for x in every]
    by_doc = numpy.repeat(range(len(docs)), [*map(len, docs)])
    assert links.layout.doc_ids.tolist() == [by_doc[head] for head, _ in pairs]


@pytest.mark.parametrize("seed", range(10))
def test_decoding(seed):
    lengths, docs = random_batch(seed)
    links, _ = make_links(table_of(lengths, docs), lengths, max_distance=3)
    rng = numpy.random.default_rng(seed)
    pairs = [*zip(links.heads.tolist(), links.tails.tolist())]
    odds = rng.normal(size=(N_LABELS, len(pairs)))
    allowed = rng.random((N_LABELS, N_SPAN_LABELS, N_SPAN_LABELS)) < 0.7
    allowed[1] |= allowed[1].T
    thresholds = [0.0, 0.3, -math.inf]
    table = decode_links(torch.from_numpy(odds), links, thresholds, [1], allowed)
    labels = links.span_labels.tolist()
    places = {pair: i for i, pair in enumerate(pairs)}
    expected = {}
    for (head, tail), i in places.items():
        for row, threshold in enumerate(thresholds):
            score = odds[row, i]
            if row == 1:
                if places[tail, head] < i:
                    continue
                score = (score + odds[row, places[tail, head]]) / 2
            if score >= threshold and allowed[row, labels[head], labels[tail]]:
                expected[head, tail, row] = score
    found = [*zip(table.heads.tolist(), table.tails.tolist(), table.labels.tolist())]
    assert dict(zip(found, table.scores)) == pytest.approx(expected)
    assert len(found) == len(expected)


@pytest.mark.parametrize("objective", [ClassImbalanceLoss(), BinaryCrossEntropy()])
def test_loss(objective):
    """The objectives of spans, over pairs, against their formulas in float64, and the
    gradient against differences."""
    lengths, docs = random_batch(3)
    links, _ = make_links(table_of(lengths, docs), lengths)
    n_pairs = len(links.heads)
    assert n_pairs > 20
    rng = numpy.random.default_rng(0)
    scores = torch.from_numpy(rng.normal(size=(N_LABELS, n_pairs, 1)) * 3)
    is_gold = rng.random((N_LABELS, n_pairs)) < 0.2
    labels, rows = map(torch.from_numpy, is_gold.nonzero())
    gold = GoldSpans(labels, rows, torch.zeros_like(rows), None, len(docs))
    docs_of_pairs = links.layout.doc_ids.numpy()

    def by_loops(s):
        total = 0.0
        for row in range(N_LABELS):
            for doc in range(len(docs)):
                own = docs_of_pairs == doc
                positives = s[row, own & is_gold[row], 0].tolist()
                negatives = s[row, own & ~is_gold[row], 0].tolist()
                if isinstance(objective, ClassImbalanceLoss):
                    total += math.log(1 + sum(math.exp(-x) for x in positives))
                    total += math.log(1 + sum(math.exp(x) for x in negatives))
                else:
                    total += sum(math.log(1 + math.exp(-x)) for x in positives)
                    total += sum(math.log(1 + math.exp(x)) for x in negatives)
        return total

    loss, gradient, _ = objective.sums(Lattice(scores, links.layout), gold)
    assert float(loss) == pytest.approx(by_loops(scores.numpy()))
    for row, pair in [(0, 0), (1, 5), (2, n_pairs - 1), (int(labels[0]), int(rows[0]))]:
        step = torch.zeros_like(scores)
        step[row, pair] = 1e-5
        slope = by_loops((scores + step).numpy()) - by_loops((scores - step).numpy())
        assert float(gradient[row, pair, 0]) == pytest.approx(slope / 2e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(30))
def test_paths(seed):
    """Against all sequences of places."""
    rng = random.Random(seed)
    n = rng.randint(1, 5)
    links = {x for x in combinations(range(n), 2) if rng.random() < 0.5}
    every = [x for size in range(2, n + 1) for x in combinations(range(n), size)]
    expected = [
        list(path)
        for path in every
        if links.issuperset(pairwise(path))
        and not any(
            (place, path[0]) in links or (path[-1], place) in links
            for place in range(n)
        )
    ]
    heads, tails = zip(*rng.sample(sorted(links), len(links))) if links else ((), ())
    assert maximal_paths(heads, tails, 100) == sorted(expected)
    if len(expected) > 1:
        assert len(maximal_paths(heads, tails, 1)) == 2
