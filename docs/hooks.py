"""What the site takes from elsewhere in the repository when it is built.

A line `{{ commands }}` of a page is replaced by what `--help` says of each command, and
`{{ file PATH }}` by a file.
"""

import re
from pathlib import Path
from typing import Any, Callable, Mapping

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from spacy.cli._util import app
from typer.testing import CliRunner

from spacy_globalpointer.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PLOTS = "benchmarks/results"
DIRECTIVE = re.compile(r"^\{\{ (\w+) ?(\S*) \}\}$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take the plots of the benchmarks to the site."""
    for path in sorted((ROOT / PLOTS).glob("*.svg")):
        name = f"images/{path.name}"
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **kwargs: Any) -> str:
    markdown = markdown.replace(f"../{PLOTS}/", "images/")
    return DIRECTIVE.sub(lambda match: WRITERS[match[1]](match[2]), markdown)


def write_commands(_: str) -> str:
    """What `--help` says of each command."""
    parts = []
    for name in COMMANDS:
        shown = CliRunner().invoke(
            app, ["global-pointer", name, "--help"], env={"COLUMNS": "88"}
        )
        if shown.exit_code:
            raise typer.BadParameter(shown.output)
        parts.append(f"## {name}\n\n```text\n{shown.output.strip()}\n```")
    return "\n\n".join(parts)


def write_file(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf8")


WRITERS: Mapping[str, Callable[[str], str]] = {
    "commands": write_commands,
    "file": write_file,
}
