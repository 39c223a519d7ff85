"""`nlp.rehearse`: what was learned before is kept while something new is learned."""

import gzip
import json
import os
import random
from pathlib import Path

import pytest
import spacy
import torch
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch
from thinc.api import Adam

from spacy_globalpointer.core.tags import TagScheme
from tests.util.pipelines import LANG, LISTENER, NESTED, TEXTS, example, tok2vec

DATA = os.environ.get("GLOBALPOINTER_DATA")
MODELS = {
    "global_pointer": {"@architectures": "spacy_globalpointer.GlobalPointer.v1"},
    "span_classifier": {"@architectures": "spacy_globalpointer.SpanClassifier.v1"},
    "sequence_ner": {"@architectures": "spacy_globalpointer.SequenceNER.v1"},
}
KINDS = [
    ("global_pointer", {}),
    ("span_classifier", {}),
    ("sequence_ner", {"crf": True}),
    ("sequence_ner", {"crf": False, "scheme": "BILUO"}),
]


def pipeline(name, encoder=None, **settings):
    nlp = spacy.blank(LANG)
    model = {**MODELS[name], "tok2vec": encoder or tok2vec()}
    nlp.add_pipe(name, config={"model": model, **settings})
    return nlp


def corpus_of(nlp, labels):
    """Examples with the spans of some labels, of which none overlap."""
    return [
        example(nlp, text, [span for span in spans if span[2] in labels])
        for text, spans in NESTED
    ]


def learn(nlp, corpus, steps=30):
    fix_random_seed(0)
    nlp.initialize(lambda: corpus)
    optimizer = Adam(0.01)
    for _ in range(steps):
        nlp.update(corpus, sgd=optimizer)
    return nlp


def predicted(nlp):
    return [
        [(span.start, span.end, span.label_) for span in doc.spans["sc"]]
        for doc in nlp.pipe(TEXTS)
    ]


@pytest.mark.parametrize("name, settings", KINDS)
def test_without_change_there_is_no_loss_and_no_step(name, settings):
    nlp = learn(pipeline(name, **settings), corpus_of(pipeline(name), ["GPE"]), 10)
    nlp.resume_training()
    losses = nlp.rehearse(corpus_of(nlp, []), losses={})
    assert losses[name] == pytest.approx(0, abs=1e-5)
    pipe = nlp.get_pipe(name)
    docs = [nlp.make_doc(text) for text in TEXTS]
    scores, _ = pipe.model.begin_update(docs)
    _, gradient, _ = pipe.divergence(docs, scores)
    parts = gradient.parts if hasattr(gradient, "parts") else [gradient]
    assert all(part.abs().max() < 1e-5 for part in parts)


@pytest.mark.parametrize("name, settings", KINDS)
def test_the_gradient_is_that_of_the_divergence(name, settings):
    """Finite differences of the loss, in every part of the scores."""
    nlp = learn(pipeline(name, **settings), corpus_of(pipeline(name), ["GPE"]), 3)
    pipe = nlp.get_pipe(name)
    nlp.resume_training()
    pipe.add_label("NEW")
    corpus = corpus_of(nlp, ["GPE"])
    nlp.update(corpus, sgd=Adam(0.01))
    docs = [eg.predicted for eg in corpus]
    pipe.prepare_training()
    scores, _ = pipe.model.begin_update(docs)
    loss, gradient, _ = pipe.divergence(docs, scores)
    assert loss > 1e-4
    if hasattr(scores, "parts"):
        parts = list(zip(scores.parts, gradient.parts))
        if not settings["crf"]:
            parts = parts[:1]
    else:
        parts = [(scores.scores, gradient)]
    rng = random.Random(0)
    for values, slopes in parts:
        finite = (values > -torch.inf).nonzero().tolist()
        for place in rng.sample(finite, min(len(finite), 40)):
            cell, ends = tuple(place), []
            value = values[cell].item()
            for step in (0.02, -0.02):
                values[cell] = value + step
                ends.append(float(pipe.divergence(docs, scores)[0]))
            values[cell] = value
            slope = (ends[0] - ends[1]) / 0.04
            assert float(slopes[cell]) == pytest.approx(slope, abs=2e-3, rel=2e-2)


@pytest.mark.parametrize("name, settings", KINDS)
@pytest.mark.parametrize("before", [True, False])
def test_a_label_is_kept_while_another_is_learned(name, settings, before):
    results = {}
    for rehearse in (True, False):
        nlp = pipeline(name, **settings)
        learn(nlp, corpus_of(nlp, ["GPE"]))
        old = predicted(nlp)
        assert all(old)
        pipe = nlp.get_pipe(name)
        if before:
            pipe.add_label("GROUP")
        optimizer = nlp.resume_training()
        optimizer.learn_rate = 0.005
        if not before:
            pipe.add_label("GROUP")
        # No gold of the old label.
        corpus = corpus_of(nlp, [])
        corpus[0] = example(nlp, TEXTS[0], [(0, 1, "GROUP")])
        for _ in range(30):
            nlp.update(corpus, sgd=optimizer)
            if rehearse:
                losses = nlp.rehearse(corpus_of(nlp, []), sgd=optimizer, losses={})
                assert losses[name] >= 0
        found = predicted(nlp)
        results[rehearse] = found
        if rehearse:
            assert [[x for x in doc if x[2] == "GPE"] for doc in found] == old
            assert (0, 1, "GROUP") in found[0]
    assert not any(x[2] == "GPE" for doc in results[False] for x in doc)


@pytest.mark.parametrize("name, settings", KINDS)
def test_updates_leave_old_labels_out_from_rehearsal_on_until_there_is_gold(
    name, settings
):
    """A rise of the old label's scores, in a document whose gold lacks it."""

    def slopes():
        """How much the loss falls with the scores of the old and the new label."""
        scores, _ = pipe.model.begin_update([eg.predicted for eg in empty])
        _, gradient = pipe.get_loss(empty, scores)
        if name == "sequence_ner":
            scheme = TagScheme(pipe.cfg["scheme"], 2)
            return [
                float(gradient.emissions[:, scheme.tags_of(row)].sum())
                for row in range(2)
            ]
        return gradient.sum((1, 2)).tolist()[:2]

    nlp = learn(pipeline(name, **settings), corpus_of(pipeline(name), ["GPE"]), 10)
    pipe = nlp.get_pipe(name)
    pipe.add_label("NEW")
    empty = corpus_of(nlp, [])
    optimizer = nlp.resume_training()
    nlp.update(empty, sgd=optimizer)
    assert min(slopes()) > 0
    nlp.rehearse(empty, sgd=optimizer)
    old, new = slopes()
    assert old <= 0 < new
    nlp.update(corpus_of(nlp, ["GPE"]), sgd=optimizer)
    assert min(slopes()) > 0
    # A new start of rehearsal.
    nlp.resume_training()
    assert min(slopes()) > 0
    nlp.rehearse(empty, sgd=optimizer)
    assert slopes()[0] <= 0


@pytest.mark.parametrize("name", MODELS)
def test_nothing_to_rehearse_is_told(name):
    nlp = learn(pipeline(name), corpus_of(pipeline(name), ["GPE"]), 1)
    with pytest.warns(UserWarning, match=rf"'{name}'.*resume_training"):
        losses = nlp.rehearse(corpus_of(nlp, []))
    assert losses == {name: 0.0}


@pytest.mark.parametrize("name", MODELS)
def test_a_shared_encoder_is_an_error_and_its_copy_is_rehearsed(name):
    nlp = spacy.blank(LANG)
    nlp.add_pipe("tok2vec", config={"model": tok2vec()})
    model = {**MODELS[name], "tok2vec": LISTENER}
    nlp.add_pipe(name, config={"model": model})
    corpus = corpus_of(nlp, ["GPE"])
    learn(nlp, corpus, 3)
    nlp.resume_training()
    with pytest.raises(ValueError, match="replace_listeners"):
        nlp.rehearse(corpus)
    nlp.replace_listeners("tok2vec", name, ["model.tok2vec"])
    nlp.resume_training()
    nlp.update(corpus, sgd=Adam(0.01))
    assert nlp.rehearse(corpus)[name] > 0


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not DATA, reason="GLOBALPOINTER_DATA names no folder of corpora")
@pytest.mark.filterwarnings("ignore:.*Longer than max_length")
@pytest.mark.parametrize("name", MODELS)
def test_two_halves_of_conll04(name):
    """Peop and Loc are learned on one half, then Org on the other, which has no gold
    of the two, while the texts of both halves are rehearsed. The two lose at most 2
    points of F1."""
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(name)

    def read(part, labels):
        path = Path(DATA) / "conll04" / f"{part}.jsonl.gz"
        corpus = []
        for row in map(json.loads, gzip.decompress(path.read_bytes()).splitlines()):
            doc = Doc(nlp.vocab, words=row["tokens"])
            spans = [Span(doc, *span) for span in row["spans"] if span[2] in labels]
            if labels:
                doc.spans["sc"] = spans
            corpus.append(Example(Doc(nlp.vocab, words=row["tokens"]), doc))
        return corpus

    def f1(*labels):
        scores = nlp.evaluate(read("test", labels))["spans_sc_per_type"]
        return {label: 100 * scores[label]["f"] for label in labels}

    def batches(corpus, optimizer, epochs):
        """The rate falls to 0, so that the end is not one of many ups and downs."""
        rate, n_left = optimizer.learn_rate, epochs * len(corpus)
        n_all, rng = n_left, random.Random(0)
        for _ in range(epochs):
            rng.shuffle(corpus)
            for batch in minibatch(corpus, 16):
                optimizer.learn_rate = rate * n_left / n_all
                n_left -= len(batch)
                yield batch
        optimizer.learn_rate = rate

    half = len(read("train", ["Org"])) // 2
    fix_random_seed(0)
    corpus = read("train", ["Peop", "Loc"])[:half]
    optimizer = nlp.initialize(lambda: corpus)
    for batch in batches(corpus, optimizer, 7):
        nlp.update(batch, sgd=optimizer, drop=0.1)
    before = f1("Peop", "Loc")

    pipe.add_label("Org")
    optimizer = nlp.resume_training()
    texts = read("train", [])[:half]
    rng = random.Random(0)
    for batch in batches(read("train", ["Org"])[half:], optimizer, 5):
        nlp.update(batch, sgd=optimizer, drop=0.1)
        nlp.rehearse([*batch, *rng.sample(texts, len(batch))], sgd=optimizer)
    after = f1("Peop", "Loc", "Org")
    assert all(after[label] >= before[label] - 2 for label in before), (before, after)
    assert min(before.values()) > 60 and after["Org"] > 35, (before, after)
