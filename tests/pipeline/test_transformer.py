"""The span recogniser on spacy-transformers, with a tiny BERT of random weights."""

import pytest
import spacy
import torch
from thinc.api import Adam

from spacy_globalpointer.training.optimizers import create_encoder_head_adam_v1
from tests.util.pipelines import (
    GOLD,
    HEADS,
    LANG,
    NAME,
    TEXTS,
    all_scores,
    example,
    examples,
    found,
    initialize,
    loss_of_batch,
    model,
    same_scores,
    train,
    update,
)

LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
    "upstream": "*",
}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def pipeline(bert, head="gp"):
    nlp = spacy.blank(LANG)
    transformer = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": bert,
        # Windows overlap, so a long document is several of them.
        "get_spans": {
            "@span_getters": "spacy-transformers.strided_spans.v1",
            "window": 12,
            "stride": 8,
        },
        "tokenizer_config": {"use_fast": True},
    }
    nlp.add_pipe("transformer", config={"model": transformer})
    nlp.add_pipe(NAME, config={"model": model(head, LISTENER)})
    return nlp


@pytest.fixture(scope="module")
def trained(bert):
    return train(pipeline(bert), optimizer=Adam(0.003), steps=60)


@pytest.mark.parametrize("head", [head for head in HEADS if head != "gp"])
def test_the_other_heads_learn_the_corpus(bert, head):
    nlp = train(pipeline(bert, head), optimizer=Adam(0.003), steps=60)
    assert [set(found(doc)) for doc in nlp.pipe(TEXTS)] == GOLD


def test_two_documents_are_learnt_to_the_last_span(trained):
    assert [set(found(doc)) for doc in trained.pipe(TEXTS)] == GOLD
    assert trained.evaluate(examples(trained))["spans_sc_f"] == 1.0


def test_answers_are_the_same_after_disk_and_bytes(trained, tmp_path):
    expected = all_scores(trained, TEXTS)
    trained.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert same_scores(all_scores(loaded, TEXTS), expected)
    other = spacy.blank(LANG).from_config(trained.config)
    assert same_scores(
        all_scores(other.from_bytes(trained.to_bytes()), TEXTS), expected
    )


@pytest.mark.parametrize("batch_size", [1, 2, 50])
def test_answers_do_not_depend_on_batches_or_order(trained, batch_size):
    texts = ["", "Boston", *TEXTS, " ", " ".join(TEXTS * 3), "银行 🙂", ""]
    alone = [all_scores(trained, [text])[0] for text in texts]
    assert [len(scores) > 0 for scores in alone] == [text != "" for text in texts]
    straight = all_scores(trained, texts, batch_size=batch_size)
    backwards = all_scores(trained, texts[::-1], batch_size=batch_size)
    assert same_scores(straight, alone)
    assert same_scores(backwards[::-1], alone)


def test_training_reaches_the_transformer(bert):
    nlp = initialize(pipeline(bert))
    transformer = nlp.get_pipe("transformer").model.transformer
    before = {name: x.clone() for name, x in transformer.state_dict().items()}
    update(nlp, examples(nlp), Adam(0.01))
    after = transformer.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    for part in ("embeddings.word", "layer.0.attention", "layer.1.output.dense"):
        assert any(part in name for name in moved)


def test_the_gradient_of_the_transformer_is_a_sum_over_documents(bert):
    """Also with an optimizer that has a rate and a clip of its own for heads, whose
    clip still acts after 20 steps."""
    nlp = pipeline(bert)
    train(nlp, optimizer=create_encoder_head_adam_v1(1e-4, 1e-3), steps=20)
    corpus = examples(nlp)
    layers = (nlp.get_pipe("transformer").model, nlp.get_pipe(NAME).model)
    shims = [shim for layer in layers for node in layer.walk() for shim in node.shims]
    weights = {
        (i, name): x
        for i, shim in enumerate(shims)
        for name, x in shim._model.named_parameters()
    }

    def gradients(*batches):
        for batch in batches:
            nlp.update(batch, sgd=False)
        found = {k: x.grad.clone() for k, x in weights.items() if x.grad is not None}
        for x in weights.values():
            x.grad = None
        return found

    whole, parts = gradients(corpus), gradients(corpus[:1], corpus[1:])
    assert whole.keys() == parts.keys() and len(whole) > 20
    for key, gradient in whole.items():
        # Biases of keys in attention have no gradient: the softmax does not see them.
        tolerance = max(1e-3 * gradient.abs().max().item(), 1e-6)
        torch.testing.assert_close(parts[key], gradient, rtol=0, atol=tolerance)
        if key[0] == len(shims) - 1:
            assert gradient.norm() > 1.0


@pytest.mark.parametrize("place", [0, 1, 2])
def test_empty_documents_add_no_loss(trained, place):
    corpus = examples(trained)
    loss = loss_of_batch(trained, corpus)
    corpus.insert(place, example(trained, "", []))
    assert loss_of_batch(trained, corpus) == pytest.approx(loss, rel=1e-3)


def test_a_batch_of_empty_documents_teaches_nothing(trained):
    corpus = [example(trained, "", []), example(trained, "", [])]
    assert loss_of_batch(trained, corpus) == 0.0
    assert [found(doc) for doc in trained.pipe(["", ""])] == [[], []]


def test_dropout_reaches_the_head(trained):
    corpus = examples(trained)

    def losses(drop):
        rates = {"transformer": {"drop": 0.0}, NAME: {"drop": drop}}
        return {loss_of_batch(trained, corpus, component_cfg=rates) for _ in range(3)}

    assert len(losses(0.0)) == 1
    assert len(losses(0.5)) == 3


def test_a_new_label_leaves_the_scores_of_the_others(bert):
    nlp = train(pipeline(bert), steps=2)
    before = all_scores(nlp, TEXTS)
    nlp.get_pipe(NAME).add_label("NEW")
    after = all_scores(nlp, TEXTS)
    old = [{s: p for s, p in scores.items() if s[2] != "NEW"} for scores in after]
    assert same_scores(old, before, tolerance=0)


@pytest.mark.filterwarnings("ignore:.*Component 'sequence_ner' cannot use some")
def test_a_bundle_learns_on_pieces_pooled_by_maximum(bert, tmp_path):
    """Span recogniser and sequence labeller on one transformer; each alone says
    what it says in the bundle."""
    nlp = pipeline(bert)
    maximum = {**LISTENER, "pooling": {"@layers": "reduce_max.v1"}}
    nlp.remove_pipe(NAME)
    nlp.add_pipe(NAME, config={"model": model("egp7", maximum), "loss_weight": 0.9})
    sequence = {"model": {"tok2vec": maximum}, "loss_weight": 0.1, "set_ents": False}
    nlp.add_pipe("sequence_ner", before=NAME, config=sequence)
    train(nlp, optimizer=Adam(0.003), steps=60)
    assert [set(found(doc)) for doc in nlp.pipe(TEXTS)] == GOLD
    outermost = [[(0, 9, "GROUP")], [(2, 3, "GPE"), (4, 9, "ORG")]]
    nlp.to_disk(tmp_path)
    alone = spacy.load(tmp_path, exclude=[NAME])
    assert [found(doc) for doc in alone.pipe(TEXTS)] == outermost
