"""Annotation of texts with a trained pipeline, of any number of them."""

from .annotator import Annotator, Options, Part, Summary
from .blocks import Block, Item, Section, read_section, sections
from .files import InputFile, find_files
from .outputs import OUTPUTS
from .runs import Report, Run

__all__ = [
    "OUTPUTS",
    "Annotator",
    "Block",
    "InputFile",
    "Item",
    "Options",
    "Part",
    "Report",
    "Run",
    "Section",
    "Summary",
    "find_files",
    "read_section",
    "sections",
]
