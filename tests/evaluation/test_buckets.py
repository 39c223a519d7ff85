from itertools import pairwise

import numpy as np
import pytest

from spacy_globalpointer.evaluation import (
    BUCKETS,
    TrainingSet,
    bucket_counts,
    read_table,
    spans_under,
)
from tests.util.documents import KEY, make_doc, prf, random_pairs, to_docs


def count(docs, training=None):
    table = read_table(docs, spans_under(KEY))
    counts = bucket_counts(table, [gold for gold, _ in docs], training)
    return table, counts


def training_set(spans, n_tokens=8):
    return TrainingSet.read([make_doc(n_tokens, spans)], spans_under(KEY))


@pytest.mark.parametrize("seed", range(3))
def test_counts_add_up_to_the_totals(seed):
    docs = to_docs(random_pairs(seed))
    training = training_set([(0, 2, "A"), (0, 2, "B"), (3, 4, "A")], 5)
    table, counts = count(docs, training)
    totals = [table.right[0].sum(), len(table.predicted), len(table.gold)]
    assert set(counts) == set(BUCKETS)
    for values in counts.values():
        assert values.sum((0, 1)).tolist() == totals
        by_doc = np.bincount(table.gold.docs, minlength=len(docs))
        assert (values[:, :, 2].sum(1) == by_doc).all()


@pytest.mark.parametrize("seed", range(3))
def test_lengths(seed):
    pairs = random_pairs(seed)
    _, counts = count(to_docs(pairs))
    for number, (low, high) in enumerate(pairwise([1, 2, 3, 5, 99])):
        expected = [
            sum(low <= end - start < high for side in sides for start, end, _ in side)
            for sides in (
                [g & p for g, p in pairs],
                *([x[i] for x in pairs] for i in (1, 0)),
            )
        ]
        assert counts["length"][:, number].sum(0).tolist() == expected


@pytest.mark.parametrize(
    "name, n_tokens, n_spans, place",
    [
        ("text_length", 7, 1, 0),
        ("text_length", 8, 1, 1),
        ("text_length", 16, 1, 1),
        ("text_length", 31, 1, 2),
        ("text_length", 32, 1, 3),
        ("density", 101, 1, 0),
        ("density", 100, 1, 1),
        ("density", 41, 1, 1),
        ("density", 40, 1, 2),
        ("density", 20, 1, 3),
        ("long_text_length", 19, 1, 0),
        ("long_text_length", 100, 1, 3),
        ("spans_in_text", 9, 1, 0),
        ("spans_in_text", 9, 3, 1),
        ("spans_in_text", 9, 7, 3),
        ("entity_words", 10, 1, 0),
        ("entity_words", 9, 1, 1),
        ("entity_words", 10, 3, 1),
        ("entity_words", 10, 4, 2),
    ],
)
def test_buckets_of_documents(name, n_tokens, n_spans, place):
    doc = make_doc(n_tokens, [(i, i + 1, "A") for i in range(n_spans)])
    _, counts = count([(doc, doc)])
    expected = [[0, 0, 0]] * len(BUCKETS[name].names)
    expected[place] = [n_spans] * 3
    assert counts[name][0].tolist() == expected


@pytest.mark.parametrize("seed", range(3))
def test_tokens_inside_spans_are_counted_once(seed):
    pairs = random_pairs(seed)
    table = read_table(to_docs(pairs), spans_under(KEY))
    inside = [{i for s, e, _ in gold for i in range(s, e)} for gold, _ in pairs]
    assert table.n_entity_tokens.tolist() == [len(tokens) for tokens in inside]


def test_label_consistency():
    """w0 is A three times of four in training, w1 always B; w2 is not there."""
    docs = [make_doc(2, [(0, 1, "A"), (1, 2, "B")]) for _ in range(3)]
    docs.append(make_doc(2, [(0, 1, "B")]))
    training = TrainingSet.read(docs, spans_under(KEY))
    gold = make_doc(3, [(0, 1, "A"), (1, 2, "B"), (2, 3, "A")])
    predicted = make_doc(3, [(0, 1, "A"), (0, 1, "B"), (1, 2, "A")])
    table = read_table([(gold, predicted)], spans_under(KEY))
    shares = [
        training.consistency(x, table.labels) for x in (table.gold, table.predicted)
    ]
    assert [share.tolist() for share in shares] == [[0.75, 1, 0], [0.75, 0.25, 0]]
    _, counts = count([(gold, predicted)], training)
    # right, predicted and gold of each bucket
    assert counts["consistency"][0].tolist() == [
        [0, 1, 1],
        [0, 1, 0],
        [1, 1, 1],
        [0, 0, 1],
    ]
    assert training.unknown_share([gold, make_doc(0, [])]).tolist() == [1 / 3, 0]
    assert counts["oov"][0].tolist() == [[0] * 3, [0] * 3, [0] * 3, [1, 3, 3]]


def test_without_training_documents():
    _, counts = count(to_docs(random_pairs(0)))
    assert set(BUCKETS) - set(counts) == {"consistency", "oov"}
    for values in counts.values():
        assert 0 < prf(*values.sum((0, 1)))[2] < 1
