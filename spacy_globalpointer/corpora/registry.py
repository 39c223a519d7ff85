"""The registry of formats. Each format is one file, which defines its name, an example,
how it is recognized and how it is read.

A package adds a format of its own by an entry point of the group
`spacy_globalpointer_formats`, whose value is a `Format`:

    [options.entry_points]
    spacy_globalpointer_formats =
        my-format = my_package.my_format:FORMAT
"""

from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from typing import Callable, Iterator, List, Mapping, Optional, Tuple

import catalogue

from .preview import Preview
from .record import Record


@dataclass(frozen=True)
class Format:
    """A format of annotated corpora.

    name (str): What `--format` calls it.
    description (str): What it is, in one line.
    matches (Callable[[Preview], bool]): Whether a file is of it, by its beginning.
    read (Callable[..., Iterator[Record]]): Called with the path and a
        `ConversionReport`, yields the documents or sentences.
    example (Mapping[str, str]): Small files of it, by name. Together they are one
        corpus. Empty for a binary format.
    options (Tuple[str, ...]): Keyword arguments that `read` takes besides; of the
        options of a conversion it gets those.
    lang (Optional[str]): The language of all corpora in it.
    is_certain (bool): Whether a file that matches is of no other format, whatever its
        text looks like.
    describe (Optional[Callable[..., List[str]]]): Called as `read` is, gives lines that
        say which parts of a file are read as what, and why.
    """

    name: str
    description: str
    matches: Callable[[Preview], bool]
    read: Callable[..., Iterator[Record]]
    example: Mapping[str, str] = field(default_factory=dict)
    options: Tuple[str, ...] = ()
    lang: Optional[str] = None
    is_certain: bool = False
    describe: Optional[Callable[..., List[str]]] = None


_registry = catalogue.create("spacy_globalpointer", "formats", entry_points=True)


def register(format: Format) -> Format:
    """Add a format under its name. RETURNS (Format): It."""
    return _registry.register(format.name, func=format)


class _Formats(MappingABC[str, Format]):
    """All formats that are registered now, by name."""

    def __getitem__(self, name: str) -> Format:
        return _registry.get_all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_registry.get_all())

    def __len__(self) -> int:
        return len(_registry.get_all())


FORMATS: Mapping[str, Format] = _Formats()
