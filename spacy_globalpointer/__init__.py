"""Nested and flat span recognition for spaCy with Global Pointer heads."""

from importlib.metadata import version

__version__ = version("spacy-globalpointer")
