"""The commands under `python -m spacy global-pointer`."""

from spacy.cli._util import app

from .calibrate import calibrate_cli
from .check import check_cli
from .common import global_pointer
from .convert import convert_cli
from .evaluate import evaluate_cli
from .report import report_cli
from .unbundle import unbundle_cli

app.add_typer(global_pointer)

__all__ = [
    "calibrate_cli",
    "check_cli",
    "convert_cli",
    "evaluate_cli",
    "global_pointer",
    "report_cli",
    "unbundle_cli",
]
