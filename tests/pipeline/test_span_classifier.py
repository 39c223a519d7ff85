"""The factory `span_classifier`: each representation keeps what is promised."""

import math
from itertools import combinations

import pytest
import spacy
import torch
from thinc.api import Adam

from spacy_globalpointer.heads import SpanClassifier
from spacy_globalpointer.heads.span_classifier import REPRESENTATIONS
from spacy_globalpointer.models import get_head_layer
from tests.util.pipelines import (
    KEY,
    LANG,
    LISTENER,
    NESTED,
    TEXTS,
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
    overlap,
    pipeline,
    same_scores,
    scored,
    tok2vec,
    train,
    update,
)

NAME = "span_classifier"
# Without the second labels of the same tokens, of which a softmax predicts one.
CORPUS = [
    (text, [span for span in spans if span[2] != "LOC"]) for text, spans in NESTED
]
GOLD = [set(spans) for _, spans in CORPUS]
LABELS = ("GPE", "GROUP", "ORG")
STREAM = ["", "Boston", *TEXTS, "  ", "the bank of England " * 20, TEXTS[0], ""]

every_representation = pytest.mark.parametrize("representation", REPRESENTATIONS)


def classifier(representation="hybrid", encoder=None, objective=None, **settings):
    """A pipeline of one span classifier, not initialised."""
    nlp = spacy.blank(LANG)
    if encoder == "listener":
        nlp.add_pipe("tok2vec", config={"model": tok2vec()})
    model = {
        "@architectures": "spacy_globalpointer.SpanClassifier.v1",
        "representation": representation,
        "length_width": 8,
        "tok2vec": LISTENER if encoder == "listener" else tok2vec(),
    }
    loss = {"@misc": "spacy_globalpointer.SampledSoftmax.v1", **(objective or {})}
    nlp.add_pipe(NAME, config={"model": model, "objective": loss, **settings})
    return nlp


def corpus_of(nlp, corpus=CORPUS):
    return examples(nlp, corpus)


def answers(nlp, docs=STREAM, **kwargs):
    """What is predicted at a threshold of 0: the label of each span that has one."""
    cfg = nlp.get_pipe(NAME).cfg
    before = cfg["threshold"]
    cfg["threshold"] = 0.0
    try:
        return [scored(doc) for doc in nlp.pipe(docs, **kwargs)]
    finally:
        cfg["threshold"] = before


def lattice(nlp, texts=STREAM):
    return nlp.get_pipe(NAME).predict([nlp.make_doc(text) for text in texts])


@pytest.fixture(scope="module", params=REPRESENTATIONS)
def trained(request):
    nlp = classifier(request.param)
    return train(nlp, corpus_of(nlp), steps=60)


@pytest.fixture(scope="module")
def untrained():
    nlp = classifier()
    return initialize(nlp, corpus_of(nlp))


@pytest.mark.parametrize("encoder", ["own", "listener"])
@every_representation
def test_two_documents_are_learnt_to_the_last_span(representation, encoder):
    nlp = classifier(representation, encoder)
    corpus = corpus_of(nlp)
    train(nlp, corpus, steps=100)
    assert [set(found(doc)) for doc in nlp.pipe(TEXTS)] == GOLD
    scores = nlp.evaluate(corpus)
    for name in ("p", "r", "f", "macro_f"):
        assert scores[f"spans_{KEY}_{name}"] == 1.0


def test_few_negatives_are_enough_in_the_end():
    nlp = classifier(objective={"negatives": 5})
    train(nlp, corpus_of(nlp), steps=300)
    assert [set(found(doc)) for doc in nlp.pipe(TEXTS)] == GOLD


def test_the_defaults_of_the_factory():
    nlp = spacy.blank(LANG)
    pipe = nlp.add_pipe(NAME)
    initialize(nlp, corpus_of(nlp))
    head = get_head_layer(pipe.model).shims[0]._model
    assert type(head) is SpanClassifier
    assert head.representation == "hybrid"
    assert type(pipe.task.objective).__name__ == "SampledSoftmax"
    assert pipe.task.objective.negatives == 100
    meta = nlp.get_pipe_meta(NAME)
    assert meta.assigns == ["doc.spans", "doc.ents"]
    assert meta.default_score_weights["spans_f"] == 1.0
    # But for model and objective, the settings are those of the other factory.
    assert pipe.cfg.keys() == pipeline().get_pipe("global_pointer").cfg.keys()


def test_the_class_with_the_highest_probability_is_taken(untrained):
    """Kept if it is a label and reaches the threshold; no span has two labels."""
    scores = lattice(untrained, TEXTS)
    p = scores.scores.double().softmax(0)
    for threshold in (0.0, 0.3, 0.5):
        untrained.get_pipe(NAME).cfg["threshold"] = threshold
        docs = list(untrained.pipe(TEXTS))
        untrained.get_pipe(NAME).cfg["threshold"] = 0.5
        offset = 0
        for doc in docs:
            expected = {}
            for start, end in combinations(range(len(doc) + 1), 2):
                if end - start > scores.layout.width:
                    continue
                cell = p[:, offset + start, end - start - 1]
                best = int(cell.argmax())
                if best < len(LABELS) and cell[best] >= threshold:
                    expected[start, end, LABELS[best]] = cell[best].item()
            assert same_scores([scored(doc)], [expected])
            assert threshold or expected
            offset += len(doc)


def test_the_loss_is_the_mean_cross_entropy():
    nlp = classifier(objective={"negatives": None})
    initialize(nlp, corpus_of(nlp))
    scores = lattice(nlp, TEXTS)
    log_p = scores.scores.double().log_softmax(0)
    targets = torch.full(scores.layout.valid.shape, len(LABELS))
    for offset, gold in zip((0, 10), GOLD):
        for start, end, label in gold:
            targets[offset + start, end - start - 1] = LABELS.index(label)
    terms = log_p.gather(0, targets.unsqueeze(0))[0][scores.layout.valid]
    loss = nlp.update(corpus_of(nlp), sgd=False)[NAME]
    assert loss == pytest.approx(-terms.mean().item(), rel=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_answers_do_not_depend_on_batches(trained, batch_size):
    alone = [answers(trained, [text])[0] for text in STREAM]
    assert any(alone)
    assert same_scores(alone, answers(trained, STREAM, batch_size=batch_size))


def test_empty_documents_and_missing_annotation_add_no_loss():
    nlp = classifier(objective={"negatives": None})
    initialize(nlp, corpus_of(nlp))
    corpus = corpus_of(nlp)
    loss = nlp.update(corpus, sgd=False)[NAME]
    missing = example(nlp, "Boston met", [(0, 1, "GPE")])
    del missing.reference.spans[KEY]
    more = [example(nlp, "", []), corpus[0], missing, corpus[1]]
    assert nlp.update(more, sgd=False)[NAME] == pytest.approx(loss)
    for docs in ([missing], [example(nlp, "", [])]):
        assert nlp.update(docs, sgd=False)[NAME] == 0.0
    docs = list(nlp.pipe(["", ""]))
    assert [found(doc) for doc in docs] == [[], []]


@pytest.mark.parametrize("way", [by_disk, by_bytes, by_pickle, by_copy, by_source])
def test_a_saved_pipeline_answers_as_before(trained, way, tmp_path):
    nlp = way(trained, tmp_path)
    assert answers(nlp) == answers(trained)
    assert nlp.get_pipe(NAME).cfg == trained.get_pipe(NAME).cfg
    # Also with longer spans than it was trained for.
    for pipeline_ in (nlp, trained):
        pipeline_.get_pipe(NAME).cfg["max_length"] = 60
    assert answers(nlp) == answers(trained)
    trained.get_pipe(NAME).cfg["max_length"] = 9


@every_representation
def test_a_new_label_leaves_the_scores_of_the_others(representation):
    nlp = classifier(representation)
    train(nlp, corpus_of(nlp), steps=60)
    before = lattice(nlp).scores.clone()
    assert nlp.get_pipe(NAME).add_label("NEW") == 1
    after = lattice(nlp).scores
    assert len(after) == len(before) + 1
    torch.testing.assert_close(after[:3], before[:3], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(after[-1], before[-1], rtol=1e-5, atol=1e-5)
    corpus = [example(nlp, text, [*spans, (0, 1, "NEW")]) for text, spans in CORPUS]
    optimizer = Adam(0.01)
    for _ in range(40):
        update(nlp, corpus, optimizer)
    for doc, gold in zip(nlp.pipe(TEXTS), GOLD):
        assert set(found(doc)) == gold | {(0, 1, "NEW")}


def test_one_of_two_labels_is_predicted_and_the_other_counted():
    nlp = classifier()
    corpus = corpus_of(nlp, NESTED)
    with pytest.warns(UserWarning, match="second label of the same tokens: 2"):
        initialize(nlp, corpus)
    optimizer = Adam(0.01)
    for _ in range(60):
        update(nlp, corpus, optimizer)
    nlp.get_pipe(NAME).cfg["threshold"] = 0.3
    for doc, (_, spans) in zip(nlp.pipe(TEXTS), NESTED):
        assert {span[:2] for span in found(doc)} == {span[:2] for span in spans}
        assert set(found(doc)) < set(spans)


# flat


@pytest.mark.parametrize("make", [classifier, pipeline])
def test_flat_says_which_spans_are_best(make):
    """A long span that is the most probable, over two with a higher sum."""
    nlp = make()
    corpus = [example(nlp, TEXTS[0], [(0, 9, "GROUP"), (2, 7, "ORG"), (8, 9, "ORG")])]
    train(nlp, corpus, steps=60)
    pipe = nlp.get_pipe(nlp.pipe_names[0])
    probable = scored(nlp(TEXTS[0]))
    best = max(probable, key=probable.get)
    margin = {span: math.log(p / (1 - p)) for span, p in probable.items()}
    assert best != (0, 9, "GROUP") or margin[best] < sum(margin.values()) - margin[best]
    chosen = {}
    for flat in ("optimal", "greedy"):
        pipe.cfg["flat"] = flat
        chosen[flat] = ents(nlp(TEXTS[0]))
        assert not any(overlap(a, b) for a, b in combinations(chosen[flat], 2))
        pipe.cfg["overlap"] = "flat"
        assert found(nlp(TEXTS[0])) == chosen[flat]
        pipe.cfg["overlap"] = "any"
    greedy = []
    for span in sorted(probable, key=probable.get, reverse=True):
        if not any(overlap(span, other) for other in greedy):
            greedy.append(span)
    assert chosen["greedy"] == sorted(greedy)
    assert chosen["optimal"] == [(2, 7, "ORG"), (8, 9, "ORG")]


# What cannot work, and says so


@pytest.mark.parametrize("factory", ["span_classifier", "global_pointer"])
def test_a_model_and_an_objective_that_do_not_fit_are_an_error(factory):
    wrong = {
        "span_classifier": {
            "objective": {"@misc": "spacy_globalpointer.ClassImbalance.v1"}
        },
        "global_pointer": {
            "objective": {"@misc": "spacy_globalpointer.SampledSoftmax.v1"}
        },
    }
    message = f"'{factory}'.*exclude each other.*SampledSoftmax.v1 goes with"
    with pytest.raises(ValueError, match=message):
        spacy.blank(LANG).add_pipe(factory, config=wrong[factory])


@pytest.mark.parametrize(
    "setting, value",
    [("representation", "both"), ("length_width", 0), ("n_lengths", 0)],
)
def test_a_bad_setting_of_the_model_is_an_error(setting, value):
    model = {
        "@architectures": "spacy_globalpointer.SpanClassifier.v1",
        "tok2vec": tok2vec(),
        setting: value,
    }
    with pytest.raises(ValueError, match=f"`{setting}` must be .* is {value!r}"):
        spacy.blank(LANG).add_pipe(NAME, config={"model": model})
