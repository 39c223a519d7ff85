"""Behaviour of the span recogniser: what it learns, predicts and refuses."""

import random
from itertools import pairwise

import pytest
import spacy
import torch
from spacy.cli.train import train as spacy_train
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import filter_spans
from thinc.api import Adam

from tests.util.pipelines import (
    GOLD,
    HEADS,
    KEY,
    LABELS,
    NAME,
    NESTED,
    TEXTS,
    all_scores,
    best_total,
    changed,
    ents,
    example,
    examples,
    found,
    initialize,
    listening_pipeline,
    logit,
    loss_of_batch,
    model,
    overlap,
    pipeline,
    same_scores,
    scored,
    set_spans,
    train,
    update,
)

WORDS = ["the", "bank", "of", "New", "England", "Boston", "19", "Ä", "银行", "🙂", "."]


def random_text(n_words, seed):
    return " ".join(random.Random(seed).choices(WORDS, k=n_words))


# Lengths on both sides of max_length, of one block of tokens, and nothing at all.
STREAM = [
    "",
    "Boston",
    *TEXTS,
    "  ",
    random_text(150, seed=1),
    TEXTS[0],
    *(random_text(n, seed=n) for n in (2, 9, 33)),
    "",
]


@pytest.fixture(scope="module", params=HEADS)
def trained(request):
    return train(pipeline(request.param))


@pytest.fixture(scope="module")
def untrained():
    """Random weights: many candidates, none of them sure."""
    return initialize(pipeline())


@pytest.mark.parametrize("make", [pipeline, listening_pipeline])
@pytest.mark.parametrize("head", HEADS)
def test_two_documents_are_learnt_to_the_last_span(head, make):
    nlp = train(make(head))
    assert [set(found(doc)) for doc in nlp.pipe(TEXTS)] == GOLD
    scores = nlp.evaluate(examples(nlp))
    for name in ("p", "r", "f", "macro_f"):
        assert scores[f"spans_{KEY}_{name}"] == 1.0


def test_a_listener_learns_as_an_encoder_of_its_own():
    answers = []
    for make in (pipeline, listening_pipeline):
        nlp = train(make(), steps=20)
        answers.append(all_scores(nlp, TEXTS))
    assert same_scores(*answers)


def test_spacy_train_learns_the_corpus(tmp_path):
    nlp = pipeline("egp7")
    docs = [eg.reference for eg in examples(nlp)]
    DocBin(docs=docs).to_disk(tmp_path / "corpus.spacy")
    config = nlp.config.copy()
    corpus = {"@readers": "spacy.Corpus.v1", "path": str(tmp_path / "corpus.spacy")}
    config["corpora"] = {"train": corpus, "dev": corpus}
    config["training"].update(max_steps=60, eval_frequency=30, dropout=0.1)
    config["training"]["optimizer"].update(learn_rate=0.01, use_averages=False)
    config.to_disk(tmp_path / "config.cfg")
    spacy_train(tmp_path / "config.cfg", tmp_path / "out")
    best = spacy.load(tmp_path / "out" / "model-best")
    assert [set(found(doc)) for doc in best.pipe(TEXTS)] == GOLD
    assert best.meta["performance"]["spans_f"] == 1.0


def test_two_recognisers_in_one_pipeline_keep_to_their_keys():
    nlp = pipeline()
    nlp.add_pipe(NAME, name="other", config={"model": model("egp7"), "spans_key": "o"})
    corpus = examples(nlp)
    for eg in corpus:
        set_spans(eg.reference, [(0, 1, "FIRST")], key="o")
    train(nlp, corpus, steps=60)
    assert update(nlp, corpus, Adam(0.01)).keys() == {NAME, "other"}
    for doc, gold in zip(nlp.pipe(TEXTS), GOLD):
        assert set(found(doc)) == gold
        assert found(doc, "o") == [(0, 1, "FIRST")]


# The same input gives the same output


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_answers_do_not_depend_on_batches(trained, batch_size):
    alone = [all_scores(trained, [text])[0] for text in STREAM]
    assert [len(scores) > 0 for scores in alone] == [text != "" for text in STREAM]
    assert same_scores(alone, all_scores(trained, STREAM, batch_size=batch_size))


@pytest.mark.parametrize("n_tokens", [1, 31, 32, 33, 64, 128])
@pytest.mark.parametrize("length", [1, 9])
def test_batches_of_any_number_of_tokens(trained, n_tokens, length):
    """Blocks of tokens may be full to the last one."""
    text = random_text(n_tokens, seed=n_tokens)
    parts = text.split() if length == 1 else [text]
    alone = {part: all_scores(trained, [part])[0] for part in parts}
    together = all_scores(trained, parts, batch_size=n_tokens)
    assert same_scores(together, [alone[part] for part in parts])
    (doc,) = all_scores(trained, [text])
    n_labels = len(LABELS)
    assert len(doc) == n_labels * sum(min(9, n_tokens - i) for i in range(n_tokens))


def test_answers_do_not_depend_on_order(trained):
    order = random.Random(0).sample(range(len(STREAM)), len(STREAM))
    straight = all_scores(trained, STREAM)
    shuffled = all_scores(trained, [STREAM[i] for i in order])
    assert same_scores([straight[i] for i in order], shuffled)


def test_call_and_pipe_say_the_same(trained):
    for text, doc in zip(STREAM, trained.pipe(STREAM)):
        called = trained(text)
        assert found(called) == found(doc)
        assert ents(called) == ents(doc)


def test_a_second_run_over_a_document_changes_nothing(trained):
    doc = trained(TEXTS[0])
    before = scored(doc), ents(doc)
    assert (scored(trained(doc)), ents(doc)) == before


@pytest.mark.slow
def test_processes_say_the_same(trained):
    expected = [scored(doc) for doc in trained.pipe(STREAM)]
    docs = trained.pipe(STREAM, n_process=2, batch_size=3)
    assert same_scores(expected, [scored(doc) for doc in docs])


# What is written to the document


def test_spans_stand_in_order_of_start_end_and_label():
    nlp = pipeline(threshold=0.0)
    labels = ["b", "Ä", "A", "aa", "a b"]
    nlp.config["initialize"]["components"][NAME] = {"labels": labels}
    initialize(nlp, [example(nlp, TEXTS[1], [(0, 9, "b")])])
    doc = nlp(TEXTS[1])
    # 9 tokens, spans of at most 9.
    assert len(found(doc)) == 9 * 10 / 2 * len(labels)
    assert found(doc) == sorted(found(doc))


def test_scores_are_probabilities_and_part_of_the_group(untrained):
    with changed(untrained, threshold=0.01):
        group = untrained(TEXTS[0]).spans[KEY]
    assert len(group) == len(group.attrs["scores"]) > 0
    assert all(0.01 <= p <= 1.0 for p in group.attrs["scores"])
    assert group.name == KEY


@pytest.mark.parametrize("threshold", [0.05, 0.4, 0.5, 0.52, 0.6, 0.95])
def test_what_reaches_the_threshold_is_kept_with_its_score(untrained, threshold):
    everything = all_scores(untrained, TEXTS)
    with changed(untrained, threshold=threshold):
        kept = [scored(doc) for doc in untrained.pipe(TEXTS)]
    expected = [
        {span: p for span, p in scores.items() if p >= threshold}
        for scores in everything
    ]
    assert same_scores(kept, expected)


@pytest.mark.parametrize("text", ["Boston", "New England bank", "the bank in Boston"])
@pytest.mark.parametrize("steps", [{}, {"LOC": 0.005, "ORG": 0.02}])
def test_ents_are_the_best_flat_choice_of_all(steps, text):
    for seed in range(5):
        nlp = initialize(pipeline(), seed=seed)
        (p,) = all_scores(nlp, [text])
        # Low enough for a good many spans, few enough to try all subsets.
        threshold = sorted(p.values())[-min(len(p), 12)] - 1e-4
        label_thresholds = {label: threshold + step for label, step in steps.items()}
        settings = {"threshold": threshold, "label_thresholds": label_thresholds}
        with changed(nlp, flat="optimal", **settings):
            doc = nlp(text)
        assert found(doc)
        margins = {
            span: logit(p[span]) - logit(label_thresholds.get(span[2], threshold))
            for span in found(doc)
        }
        chosen = ents(doc)
        assert not any(overlap(a, b) for a, b in pairwise(chosen))
        total = sum(margins[span] for span in chosen)
        assert total == pytest.approx(best_total(margins), abs=1e-5)


def test_ents_are_the_outermost_spans(trained):
    """Whatever weighs more: the spans inside them have the higher sum."""
    for text, gold in NESTED:
        doc = trained(text)
        assert set(found(doc)) == set(gold)
        outermost = [(ent.start, ent.end) for ent in filter_spans(doc.spans[KEY])]
        assert [ent[:2] for ent in ents(doc)] == outermost
        with changed(trained, overlap="flat"):
            assert ents(trained(text)) == found(trained(text)) != ents(doc)


def test_thresholds_of_0_and_1_leave_spans_their_weights():
    """The sure span is kept, not the many parts of it that are next to impossible."""
    nlp = pipeline()
    corpus = [
        example(nlp, "we met Ann of New York", [(2, 3, "PER"), (2, 6, "PER")]),
        example(nlp, "the University of York in it", [(1, 4, "ORG")]),
    ]
    train(nlp, corpus, steps=60)
    text = corpus[1].text
    (p,) = all_scores(nlp, [text])
    sure = (1, 4, "ORG")
    assert max(p, key=p.get) == sure and p[sure] > 0.9
    single_words = [p[i, i + 1, label] for i in (1, 2, 3) for label in ("ORG", "PER")]
    assert max(single_words) < 0.1
    for flat in ("longest", "optimal", "greedy"):
        for threshold, single in [(0.0, None), (0.5, 0.0), (0.0, 0.5), (1.0, 0.0)]:
            labels = {} if single is None else {"ORG": single}
            settings = {"threshold": threshold, "label_thresholds": labels}
            # Longer spans than the sure one are no candidates.
            settings.update(flat=flat, max_length=3, max_spans=10**6)
            with changed(nlp, **settings):
                assert sure in ents(nlp(text))
                with changed(nlp, overlap="flat"):
                    assert sure in found(nlp(text))
        with changed(nlp, threshold=1.0, flat=flat):
            assert ents(nlp(text)) == []


@pytest.mark.parametrize("text", ["", "Boston", "  ", *TEXTS, random_text(60, 3)])
@pytest.mark.parametrize("threshold", [0.0, 0.01, 1.0])
def test_ents_can_be_written_whatever_overlaps(untrained, text, threshold):
    with changed(untrained, threshold=threshold):
        doc = untrained(text)
    tokens = [token for ent in doc.ents for token in ent]
    assert len(tokens) == len(set(tokens))
    assert not len(doc) or doc.has_annotation("ENT_IOB")


def test_predictions_can_be_stored(trained):
    docs = list(trained.pipe(TEXTS))
    stored = DocBin(docs=docs).to_bytes()
    vocab = trained.vocab
    for doc, binned in zip(docs, DocBin().from_bytes(stored).get_docs(vocab)):
        for copy in (binned, Doc(vocab).from_bytes(doc.to_bytes()), doc.copy()):
            assert scored(copy) == scored(doc)
            assert ents(copy) == ents(doc) != []


# Labels


@pytest.mark.parametrize("make", [pipeline, listening_pipeline])
def test_labels_added_before_initialisation_come_first(make):
    nlp = make()
    pipe = nlp.get_pipe(NAME)
    assert pipe.add_label("ZZZ") == 1
    assert pipe.add_label("ZZZ") == 0
    initialize(nlp)
    assert pipe.labels == ("ZZZ", *LABELS)
    assert pipe.label_data == list(pipe.labels)
    assert {label for _, _, label in all_scores(nlp, TEXTS)[0]} == set(pipe.labels)


@pytest.mark.parametrize("head", HEADS)
def test_a_new_label_leaves_the_scores_of_the_others_bit_for_bit(head):
    nlp = train(pipeline(head))
    pipe = nlp.get_pipe(NAME)
    docs = [nlp.make_doc(text) for text in STREAM]
    before = pipe.predict(docs).scores.clone()
    assert pipe.add_label("NEW") == 1
    after = pipe.predict(docs).scores
    assert len(after) == len(before) + 1
    assert torch.equal(after[: len(before)], before)
    assert pipe.add_label("NEW") == pipe.add_label("ORG") == 0
    assert torch.equal(pipe.predict(docs).scores, after)


@pytest.mark.parametrize("averages", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_a_new_label_is_learnt_with_the_same_optimizer(head, averages):
    nlp = pipeline(head)
    optimizer = Adam(0.01, use_averages=averages)
    train(nlp, optimizer=optimizer)
    nlp.get_pipe(NAME).add_label("NEW")
    corpus = [
        example(nlp, text, [*spans, (0, 1, "NEW"), (0, 2, "NEW")])
        for text, spans in NESTED
    ]
    for _ in range(40):
        update(nlp, corpus, optimizer)
    for doc, gold in zip(nlp.pipe(TEXTS), GOLD):
        assert set(found(doc)) == gold | {(0, 1, "NEW"), (0, 2, "NEW")}


@pytest.mark.parametrize("label", [3, None, b"ORG", ["ORG"], 1.5])
def test_a_label_is_a_string(label):
    nlp = pipeline()
    with pytest.raises(ValueError, match="string.*" + type(label).__name__):
        nlp.get_pipe(NAME).add_label(label)
    assert nlp.get_pipe(NAME).labels == ()


def test_labels_given_at_initialisation_are_used_as_they_are():
    nlp = pipeline()
    labels = [*reversed(LABELS), "EXTRA"]
    nlp.config["initialize"]["components"][NAME] = {"labels": labels}
    initialize(nlp)
    assert nlp.get_pipe(NAME).labels == tuple(labels)
    assert {label for _, _, label in all_scores(nlp, TEXTS)[0]} == set(labels)


# Training


@pytest.mark.parametrize("head", HEADS)
def test_dropout_reaches_the_head(head):
    nlp = initialize(listening_pipeline(head))
    corpus = examples(nlp)

    def losses(drop):
        # The encoder has a component, and so a rate, of its own.
        rates = {"tok2vec": {"drop": 0.0}, NAME: {"drop": drop}}
        return {loss_of_batch(nlp, corpus, component_cfg=rates) for _ in range(3)}

    assert len(losses(0.0)) == 1
    assert len(losses(0.5) - losses(0.0)) == 3


def test_dropout_is_for_training_alone(untrained):
    before = all_scores(untrained, TEXTS)
    loss_of_batch(untrained, examples(untrained), drop=0.5)
    assert all_scores(untrained, TEXTS) == before


def test_averages_can_be_used_and_are_what_is_saved():
    nlp = listening_pipeline()
    optimizer = Adam(0.01, use_averages=True)
    train(nlp, steps=10, optimizer=optimizer)
    before = all_scores(nlp, TEXTS)
    encoder = {node.id for node in nlp.get_pipe("tok2vec").model.walk()}
    of_head = {key: x for key, x in optimizer.averages.items() if key[0] not in encoder}
    with nlp.use_params(of_head):
        assert not same_scores(all_scores(nlp, TEXTS), before, tolerance=1e-3)
    assert all_scores(nlp, TEXTS) == before
    with nlp.use_params(optimizer.averages):
        averaged = all_scores(nlp, TEXTS)
        saved = nlp.to_bytes()
    assert all_scores(nlp, TEXTS) == before
    assert all_scores(listening_pipeline().from_bytes(saved), TEXTS) == averaged


def test_losses_are_added_up():
    nlp = initialize(pipeline())
    corpus = examples(nlp)
    loss = loss_of_batch(nlp, corpus)
    assert loss > 0
    losses = {NAME: 1.5, "tagger": 2.0}
    nlp.update(corpus, sgd=False, losses=losses)
    assert losses == {NAME: pytest.approx(1.5 + loss), "tagger": 2.0}


def test_a_second_initialisation_starts_again():
    nlp = initialize(pipeline())
    before = all_scores(nlp, TEXTS)
    train(nlp)
    assert not same_scores(all_scores(nlp, TEXTS), before, tolerance=0.1)
    initialize(nlp)
    assert same_scores(all_scores(nlp, TEXTS), before)


def test_a_second_initialisation_measures_max_length_again():
    nlp = pipeline()
    initialize(nlp, [example(nlp, TEXTS[0], [(0, 2, "ORG")])])
    assert nlp.get_pipe(NAME).cfg["max_length"] == 2
    initialize(nlp, [example(nlp, TEXTS[0], [(0, 5, "ORG")])])
    assert nlp.get_pipe(NAME).cfg["max_length"] == 5


# Empty input


@pytest.mark.parametrize(
    "texts", [[""], ["", ""], ["Boston", ""], ["", "Boston", "", ""], [" "], ["\n \n"]]
)
@pytest.mark.parametrize("make", [pipeline, listening_pipeline])
def test_empty_documents_have_empty_groups(make, texts):
    nlp = train(make(), steps=1)
    with changed(nlp, threshold=0.0):
        docs = list(nlp.pipe(texts))
    n_labels = len(LABELS)
    for doc in docs:
        # Every candidate is there, so an empty document has none.
        assert len(found(doc)) == len(doc) * (len(doc) + 1) / 2 * n_labels
        assert doc.spans[KEY].attrs["scores"] is not None
        assert len(scored(doc)) == len(found(doc))


@pytest.mark.parametrize("make", [pipeline, listening_pipeline])
@pytest.mark.parametrize("empty", [[0], [2], [0, 1, 3], [2, 3]])
def test_empty_documents_add_no_loss(make, empty):
    nlp = initialize(make())
    corpus = examples(nlp)
    loss = loss_of_batch(nlp, corpus)
    for place in empty:
        corpus.insert(place, example(nlp, "", []))
    assert loss_of_batch(nlp, corpus) == pytest.approx(loss)


@pytest.mark.parametrize("make", [pipeline, listening_pipeline])
def test_a_batch_of_empty_documents_teaches_nothing(make):
    nlp = initialize(make())
    before = all_scores(nlp, TEXTS)
    corpus = [example(nlp, "", []), example(nlp, "", [])]
    assert update(nlp, corpus, Adam(0.01))[NAME] == 0.0
    assert same_scores(all_scores(nlp, TEXTS), before, tolerance=0)


def test_training_works_on_single_tokens_and_white_space():
    nlp = pipeline()
    corpus = [("Boston", [(0, 1, "GPE")]), (" ", []), ("x", []), ("", [])]
    train(nlp, examples(nlp, corpus))
    docs = list(nlp.pipe(text for text, _ in corpus))
    assert [found(doc) for doc in docs] == [spans for _, spans in corpus]


# What cannot work, and says so


@pytest.mark.parametrize("make", [pipeline, listening_pipeline])
def test_use_before_training_is_an_error(make):
    nlp = make()
    pipe = nlp.get_pipe(NAME)
    doc = nlp.make_doc(TEXTS[0])
    message = f"'{NAME}' has not been initialized"
    with pytest.raises(ValueError, match=message):
        pipe(doc)
    with pytest.raises(ValueError, match=message):
        list(pipe.pipe([nlp.make_doc("")]))
    with pytest.raises(ValueError, match=message):
        pipe.update(examples(nlp))


def test_spans_under_another_key_are_pointed_at():
    nlp = pipeline()
    corpus = examples(nlp, key="entities")
    set_spans(corpus[1].reference, [(0, 1, "PRON")], key="pronouns")
    with pytest.raises(ValueError) as error:
        initialize(nlp, corpus)
    message = str(error.value)
    for part in (NAME, "'sc'", "'entities'", "'pronouns'", *LABELS, "PRON"):
        assert part in message


@pytest.mark.parametrize(
    "gold, hint", [("spans", 'gold = "ents"'), ("ents", 'gold = "spans"')]
)
def test_annotation_in_the_other_place_is_pointed_at(gold, hint):
    nlp = pipeline(gold=gold)
    corpus = examples(nlp, [(TEXTS[0], [(8, 9, "GPE")])])
    reference = corpus[0].reference
    if gold == "spans":
        reference.set_ents(list(reference.spans.pop(KEY)))
    with pytest.raises(ValueError) as error:
        initialize(nlp, corpus)
    for part in (NAME, hint, "GPE"):
        assert part in str(error.value)


@pytest.mark.parametrize("gold", ["spans", "ents"])
def test_a_corpus_without_annotation_is_an_error(gold):
    nlp = pipeline(gold=gold)
    docs = [nlp.make_doc(text) for text in TEXTS]
    with pytest.raises(ValueError, match=f"'{NAME}' found no .* 2 documents"):
        initialize(nlp, [Example(doc, doc.copy()) for doc in docs])


def test_a_corpus_without_spans_is_no_error_where_labels_are_given():
    nlp = pipeline()
    nlp.config["initialize"]["components"][NAME] = {"labels": ["ORG"]}
    initialize(nlp, examples(nlp, [(text, []) for text in TEXTS]))
    assert nlp(TEXTS[0]).spans[KEY] is not None


def test_examples_of_two_texts_are_an_error():
    nlp = initialize(pipeline())
    reference = set_spans(nlp.make_doc("something else"), [(0, 1, "ORG")])
    with pytest.raises(ValueError, match="E949"):
        update(nlp, [Example(nlp.make_doc(TEXTS[0]), reference)], Adam(0.01))


@pytest.mark.parametrize("method", ["initialize", "update"])
def test_documents_are_no_examples(method):
    nlp = initialize(pipeline())
    docs = [Doc(nlp.vocab, words=["a"])]
    argument = docs if method == "update" else lambda: docs
    with pytest.raises((TypeError, ValueError), match=r"E978|E930"):
        getattr(nlp.get_pipe(NAME), method)(argument)
