"""README's first example, on the demo as the project trains it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MADE = ("raw", "corpus", "vectors", "training", "metrics", "reports", "project.lock")


@pytest.mark.slow
def test_the_first_example_prints_what_the_readme_says(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    section = readme[readme.index("\n## Use it\n") :]
    pattern = "```python\n(.*?)```.*?prints.*?```\n(.*?)```"
    code, output = re.search(pattern, section, re.DOTALL).groups()
    assert "model-calibrated" in code and "(Torwina Morsen" in output

    shutil.copytree(
        ROOT / "project", tmp_path / "project", ignore=shutil.ignore_patterns(*MADE)
    )
    for step in ("demo", "corpus", "config", "train", "calibrate"):
        done = subprocess.run(
            [sys.executable, "-m", "spacy", "project", "run", step, "project"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == output, done.stderr
