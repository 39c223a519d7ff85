"""Where files of the repository are, and modules that are no part of the package."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "project"
BENCHMARKS = ROOT / "benchmarks"


def load_script(path):
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
