"""`negative_spans_key`: documents of which some spans are confirmed, some rejected."""

import math

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from thinc.api import Adam

from spacy_globalpointer.evaluation.candidates import score_batches
from spacy_globalpointer.evaluation.outputs import read_outputs
from spacy_globalpointer.span_groups import negative_key
from tests.util.pipelines import (
    EVERY_HEAD,
    KEY,
    LABELS,
    NAME,
    TEXTS,
    all_scores,
    example,
    examples,
    found,
    initialize,
    logit,
    pipeline,
    set_spans,
    tok2vec,
    train,
    update,
)

REJECTED = negative_key(KEY)
OBJECTIVES = ["ClassImbalance", "BinaryCrossEntropy", "SemiMarkovCRF", "NestedCRF"]
# Spans that a pipeline trained on NESTED finds in its first text.
RIGHT, WRONG = [(8, 9, "GPE")], [(5, 7, "LOC"), (0, 9, "GROUP")]


def partial(nlp, text, confirmed, rejected, key=KEY):
    eg = example(nlp, text, [])
    if confirmed is None:
        del eg.reference.spans[key]
    else:
        set_spans(eg.reference, confirmed, key)
    set_spans(eg.reference, rejected, REJECTED)
    return eg


def learning(objective="ClassImbalance", **settings):
    nlp = pipeline(
        negative_spans_key=REJECTED,
        objective={"@misc": f"spacy_globalpointer.{objective}.v1"},
        **settings,
    )
    return initialize(nlp, flat_corpus(nlp))


def flat_corpus(nlp):
    """Whole documents that each objective can learn."""
    gold = [[(2, 7, "ORG"), (8, 9, "GPE")], [(2, 3, "GPE"), (4, 9, "ORG")]]
    return [example(nlp, text, spans) for text, spans in zip(TEXTS, gold)] + [
        example(nlp, "x y", [(0, 1, "LOC"), (1, 2, "GROUP")])
    ]


@pytest.mark.parametrize("confirmed", [None, [], RIGHT])
def test_loss_is_that_of_confirmed_and_rejected_spans_alone(confirmed):
    """The loss of arXiv 2208.03054, eq. 13, of the known candidates."""
    nlp = learning()
    pipe = nlp.get_pipe(NAME)
    rejected = [(5, 7, "LOC"), (0, 2, "GPE")]
    eg = partial(nlp, TEXTS[0], confirmed, rejected)
    (p,) = all_scores(nlp, TEXTS[:1])
    total = 0.0
    for label in LABELS:
        for spans, sign in ((confirmed or [], -1), (rejected, 1)):
            own = [logit(p[span]) for span in spans if span[2] == label]
            total += math.log(1 + sum(math.exp(sign * s) for s in own))
    loss, d_scores = pipe.get_loss([eg], pipe.predict([eg.predicted]))
    assert float(loss) == pytest.approx(total / len(LABELS), rel=1e-4)
    assert d_scores.count_nonzero() == len(rejected) + len(confirmed or [])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_rejected_spans_are_unlearned_and_the_rest_stays(objective):
    """Spans that were learned, then rejected in a document without other
    annotation."""
    nlp = learning(objective)
    train_on(nlp, flat_corpus(nlp), 60)
    before = found(nlp(TEXTS[0]))
    assert before == [(2, 7, "ORG"), (8, 9, "GPE")]
    corrected = partial(nlp, TEXTS[0], [(8, 9, "GPE")], [(2, 7, "ORG")])
    train_on(nlp, [corrected], 40)
    after = found(nlp(TEXTS[0]))
    assert (2, 7, "ORG") not in after and (8, 9, "GPE") in after


def test_softmax_unlearns_too():
    factory, config = EVERY_HEAD["boundary"]
    nlp = spacy.blank("xx")
    model = {**config["model"], "tok2vec": tok2vec()}
    settings = {"model": model, "negative_spans_key": REJECTED}
    nlp.add_pipe(factory, NAME, config=settings)
    train(nlp, flat_corpus(nlp), steps=60)
    assert found(nlp(TEXTS[0])) == [(2, 7, "ORG"), (8, 9, "GPE")]
    corrected = partial(nlp, TEXTS[0], [(8, 9, "GPE")], [(2, 7, "ORG")])
    train_on(nlp, [corrected], 40)
    after = found(nlp(TEXTS[0]))
    assert (2, 7, "ORG") not in after and (8, 9, "GPE") in after


def train_on(nlp, corpus, steps):
    optimizer = Adam(0.01)
    for _ in range(steps):
        update(nlp, corpus, optimizer)


def test_a_label_less_rejection_rejects_all_labels():
    nlp = learning()
    pipe = nlp.get_pipe(NAME)
    eg = example(nlp, TEXTS[0], [(5, 7, "GPE")])
    eg.reference.spans[REJECTED] = [
        Span(eg.reference, 5, 7),
        Span(eg.reference, 8, 9),
    ]
    _, d_scores = pipe.get_loss([eg], pipe.predict([eg.predicted]))
    row = pipe.labels.index("GPE")
    assert (d_scores[:, 8, 0] > 0).all()
    assert (d_scores[:, 5, 1] > 0).tolist() == [x != "GPE" for x in pipe.labels]
    assert d_scores[row, 5, 1] < 0
    assert d_scores.count_nonzero() == 2 * len(LABELS)


def test_a_document_with_an_empty_group_confirms_alone():
    nlp = learning()
    pipe = nlp.get_pipe(NAME)
    eg = partial(nlp, TEXTS[0], RIGHT, [])
    _, d_scores = pipe.get_loss([eg], pipe.predict([eg.predicted]))
    assert d_scores.count_nonzero() == 1 and d_scores.min() < 0
    nothing = partial(nlp, TEXTS[0], None, [])
    loss, d_scores = pipe.get_loss([nothing], pipe.predict([nothing.predicted]))
    assert loss == 0 and not d_scores.any()


def test_whole_documents_learn_as_before():
    """With the setting and without it."""
    losses = []
    for settings in ({}, {"negative_spans_key": REJECTED}):
        nlp = initialize(pipeline(**settings))
        corpus = examples(nlp)
        losses.append([update(nlp, corpus, Adam(0.01)) for _ in range(3)])
    assert losses[0] == losses[1]


def test_entities_of_unknown_status_and_rejected_ones():
    """With doc.ents, tokens that are known stay known."""
    nlp = pipeline(gold="ents", negative_spans_key=REJECTED)
    whole = example(nlp, TEXTS[1], [])
    whole.reference.set_ents([Span(whole.reference, 4, 9, "ORG")])
    initialize(nlp, [whole])
    pipe = nlp.get_pipe(NAME)
    doc = nlp.make_doc(TEXTS[0])
    doc.set_ents([], missing=[doc[2:]], default="outside")
    set_spans(doc, [(2, 7, "ORG")], REJECTED)
    eg = Example(nlp.make_doc(TEXTS[0]), doc)
    _, d_scores = pipe.get_loss([eg], pipe.predict([eg.predicted]))
    assert sorted(map(tuple, d_scores.nonzero().tolist())) == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
        (0, 2, 4),
    ]


def test_what_is_confirmed_and_rejected_is_counted():
    nlp = learning()
    eg = partial(nlp, TEXTS[0], RIGHT, RIGHT)
    pipe = nlp.get_pipe(NAME)
    scores = pipe.predict([eg.predicted])
    with pytest.warns(UserWarning, match="Rejected, and also a gold span: 1"):
        _, d_scores = pipe.get_loss([eg], scores)
    assert d_scores.count_nonzero() == 1 and d_scores.min() < 0


def test_what_cannot_be_predicted_is_no_loss():
    """Longer than max_length, an unknown label, inside of a token."""
    nlp = learning(max_length=5)
    reference = Doc(nlp.vocab, words=["Bo", "ston", "met"], spaces=[False, True, False])
    set_spans(reference, [(0, 1, "GPE"), (0, 2, "OTHER")], REJECTED)
    pipe = nlp.get_pipe(NAME)
    long = partial(nlp, TEXTS[0], None, [(0, 9, "GROUP"), (8, 9, "GPE")])
    corpus = [Example(nlp.make_doc("Boston met"), reference), long]
    scores = pipe.predict([eg.predicted for eg in corpus])
    _, d_scores = pipe.get_loss(corpus, scores)
    assert d_scores.nonzero().tolist() == [[pipe.labels.index("GPE"), 2 + 8, 0]]


def test_scores_judge_what_is_known():
    """Of a document in part, gold spans and rejected ones, in training's evaluation
    and in that of the reports."""
    nlp = learning()
    train_on(nlp, flat_corpus(nlp), 60)
    eg = partial(nlp, TEXTS[0], [(8, 9, "GPE"), (0, 1, "LOC")], [(2, 7, "ORG")])
    scores = nlp.evaluate([eg])
    # Of the two predicted spans one is right; of two gold spans one is found.
    assert scores["spans_sc_p"] == scores["spans_sc_r"] == 0.5
    unknown = partial(nlp, TEXTS[0], [(8, 9, "GPE")], [])
    assert nlp.evaluate([unknown])["spans_sc_f"] == 1.0
    pipe = nlp.get_pipe(NAME)
    outputs = read_outputs(pipe, [eg])
    kept = {
        (pipe.labels[label], bool(right))
        for label, right, p in zip(outputs.labels, outputs.right, outputs.probabilities)
        if p > 0.5
    }
    assert kept == {("GPE", True), ("ORG", False)}
    (batch,) = score_batches(pipe, [unknown], pipe.cfg, 0.5, 8)
    assert batch.judged.sum() == 1


def test_the_corpus_of_training_has_the_group(tmp_path):
    nlp = learning()
    spans = [(8, 9, "GPE"), (2, 3, "GPE")]

    def make():
        return [
            partial(nlp, text, [span], [(2, 7, "ORG")])
            for text, span in zip(TEXTS, spans)
        ]

    DocBin(docs=[eg.reference for eg in make()]).to_disk(tmp_path / "a.spacy")
    pipe = nlp.get_pipe(NAME)
    corpus = list(Corpus(tmp_path / "a.spacy")(nlp))
    losses = [
        pipe.get_loss(x, pipe.predict([eg.predicted for eg in x]))[0].item()
        for x in (corpus, make())
    ]
    assert losses[0] == losses[1] > 0


def test_a_group_that_is_not_read_is_a_warning():
    nlp = pipeline()
    corpus = [*examples(nlp), partial(nlp, TEXTS[0], RIGHT, WRONG)]
    with pytest.warns(UserWarning, match=r"does not read doc.spans\['sc.negative'\]"):
        initialize(nlp, corpus)


def test_the_key_of_the_gold_spans_is_an_error():
    nlp = pipeline(negative_spans_key=KEY)
    with pytest.raises(ValueError, match="need separate keys"):
        initialize(nlp)


def test_documents_in_part_count_as_annotated():
    """At initialization, where missing annotation is a warning, and as rows of the
    loss."""
    nlp = pipeline(negative_spans_key=REJECTED)
    initialize(nlp, [*examples(nlp), partial(nlp, TEXTS[0], None, WRONG)])
    eg = partial(nlp, TEXTS[0], None, WRONG)
    update(nlp, [eg], Adam(0.01))
    assert nlp.get_pipe(NAME).n_loss_terms == len(LABELS)
