"""Behaviour of the sequence labeller: what it learns, predicts, saves and refuses."""

import random
import warnings

import numpy
import pytest
import spacy
import torch
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam

from tests.util.pipelines import (
    KEY,
    LANG,
    LISTENER,
    NESTED,
    by_bytes,
    by_copy,
    by_disk,
    by_pickle,
    by_source,
    ents,
    example,
    examples,
    found,
    initialize,
    same_scores,
    scored,
    set_spans,
    tok2vec,
    train,
    update,
)

NAME = "sequence_ner"
FLAT = [
    (
        "members of the Bank of New England in Boston met Ann Lee Boston people",
        [(3, 7, "ORG"), (8, 9, "GPE"), (10, 12, "PER"), (12, 13, "GPE")],
    ),
    (
        "she left Boston for the University of New England",
        [(0, 1, "PER"), (2, 3, "GPE"), (4, 9, "ORG")],
    ),
]
TEXTS = [text for text, _ in FLAT]
GOLD = [spans for _, spans in FLAT]
KINDS = [(scheme, crf) for scheme in ("BIO", "BILUO") for crf in (True, False)]
every_kind = pytest.mark.parametrize("scheme, crf", KINDS)
WORDS = ["the", "bank", "of", "New", "England", "Boston", "19", "Ä", "银行", "🙂", "."]
STREAM = [
    "",
    "Boston",
    *TEXTS,
    "  ",
    *(" ".join(random.Random(n).choices(WORDS, k=n)) for n in (2, 9, 70)),
    "",
]


def pipeline(scheme="BIO", crf=True, encoder=None, **settings):
    nlp = spacy.blank(LANG)
    model = {"tok2vec": encoder or tok2vec()}
    config = {"scheme": scheme, "crf": crf, "model": model, **settings}
    nlp.add_pipe(NAME, config=config)
    return nlp


def listening_pipeline(scheme="BIO", crf=True, **settings):
    nlp = spacy.blank(LANG)
    nlp.add_pipe("tok2vec", config={"model": tok2vec()})
    model = {"tok2vec": LISTENER}
    config = {"scheme": scheme, "crf": crf, "model": model, **settings}
    nlp.add_pipe(NAME, config=config)
    return nlp


def learn(nlp, corpus=FLAT, **kwargs):
    return train(nlp, examples(nlp, corpus), **kwargs)


def start(nlp, corpus=FLAT):
    return initialize(nlp, examples(nlp, corpus))


def loss_of(nlp, corpus, **kwargs):
    return nlp.update(corpus, sgd=False, **kwargs)[NAME]


def answers(nlp, texts=STREAM, **kwargs):
    return [scored(doc) for doc in nlp.pipe(texts, **kwargs)]


def emissions(nlp, text=TEXTS[0]):
    return nlp.get_pipe(NAME).predict([nlp.make_doc(text)]).emissions


@pytest.fixture(scope="module", params=KINDS, ids=str)
def trained(request):
    return learn(pipeline(*request.param))


@pytest.mark.parametrize("make", [pipeline, listening_pipeline])
@every_kind
def test_two_documents_are_learnt_to_the_last_span(make, scheme, crf):
    nlp = learn(make(scheme, crf), steps=40)
    docs = list(nlp.pipe(TEXTS))
    assert [found(doc) for doc in docs] == [ents(doc) for doc in docs] == GOLD
    scores = nlp.evaluate(examples(nlp, FLAT))
    for name in ("p", "r", "f", "macro_f"):
        assert scores[f"spans_{KEY}_{name}"] == 1.0
    for doc in docs:
        assert all(0.5 < p <= 1 for p in scored(doc).values())


def test_the_component_works_without_any_setting():
    nlp = spacy.blank(LANG)
    nlp.add_pipe(NAME)
    learn(nlp, steps=20)
    assert [found(doc) for doc in nlp.pipe(TEXTS)] == GOLD


def test_it_learns_from_entities():
    nlp = pipeline(gold="ents")
    corpus = examples(nlp, FLAT)
    for eg in corpus:
        eg.reference.set_ents(list(eg.reference.spans.pop(KEY)))
    train(nlp, corpus, steps=40)
    assert [found(doc) for doc in nlp.pipe(TEXTS)] == GOLD
    assert nlp.evaluate(corpus)[f"spans_{KEY}_f"] == 1.0


# The same input gives the same output


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_answers_do_not_depend_on_batches_or_order(trained, batch_size):
    alone = [answers(trained, [text])[0] for text in STREAM]
    assert sum(map(len, alone)) > 7
    assert same_scores(alone, answers(trained, batch_size=batch_size))
    assert same_scores(alone[::-1], answers(trained, STREAM[::-1]))
    assert same_scores(alone, [scored(trained(text)) for text in STREAM])


def test_a_second_run_over_a_document_changes_nothing(trained):
    doc = trained(TEXTS[0])
    before = scored(doc), ents(doc)
    assert (scored(trained(doc)), ents(doc)) == before


@pytest.mark.parametrize("texts", [[""], ["", ""], [" "], ["", "Boston", ""]])
@pytest.mark.parametrize("make", [pipeline, listening_pipeline])
def test_empty_documents_have_empty_groups(make, texts):
    nlp = start(make())
    for doc in nlp.pipe(texts):
        assert len(doc.spans[KEY].attrs["scores"]) == len(doc.spans[KEY])
        assert len(doc) or not doc.spans[KEY]


# Entities that are there


@pytest.mark.parametrize("overwrite", [True, False])
def test_entities_of_earlier_components_are_kept_or_replaced(overwrite):
    nlp = learn(pipeline(overwrite_ents=overwrite), steps=40)
    doc = nlp.make_doc(TEXTS[0])
    doc.ents = [Span(doc, 5, 9, "OLD")]
    nlp.get_pipe(NAME)(doc)
    assert found(doc) == GOLD[0]
    kept = [(5, 9, "OLD"), *GOLD[0][2:]]
    assert ents(doc) == (GOLD[0] if overwrite else kept)


def test_entities_are_left_alone_on_demand():
    nlp = learn(pipeline(set_ents=False))
    assert ents(nlp(TEXTS[0])) == []


# Gold


def test_nested_gold_is_reduced_to_its_outermost_spans():
    nlp = pipeline()
    corpus = examples(nlp, NESTED)
    with pytest.warns(UserWarning, match="Overlaps another gold span: 7, .*'New"):
        train(nlp, corpus, steps=40)
    outermost = [[(0, 9, "GROUP")], [(2, 3, "GPE"), (4, 9, "ORG")]]
    assert [found(doc) for doc in nlp.pipe(text for text, _ in NESTED)] == outermost
    dropped = nlp.get_pipe(NAME).dropped_gold
    assert dropped.counts == {"overlaps another gold span": 7}


def test_a_span_outweighs_those_it_is_made_of():
    """Also where they cover all of it, and whatever their order."""
    spans = [(0, 4, "A"), (0, 2, "B"), (2, 4, "B")]
    for order in (spans, spans[::-1]):
        nlp = pipeline()
        with pytest.warns(UserWarning, match="another gold span: 2"):
            learn(nlp, [("a b c d e", order)], steps=20)
        assert found(nlp("a b c d e")) == [(0, 4, "A")]


def test_a_span_given_twice_is_one():
    nlp = learn(pipeline(), [("a b c", [(0, 2, "A"), (0, 2, "A")])], steps=20)
    assert found(nlp("a b c")) == [(0, 2, "A")]


def test_unusable_gold_is_counted_and_reported_once():
    nlp = start(pipeline())
    reference = Doc(nlp.vocab, words=["Bos", "ton", "is", "old"])
    reference.spans[KEY] = [
        Span(reference, 1, 3, "GPE"),
        Span(reference, 2, 3, "NEW"),
    ]
    predicted = Doc(nlp.vocab, words=["Boston", "is", "old"])
    corpus = [Example(predicted, reference)]
    reference_text = reference.text
    assert reference_text.replace(" ", "") == predicted.text.replace(" ", "")
    with pytest.warns(UserWarning) as caught:
        loss_of(nlp, corpus)
    (warning,) = caught
    assert "Not on token boundaries: 1" in str(warning.message)
    assert "Unknown label: 1" in str(warning.message)
    loss_of(nlp, corpus)  # a second warning would be an error


@every_kind
def test_documents_without_annotation_add_no_loss(scheme, crf):
    nlp = start(pipeline(scheme, crf))
    corpus = examples(nlp, FLAT)
    loss = loss_of(nlp, corpus)
    bare = Example(nlp.make_doc("Boston"), nlp.make_doc("Boston"))
    corpus.insert(1, bare)
    corpus.append(example(nlp, "", []))
    assert loss_of(nlp, corpus) == pytest.approx(loss)
    assert loss_of(nlp, [bare]) == 0.0
    corpus[1] = example(nlp, "Boston", [])
    assert loss_of(nlp, corpus) != pytest.approx(loss)


@every_kind
def test_tokens_of_unknown_status_are_left_out(scheme, crf):
    """What they are predicted to be is neither right nor wrong: after training on
    them, the known ones are learnt, and the probability of the others did not
    have to become that of "outside"."""
    nlp = pipeline(scheme, crf, gold="ents")

    def half_known(known):
        reference = nlp.make_doc("Ann met Ann in Boston")
        gpe = [Span(reference, 4, 5, "GPE")]
        if known:
            reference.set_ents(gpe)
        else:
            missing = [reference[i : i + 1] for i in range(3)]
            reference.set_ents(gpe, missing=missing)
        return Example(nlp.make_doc(reference.text), reference)

    initialize(nlp, [half_known(True)])
    with_all, with_half = (loss_of(nlp, [half_known(known)]) for known in (True, False))
    assert 0 < with_half < with_all
    if not crf:
        scores = nlp.get_pipe(NAME).predict([nlp.make_doc("Ann met Ann in Boston")])
        log_p = scores.emissions.log_softmax(1)
        single = {"BIO": 1, "BILUO": 4}[scheme]
        expected = -(log_p[3, 0] + log_p[4, single])
        assert with_half == pytest.approx(expected.item(), rel=1e-5)


# Training


@every_kind
def test_the_loss_weight_scales_loss_and_gradient(scheme, crf):
    losses, gradients = [], []
    for weight in (1.0, 0.25):
        nlp = start(pipeline(scheme, crf, loss_weight=weight))
        losses.append(loss_of(nlp, examples(nlp, FLAT)))
        encoder, scorer = nlp.get_pipe(NAME).model.layers
        flat = [
            node.get_grad(name).ravel()
            for node in encoder.walk()
            for name in node.param_names
            if node.has_grad(name)
        ]
        weights = scorer.shims[0]._model.parameters()
        flat += [weight.grad.numpy().ravel() for weight in weights]
        gradients.append(numpy.concatenate(flat))
    assert losses[1] == pytest.approx(losses[0] / 4)
    assert abs(gradients[0]).max() > 0
    numpy.testing.assert_allclose(gradients[1], gradients[0] / 4, rtol=1e-3, atol=1e-7)


@every_kind
def test_dropout_reaches_the_head(scheme, crf):
    nlp = start(listening_pipeline(scheme, crf))
    corpus = examples(nlp, FLAT)

    def losses(drop):
        rates = {"tok2vec": {"drop": 0.0}, NAME: {"drop": drop}}
        return {loss_of(nlp, corpus, component_cfg=rates) for _ in range(3)}

    assert len(losses(0.0)) == 1
    assert len(losses(0.5) - losses(0.0)) == 3


def test_averages_can_be_used_and_are_what_is_saved():
    nlp = listening_pipeline()
    optimizer = Adam(0.01, use_averages=True)
    learn(nlp, steps=10, optimizer=optimizer)

    def transitions(nlp):
        return nlp.get_pipe(NAME).predict([nlp.make_doc("a")]).transitions.clone()

    before, now = answers(nlp), transitions(nlp)
    with nlp.use_params(optimizer.averages):
        averaged = answers(nlp)
        assert not (transitions(nlp) == now).all()
        saved = nlp.to_bytes()
    assert answers(nlp) == before
    assert (transitions(nlp) == now).all()
    assert answers(listening_pipeline().from_bytes(saved)) == averaged != before


def test_the_crf_learns_which_tags_follow_which():
    nlp = learn(pipeline(), steps=20)
    scores = nlp.get_pipe(NAME).predict([nlp.make_doc("a")])
    assert scores.transitions[scores.transitions.isfinite()].abs().min() > 0
    without = learn(pipeline(crf=False), steps=5)
    scores = without.get_pipe(NAME).predict([without.make_doc("a")])
    assert not scores.transitions[scores.transitions.isfinite()].any()


@every_kind
def test_a_label_added_after_training_leaves_the_others(scheme, crf, tmp_path):
    nlp = learn(pipeline(scheme, crf))
    before = emissions(nlp)
    assert nlp.get_pipe(NAME).add_label("ORG") == 0
    assert nlp.get_pipe(NAME).add_label("NEW") == 1
    n_tags = before.shape[1]
    after = emissions(nlp)
    assert after.shape[1] == n_tags + {"BIO": 2, "BILUO": 4}[scheme]
    torch.testing.assert_close(after[:, :n_tags], before)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert answers(loaded) == answers(nlp)
    corpus = [example(loaded, "Boston is new", [(2, 3, "NEW")])]
    corpus += examples(loaded, FLAT)
    optimizer = Adam(0.01)
    for _ in range(40):
        update(loaded, corpus, optimizer)
    assert found(loaded("Boston is new")) == [(2, 3, "NEW")]
    assert [found(doc) for doc in loaded.pipe(TEXTS)] == GOLD


# Saved pipelines


every_way = pytest.mark.parametrize(
    "way", [by_disk, by_bytes, by_pickle, by_copy, by_source]
)


@every_way
def test_a_saved_pipeline_answers_as_before(trained, way, tmp_path):
    nlp = way(trained, tmp_path)
    assert answers(nlp) == answers(trained)
    assert nlp.get_pipe(NAME).cfg == trained.get_pipe(NAME).cfg


@every_way
def test_a_pipeline_that_is_not_initialised_can_be_trained_later(way, tmp_path):
    nlp = way(pipeline("BILUO", loss_weight=0.5), tmp_path)
    with pytest.raises(ValueError, match="has not been initialized"):
        nlp(TEXTS[0])
    learn(nlp, steps=40)
    assert nlp.get_pipe(NAME).cfg["scheme"] == "BILUO"
    assert [found(doc) for doc in nlp.pipe(TEXTS)] == GOLD


def test_an_encoder_put_in_place_of_a_listener(tmp_path):
    nlp = learn(listening_pipeline())
    expected = answers(nlp)
    nlp.replace_listeners("tok2vec", NAME, ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    assert answers(by_disk(nlp, tmp_path)) == expected


# Settings


@pytest.mark.parametrize(
    "setting, value",
    [("scheme", "IOB2"), ("scheme", None), ("crf", "yes"), ("crf", 1), ("gold", "x")],
)
def test_settings_are_checked(setting, value):
    with pytest.raises(ValueError, match=f"`{setting}` must be .*{value!r}|{setting}"):
        pipeline(**{setting: value})


@pytest.mark.parametrize("setting, value", [("scheme", "BILUO"), ("crf", False)])
def test_settings_that_shape_the_weights_cannot_change_after_training(
    setting, value, tmp_path
):
    nlp = learn(pipeline(), steps=1)
    nlp.to_disk(tmp_path)
    nlp.get_pipe(NAME).cfg[setting] = value
    for use in (lambda: nlp("x"), lambda: update(nlp, examples(nlp, FLAT), Adam(0.01))):
        with pytest.raises(ValueError, match=f"`{setting}` of component '{NAME}'"):
            use()
    with pytest.raises(ValueError, match=f"weights of component '{NAME}'"):
        spacy.load(tmp_path, config={"components": {NAME: {setting: value}}})
    # A new initialisation makes new weights.
    learn(nlp, steps=40)
    assert [found(doc) for doc in nlp.pipe(TEXTS)] == GOLD


def test_settings_are_read_when_used(tmp_path):
    nlp = learn(pipeline(), steps=40)
    nlp.get_pipe(NAME).cfg["spans_key"] = "other"
    assert found(nlp(TEXTS[0]), "other") == GOLD[0]
    nlp.to_disk(tmp_path)
    assert found(spacy.load(tmp_path)(TEXTS[0]), "other") == GOLD[0]
    override = {"components": {NAME: {"spans_key": "third"}}}
    assert found(spacy.load(tmp_path, config=override)(TEXTS[0]), "third") == GOLD[0]


def test_spans_under_another_key_are_pointed_at():
    nlp = pipeline()
    corpus = [Example(nlp.make_doc("a b"), nlp.make_doc("a b"))]
    set_spans(corpus[0].reference, [(0, 1, "PER")], key="people")
    with pytest.raises(ValueError, match="'people'"):
        initialize(nlp, corpus)


def test_a_corpus_without_spans_works_where_labels_are_given():
    nlp = pipeline()
    nlp.config["initialize"]["components"][NAME] = {"labels": ["ORG"]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start(nlp, [(text, []) for text in TEXTS])
    assert nlp(TEXTS[0]).spans[KEY] is not None
