"""Torch modules that fill the lattice. They know nothing of spaCy."""

from .efficient_global_pointer import EfficientGlobalPointer
from .global_pointer import GlobalPointer
from .span_classifier import SpanClassifier

__all__ = ["EfficientGlobalPointer", "GlobalPointer", "SpanClassifier"]
