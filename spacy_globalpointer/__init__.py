"""Nested and flat span recognition for spaCy with Global Pointer heads."""

from importlib.metadata import version
from typing import Any

__version__ = version("spacy-globalpointer")

PICTURES = ("lattice_scores", "visualize")
LINKED_SPANS = ("entities", "from_docs", "relations")


def __getattr__(name: str) -> Any:
    # Looked up when used: spaCy imports the package for its entry points.
    if name in PICTURES:
        from . import report

        return getattr(report, name)
    if name in LINKED_SPANS:
        from . import linked_spans

        return getattr(linked_spans, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *LINKED_SPANS, *PICTURES]
