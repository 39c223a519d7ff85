"""Training and prediction under autocast, and on encoders of other types."""

import numpy
import pytest
import torch
from thinc.api import Adam, Model

from spacy_globalpointer.models.span_scorer import get_head_layer
from tests.util.pipelines import (
    EVERY_HEAD,
    TEXTS,
    found,
    initialize,
    pipeline_of_every_head,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot use some of the gold")


def train(nlp, corpus, steps=8):
    optimizer = Adam(0.01)
    return [nlp.update(corpus, sgd=optimizer, drop=0.1) for _ in range(steps)]


def outcome(autocast=False):
    """Losses, and the predictions after training."""
    nlp, corpus = pipeline_of_every_head()
    initialize(nlp, corpus)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        losses = train(nlp, corpus)
        docs = list(nlp.pipe(TEXTS))
    spans = {name: [found(doc, name) for doc in docs] for name in EVERY_HEAD}
    return losses, spans


def test_autocast_trains_and_predicts_the_same():
    """Encoders of thinc know no autocast, and heads compute in float32."""
    losses, spans = outcome()
    assert outcome(autocast=True) == (losses, spans)
    assert all(losses[-1][name] < losses[0][name] for name in EVERY_HEAD)
    assert any(any(docs) for docs in spans.values())


def cast(tok2vec, dtype):
    """An encoder whose vectors, and the gradients that it takes, have a type."""

    def forward(model, docs, is_train):
        vectors, backprop = model.layers[0](docs, is_train)

        def cast_backprop(d_vectors):
            assert {x.dtype for x in d_vectors} == {numpy.dtype(dtype)}
            return backprop([x.astype("float32") for x in d_vectors])

        return [x.astype(dtype) for x in vectors], cast_backprop

    def init(model, X=None, Y=None):
        model.layers[0].initialize(X=X, Y=Y)

    return Model("cast", forward, init=init, layers=[tok2vec])


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_encoders_of_another_type(dtype):
    nlp, corpus = pipeline_of_every_head()
    for name in EVERY_HEAD:
        layers = nlp.get_pipe(name).model.layers
        layers[0] = cast(layers[0], dtype)
    initialize(nlp, corpus)
    losses = train(nlp, corpus)
    list(nlp.pipe(TEXTS))
    for name in EVERY_HEAD:
        assert losses[-1][name] < losses[0][name]
        head = get_head_layer(nlp.get_pipe(name).model).shims[0]._model
        assert {x.dtype for x in head.parameters()} == {torch.float32}
