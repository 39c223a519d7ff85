"""Thinc models around the torch heads, and the registered architectures."""

from .architectures import (
    build_efficient_global_pointer_v1,
    build_global_pointer_v1,
    build_sequence_ner_v1,
    build_span_classifier_v1,
)
from .span_scorer import build_head, get_head_layer, resize_head

__all__ = [
    "build_efficient_global_pointer_v1",
    "build_global_pointer_v1",
    "build_head",
    "build_sequence_ner_v1",
    "build_span_classifier_v1",
    "get_head_layer",
    "resize_head",
]
