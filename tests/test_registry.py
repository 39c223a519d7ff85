"""Everything that is registered is found, in a process that has imported nothing."""

import json
import os
import subprocess
import sys
from configparser import ConfigParser

import pytest

from tests.util.files import ROOT

# Every module of these folders.
CORE = ("core", "heads")

# The component comes first: nothing else has imported the package by then.
LOOK_UP = """
import importlib, json, spacy, sys, thinc.api, typer

imported = "spacy_globalpointer" in sys.modules
nlp = spacy.blank("en")
nlp.add_pipe("global_pointer")
meta = nlp.get_pipe_meta("global_pointer")
component = [imported, nlp.pipe_names, meta.assigns, meta.default_score_weights]

# As spacy.cli.setup_cli does it.
spacy.registry.cli.get_all()
app = importlib.import_module("spacy.cli._util").app
group = typer.main.get_command(app).commands["global-pointer"]
context = typer.Context(group)
commands = group.list_commands(context)
early = [name for name in sys.modules if name.startswith("spacy_globalpointer.cli.")]
assert not early, f"imported before a command was asked for: {early}"
assert all(group.get_command(context, name).name == name for name in commands)
assert group.get_command(context, "common") is None

libraries = {"spacy": spacy.registry, "thinc": thinc.api.registry}
same = {}
for group, names in json.loads(sys.argv[1]).items():
    library, registry = group.split("_", maxsplit=1)
    for name, target in names.items():
        module, attribute = target.split(":")
        expected = getattr(importlib.import_module(module), attribute)
        found = getattr(libraries[library], registry).get(name)
        same[f"{group}, {name}"] = found is expected
print(json.dumps([component, same, sorted(commands)]))
"""
CORE_ALONE = """
import importlib, json, pkgutil, sys

for name in json.loads(sys.argv[1]):
    package = importlib.import_module(f"spacy_globalpointer.{name}")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def run(code, argument, folder):
    """What a new process, with another working directory, prints as JSON."""
    # The package is found the way it is installed, not by the path of the tests.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-W", "error", "-c", code, json.dumps(argument)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def declared():
    """Entry points by group, from setup.cfg."""
    parser = ConfigParser(delimiters=["="])
    parser.optionxform = str
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    return {
        group: dict(line.split(" = ") for line in lines.strip().splitlines())
        for group, lines in parser["options.entry_points"].items()
    }


@pytest.fixture(scope="module")
def looked_up(tmp_path_factory):
    return run(LOOK_UP, declared(), tmp_path_factory.mktemp("elsewhere"))


def test_the_component_is_there_after_installation_alone(looked_up):
    imported, names, assigns, score_weights = looked_up[0]
    assert not imported
    assert names == ["global_pointer"]
    assert assigns == ["doc.spans", "doc.ents"]
    assert score_weights["spans_f"] == 1.0


def test_every_entry_point_is_found_and_is_what_setup_cfg_says(looked_up):
    expected = [
        f"{group}, {name}" for group, names in declared().items() for name in names
    ]
    assert looked_up[1] == dict.fromkeys(expected, True)
    assert "spacy_factories, global_pointer" in looked_up[1]


def test_the_commands_are_part_of_spacys(looked_up):
    assert {"calibrate", "convert", "evaluate", "report", "unbundle"} <= {*looked_up[2]}


def test_the_core_needs_torch_and_numpy_alone(tmp_path):
    imported = {*run(CORE_ALONE, CORE, tmp_path)}
    assert {"spacy_globalpointer", "torch"} <= imported
    assert not {"spacy", "thinc", "srsly", "spacy_transformers"} & imported
