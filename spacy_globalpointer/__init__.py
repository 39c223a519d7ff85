"""Nested and flat span recognition for spaCy with Global Pointer heads."""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("spacy-globalpointer")

# Name -> module. Looked up when used: spaCy imports the package for its entry points.
EXPORTS = {
    "entities": "linked_spans",
    "from_docs": "linked_spans",
    "relations": "linked_spans",
    "add_score_extension": "records",
    "to_dataframe": "records",
    "to_records": "records",
    "lattice_scores": "report",
    "visualize": "report",
}


def __getattr__(name: str) -> Any:
    if name in EXPORTS:
        return getattr(import_module(f".{EXPORTS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *EXPORTS]
