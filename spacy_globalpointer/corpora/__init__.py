"""Readers of annotated corpora, one a format, and the way to `.spacy` files."""

from .brat import read_brat
from .cluener import read_cluener
from .cmeee import read_cmeee
from .columns import read_columns
from .conversion import Conversion, Converted, Options
from .conversion_report import ConversionReport
from .doc_builder import DocBuilder
from .doc_splitter import DocSplitter
from .docbin import DocWriter, Written, convert
from .doccano import read_doccano
from .dygie import read_dygie
from .formats import FORMATS, find_format, read_corpus
from .jsonl import read_jsonl
from .label_studio import read_label_studio
from .language import LanguageTools
from .prodigy import read_prodigy
from .pubtator import read_pubtator
from .record import CorpusError, Mention, Record
from .spacy_docbin import read_spacy
from .spacy_json import read_spacy_json
from .spert import read_spert

__all__ = [
    "FORMATS",
    "Conversion",
    "ConversionReport",
    "Converted",
    "CorpusError",
    "DocBuilder",
    "DocSplitter",
    "DocWriter",
    "LanguageTools",
    "Mention",
    "Options",
    "Record",
    "Written",
    "convert",
    "find_format",
    "read_brat",
    "read_cluener",
    "read_cmeee",
    "read_columns",
    "read_corpus",
    "read_doccano",
    "read_dygie",
    "read_jsonl",
    "read_label_studio",
    "read_prodigy",
    "read_pubtator",
    "read_spacy",
    "read_spacy_json",
    "read_spert",
]
