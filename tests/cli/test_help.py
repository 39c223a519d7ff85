"""What `--help` imports: neither torch nor matplotlib."""

import json
import subprocess
import sys

import pytest

from spacy_globalpointer.cli import COMMANDS

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
    output, modules = get_help(command)
    assert "Usage" in output and "spacy_globalpointer.cli." + command in modules
    assert "matplotlib" not in modules
