"""Writes the tables of settings in docs/reference/settings.md, from their declarations.

Run it after a change of the settings: python docs/write_settings.py
"""

import re
from pathlib import Path
from typing import Any

from thinc.api import Config

from spacy_globalpointer.pipeline.settings import (
    RELATION_SETTINGS,
    SPAN_SETTINGS,
    TAG_SETTINGS,
)

PAGE = Path(__file__).parent / "reference" / "settings.md"
SETTINGS = {
    "relations": RELATION_SETTINGS,
    "spans": SPAN_SETTINGS,
    "tags": TAG_SETTINGS,
}
# A table, between the comment that names it and the next blank line.
TABLE = re.compile(r"(<!-- settings: (\w+) -->\n\n)(?:\|.*\n)*")


def with_tables(page: str) -> str:
    """A page with its tables of settings as they are declared.

    page (str): Markdown.
    RETURNS (str): The same with current tables.
    """
    return TABLE.sub(lambda match: match[1] + make_table(match[2]), page)


def make_table(name: str) -> str:
    """A table of settings: name, meaning, default.

    name (str): "relations", "spans" or "tags".
    RETURNS (str): Markdown.
    """
    rows = [
        f"| `{setting}` | {declared.meaning} | `{to_config(declared.default)}` |"
        for setting, declared in SETTINGS[name].items()
    ]
    return "\n".join(["| setting | meaning | default |", "|---|---|---|", *rows, ""])


def to_config(value: Any) -> str:
    """A value as it is written in a config."""
    if value == {}:
        return "{}"
    return Config({"x": {"y": value}}).to_str().partition("y = ")[2].strip()


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf8")), encoding="utf8")
