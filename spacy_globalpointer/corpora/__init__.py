"""Readers of annotated corpora, one a format, and the way to `.spacy` files."""

from .docbin import convert, find_part
from .jsonl import CorpusError, read_jsonl

__all__ = ["CorpusError", "convert", "find_part", "read_jsonl"]
