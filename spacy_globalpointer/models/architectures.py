"""The registered architectures."""

from functools import partial
from typing import Any, Dict, List, Optional

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..errors import Errors
from ..heads import (
    EfficientGlobalPointer,
    GlobalPointer,
    RelationPointer,
    SpanClassifier,
)
from ..heads.efficient_global_pointer import FEATURES
from ..heads.span_classifier import REPRESENTATIONS
from .link_scorer import build_link_model
from .sequence_scorer import build_sequence_model
from .span_scorer import build_span_model
from .types import SequenceModelT, SpanModelT


def build_global_pointer_v1(
    tok2vec: Model[List[Doc], List[Floats2d]],
    head_width: int = 64,
    rope: bool = True,
) -> SpanModelT:
    """Global Pointer (arXiv 2208.03054, eq. 2 to 5): its own queries and keys
    for each label.

    tok2vec (Model[List[Doc], List[Floats2d]]): The encoder, or a listener to one.
    head_width (int): Width d of queries and keys, an even number.
    rope (bool): Whether scores depend on the distance from head to tail, by
        rotary position embedding.
    """
    return build_global_pointer_v2(tok2vec, head_width, rope)


def build_global_pointer_v2(
    tok2vec: Model[List[Doc], List[Floats2d]],
    head_width: int = 64,
    rope: bool = True,
    content_width: int = 0,
    content_dropout: float = 0.2,
    content_max_length: Optional[int] = None,
) -> SpanModelT:
    """Global Pointer as of `build_global_pointer_v1`, to which a term for what is
    between the ends of a span can be added: for each label, a linear classifier of

        LayerNorm(GELU(A h_i + B h_j + C mean(h_i .. h_j) + max(D h_i .. D h_j)
                       + e_(j - i)))

    tok2vec (Model[List[Doc], List[Floats2d]]): The encoder, or a listener to one.
    head_width (int): Width d of queries and keys, an even number.
    rope (bool): Whether scores depend on the distance from head to tail, by
        rotary position embedding.
    content_width (int): Width of A, B, C, D and e; 0: the paper's formula alone.
    content_dropout (float): Dropout before that classifier in training. The dropout on
        the token vectors is that of `[training]`.
    content_max_length (Optional[int]): Longest span that has the content term, in
        tokens; null: no limit. Most of the term's time goes into long spans.
    """
    _check_head_width(head_width)
    content = _check_content(content_width, content_dropout, content_max_length)
    head = partial(GlobalPointer, head_width=head_width, rope=rope, **content)
    return build_span_model(tok2vec, head)


def build_efficient_global_pointer_v1(
    tok2vec: Model[List[Doc], List[Floats2d]],
    head_width: int = 64,
    rope: bool = True,
    features: str = "projected",
) -> SpanModelT:
    """Efficient Global Pointer (arXiv 2208.03054, eq. 6 and 7): queries and keys
    shared by all labels, and a linear classifier of head and tail for each.

    tok2vec (Model[List[Doc], List[Floats2d]]): The encoder, or a listener to one.
    head_width (int): Width d of queries and keys, an even number.
    rope (bool): Whether scores depend on the distance from head to tail, by
        rotary position embedding.
    features (str): What is classified: "hidden", the hidden states (eq. 6), or
        "projected", the queries and keys (eq. 7).
    """
    return build_efficient_global_pointer_v2(tok2vec, head_width, rope, features)


def build_efficient_global_pointer_v2(
    tok2vec: Model[List[Doc], List[Floats2d]],
    head_width: int = 64,
    rope: bool = True,
    features: str = "projected",
    content_width: int = 0,
    content_dropout: float = 0.2,
    content_max_length: Optional[int] = None,
) -> SpanModelT:
    """Efficient Global Pointer as of `build_efficient_global_pointer_v1`, with the
    content term of `build_global_pointer_v2`.

    tok2vec (Model[List[Doc], List[Floats2d]]): The encoder, or a listener to one.
    head_width (int): Width d of queries and keys, an even number.
    rope (bool): Whether scores depend on the distance from head to tail, by
        rotary position embedding.
    features (str): What is classified: "hidden", the hidden states (eq. 6), or
        "projected", the queries and keys (eq. 7).
    content_width (int): Width of the content term; 0: the paper's formula alone.
    content_dropout (float): Dropout of the content term in training.
    content_max_length (Optional[int]): Longest span that has the content term, in
        tokens; null: no limit.
    """
    _check_head_width(head_width)
    if features not in FEATURES:
        raise ValueError(
            Errors.E004.format(setting="features", allowed=FEATURES, value=features)
        )
    head = partial(
        EfficientGlobalPointer,
        head_width=head_width,
        rope=rope,
        features=features,
        **_check_content(content_width, content_dropout, content_max_length),
    )
    return build_span_model(tok2vec, head)


def build_span_classifier_v1(
    tok2vec: Model[List[Doc], List[Floats2d]],
    representation: str = "hybrid",
    length_width: int = 25,
    n_lengths: int = 32,
) -> SpanModelT:
    """SpanNER (arXiv 2207.03300, eq. 12 to 18): a linear classifier of span
    representations into the labels and "no entity".

    tok2vec (Model[List[Doc], List[Floats2d]]): The encoder, or a listener to one.
    representation (str): "boundary", the first and the last token; "pooling", the
        maximum of all tokens, and the document; "hybrid", both; "attention", the
        tokens weighted by a learned attention.
    length_width (int): Width of the learned embedding of a span's length.
    n_lengths (int): Lengths that have an embedding of their own; longer spans
        share that of the last.
    """
    if representation not in REPRESENTATIONS:
        raise ValueError(
            Errors.E004.format(
                setting="representation",
                allowed=f"one of {tuple(REPRESENTATIONS)}",
                value=representation,
            )
        )
    for setting, value in (("length_width", length_width), ("n_lengths", n_lengths)):
        if value < 1:
            raise ValueError(
                Errors.E004.format(setting=setting, allowed="1 or more", value=value)
            )
    head = partial(
        SpanClassifier,
        representation=representation,
        length_width=length_width,
        n_lengths=n_lengths,
    )
    return build_span_model(tok2vec, head, mutually_exclusive=True)


def build_sequence_ner_v1(
    tok2vec: Model[List[Doc], List[Floats2d]],
) -> SequenceModelT:
    """Sequence labeling (Bundling Learning, eq. 5 to 11): a linear layer scores the
    tags of each token. The component's settings say which tags there are, and
    whether a CRF scores their transitions.

    tok2vec (Model[List[Doc], List[Floats2d]]): The encoder, or a listener to one.
    """
    return build_sequence_model(tok2vec)


def build_relation_pointer_v1(
    tok2vec: Model[List[Doc], List[Floats2d]],
    head_width: int = 64,
    rope: bool = True,
    shared: bool = False,
    label_width: int = 25,
) -> SpanModelT:
    """The Global Pointer on spans: queries and keys of two spans, and a linear
    classifier of both, see `RelationPointer`.

    tok2vec (Model[List[Doc], List[Floats2d]]): The encoder, or a listener to one.
    head_width (int): Width d of queries and keys, an even number.
    rope (bool): Whether scores depend on the distance between the spans, by rotary
        position embedding.
    shared (bool): Whether all labels have the same queries and keys.
    label_width (int): Width of the embedding of a span's label.
    """
    _check_head_width(head_width)
    if label_width < 1:
        raise ValueError(
            Errors.E004.format(
                setting="label_width", allowed="1 or more", value=label_width
            )
        )
    head = partial(
        RelationPointer,
        head_width=head_width,
        rope=rope,
        shared=shared,
        label_width=label_width,
    )
    return build_link_model(tok2vec, head)


def _check_head_width(head_width: int) -> None:
    if head_width < 2 or head_width % 2:
        raise ValueError(
            Errors.E004.format(
                setting="head_width", allowed="an even number", value=head_width
            )
        )


def _check_content(
    content_width: int, content_dropout: float, content_max_length: Optional[int]
) -> Dict[str, Any]:
    """The arguments of a head for its content term."""
    settings = {
        "content_width": content_width,
        "content_dropout": content_dropout,
        "content_max_length": content_max_length,
    }
    longest = 1 if content_max_length is None else content_max_length
    for setting, is_right, allowed in (
        ("content_width", content_width >= 0, "0 or more"),
        ("content_dropout", 0 <= content_dropout < 1, "at least 0 and less than 1"),
        ("content_max_length", longest >= 1, "1 or more, or null"),
    ):
        if not is_right:
            raise ValueError(
                Errors.E004.format(
                    setting=setting, allowed=allowed, value=settings[setting]
                )
            )
    return settings
