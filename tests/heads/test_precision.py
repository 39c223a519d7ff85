"""Heads on hidden states of any floating type, with weights of any, and under
autocast. The oracle is the same head in float64, on the rounded inputs."""

import copy

import pytest
import torch

from spacy_globalpointer.core.lattice import Lattice, Layout
from spacy_globalpointer.heads import (
    EfficientGlobalPointer,
    GlobalPointer,
    SequenceTagger,
    SpanClassifier,
)
from spacy_globalpointer.heads.span_classifier import REPRESENTATIONS

WIDTH = 8
LAYOUT = Layout([5, 0, 9, 1], 4)
TYPES = [torch.bfloat16, torch.float16, torch.float32, torch.float64]
HEADS = {
    "global": (GlobalPointer, {"head_width": 4}),
    "projected": (EfficientGlobalPointer, {"head_width": 4}),
    "hidden": (EfficientGlobalPointer, {"head_width": 4, "features": "hidden"}),
    **{x: (SpanClassifier, {"representation": x}) for x in REPRESENTATIONS},
    "crf": (SequenceTagger, {"crf": True}),
    "softmax": (SequenceTagger, {"crf": False}),
}
every_head = pytest.mark.parametrize("name", HEADS)


def make_head(name):
    torch.manual_seed(0)
    head_class, settings = HEADS[name]
    head = head_class(WIDTH, 3, **settings)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_()
    return head


def scores_and_gradients(head, hidden, autocast=False):
    """The scores that are finite, and the gradients of their weighted sum."""
    hidden = hidden.clone().requires_grad_()
    head.zero_grad()
    layout = () if isinstance(head, SequenceTagger) else (LAYOUT,)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        output = head(hidden, *layout)
    output = [output.scores] if isinstance(output, Lattice) else output
    scores = torch.cat([x[x.isfinite()] for x in output])
    (scores * torch.linspace(-1, 1, len(scores)).to(scores)).sum().backward()
    gradients = {name: x.grad for name, x in head.named_parameters()}
    return scores.detach(), {**gradients, "of hidden states": hidden.grad}


def check(head, hidden, autocast=False):
    scores, gradients = scores_and_gradients(head, hidden, autocast)
    exact = copy.deepcopy(head).double()
    wanted, wanted_gradients = scores_and_gradients(exact, hidden.double())
    types = {x.dtype for x in (hidden, *head.parameters())}
    double = torch.float64 in types
    assert scores.dtype == (torch.float64 if double else torch.float32)
    # What is computed is exact to float32, whatever the inputs are.
    torch.testing.assert_close(scores.double(), wanted, rtol=1e-5, atol=1e-5)
    parameters = dict(head.named_parameters(), **{"of hidden states": hidden})
    for name, x in gradients.items():
        assert x.dtype == parameters[name].dtype
        # Gradients are rounded to the type that they are of.
        scale = wanted_gradients[name].abs().max().item()
        bound = max(torch.finfo(x.dtype).eps, 1e-6) * 4
        expected = wanted_gradients[name]
        torch.testing.assert_close(x.double(), expected, rtol=0, atol=bound * scale)


@every_head
@pytest.mark.parametrize("dtype", TYPES)
def test_hidden_states_of_any_type(name, dtype):
    check(make_head(name), torch.randn(15, WIDTH).to(dtype))


@every_head
@pytest.mark.parametrize("dtype", TYPES)
def test_weights_of_any_type(name, dtype):
    check(make_head(name).to(dtype), torch.randn(15, WIDTH).to(dtype))


@every_head
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_autocast_changes_nothing(name, dtype):
    head = make_head(name)
    check(head, torch.randn(15, WIDTH).to(dtype), autocast=True)


@every_head
def test_a_backward_pass_under_autocast(name):
    """Torch advises against it. It works, in the precision of autocast."""
    head = make_head(name)
    hidden = torch.randn(15, WIDTH)
    _, wanted = scores_and_gradients(head, hidden)
    with torch.autocast("cpu", torch.bfloat16):
        _, gradients = scores_and_gradients(head, hidden)
    for name, x in gradients.items():
        assert x.dtype == torch.float32
        bound = 0.01 * wanted[name].abs().max().item()
        torch.testing.assert_close(x, wanted[name], rtol=0, atol=bound)
