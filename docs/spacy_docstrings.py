"""Docstrings in the style of spaCy as Markdown: arguments become a list."""

import re
from typing import Any

import griffe

ARGUMENT = re.compile(
    r"^(?P<names>\*{0,2}\w+(?:, \w+)*|RETURNS|YIELDS|RAISES) \((?P<type>.+?)\):(?= |$)"
)


def to_markdown(docstring: str) -> str:
    """Begin a list where the arguments begin.

    docstring (str): A docstring, without its indentation.
    RETURNS (str): The same as Markdown.
    """
    lines = []
    in_list = False
    for line in docstring.splitlines():
        match = ARGUMENT.match(line)
        if match:
            if not in_list:
                lines.append("")
            in_list = True
            names = f"**`{match['names']}`**"
            line = f"- {names} (`{match['type']}`):{line[match.end() :]}"
        elif in_list and line and not line.startswith(" "):
            # A paragraph after the arguments.
            lines.append("")
            in_list = False
        lines.append(line)
    return "\n".join(lines)


class SpacyDocstrings(griffe.Extension):
    """Changes docstrings as they are read."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)
