"""A label added to a trained component: the others score as before, and it is not
predicted before it has been trained."""

import pytest
import torch
from thinc.api import Adam

from tests.util.pipelines import (
    EVERY_HEAD,
    TEXTS,
    by_bytes,
    by_disk,
    found,
    initialize,
    pipeline_of_every_head,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot use some of the gold")
every_head = pytest.mark.parametrize("name", EVERY_HEAD)
NEW = (0, 1, "NEW")


def learn(nlp, corpus, steps):
    optimizer = Adam(0.01)
    for _ in range(steps):
        nlp.update(corpus, sgd=optimizer)


@pytest.fixture(scope="module")
def trained():
    nlp, corpus = pipeline_of_every_head()
    initialize(nlp, corpus)
    learn(nlp, corpus, 30)
    return nlp.to_bytes()


@pytest.fixture
def nlp(trained):
    return pipeline_of_every_head()[0].from_bytes(trained)


def answers(nlp, name):
    docs = list(nlp.pipe([*TEXTS, "I", "."]))
    return [(found(x, name), list(x.spans[name].attrs["scores"])) for x in docs]


def assert_same(got, wanted):
    for (spans, probabilities), (others, expected) in zip(got, wanted, strict=True):
        assert spans == others
        assert probabilities == pytest.approx(expected, abs=1e-6)


def scores(nlp, name):
    docs = [nlp.make_doc(text) for text in TEXTS]
    docs = list(nlp.get_pipe("tok2vec").pipe(docs))
    output = nlp.get_pipe(name).predict(docs)
    return output.emissions.T if hasattr(output, "emissions") else output.scores


@every_head
@pytest.mark.parametrize("threshold", [0.5, 0.0])
def test_it_is_not_predicted_and_the_others_are_as_before(
    nlp, name, threshold, tmp_path
):
    pipe = nlp.get_pipe(name)
    if "threshold" in pipe.cfg:
        pipe.cfg.update(threshold=threshold, max_spans=10**6)
    before, rows = answers(nlp, name), scores(nlp, name).clone()
    assert pipe.add_label("NEW") == 1
    after = scores(nlp, name)
    # "No entity" is behind the labels, tags of labels are in order.
    n = len(rows) - (name in ("boundary", "pooling", "hybrid", "attention"))
    # But for rounding: products with one row more may sum in another order.
    torch.testing.assert_close(after[:n], rows[:n])
    torch.testing.assert_close(after[len(after) - len(rows) + n :], rows[n:])
    assert_same(answers(nlp, name), before)
    for way in (by_disk, by_bytes):
        loaded = way(nlp, tmp_path)
        assert loaded.get_pipe(name).labels[-1] == "NEW"
        assert_same(answers(loaded, name), before)


@every_head
def test_it_is_predicted_once_it_has_been_trained(nlp, name, tmp_path):
    corpus = pipeline_of_every_head()[1]
    nlp.get_pipe(name).add_label("NEW")
    nlp = by_disk(nlp, tmp_path)
    # Without gold of it, it is not trained.
    learn(nlp, corpus, 1)
    assert nlp.get_pipe(name).cfg["untrained_labels"] == ["NEW"]
    assert not any(NEW[2] in span for spans, _ in answers(nlp, name) for span in spans)
    for eg in corpus:
        doc = eg.reference
        others = [span for span in doc.spans[name] if span.start >= 2]
        doc.spans[name] = [doc.char_span(0, len(doc[0]), "NEW"), *others]
    with nlp.select_pipes(enable=["tok2vec", name]):
        learn(nlp, corpus, 60)
    assert nlp.get_pipe(name).cfg["untrained_labels"] == []
    for way in (lambda nlp, _: nlp, by_disk):
        said = answers(way(nlp, tmp_path), name)
        assert all(NEW in spans for spans, _ in said[:2])


def test_initialization_trains_all_labels_anew(nlp):
    corpus = pipeline_of_every_head()[1]
    nlp.get_pipe("gp").add_label("NEW")
    initialize(nlp, corpus)
    assert nlp.get_pipe("gp").cfg["untrained_labels"] == []
