"""What stands on the components asks them by public methods, not by their classes."""

import ast

import pytest

from tests.util.files import ROOT

FOLDERS = ("annotate", "cli", "comparison", "evaluation")
FILES = [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / "spacy_globalpointer" / folder).glob("*.py"))
]
# What components, pipelines and models are called there.
NAMES = {"component", "model", "nlp", "own", "pipe", "shim", "task"}


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: f"{path.parent.name}.{path.stem}"
)
def test_components_are_asked_by_public_methods(path):
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            subject = getattr(node.args[0], "id", "")
            assert subject not in NAMES, f"line {node.lineno}"
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            subject = getattr(node.value, "id", "")
            assert subject not in NAMES, f"line {node.lineno}"
