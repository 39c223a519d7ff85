"""Threads that predict with one pipeline."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from thinc.api import Adam

from tests.util.pipelines import (
    EVERY_HEAD,
    NESTED,
    by_disk,
    initialize,
    pipeline_of_every_head,
)
from tests.util.pipelines import found as found_spans


@pytest.fixture(scope="module")
def nlp(tmp_path_factory):
    """Every head on one encoder, each with a key of its own, trained with dropout
    and loaded from disk."""
    nlp, corpus = pipeline_of_every_head()
    with pytest.warns(UserWarning, match="cannot use some of the gold"):
        initialize(nlp, corpus)
    optimizer = Adam(0.01)
    for _ in range(30):
        nlp.update(corpus, sgd=optimizer, drop=0.2)
    return by_disk(nlp, tmp_path_factory.mktemp("threads"))


def texts(n):
    """Sentences of shuffled words, so that scores are not all sure."""
    rng = random.Random(0)
    words = [word for text, _ in NESTED for word in text.split()]
    return [" ".join(rng.choices(words, k=rng.randint(1, 20))) for _ in range(n)]


def predictions(doc):
    return {
        name: (found_spans(doc, name), list(doc.spans[name].attrs["scores"]))
        for name in EVERY_HEAD
    }


@pytest.mark.parametrize(
    "n_docs", [100, pytest.param(2000, marks=[pytest.mark.slow, pytest.mark.long])]
)
def test_threads_predict_as_one(nlp, n_docs):
    docs = texts(n_docs)

    def predict(text):
        return predictions(nlp(text))

    serial = [predict(text) for text in docs]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(predict, docs)) == serial
    # There is something to compare.
    assert all(any(x[name][0] for x in serial) for name in EVERY_HEAD)


def test_prediction_sets_no_attribute_of_a_model(nlp):
    """A head is what it was, to the module's mode, and so is every attribute."""

    def state():
        layers = [layer for _, pipe in nlp.pipeline for layer in pipe.model.walk()]
        return [
            ({k: str(v) for k, v in x.attrs.items()}, str(x.shims)) for x in layers
        ], [
            (vars(module).keys(), module.training)
            for layer in layers
            for shim in layer.shims
            for module in shim._model.modules()
        ]

    before = state()
    cfg = nlp.get_pipe("gp").cfg
    longest, cfg["max_length"] = cfg["max_length"], 2
    try:
        doc = nlp(texts(1)[0])
    finally:
        cfg["max_length"] = longest
    assert state() == before
    assert all(len(span) <= 2 for span in doc.spans["gp"])
