"""Nested and flat span recognition for spaCy with Global Pointer heads."""

from importlib.metadata import version
from typing import Any

__version__ = version("spacy-globalpointer")

PICTURES = ("lattice_scores", "visualize")


def __getattr__(name: str) -> Any:
    # Looked up when used: spaCy imports the package for its entry points.
    if name in PICTURES:
        from . import report

        return getattr(report, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *PICTURES]
