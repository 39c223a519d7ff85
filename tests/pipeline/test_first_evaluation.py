"""A model that has learnt little predicts few spans, not most of them."""

import random

import pytest
from thinc.api import Adam

from tests.util.pipelines import HEADS, example, initialize, pipeline, update

WORDS = [f"w{i}" for i in range(300)]


def sentences(nlp, n, seed):
    """Sentences of 20 tokens with two spans, each after a word that announces it."""
    rng = random.Random(seed)
    corpus = []
    for _ in range(n):
        words = rng.choices(WORDS, k=20)
        spans = []
        for start, label in ((2, "ORG"), (11, "GPE")):
            length = rng.randint(1, 5)
            words[start - 1] = f"of-{label}"
            spans.append((start, start + length, label))
        corpus.append(example(nlp, " ".join(words), spans))
    return corpus


@pytest.mark.parametrize("head", HEADS)
def test_the_first_evaluation_has_not_many_more_spans_than_the_last(head):
    nlp = pipeline(head)
    train, dev = sentences(nlp, 150, 0), sentences(nlp, 50, 1)
    initialize(nlp, train)
    texts = [eg.reference.text for eg in dev]
    n_gold = sum(len(eg.reference.spans["sc"]) for eg in dev)

    def n_predicted():
        return sum(len(doc.spans["sc"]) for doc in nlp.pipe(texts))

    # There are 180 candidates and 2 labels for each of two gold spans.
    counts = [n_predicted()]
    optimizer = Adam(0.001)
    for _ in range(2):
        for i in range(0, len(train), 16):
            update(nlp, train[i : i + 16], optimizer)
        counts.append(n_predicted())
    assert max(counts) <= 2 * n_gold
