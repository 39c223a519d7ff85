"""`candidates_key`: given spans are scored, and no others."""

import warnings

import pytest
import spacy
import torch
from spacy.cli._util import app
from spacy.cli.train import train as spacy_train
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import Adam, Config
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from spacy_globalpointer.pipeline.candidates import create_candidates_corpus_v1
from tests.util.pipelines import (
    GOLD,
    HEADS,
    KEY,
    LABELS,
    NAME,
    NESTED,
    TEXTS,
    all_scores,
    changed,
    ents,
    example,
    examples,
    found,
    initialize,
    listening_pipeline,
    model,
    pipeline,
    scored,
    set_spans,
    train,
    update,
)

MENTIONS = "mentions"
# The tokens of all gold spans, and one span that is none.
GIVEN = [sorted({span[:2] for span in gold} | {(0, 1)}) for gold in GOLD]


def give(doc, spans, key=MENTIONS):
    """Spans without labels."""
    doc.spans[key] = [Span(doc, start, end) for start, end in spans]
    return doc


def corpus_of(nlp, where="reference", given=GIVEN):
    corpus = []
    for (text, spans), mentions in zip(NESTED, given):
        eg = example(nlp, text, spans)
        give(getattr(eg, where), mentions)
        corpus.append(eg)
    return corpus


def docs_of(nlp, given=GIVEN):
    return [give(nlp.make_doc(text), spans) for text, spans in zip(TEXTS, given)]


@pytest.fixture(scope="module", params=["gp", "egp7"])
def nlp(request):
    """Random weights."""
    nlp = pipeline(request.param, candidates_key=MENTIONS)
    return initialize(nlp, corpus_of(nlp))


def free_scores(nlp, texts=TEXTS):
    """The probability of every span and label, without candidates."""
    with changed(nlp, candidates_key=None):
        return all_scores(nlp, texts)


# Prediction


def test_the_candidates_alone_are_predicted_with_the_scores_they_have(nlp):
    everything = free_scores(nlp)
    with changed(nlp, threshold=0.01):
        docs = list(nlp.pipe(docs_of(nlp)))
    for doc, scores, given in zip(docs, everything, GIVEN):
        expected = {s: p for s, p in scores.items() if s[:2] in given and p >= 0.01}
        assert expected
        # Of arrays of another length, the last bit of a sigmoid may differ.
        assert scored(doc) == pytest.approx(expected, rel=1e-12)
        assert {span[:2] for span in ents(doc)} <= set(given)
        # The candidates stay as they are.
        assert [(span.start, span.end) for span in doc.spans[MENTIONS]] == given


@pytest.mark.parametrize("given", [[[], []], [[(0, 1), (0, 1)], []]])
def test_no_candidates_no_spans(nlp, given):
    with changed(nlp, threshold=0.0):
        docs = list(nlp.pipe([*docs_of(nlp, given), give(nlp.make_doc(""), [])]))
    n = len(set(given[0])) * len(LABELS)
    assert [len(found(doc)) for doc in docs] == [n, 0, 0]


def test_candidates_and_predictions_can_have_the_same_key():
    nlp = pipeline(candidates_key=KEY)
    corpus = corpus_of(nlp)
    train(nlp, corpus)
    docs = [
        give(nlp.make_doc(text), [span[:2] for span in sorted(gold)], KEY)
        for text, gold in zip(TEXTS, GOLD)
    ]
    for _ in range(2):
        docs = list(nlp.pipe(docs))
        assert [set(found(doc)) for doc in docs] == GOLD


def test_a_document_without_the_group_is_warned_of_once():
    nlp = pipeline(candidates_key=MENTIONS)
    initialize(nlp, corpus_of(nlp))
    with pytest.warns(UserWarning, match=rf"'{NAME}'.*'{MENTIONS}'.*CandidatesCorpus"):
        doc = nlp(TEXTS[0])
    assert found(doc) == []
    assert not doc.ents
    assert found(nlp(TEXTS[1])) == []


# Training


@pytest.mark.parametrize("where", ["reference", "predicted"])
@pytest.mark.parametrize("head", HEADS)
def test_labels_of_given_spans_are_learnt(head, where):
    nlp = pipeline(head, candidates_key=MENTIONS)
    train(nlp, corpus_of(nlp, where))
    docs = list(nlp.pipe(docs_of(nlp)))
    assert [set(found(doc)) for doc in docs] == GOLD


@pytest.mark.parametrize("where", ["reference", "predicted"])
def test_other_spans_have_no_gradient(nlp, where):
    corpus = corpus_of(nlp, where)
    pipe = nlp.get_pipe(NAME)
    scores = pipe.predict([eg.predicted for eg in corpus])
    _, gradient = pipe.get_loss(corpus, scores)
    expected = torch.zeros(gradient.shape[1:], dtype=torch.bool)
    for offset, spans in zip((0, 10), GIVEN):
        for start, end in spans:
            expected[offset + start, end - start - 1] = True
    assert torch.equal((gradient != 0).all(0), expected)
    assert torch.equal((gradient != 0).any(0), expected)
    assert gradient.isfinite().all()


def test_those_of_the_predicted_document_come_first(nlp):
    corpus = corpus_of(nlp)
    loss = nlp.update(corpus, sgd=False)[NAME]
    for eg in corpus:
        give(eg.predicted, [(0, 1)])
    with pytest.warns(UserWarning, match="Not among the candidates: 10"):
        assert 0 < nlp.update(corpus, sgd=False)[NAME] < loss


def test_documents_without_candidates_teach_nothing(nlp):
    corpus = corpus_of(nlp)
    loss = nlp.update(corpus, sgd=False)[NAME]
    missing = example(nlp, TEXTS[0], GOLD[0])
    assert nlp.update([missing], sgd=False)[NAME] == 0.0
    corpus.insert(1, missing)
    assert nlp.update(corpus, sgd=False)[NAME] == pytest.approx(loss)


def test_max_length_is_that_of_the_longest_candidate():
    nlp = pipeline(candidates_key=MENTIONS)
    initialize(nlp, corpus_of(nlp, given=[[*GIVEN[0], (0, 10)], GIVEN[1]]))
    assert nlp.get_pipe(NAME).cfg["max_length"] == 10


def split(nlp, **settings):
    """An example whose reference has other tokens: "Old", "To", "wn"."""
    words = ["Old", "To", "wn"]
    reference = Doc(nlp.vocab, words=words, spaces=[False] * 3)
    set_spans(reference, [(0, 1, "A"), (1, 3, "B")])
    give(reference, [(0, 1), (1, 3), (0, 2), (0, 3)])
    predicted = Doc(nlp.vocab, words=["Old", "Town"], spaces=[False] * 2)
    return Example(predicted, reference)


def test_candidates_of_the_reference_are_found_on_other_tokens():
    nlp = pipeline(candidates_key=MENTIONS)
    with pytest.warns(UserWarning, match="'OldTo'"):
        train(nlp, [split(nlp)])
    pipe = nlp.get_pipe(NAME)
    assert pipe.dropped_candidates.counts == {"not on token boundaries": 1}
    doc = Doc(nlp.vocab, words=["Old", "Town"], spaces=[False] * 2)
    doc = nlp(give(doc, [(0, 1), (1, 2), (0, 2)]))
    assert found(doc) == [(0, 1, "A"), (1, 2, "B")]


# Nothing is lost in silence


def test_what_has_no_cell_is_counted_and_reported_once():
    nlp = pipeline(candidates_key=MENTIONS, max_length=4)
    with pytest.warns(UserWarning) as caught:
        initialize(nlp, corpus_of(nlp))
        for _ in range(2):
            update(nlp, corpus_of(nlp), Adam(0.01))
    first, second = (str(warning.message) for warning in caught)
    assert "some of the gold spans. Longer than max_length = 4: 3" in first
    assert (
        f"candidates under doc.spans['{MENTIONS}']. Longer than max_length = 4: 3"
        in second
    )
    pipe = nlp.get_pipe(NAME)
    assert pipe.dropped_candidates.counts == {"longer than max_length = 4": 3}
    with changed(nlp, threshold=0.0):
        doc = nlp(docs_of(nlp)[0])
    short = {span for span in GIVEN[0] if span[1] - span[0] <= 4}
    assert {span[:2] for span in found(doc)} == short


def test_candidates_that_are_too_long_at_prediction_are_reported():
    nlp = pipeline(candidates_key=MENTIONS)
    initialize(nlp, corpus_of(nlp))
    with pytest.warns(UserWarning, match="Longer than max_length = 9: 1"):
        nlp(give(nlp.make_doc(TEXTS[0]), [(0, 10)]))


def test_gold_that_is_no_candidate_is_counted():
    nlp = pipeline(candidates_key=MENTIONS)
    with pytest.warns(UserWarning, match="Not among the candidates: 4"):
        initialize(nlp, corpus_of(nlp, given=[GIVEN[0], []]))
    assert nlp.get_pipe(NAME).dropped_gold.counts == {"not among the candidates": 4}
    assert update(nlp, corpus_of(nlp, given=[GIVEN[0], []]), Adam(0.01))[NAME] > 0


def test_no_candidates_at_all_are_an_error_that_says_what_there_is():
    nlp = pipeline(candidates_key="other")
    with pytest.raises(ValueError, match=r"'other'.* 2 documents.*spans\['sc'\]"):
        initialize(nlp, corpus_of(nlp))


@pytest.mark.parametrize("value", ["", 3])
def test_a_key_is_a_name(nlp, value):
    with pytest.raises(ValueError, match="`candidates_key` must be a key"):
        nlp.get_pipe(NAME).cfg["candidates_key"] = value


# Corpora


def test_a_corpus_with_candidates_can_be_trained_on_and_evaluated(tmp_path):
    nlp = pipeline(candidates_key=KEY)
    docs = [eg.reference for eg in corpus_of(nlp)]
    DocBin(docs=docs).to_disk(tmp_path / "corpus.spacy")
    reader = {
        "@readers": "spacy_globalpointer.CandidatesCorpus.v1",
        "path": str(tmp_path / "corpus.spacy"),
    }
    corpus = spacy.registry.resolve(Config({"corpus": reader}))["corpus"]
    read = list(corpus(nlp))
    for eg, gold in zip(read, GOLD):
        given = eg.predicted.spans[KEY]
        assert {(span.start, span.end) for span in given} == {s[:2] for s in gold}
        # Nothing of the answer but the places.
        assert not any(span.label for span in given)
    train(nlp, read)
    assert nlp.evaluate(list(corpus(nlp)))[f"spans_{KEY}_f"] == 1.0


def test_a_corpus_reports_candidates_off_the_tokens_once(tmp_path):
    blank = spacy.blank("xx")
    reference = split(blank).reference
    reference.spans[MENTIONS] = [reference[0:3], reference[0:1]]
    words = ["ab", "cd"]
    other = give(Doc(blank.vocab, words=words, spaces=[False, False]), [(0, 1)])
    DocBin(docs=[reference, other]).to_disk(tmp_path / "corpus.spacy")
    corpus = create_candidates_corpus_v1(tmp_path / "corpus.spacy", MENTIONS)
    # The tokenizer makes one token of each text.
    with pytest.warns(UserWarning, match=r"corpus.spacy cannot be used.*: 2, .*'Old'"):
        read = list(corpus(_joined()))
    given = [[span.text for span in eg.predicted.spans[MENTIONS]] for eg in read]
    assert given == [["OldTown"], []]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(corpus(_joined()))


def _joined():
    nlp = spacy.blank("xx")

    class Joined:
        vocab = nlp.vocab

        def make_doc(self, text):
            return Doc(self.vocab, words=[text], spaces=[False])

    return Joined()


def test_a_missing_path_is_spacys_error():
    with pytest.raises(ValueError, match="E913"):
        create_candidates_corpus_v1(None)


def test_the_commands_give_the_candidates(tmp_path):
    nlp = pipeline(candidates_key=KEY)
    corpus = corpus_of(nlp)
    train(nlp, corpus)
    nlp.to_disk(tmp_path / "model")
    DocBin(docs=[eg.reference for eg in corpus]).to_disk(tmp_path / "dev.spacy")
    arguments = [str(tmp_path / name) for name in ("model", "dev.spacy")]
    runner = CliRunner()
    output = tmp_path / "metrics.json"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = runner.invoke(
            app, ["global-pointer", "evaluate", *arguments, "--output", str(output)]
        )
        assert done.exit_code == 0, done.output
        assert '"f":1.0' in output.read_text().replace(" ", "")
        done = runner.invoke(
            app, ["global-pointer", "calibrate", *arguments, str(tmp_path / "out")]
        )
    assert done.exit_code == 0, done.output
    assert "100.00 now" in done.output


# Candidates of another component of the pipeline


def ruled():
    """A span ruler that finds mentions, and a span recognizer that labels them."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("span_ruler", config={"spans_key": MENTIONS})
    settings = {"model": model(), "candidates_key": MENTIONS}
    nlp.add_pipe(NAME, config=settings)
    patterns = [
        {"label": "", "pattern": text}
        for text in ("Boston", "New England", "the", "Bank of New England")
    ]
    nlp.config["initialize"]["components"]["span_ruler"] = {"patterns": patterns}
    return nlp


RULED = [
    [(3, 7, "ORG"), (5, 7, "GPE"), (5, 7, "LOC"), (8, 9, "GPE")],
    [(2, 3, "GPE"), (7, 9, "GPE"), (7, 9, "LOC")],
]


@pytest.mark.parametrize("settings", [{}, {"max_length": 4}])
def test_spacy_train_with_candidates_of_a_span_ruler(tmp_path, settings):
    nlp = ruled()
    DocBin(docs=[eg.reference for eg in examples(nlp)]).to_disk(tmp_path / "c.spacy")
    config = nlp.config
    config["components"][NAME].update(settings)
    config["paths"].update(dict.fromkeys(("train", "dev"), str(tmp_path / "c.spacy")))
    config["training"].update(
        annotating_components=["span_ruler"], max_steps=60, eval_frequency=30
    )
    config["training"]["optimizer"]["learn_rate"] = 0.01
    config.to_disk(tmp_path / "config.cfg")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        spacy_train(tmp_path / "config.cfg", tmp_path / "out")
    loaded = spacy.load(tmp_path / "out" / "model-last")
    assert [found(doc) for doc in loaded.pipe(TEXTS)] == RULED
    # Gold spans that the ruler does not find are counted.
    messages = [str(w.message) for w in caught if NAME in str(w.message)]
    dropped = [m for m in messages if "Not among the candidates" in m]
    assert dropped
    assert all("cannot use" in message for message in messages)


@pytest.mark.filterwarnings("ignore:.*The score weights")
def test_training_by_hand_with_candidates_of_a_span_ruler():
    nlp = ruled()
    corpus = examples(nlp)
    with pytest.warns(UserWarning, match="annotating_components.*`annotates`"):
        optimizer = nlp.initialize(lambda: corpus)
    assert nlp.get_pipe(NAME).labels == LABELS
    assert nlp.get_pipe(NAME).cfg["max_length"] == 9
    optimizer.learn_rate = 0.01
    with pytest.warns(UserWarning, match="Not among the candidates"):
        for _ in range(40):
            nlp.update(corpus, sgd=optimizer, annotates=["span_ruler"])
    assert [found(doc) for doc in nlp.pipe(TEXTS)] == RULED


def test_an_encoder_finds_no_candidates():
    """Nothing before the component can fill the key: a wrong key is an error."""
    nlp = listening_pipeline(candidates_key="other")
    with pytest.raises(ValueError, match=r"no candidates under doc.spans\['other'\]"):
        initialize(nlp)
    nlp.add_pipe("span_ruler")
    with pytest.raises(ValueError, match="must come before"):
        initialize(nlp)
