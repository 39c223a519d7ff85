"""The content term of both Global Pointers in a pipeline."""

import numpy
import pytest
import spacy
from spacy.util import registry
from thinc.api import Config

from tests.util.pipelines import (
    GOLD,
    LANG,
    LISTENER,
    NAME,
    TEXTS,
    initialize,
    tok2vec,
    train,
)

ARCHITECTURES = ["GlobalPointer", "EfficientGlobalPointer"]


def settings(name, **content):
    architecture = f"spacy_globalpointer.{name}"
    return {"@architectures": architecture, "head_width": 16, **content}


def pipeline(name, **content):
    nlp = spacy.blank(LANG)
    model = {**settings(f"{name}.v2", **content), "tok2vec": tok2vec()}
    nlp.add_pipe(NAME, config={"model": model})
    return nlp


def spans(docs):
    return [{(s.start, s.end, s.label_) for s in doc.spans["sc"]} for doc in docs]


def scores(nlp):
    return nlp.get_pipe(NAME).predict([*map(nlp.make_doc, TEXTS)]).scores.numpy()


@pytest.fixture(scope="module", params=ARCHITECTURES)
def trained(request):
    nlp = pipeline(request.param, content_width=8, content_max_length=6)
    return train(nlp, steps=60, drop=0.1)


def test_it_learns_and_is_saved_with_the_pipeline(trained, tmp_path):
    assert spans(trained.pipe(TEXTS)) == GOLD
    trained.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    head = loaded.get_pipe(NAME).model.layers[-1].shims[0]._model
    assert head.content.max_length == 6 and head.content.dropout == 0.2
    assert numpy.array_equal(scores(loaded), scores(trained))


def test_prediction_is_the_same_twice_and_by_one_document(trained):
    together = scores(trained)
    assert numpy.array_equal(together, scores(trained))
    alone = [trained(text) for text in TEXTS]
    assert spans(alone) == spans(trained.pipe(TEXTS))


def test_a_label_that_is_added_leaves_the_others_as_they_were(trained):
    before = scores(trained)
    nlp = spacy.blank(LANG).from_config(trained.config).from_bytes(trained.to_bytes())
    nlp.get_pipe(NAME).add_label("ADDED")
    after = scores(nlp)
    assert len(after) == len(before) + 1
    numpy.testing.assert_allclose(after[: len(before)], before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_without_content_it_is_the_first_version(name):
    """Same weights from the same seed, so that what was saved loads unchanged."""
    new = initialize(pipeline(name))
    old = spacy.blank(LANG)
    model = {**settings(f"{name}.v1"), "tok2vec": tok2vec()}
    old.add_pipe(NAME, config={"model": model})
    initialize(old)
    assert numpy.array_equal(scores(new), scores(old))
    old.get_pipe(NAME).from_bytes(new.get_pipe(NAME).to_bytes())


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(
    "setting, value, allowed",
    [
        ("content_width", -1, "0 or more"),
        ("content_dropout", 1.0, "less than 1"),
        ("content_max_length", 0, "1 or more, or null"),
    ],
)
def test_settings_out_of_range_are_errors(name, setting, value, allowed):
    model = {**settings(f"{name}.v2"), "tok2vec": LISTENER, setting: value}
    config = Config({"model": model})
    with pytest.raises(ValueError, match=f"`{setting}` must be .*{allowed}.* {value}"):
        registry.resolve(config)
