"""The commands under `python -m spacy global-pointer`: `NAME_cli` of the module NAME.

spaCy imports this package for every one of its own commands, so a module is imported
when its command is asked for.
"""

from importlib import import_module
from typing import Any, List

import typer
from spacy.cli._util import app
from typer.core import TyperGroup

# What `--help` says of each. Their modules are imported when they are asked for.
COMMANDS = {
    "init": "Write a new project, or a config",
    "convert": "Convert a corpus to .spacy files",
    "check": "Show statistics of a corpus and likely problems",
    "train": "Train a pipeline, with one or several workers",
    "calibrate": "Choose thresholds on held-out data",
    "evaluate": "Score a pipeline on annotated documents",
    "report": "Write a page with scores, errors and plots",
    "unbundle": "Keep one of several components on one encoder",
    "compare": "Train several systems and write one table",
    "annotate": "Run a pipeline over any number of texts",
}


class _Commands(TyperGroup):
    # Contexts and commands are click's; Typer brings its own click.
    def list_commands(self, ctx: Any) -> List[str]:
        return [*COMMANDS]

    def get_command(self, ctx: Any, name: str) -> Any:
        if name not in COMMANDS:
            return None
        module = import_module(f".{name}", __name__)
        # In the plain style of spaCy's own.
        alone = typer.Typer(add_completion=False, rich_markup_mode=app.rich_markup_mode)
        settings = getattr(module, "CONTEXT_SETTINGS", None)
        alone.command(name, context_settings=settings)(getattr(module, f"{name}_cli"))
        return typer.main.get_command(alone)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


global_pointer = typer.Typer(
    name="global-pointer",
    help="Nested and flat span recognition: convert and check corpora, train, "
    "choose thresholds, evaluate, report and annotate.",
    no_args_is_help=True,
    cls=_Commands,
)
app.add_typer(global_pointer)
