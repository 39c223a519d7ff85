"""Transformers in prediction: little padding and lower precision change no answer."""

from contextlib import contextmanager

import pytest
import torch
from spacy.training import Example
from thinc.api import Adam, NumpyOps

from spacy_globalpointer.cli.common import predict
from spacy_globalpointer.prediction import (
    CPU_BATCH_ITEMS,
    is_bfloat16_fast,
    little_padding,
    set_precision,
)
from tests.util.parallel import on_transformer
from tests.util.pipelines import (
    GOLD,
    NAME,
    TEXTS,
    all_scores,
    found,
    same_scores,
    train,
)

# Long and short in turns.
MIXED = [text for _ in range(40) for text in (TEXTS[0], "Boston", "", TEXTS[1])]


@pytest.fixture(scope="module")
def make(bert):
    """Makes trained pipelines, all of them alike."""
    nlp = train(on_transformer(bert), optimizer=Adam(0.003), steps=60)
    saved = nlp.to_bytes()
    return lambda: on_transformer(bert).from_bytes(saved)


@contextmanager
def shapes(nlp):
    """Shapes of what the transformer is given."""
    shim = nlp.get_pipe("transformer").model.layers[0].shims[0]
    seen, forward = [], shim._model.forward

    def spy(*args, **kwargs):
        seen.append(tuple(kwargs["input_ids"].shape))
        return forward(*args, **kwargs)

    shim._model.forward = spy
    try:
        yield seen
    finally:
        shim._model.forward = forward


def test_small_batches_change_no_score_and_pad_less(make):
    nlp = make()
    with shapes(nlp) as before:
        expected = all_scores(nlp, MIXED)
    with shapes(nlp) as after, little_padding(nlp, 64):
        scores = all_scores(nlp, MIXED)
    assert same_scores(scores, expected)
    n_before, n_after = (sum(a * b for a, b in seen) for seen in (before, after))
    assert n_after < 0.8 * n_before
    assert nlp.get_pipe("transformer").cfg["max_batch_items"] == 4096
    nlp.get_pipe("transformer").cfg["max_batch_items"] = 32
    with little_padding(nlp):
        assert nlp.get_pipe("transformer").cfg["max_batch_items"] == 32


def test_the_commands_pad_little(make):
    nlp = make()
    docs = [nlp.make_doc(text) for text in MIXED]
    examples = [Example(doc, doc.copy()) for doc in docs]
    with shapes(nlp) as seen:
        predict(nlp, nlp.get_pipe(NAME), examples, "")
    assert len(seen) > len(MIXED) * 4 / CPU_BATCH_ITEMS and len(seen) > 2
    expected = [found(doc) for doc in nlp.pipe(MIXED)]
    assert [found(example.predicted) for example in examples] == expected


class OtherOps(NumpyOps):
    """Stands for those of a GPU."""


def test_a_gpu_keeps_its_batches(make, monkeypatch):
    nlp = make()
    monkeypatch.setattr("spacy_globalpointer.prediction.NumpyOps", OtherOps)
    with little_padding(nlp, 64):
        assert nlp.get_pipe("transformer").cfg["max_batch_items"] == 4096


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_lower_precision_finds_the_same_spans(make, precision):
    nlp = make()
    expected = all_scores(nlp, TEXTS)
    assert set_precision(nlp, precision) == precision
    scores = all_scores(nlp, TEXTS)
    assert not same_scores(scores, expected, tolerance=0)
    assert same_scores(scores, expected, tolerance=0.1)
    assert [set(found(doc)) for doc in nlp.pipe(TEXTS)] == GOLD


def test_the_choice_is_measured(make):
    nlp = make()
    expected = all_scores(nlp, TEXTS)
    assert set_precision(nlp, "float32") == "float32"
    assert same_scores(all_scores(nlp, TEXTS), expected, tolerance=0)
    name = "bfloat16" if is_bfloat16_fast() else "float32"
    assert set_precision(nlp) == name
    weight = next(nlp.get_pipe("transformer").model.transformer.parameters())
    assert weight.dtype == getattr(torch, name)
    with pytest.raises(ValueError, match=r"`precision` must be .*'int8'.* 'half'"):
        set_precision(nlp, "half")
