"""Torch modules that fill the lattice or score tags. They know nothing of spaCy."""

from .efficient_global_pointer import EfficientGlobalPointer
from .global_pointer import GlobalPointer
from .head import Head
from .relation_pointer import RelationPointer
from .sequence_tagger import SequenceTagger
from .span_classifier import SpanClassifier

__all__ = [
    "EfficientGlobalPointer",
    "GlobalPointer",
    "Head",
    "RelationPointer",
    "SequenceTagger",
    "SpanClassifier",
]
