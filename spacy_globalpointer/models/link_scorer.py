"""The layer that scores pairs of spans with a torch head."""

from functools import partial
from typing import Any, Callable, List, Tuple

import torch
from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, chain, torch2xp
from thinc.types import Floats2d

from ..core.lattice import Lattice, Layout
from ..core.links import Links
from .span_scorer import get_head_layer, hidden_states, init, run_head
from .types import HeadBuilderT, HeadModelT, SpanModelT


def build_link_model(
    tok2vec: Model[List[Doc], List[Floats2d]], head: HeadBuilderT
) -> SpanModelT:
    """An encoder and a head that scores pairs of spans.

    tok2vec (Model): The encoder, or a listener to one.
    head (Callable[[int, int], nn.Module]): Makes the torch head of a hidden width
        and a number of labels, once both are known. Another argument is
        `n_span_labels`, see `set_span_labels`.
    """
    scorer: HeadModelT = Model(
        "link_scorer",
        forward,
        init=init,
        dims={"nI": None, "nO": None},
        attrs={"build": head, "dropout_rate": 0.0},
    )
    model = chain(tok2vec, scorer)
    # `spacy debug model` looks for it.
    model.set_ref("tok2vec", tok2vec)
    return model


def set_span_labels(model: SpanModelT, n_span_labels: int) -> None:
    """Set how many labels of spans heads know that are built from now on."""
    attrs = get_head_layer(model).attrs
    attrs["build"] = partial(attrs["build"], n_span_labels=n_span_labels)


def predict_links(model: SpanModelT, docs: List[Doc], links: Links) -> Lattice:
    """Score pairs. Nothing of the model is changed.

    docs (List[Doc]): The documents.
    links (Links): Their pairs.
    RETURNS (Lattice): Scores of shape (n_labels, n_pairs, 1).
    """
    encoder, scorer = model.layers
    return _score(scorer, encoder.predict(docs), links, is_train=False)[0]


def begin_links(
    model: SpanModelT, docs: List[Doc], links: Links
) -> Tuple[Lattice, Callable[[torch.Tensor], Any]]:
    """Score pairs in training, with dropout.

    docs (List[Doc]): The documents.
    links (Links): Their pairs.
    RETURNS (Tuple[Lattice, Callable]): Scores of shape (n_labels, n_pairs, 1), and the
        function that takes their gradient.
    """
    encoder, scorer = model.layers
    hidden, backprop_encoder = encoder.begin_update(docs)
    lattice, backprop = _score(scorer, hidden, links, is_train=True)
    return lattice, lambda d_scores: backprop_encoder(backprop(d_scores))


def forward(
    model: HeadModelT, X: List[Floats2d], is_train: bool
) -> Tuple[Lattice, Callable[[torch.Tensor], List[Floats2d]]]:
    """Score no pairs: which there are, only `predict_links` and `begin_links` know."""
    none = torch.zeros(0, dtype=torch.long)
    pairs = Layout([0] * len(X), 1)
    links = Links(Layout([*map(len, X)]), pairs, none, none, none, none, none)
    return _score(model, X, links, is_train)


def _score(
    model: HeadModelT, X: List[Floats2d], links: Links, is_train: bool
) -> Tuple[Lattice, Callable[[torch.Tensor], List[Floats2d]]]:
    lengths = [len(x) for x in X]
    hidden = hidden_states(model, X, is_train)
    links = links.to(hidden.device)
    if not len(links.heads):
        # The encoder has to learn of its gradient, also if it is 0.
        scores = hidden.new_zeros(model.get_dim("nO"), 0, 1)
        zeros = torch2xp(torch.zeros_like(hidden))
        return Lattice(scores.detach(), links.layout), lambda _: model.ops.unflatten(
            zeros, lengths
        )
    lattice, torch_backprop = run_head(model, hidden, links, is_train=is_train)

    def backprop(d_scores: torch.Tensor) -> List[Floats2d]:
        torch_backprop(
            ArgsKwargs(args=((lattice.scores,),), kwargs={"grad_tensors": (d_scores,)})
        )
        return model.ops.unflatten(torch2xp(hidden.grad), lengths)

    return Lattice(lattice.scores.detach(), links.layout), backprop
