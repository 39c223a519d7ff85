"""The layer that turns token vectors into a lattice with a torch head."""

from typing import Any, Callable, List, Optional, Tuple, cast

import torch
from spacy.tokens import Doc
from thinc.api import (
    ArgsKwargs,
    Model,
    chain,
    torch2xp,
    xp2torch,
)
from thinc.types import Floats2d
from torch import nn
from torch.nn.functional import dropout

from ..core.lattice import Lattice, Layout
from ..core.threads import one_thread
from ..errors import Errors
from ..heads.head import missing_parts
from .head_shim import HeadShim
from .types import HeadBuilderT, HeadModelT, SpanModelT


def build_span_model(
    tok2vec: Model[List[Doc], List[Floats2d]],
    head: HeadBuilderT,
    mutually_exclusive: bool = False,
) -> SpanModelT:
    """An encoder and a head.

    tok2vec (Model): The encoder, or a listener to one.
    head (Callable[[int, int], nn.Module]): Makes the torch head of a hidden width
        and a number of labels, once both are known.
    mutually_exclusive (bool): Whether the head scores one class more than there are
        labels, "no entity", for an objective whose classes exclude one another.
    """
    model = chain(tok2vec, span_scorer(head, mutually_exclusive))
    # `spacy debug model` looks for it.
    model.set_ref("tok2vec", tok2vec)
    return model


def span_scorer(head: HeadBuilderT, mutually_exclusive: bool = False) -> HeadModelT:
    """A layer without weights until `build_head` gives it a torch head."""
    return Model(
        "span_scorer",
        forward,
        init=init,
        dims={"nI": None, "nO": None},
        attrs={
            "build": head,
            "mutually_exclusive": mutually_exclusive,
            "dropout_rate": 0.0,
            "max_length": None,
        },
    )


def get_head_layer(model: SpanModelT) -> HeadModelT:
    """The layer of a model that holds its head."""
    return cast(HeadModelT, model.layers[-1])


def init(model: HeadModelT, X: Optional[List[Floats2d]] = None, Y: None = None) -> None:
    """Give the layer a new head. The number of labels is set before, the hidden
    width is that of X, or set before too."""
    width = X[0].shape[1] if X else model.get_dim("nI")
    build_head(model, width, model.get_dim("nO"))


def build_head(model: HeadModelT, width: int, n_labels: int) -> None:
    """Give the layer a new head with random weights.

    width (int): Width of the hidden states.
    n_labels (int): Number of labels.
    """
    model.set_dim("nI", width, force=True)
    model.set_dim("nO", n_labels, force=True)
    _set_head(model, model.attrs["build"](width, n_labels))


def resize_head(model: HeadModelT, n_labels: int) -> None:
    """Add labels. The scores of the present ones stay as they are."""
    model.set_dim("nO", n_labels, force=True)
    _set_head(model, model.shims[0]._model.resized(n_labels))


def _set_head(model: HeadModelT, head: nn.Module) -> None:
    missing = missing_parts(head)
    if missing:
        raise TypeError(Errors.E056.format(kind=type(head).__name__, parts=missing))
    # A new shim has a new identity, so that no optimizer applies the moments and
    # averages of other weights to it.
    model.shims[:] = [HeadShim(head)]


def hidden_states(model: Model, X: List[Floats2d], is_train: bool) -> torch.Tensor:
    """The vectors of a batch for the head of a layer, end to end.
    *Shape:* (n_tokens, width)"""
    flat = model.ops.flatten(X) if X else model.ops.alloc2f(0, model.get_dim("nI"))
    device = model.shims[0].device
    return cast(torch.Tensor, xp2torch(flat, requires_grad=is_train, device=device))


@one_thread()
def run_head(
    model: Model, hidden: torch.Tensor, *args: Any, is_train: bool
) -> Tuple[Any, Callable[[Any], Any]]:
    """Run the torch head of a layer, with dropout on its input in training alone.

    hidden (Tensor): From `hidden_states`.
    RETURNS (Tuple[Any, Callable]): The output of the head, and its `backprop`.
    """
    if is_train:
        hidden = dropout(hidden, model.attrs["dropout_rate"])
    return model.shims[0](ArgsKwargs(args=(hidden, *args), kwargs={}), is_train)


def forward(
    model: HeadModelT, X: List[Floats2d], is_train: bool
) -> Tuple[Lattice, Callable[[torch.Tensor], List[Floats2d]]]:
    return _score(model, X, model.attrs["max_length"], is_train)


def predict_lattice(
    model: SpanModelT, docs: List[Doc], max_length: Optional[int]
) -> Lattice:
    """Score all candidates, as `model.predict` does, without setting an attribute
    of the model, which other threads may use at the same time.

    docs (List[Doc]): The documents.
    max_length (Optional[int]): Longest candidate, in tokens. None: no limit.
    """
    encoder, scorer = model.layers
    return _score(scorer, encoder.predict(docs), max_length, is_train=False)[0]


def _score(
    model: HeadModelT, X: List[Floats2d], max_length: Optional[int], is_train: bool
) -> Tuple[Lattice, Callable[[torch.Tensor], List[Floats2d]]]:
    lengths = [len(x) for x in X]
    hidden = hidden_states(model, X, is_train)
    layout = Layout(lengths, max_length, hidden.device)
    lattice, torch_backprop = run_head(model, hidden, layout, is_train=is_train)
    n_classes = model.get_dim("nO") + model.attrs["mutually_exclusive"]
    shape = (n_classes, layout.n_tokens, layout.width)
    if lattice.scores.shape != shape:
        message = Errors.E057.format(
            kind=type(model.shims[0]._model).__name__,
            got=tuple(lattice.scores.shape),
            shape=shape,
        )
        raise ValueError(message)

    def backprop(d_scores: torch.Tensor) -> List[Floats2d]:
        torch_backprop(
            ArgsKwargs(args=((lattice.scores,),), kwargs={"grad_tensors": (d_scores,)})
        )
        return model.ops.unflatten(torch2xp(hidden.grad), lengths)

    return Lattice(lattice.scores.detach(), layout), backprop
