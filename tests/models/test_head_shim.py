"""Averaged weights in a torch head. The oracle is the trajectory of the weights,
averaged by hand with thinc's rule (`Ops.update_averages`)."""

from contextlib import nullcontext

import numpy
import pytest
import spacy
import torch
from spacy.tokens import Span
from spacy.training import Example
from thinc.api import Adam, Linear, chain, fix_random_seed, with_array

from spacy_globalpointer.heads import GlobalPointer
from spacy_globalpointer.models.head_shim import HeadShim
from spacy_globalpointer.models.span_scorer import (
    build_head,
    get_head_layer,
    span_scorer,
)

WIDTH = 6
N_STEPS = 5


def small_model():
    fix_random_seed(0)
    encoder = with_array(Linear(WIDTH, WIDTH))
    scorer = span_scorer(lambda width, n: GlobalPointer(width, n, head_width=4))
    build_head(scorer, WIDTH, 2)
    return chain(encoder, scorer).initialize()


def vectors():
    rng = numpy.random.default_rng(0)
    return [rng.normal(size=(n, WIDTH)).astype("float32") for n in (3, 0, 4)]


def head_weights(model):
    head = get_head_layer(model).shims[0]._model
    return {name: x.clone() for name, x in head.state_dict().items()}


def same(got, wanted):
    return got.keys() == wanted.keys() and all(
        torch.equal(x, wanted[name]) for name, x in got.items()
    )


def step(model, optimizer):
    """An update with random gradients of the scores, large enough to move."""
    lattice, backprop = model.begin_update(vectors())
    inside = lattice.layout.valid.expand_as(lattice.scores)
    backprop(torch.where(inside, torch.randn(lattice.scores.shape), 0.0))
    model.finish_update(optimizer)


def train(model, optimizer, n_steps=N_STEPS):
    """RETURNS: The head's weights after each step."""
    trajectory = []
    for _ in range(n_steps):
        step(model, optimizer)
        trajectory.append(head_weights(model))
    return trajectory


def averaged(trajectory):
    """ema_0 = 0; ema_t = decay * ema_(t-1) + (1 - decay) * w_t, with a decay of
    (1 + t) / (10 + t) and never above 0.9999."""
    averages = {name: numpy.zeros(x.shape) for name, x in trajectory[0].items()}
    for t, weights in enumerate(trajectory, start=1):
        decay = min((1 + t) / (10 + t), 0.9999)
        for name, ema in averages.items():
            averages[name] = decay * ema + (1 - decay) * weights[name].double().numpy()
    return averages


def close(got, wanted):
    assert got.keys() == wanted.keys()
    for name, x in got.items():
        numpy.testing.assert_allclose(x.numpy(), wanted[name], rtol=1e-5, atol=1e-6)


@pytest.fixture
def trained():
    """A model, its optimizer, and the averages of its head by hand."""
    model = small_model()
    optimizer = Adam(0.05, use_averages=True)
    return model, optimizer, averaged(train(model, optimizer))


def test_weights_are_the_averages_for_a_while(trained):
    model, optimizer, averages = trained
    before = head_weights(model)
    scores = model.predict(vectors()).scores
    for name, x in before.items():
        assert abs(averages[name] - x.numpy()).max() > 0.01
    with model.use_params(optimizer.averages):
        close(head_weights(model), averages)
        scores_in = model.predict(vectors()).scores
    assert same(head_weights(model), before)
    assert torch.equal(model.predict(vectors()).scores, scores)

    other = small_model()
    (source,), (target,) = model.layers[0].layers, other.layers[0].layers
    for name in target.param_names:
        target.set_param(name, optimizer.averages[source.id, name])
    weights = {name: torch.tensor(x) for name, x in averages.items()}
    get_head_layer(other).shims[0]._model.load_state_dict(weights)
    wanted = other.predict(vectors()).scores
    torch.testing.assert_close(scores_in, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("level", ["model", "shim"])
def test_weights_come_back_after_an_error(trained, level):
    model, optimizer, averages = trained
    before = head_weights(model)
    target = model if level == "model" else get_head_layer(model).shims[0]
    with pytest.raises(ZeroDivisionError), target.use_params(optimizer.averages):
        close(head_weights(model), averages)
        raise ZeroDivisionError
    assert same(head_weights(model), before)


def test_contexts_can_be_nested(trained):
    model, optimizer, averages = trained
    before = head_weights(model)
    (shim,) = get_head_layer(model).shims
    zeros = {key: x * 0 for key, x in optimizer.averages.items()}
    with shim.use_params(optimizer.averages):
        with shim.use_params(zeros):
            assert all((x == 0).all() for x in head_weights(model).values())
        close(head_weights(model), averages)
    assert same(head_weights(model), before)


def test_averages_themselves_are_not_touched(trained):
    model, optimizer, _ = trained
    before = {key: x.copy() for key, x in optimizer.averages.items()}
    with model.use_params(optimizer.averages):
        model.predict(vectors())
    assert all(
        numpy.array_equal(optimizer.averages[key], x) for key, x in before.items()
    )


@pytest.mark.parametrize("key", ["another shim", "another name", "none"])
def test_weights_of_others_are_left_alone(trained, key):
    model, optimizer, _ = trained
    (shim,) = get_head_layer(model).shims
    params = {
        "another shim": {
            (shim.id + 1_000_000, name): x
            for (_, name), x in optimizer.averages.items()
        },
        "another name": {(shim.id, "bias"): numpy.zeros(3, dtype="float32")},
        "none": {},
    }[key]
    before = head_weights(model)
    with shim.use_params(params):
        assert same(head_weights(model), before)
    assert same(head_weights(model), before)


def test_a_part_of_the_weights_can_be_swapped(trained):
    model, _, _ = trained
    (shim,) = get_head_layer(model).shims
    before = head_weights(model)
    bias = numpy.full(before["projection.bias"].shape, 3.0, dtype="float32")
    with shim.use_params({(shim.id, "projection.bias"): bias}):
        got = head_weights(model)
        assert (got["projection.bias"] == 3).all()
        assert torch.equal(got["projection.weight"], before["projection.weight"])
    assert same(head_weights(model), before)


def test_training_goes_on_as_if_there_had_been_no_context():
    """Evaluation with averages between two steps changes neither."""
    ends = []
    for look in (False, True):
        model = small_model()
        optimizer = Adam(0.05, use_averages=True)
        for _ in range(N_STEPS):
            step(model, optimizer)
            averages = optimizer.averages
            with model.use_params(averages) if look else nullcontext():
                model.predict(vectors())
        ends.append(head_weights(model))
    assert same(*ends)


def test_bytes_written_in_the_context_hold_the_averages(trained):
    model, optimizer, averages = trained
    with model.use_params(optimizer.averages):
        data = model.to_bytes()
    other = small_model().from_bytes(data)
    close(head_weights(other), averages)


def test_an_optimizer_without_head_updates_as_thinc_does():
    """Weight by weight, with the gradients that torch has, and then clears them."""
    fix_random_seed(0)
    head = GlobalPointer(WIDTH, 2, head_width=4)
    shim = HeadShim(head)
    optimizer, thinc_adam = Adam(0.05), Adam(0.05)
    for _ in range(3):
        expected = {}
        for name, x in head.named_parameters():
            x.grad = torch.randn(x.shape)
            weights, gradient = x.detach().numpy().copy(), x.grad.numpy().copy()
            expected[name], _ = thinc_adam((0, name), weights, gradient)
        shim.finish_update(optimizer)
        for name, x in head.named_parameters():
            assert numpy.array_equal(x.detach().numpy(), expected[name])
            assert (x.grad == 0).all()


CONFIG = {
    "model": {
        "@architectures": "spacy_globalpointer.GlobalPointer.v1",
        "head_width": 4,
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


def test_spacy_evaluates_and_saves_with_averages():
    """`nlp.use_params` is what `spacy train` does around evaluation and saving."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("global_pointer", config=CONFIG)
    reference = nlp.make_doc("Ada met Bob in Rome")
    spans = [Span(reference, 0, 1, label="PER"), Span(reference, 4, 5, label="LOC")]
    reference.spans["sc"] = spans
    examples = [Example(nlp.make_doc(reference.text), reference)]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.05, use_averages=True)
    trajectory = []
    for _ in range(N_STEPS):
        nlp.update(examples, sgd=optimizer)
        trajectory.append(head_weights(pipe.model))
    averages = averaged(trajectory)
    docs = [nlp.make_doc(reference.text)]
    scores = pipe.predict(docs).scores
    with nlp.use_params(optimizer.averages):
        close(head_weights(pipe.model), averages)
        averaged_scores = pipe.predict(docs).scores
        data = nlp.to_bytes()
    assert same(head_weights(pipe.model), trajectory[-1])
    assert torch.equal(pipe.predict(docs).scores, scores)
    assert not torch.allclose(averaged_scores, scores)

    loaded = spacy.blank("en")
    loaded_pipe = loaded.add_pipe("global_pointer", config=CONFIG)
    loaded.from_bytes(data)
    close(head_weights(loaded_pipe.model), averages)
    assert torch.equal(loaded_pipe.predict(docs).scores, averaged_scores)
