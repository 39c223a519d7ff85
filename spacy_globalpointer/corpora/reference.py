"""The formats as `convert --list-formats` and the reference page show them, from the
same texts."""

from typing import Iterator, Mapping, Tuple

from .formats import FORMATS
from .registry import Format

TITLE = "# Formats of `convert`"
INTRODUCTION = """\
`python -m spacy global-pointer convert` finds the format of a file by its content;
`--format` names it. Other packages add formats by the entry-point group
`spacy_globalpointer_formats`. This page is generated from the texts of `convert
--list-formats`, by `python -m spacy_globalpointer.corpora.reference >
docs/reference/formats.md`."""
BINARY = "Binary, as `DocBin(docs=docs).to_disk(path)` writes it."


def describe_formats(
    formats: Mapping[str, Format] = FORMATS,
) -> Iterator[Tuple[str, str]]:
    """Each format, for people.

    formats (Mapping[str, Format]): The formats by name.
    YIELDS (Tuple[str, str]): The name, and the description with the content of each
        file of the example, by name.
    """
    for name, format in formats.items():
        files = [
            f"{file_name}:\n\n{content}"
            for file_name, content in format.example.items()
        ]
        yield name, "\n\n".join([format.description, *(files or [BINARY])])


def formats_page(formats: Mapping[str, Format] = FORMATS) -> str:
    """The reference page of formats.

    formats (Mapping[str, Format]): The formats by name.
    RETURNS (str): Markdown.
    """
    sections = [TITLE, INTRODUCTION]
    for name, format in formats.items():
        sections += [f"## `{name}`", format.description, *_blocks(format.example)]
    return "\n\n".join(sections) + "\n"


def _blocks(example: Mapping[str, str]) -> Iterator[str]:
    for file_name, content in example.items():
        end = "" if content.endswith("\n") else "\n"
        yield f"`{file_name}`:\n\n```text\n{content}{end}```"
    if not example:
        yield BINARY


if __name__ == "__main__":
    print(formats_page(), end="")  # noqa: T201
