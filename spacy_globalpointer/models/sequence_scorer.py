"""The layer that turns token vectors into scores of tags with a torch head."""

from functools import partial
from typing import Callable, List, Tuple

from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, chain, torch2xp
from thinc.types import Floats2d

from ..core.tags import TagScores
from ..heads import SequenceTagger
from .span_scorer import get_head_layer, hidden_states, init, run_head
from .types import SequenceModelT, TaggerModelT


def build_sequence_model(
    tok2vec: Model[List[Doc], List[Floats2d]],
) -> SequenceModelT:
    """An encoder and a linear chain of tags.

    tok2vec (Model): The encoder, or a listener to one.
    """
    model = chain(tok2vec, sequence_scorer())
    # `spacy debug model` looks for it.
    model.set_ref("tok2vec", tok2vec)
    return model


def sequence_scorer() -> TaggerModelT:
    """A layer without weights until `build_head` gives it a torch head."""
    return Model(
        "sequence_scorer",
        forward,
        init=init,
        dims={"nI": None, "nO": None},
        attrs={"build": SequenceTagger, "dropout_rate": 0.0},
    )


def set_tag_scheme(model: SequenceModelT, scheme: str, crf: bool) -> None:
    """Set what heads that are built from now on have.

    scheme (str): "BIO" or "BILUO".
    crf (bool): Whether there is a CRF.
    """
    get_head_layer(model).attrs["build"] = partial(
        SequenceTagger, scheme=scheme, crf=crf
    )


def forward(
    model: TaggerModelT, X: List[Floats2d], is_train: bool
) -> Tuple[TagScores, Callable[[TagScores], List[Floats2d]]]:
    lengths = [len(x) for x in X]
    hidden = hidden_states(model, X, is_train)
    parts, torch_backprop = run_head(model, hidden, is_train=is_train)

    def backprop(d_scores: TagScores) -> List[Floats2d]:
        # Without a CRF only emissions are learned.
        learned = [
            (part, d_part.to(part.dtype))
            for part, d_part in zip(parts, d_scores.parts)
            if part.requires_grad
        ]
        tensors, gradients = zip(*learned)
        torch_backprop(ArgsKwargs(args=(tensors,), kwargs={"grad_tensors": gradients}))
        return model.ops.unflatten(torch2xp(hidden.grad), lengths)

    emissions, transitions, borders = (part.detach() for part in parts)
    return TagScores(emissions, transitions, borders, lengths), backprop
