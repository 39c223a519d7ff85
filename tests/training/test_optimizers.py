"""Two learning rates, against two of thinc's own optimizers: one that updates the
head alone, one for all the rest, bit for bit."""

import numpy
import pytest
import torch
from spacy.language import DEFAULT_CONFIG
from spacy.util import registry
from thinc.api import Adam, Linear, chain, fix_random_seed, with_array

from spacy_globalpointer.heads import EfficientGlobalPointer
from spacy_globalpointer.models.span_scorer import (
    build_head,
    get_head_layer,
    span_scorer,
)
from spacy_globalpointer.training.optimizers import create_encoder_head_adam_v1

WIDTH = 5
N_STEPS = 6


def small_model():
    fix_random_seed(0)
    scorer = span_scorer(
        lambda width, n: EfficientGlobalPointer(width, n, head_width=4)
    )
    build_head(scorer, WIDTH, 2)
    return chain(with_array(Linear(WIDTH, WIDTH)), scorer).initialize()


def head_of(model):
    (shim,) = get_head_layer(model).shims
    return shim.id, dict(shim._model.named_parameters())


def weights_of(model):
    """Copies of all weights, (weights of the head, all others)."""
    head_id, parameters = head_of(model)
    head = {
        (head_id, name): x.detach().numpy().copy() for name, x in parameters.items()
    }
    rest = {
        (node.id, name): node.get_param(name).copy()
        for node in model.walk()
        for name in node.param_names
    }
    return head, rest


def gradients_of(model):
    head_id, parameters = head_of(model)
    gradients = {
        (head_id, name): x.grad.numpy().copy() for name, x in parameters.items()
    }
    for node in model.walk():
        for name in node.grad_names:
            gradients[node.id, name] = node.get_grad(name).copy()
    return gradients


def backprop_something(model):
    rng = numpy.random.default_rng(0)
    X = [rng.normal(size=(n, WIDTH)).astype("float32") for n in (3, 4)]
    lattice, backprop = model.begin_update(X)
    inside = lattice.layout.valid.expand_as(lattice.scores)
    backprop(torch.where(inside, torch.randn(lattice.scores.shape), 0.0))


def check_against_two_adams(model, optimizer, adam_head, adam_rest):
    """Train, and do the same by the two others on copies."""
    head, rest = weights_of(model)
    start = {key: x.copy() for key, x in {**head, **rest}.items()}
    for _ in range(N_STEPS):
        backprop_something(model)
        gradients = gradients_of(model)
        model.finish_update(optimizer)
        optimizer.step_schedules()
        for weights, adam in ((head, adam_head), (rest, adam_rest)):
            for key in weights:
                weights[key], _ = adam(key, weights[key], gradients[key])
            adam.step_schedules()
        got_head, got_rest = weights_of(model)
        for got, wanted in ((got_head, head), (got_rest, rest)):
            assert got.keys() == wanted.keys()
            assert all(numpy.array_equal(got[key], wanted[key]) for key in wanted)
    assert not any(numpy.array_equal(start[key], x) for key, x in head.items())
    assert not any(numpy.array_equal(start[key], x) for key, x in rest.items())


def rates(*values):
    """A schedule as a config gives it, an iterator."""
    return iter(values)


SETTINGS = {
    "spaCy's": {
        "beta1": 0.9,
        "beta2": 0.999,
        "L2": 0.01,
        "L2_is_weight_decay": True,
        "eps": 1e-8,
        "grad_clip": 1.0,
    },
    "others": {
        "beta1": 0.7,
        "beta2": 0.95,
        "L2": 0.3,
        "L2_is_weight_decay": False,
        "eps": 1e-2,
        "grad_clip": 0.1,
    },
    "large weight decay": {"L2": 0.4, "grad_clip": 0.0, "eps": 1e-3},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("use_averages", [True, False])
def test_each_part_moves_at_its_own_rate(settings, use_averages):
    optimizer = create_encoder_head_adam_v1(
        0.002, 0.05, use_averages=use_averages, **settings
    )
    adams = [
        Adam(rate, use_averages=use_averages, **settings) for rate in (0.05, 0.002)
    ]
    check_against_two_adams(small_model(), optimizer, *adams)


def test_each_part_follows_its_own_schedule():
    encoder, head = (0.0, 0.001, 0.003, 0.002), (0.1, 0.05, 0.2, 0.02, 0.01, 0.3)
    optimizer = create_encoder_head_adam_v1(rates(*encoder), rates(*head), L2=0.1)
    adams = [Adam(rates(*head), L2=0.1), Adam(rates(*encoder), L2=0.1)]
    check_against_two_adams(small_model(), optimizer, *adams)


def test_both_schedules_are_stepped_together():
    optimizer = create_encoder_head_adam_v1(rates(1.0, 2.0, 3.0), rates(4.0, 5.0))
    seen = []
    for _ in range(4):
        seen.append((optimizer.learn_rate, optimizer.head.learn_rate))
        optimizer.step_schedules()
    # Thinc stays at the last value of a schedule that has ended.
    assert seen == [(1.0, 4.0), (2.0, 5.0), (3.0, 5.0), (3.0, 5.0)]


@pytest.mark.parametrize("frozen", ["encoder", "head"])
def test_a_rate_of_zero_freezes_one_part(frozen):
    model = small_model()
    learn_rates = (0.0, 0.05) if frozen == "encoder" else (0.05, 0.0)
    optimizer = create_encoder_head_adam_v1(*learn_rates)
    before = weights_of(model)
    backprop_something(model)
    model.finish_update(optimizer)
    head, rest = (
        [not numpy.array_equal(x, old[key]) for key, x in new.items()]
        for old, new in zip(before, weights_of(model))
    )
    assert not any(rest if frozen == "encoder" else head)
    assert all(head if frozen == "encoder" else rest)


def test_averages_of_both_parts_are_in_one_place():
    """`spacy train` reads `optimizer.averages`."""
    model = small_model()
    optimizer = create_encoder_head_adam_v1(0.002, 0.05, use_averages=True)
    adams = [Adam(rate, L2=0.01, use_averages=True) for rate in (0.05, 0.002)]
    check_against_two_adams(model, optimizer, *adams)
    wanted = {**adams[0].averages, **adams[1].averages}
    assert optimizer.averages.keys() == wanted.keys()
    assert len(wanted) == 6
    for key, average in wanted.items():
        assert numpy.array_equal(optimizer.averages[key], average)
    last = weights_of(model)
    with model.use_params(optimizer.averages):
        head, rest = weights_of(model)
        for key, x in {**head, **rest}.items():
            assert numpy.array_equal(x, wanted[key])
    for before, after in zip(last, weights_of(model)):
        assert all(numpy.array_equal(after[key], x) for key, x in before.items())


def test_no_averages_unless_asked_for():
    optimizer = create_encoder_head_adam_v1(0.002, 0.05)
    assert optimizer.averages is None
    model = small_model()
    backprop_something(model)
    model.finish_update(optimizer)
    assert optimizer.averages is None
    assert optimizer.head.averages is None


def test_other_settings_are_the_defaults_of_spacy():
    spacys = {**DEFAULT_CONFIG["training"]["optimizer"], "learn_rate": 0.001}
    expected = registry.resolve({"optimizer": spacys})["optimizer"]
    optimizer = create_encoder_head_adam_v1(0.001, 0.001)
    names = ["b1", "b2", "L2", "L2_is_weight_decay", "eps", "grad_clip", "use_radam"]
    for name in [*names, "averages", "learn_rate"]:
        assert getattr(optimizer, name) == getattr(expected, name)
        assert getattr(optimizer.head, name) == getattr(expected, name)


def test_a_config_gives_schedules():
    optimizer = registry.resolve(
        {
            "optimizer": {
                "@optimizers": "spacy_globalpointer.EncoderHeadAdam.v1",
                "learn_rate": {
                    "@schedules": "warmup_linear.v1",
                    "initial_rate": 0.1,
                    "warmup_steps": 2,
                    "total_steps": 4,
                },
                "head_learn_rate": 0.5,
                "L2": 0.25,
                "use_averages": True,
            }
        }
    )["optimizer"]
    seen = []
    for _ in range(4):
        seen.append(optimizer.learn_rate)
        optimizer.step_schedules()
    assert seen == pytest.approx([0.0, 0.05, 0.1, 0.05])
    assert optimizer.head.learn_rate == 0.5
    assert optimizer.L2 == optimizer.head.L2 == 0.25
    assert optimizer.averages == {}
