"""README's first example, on the demo as the project trains it."""

import re
import subprocess
import sys

import pytest

from tests.util.files import ROOT


@pytest.mark.slow
def test_the_first_example_prints_what_the_readme_says(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    section = readme[readme.index("\n## Use it\n") :]
    pattern = "```python\n(.*?)```.*?prints.*?```\n(.*?)```"
    code, output = re.search(pattern, section, re.DOTALL).groups()
    assert "model-calibrated" in code and "(Torwina Morsen" in output

    steps = ("demo", "corpus", "config", "train", "calibrate")
    runs = [["project", "run", step, "project"] for step in steps]
    for arguments in (["global-pointer", "init", "project"], *runs):
        done = subprocess.run(
            [sys.executable, "-m", "spacy", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == output, done.stderr
