"""What `--help` says, and what it imports: neither torch nor matplotlib."""

import json
import re
import subprocess
import sys

import pytest
import typer

from spacy_globalpointer.cli import COMMANDS, global_pointer
from tests.util.files import PROJECT, ROOT

# Runs a command in this process, and prints what it printed and imported.
CODE = """
import contextlib, io, json, sys
if {blocked!r}:
    sys.modules[{blocked!r}] = None
from spacy.cli._util import setup_cli
sys.argv = ["spacy", "global-pointer", *{arguments!r}, "--help"]
with contextlib.redirect_stdout(io.StringIO()) as output:
    try:
        setup_cli()
    except SystemExit as error:
        assert not error.code, error.code
print(json.dumps([output.getvalue(), [*sys.modules]]))
"""


def get_help(*arguments, blocked=""):
    code = CODE.format(arguments=arguments, blocked=blocked)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    output, modules = json.loads(done.stdout)
    return output, set(modules)


def test_the_list_of_commands_needs_no_torch():
    """spaCy itself imports torch where it can, so here it cannot."""
    output, modules = get_help(blocked="torch")
    names = [
        line.split()[0]
        for line in output[output.index("Commands:") :].split("\n")[1:]
        if line
    ]
    assert names == [*COMMANDS]
    assert "matplotlib" not in modules
    ours = {name for name in modules if name.startswith("spacy_globalpointer")}
    assert ours == {"spacy_globalpointer", "spacy_globalpointer.cli"}


@pytest.mark.parametrize("command", ["init", "report", "compare"])
def test_help_of_a_command_needs_no_matplotlib(command):
    _, modules = get_help(command)
    assert "spacy_globalpointer.cli." + command in modules
    assert "matplotlib" not in modules


def parameters(command):
    group = typer.main.get_group(global_pointer)
    return group.get_command(None, command).params


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command):
    for parameter in parameters(command):
        assert parameter.help, parameter.name


CALL = re.compile(r"global-pointer (\w+)((?:[^\n`]|\\\n)*)")


@pytest.mark.parametrize(
    "path",
    [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), PROJECT / "project.yml"],
    ids=lambda path: path.name,
)
def test_commands_in_documents_have_the_options_that_they_are_given(path):
    for command, arguments in CALL.findall(path.read_text(encoding="utf8")):
        if command not in COMMANDS:
            continue
        known = {name for x in parameters(command) for name in x.opts}
        given = set(re.findall(r"(?<=\s)--?[a-z][\w-]*(?=[\s=]|$)", arguments))
        assert given <= {*known, "--help"}, (command, given - known)
