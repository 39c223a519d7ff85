"""The thinc layer and the architectures, with a tok2vec of spaCy."""

import math
from copy import deepcopy

import numpy
import pytest
import spacy
import torch
from spacy.ml.models.tok2vec import build_hash_embed_cnn_tok2vec
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import fix_random_seed, set_dropout_rate

from spacy_globalpointer.heads import EfficientGlobalPointer, GlobalPointer
from spacy_globalpointer.models.architectures import (
    build_efficient_global_pointer_v1,
    build_global_pointer_v1,
)
from spacy_globalpointer.models.span_scorer import (
    build_head,
    build_span_model,
    get_head_layer,
    resize_head,
    span_scorer,
)
from tests.util.lattices import head_scores, lattice_width

WIDTH = 8
N_LABELS = 2
TEXTS = [
    ["a", "small", "text"],
    [],
    ["of", "ragged"],
    ["documents", "to", "be", "scored"],
]
LENGTHS = [len(words) for words in TEXTS]

every_architecture = pytest.mark.parametrize(
    "build, settings",
    [
        (build_global_pointer_v1, {}),
        (build_global_pointer_v1, {"rope": False}),
        (build_efficient_global_pointer_v1, {}),
        (build_efficient_global_pointer_v1, {"features": "hidden", "rope": False}),
    ],
)
every_head = pytest.mark.parametrize(
    "head_class", [GlobalPointer, EfficientGlobalPointer]
)


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    fix_random_seed(0)


@pytest.fixture(scope="module")
def docs():
    vocab = spacy.blank("en").vocab
    return [Doc(vocab, words=words) for words in TEXTS]


def small_tok2vec():
    return build_hash_embed_cnn_tok2vec(
        width=WIDTH,
        depth=1,
        embed_size=50,
        window_size=1,
        maxout_pieces=2,
        subword_features=False,
        pretrained_vectors=None,
    )


def small_model(docs, build, settings, max_length=3):
    model = build(small_tok2vec(), head_width=4, **settings)
    scorer = get_head_layer(model)
    scorer.set_dim("nO", N_LABELS)
    scorer.attrs["max_length"] = max_length
    model.initialize(X=docs)
    return model


def small_scorer(head_class=GlobalPointer, n_labels=N_LABELS, **settings):
    scorer = span_scorer(
        lambda width, n_labels: head_class(width, n_labels, head_width=4, **settings)
    )
    build_head(scorer, WIDTH, n_labels)
    return scorer


def vectors(lengths=LENGTHS, width=WIDTH):
    rng = numpy.random.default_rng(0)
    return [rng.normal(size=(n, width)).astype("float32") for n in lengths]


def reference(scorer, X, max_length, d_scores=None):
    """Scores by the equations in float64, and with d_scores also the gradients of
    the token vectors and of the head's weights, by autograd."""
    head = deepcopy(scorer.shims[0]._model).double()
    # The copy took the gradients along.
    head.zero_grad()
    hidden = torch.tensor(numpy.concatenate(X)).double().requires_grad_()
    lengths = [len(x) for x in X]
    scores = head_scores(head, hidden, lengths, max_length)
    if d_scores is None:
        return scores.detach()
    inside = scores.detach() > -math.inf
    scores[inside].backward(d_scores.double()[inside])
    gradients = {name: x.grad for name, x in head.named_parameters()}
    return scores.detach(), hidden.grad.split(lengths), gradients


def random_gradient(scores):
    d_scores = torch.randn(scores.shape)
    return torch.where(scores > -math.inf, d_scores, 0.0)


def close(got, wanted):
    got, wanted = (torch.as_tensor(x).double() for x in (got, wanted))
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def gradients_of(model):
    return {
        (node.name, name): node.get_grad(name).copy()
        for node in model.walk()
        for name in node.grad_names
    }


def forget_gradients(model):
    for node in model.walk():
        for name in node.grad_names:
            node.set_grad(name, numpy.zeros_like(node.get_param(name)))


@every_architecture
@pytest.mark.parametrize("max_length", [None, 1, 3])
def test_gradients_reach_the_encoder(docs, build, settings, max_length):
    """Of the whole model, with an empty document in the batch: scores and all
    gradients are those of the equations, and of spaCy's encoder alone."""
    model = small_model(docs, build, settings, max_length)
    tok2vec, scorer = model.layers
    X = tok2vec.predict(docs)
    lattice, backprop = model.begin_update(docs)
    assert lattice.layout.lengths == tuple(LENGTHS)
    assert lattice.scores.shape == (N_LABELS, 9, lattice_width(LENGTHS, max_length))
    # An objective answers in the memory order that it was given.
    d_scores = torch.empty_like(lattice.scores).copy_(random_gradient(lattice.scores))
    scores, d_hidden, d_head = reference(scorer, X, max_length, d_scores)
    close(lattice.scores, scores)

    backprop(d_scores)
    got = gradients_of(tok2vec)
    for name, x in scorer.shims[0]._model.named_parameters():
        close(x.grad, d_head[name])
    forget_gradients(tok2vec)
    _, backprop_tok2vec = tok2vec.begin_update(docs)
    backprop_tok2vec([x.float().numpy() for x in d_hidden])
    wanted = gradients_of(tok2vec)
    assert got.keys() == wanted.keys()
    assert any(abs(x).max() > 1e-3 for x in wanted.values())
    for key, gradient in wanted.items():
        close(got[key], gradient)


@every_head
def test_gradient_of_token_vectors(head_class):
    scorer = small_scorer(head_class)
    X = vectors()
    before = [x.copy() for x in X]
    lattice, backprop = scorer(X, is_train=True)
    # The objective writes its gradient down: nothing is to be recorded any more.
    assert not lattice.scores.requires_grad
    d_scores = random_gradient(lattice.scores)
    _, wanted, _ = reference(scorer, X, None, d_scores)
    got = backprop(d_scores)
    assert [x.shape for x in got] == [x.shape for x in X]
    for x, y in zip(got, wanted):
        assert x.dtype == numpy.float32
        close(x, y)
    assert all(map(numpy.array_equal, X, before))


@every_head
def test_gradients_of_batches_add_up_until_an_update(head_class):
    scorer = small_scorer(head_class)
    total = {}
    for lengths in ([3], [1, 4]):
        X = vectors(lengths)
        lattice, backprop = scorer(X, is_train=True)
        d_scores = random_gradient(lattice.scores)
        _, _, gradients = reference(scorer, X, None, d_scores)
        backprop(d_scores)
        for name, gradient in gradients.items():
            total[name] = total.get(name, 0) + gradient
    for name, x in scorer.shims[0]._model.named_parameters():
        close(x.grad, total[name])


@every_head
@pytest.mark.parametrize("max_length", [None, 1, 2, 40])
def test_prediction_follows_max_length_as_it_is_set(head_class, max_length):
    scorer = small_scorer(head_class)
    X = vectors()
    assert scorer.predict(X).layout.width == max(LENGTHS)
    scorer.attrs["max_length"] = max_length
    scores = scorer.predict(X).scores
    assert not scores.requires_grad
    close(scores, reference(scorer, X, max_length))


@every_head
@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
@pytest.mark.parametrize("is_train", [True, False])
def test_a_batch_without_tokens(head_class, lengths, is_train):
    scorer = small_scorer(head_class)
    lattice, backprop = scorer(vectors(lengths), is_train)
    assert lattice.scores.shape == (N_LABELS, 0, 1)
    assert lattice.layout.lengths == tuple(lengths)
    if is_train:
        gradients = backprop(torch.zeros(N_LABELS, 0, 1))
        assert [x.shape for x in gradients] == [(0, WIDTH)] * len(lengths)


@every_architecture
def test_dropout_reaches_the_head_in_training_alone(docs, build, settings):
    """At a rate of 1 the head sees nothing but zeros."""
    model = small_model(docs, build, settings)
    tok2vec, scorer = model.layers
    X = tok2vec.predict(docs)
    before = model.predict(docs).scores
    assert torch.equal(scorer(X, is_train=True)[0].scores, before)
    set_dropout_rate(model, 1.0)
    zeros = [x * 0 for x in X]
    close(scorer(X, is_train=True)[0].scores, reference(scorer, zeros, 3))
    assert torch.equal(model.predict(docs).scores, before)
    set_dropout_rate(model, 0.5)
    head = scorer.shims[0]._model
    torch.manual_seed(1)
    dropped = torch.nn.functional.dropout(torch.tensor(numpy.concatenate(X)), 0.5)
    torch.manual_seed(1)
    got = scorer(X, is_train=True)[0].scores
    close(got, head_scores(head.double(), dropped.double(), LENGTHS, 3).detach())
    head.float()
    set_dropout_rate(model, 0.0)
    assert torch.equal(scorer(X, is_train=True)[0].scores, before)


def test_a_layer_has_no_weights_until_it_is_built():
    scorer = span_scorer(GlobalPointer)
    assert not scorer.shims
    assert scorer.has_dim("nI") is None
    assert scorer.has_dim("nO") is None


@every_architecture
def test_initialization_finds_the_width(docs, build, settings):
    model = small_model(docs, build, settings)
    scorer = get_head_layer(model)
    assert scorer.get_dim("nI") == WIDTH
    head = scorer.shims[0]._model
    assert head.projection.in_features == WIDTH
    assert head.head_width == 4


def test_initialization_starts_again():
    scorer = small_scorer()
    before = scorer.predict(vectors()).scores
    shim = scorer.shims[0]
    scorer.initialize(X=vectors())
    assert scorer.shims[0].id != shim.id
    assert not torch.equal(scorer.predict(vectors()).scores, before)


def test_a_width_set_before_needs_no_data():
    scorer = span_scorer(lambda width, n: GlobalPointer(width, n, head_width=4))
    scorer.set_dim("nI", WIDTH)
    scorer.set_dim("nO", 3)
    scorer.initialize()
    assert scorer.predict(vectors()).scores.shape[0] == 3


def test_building_again_replaces_head_and_widths():
    scorer = small_scorer()
    old = scorer.shims[0]
    build_head(scorer, 5, 4)
    assert (scorer.get_dim("nI"), scorer.get_dim("nO")) == (5, 4)
    (shim,) = scorer.shims
    assert shim.id != old.id
    assert scorer.predict(vectors(width=5)).scores.shape[0] == 4


@every_head
@pytest.mark.parametrize("settings", [{}, {"rope": False}])
def test_resizing_keeps_scores_and_is_new_to_optimizers(head_class, settings):
    scorer = small_scorer(head_class, **settings)
    X = vectors()
    before = scorer.predict(X).scores
    (old,) = scorer.shims
    resize_head(scorer, 5)
    (new,) = scorer.shims
    assert new.id != old.id
    assert scorer.get_dim("nO") == 5
    after = scorer.predict(X).scores
    assert after.shape[0] == 5
    torch.testing.assert_close(after[:N_LABELS], before, rtol=1e-6, atol=1e-6)
    close(after, reference(scorer, X, None))


@every_architecture
def test_bytes_carry_the_weights(docs, build, settings):
    model = small_model(docs, build, settings)
    scores = model.predict(docs).scores
    data = model.to_bytes()
    fix_random_seed(1)
    other = small_model(docs, build, settings)
    assert not torch.equal(other.predict(docs).scores, scores)
    other.from_bytes(data)
    assert torch.equal(other.predict(docs).scores, scores)
    assert other.to_bytes() == data


@every_head
def test_a_layer_built_to_widths_takes_bytes(head_class):
    """What loading a pipeline does: no data, only the widths."""
    scorer = small_scorer(head_class)
    other = span_scorer(scorer.attrs["build"])
    build_head(other, WIDTH, N_LABELS)
    assert not torch.equal(
        other.predict(vectors()).scores, scorer.predict(vectors()).scores
    )
    other.from_bytes(scorer.to_bytes())
    assert torch.equal(
        other.predict(vectors()).scores, scorer.predict(vectors()).scores
    )


def test_a_copy_learns_on_its_own(docs):
    model = small_model(docs, build_global_pointer_v1, {})
    scores = model.predict(docs).scores
    copy = model.copy()
    assert torch.equal(copy.predict(docs).scores, scores)
    with torch.no_grad():
        get_head_layer(copy).shims[0]._model.projection.bias.add_(1.0)
    assert not torch.equal(copy.predict(docs).scores, scores)
    assert torch.equal(model.predict(docs).scores, scores)


@pytest.mark.parametrize(
    "build", [build_global_pointer_v1, build_efficient_global_pointer_v1]
)
@pytest.mark.parametrize("head_width", [7, 1, 0, -2])
def test_head_widths_that_cannot_be_paired_are_rejected(build, head_width):
    with pytest.raises(ValueError, match=rf"head_width.* is {head_width}\."):
        build(small_tok2vec(), head_width=head_width)


@pytest.mark.parametrize("features", ["both", "Hidden", "", None])
def test_unknown_features_are_rejected(features):
    with pytest.raises(ValueError, match=rf"features.*hidden.* is {features!r}\."):
        build_efficient_global_pointer_v1(small_tok2vec(), features=features)


@pytest.mark.parametrize(
    "name, head_class, expected",
    [
        ("GlobalPointer", GlobalPointer, {"head_width": 64, "rope": True}),
        (
            "EfficientGlobalPointer",
            EfficientGlobalPointer,
            {"head_width": 64, "rope": True, "features": "projected"},
        ),
    ],
)
def test_architectures_are_registered_with_the_defaults_of_the_paper(
    name, head_class, expected
):
    model = registry.resolve(
        {
            "model": {
                "@architectures": f"spacy_globalpointer.{name}.v1",
                "tok2vec": {
                    "@architectures": "spacy.HashEmbedCNN.v2",
                    "width": WIDTH,
                    "depth": 1,
                    "embed_size": 50,
                    "window_size": 1,
                    "maxout_pieces": 2,
                    "subword_features": False,
                    "pretrained_vectors": None,
                },
            }
        }
    )["model"]
    head = get_head_layer(model).attrs["build"](WIDTH, 3)
    assert type(head) is head_class
    assert {name: getattr(head, name) for name in expected} == expected


@pytest.mark.parametrize(
    "build, settings",
    [
        (build_global_pointer_v1, {"head_width": 6}),
        (build_global_pointer_v1, {"rope": False}),
        (build_efficient_global_pointer_v1, {"head_width": 6}),
        (build_efficient_global_pointer_v1, {"rope": False}),
        (build_efficient_global_pointer_v1, {"features": "hidden"}),
    ],
)
def test_settings_reach_the_head(build, settings):
    head = get_head_layer(build(small_tok2vec(), **settings)).attrs["build"](WIDTH, 2)
    assert {name: getattr(head, name) for name in settings} == settings


def test_the_head_comes_after_the_encoder():
    tok2vec = small_tok2vec()
    model = build_span_model(tok2vec, GlobalPointer)
    assert model.layers == [tok2vec, get_head_layer(model)]
    assert get_head_layer(model).attrs["build"] is GlobalPointer
