"""What commands print, and where: results, errors, colors, JSON."""

import json
import os
import pty
import subprocess
import sys

import pytest
import spacy
from spacy.tokens import DocBin

from tests.util.pipelines import NESTED, pipeline, set_spans, train

CODE = """
import spacy

@spacy.Language.factory("only_here")
def make(nlp, name):
    return lambda doc: doc
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pipeline with a component that needs --code, and documents; their paths are
    longer than a line."""
    folder = tmp_path_factory.mktemp("messages") / ("long name " * 12).strip()
    folder.mkdir()
    (folder / "code.py").write_text(CODE)
    nlp = train(pipeline(), steps=30)
    docs = [set_spans(nlp.make_doc(text), spans) for text, spans in NESTED]
    DocBin(docs=docs).to_disk(folder / "dev.spacy")
    DocBin().to_disk(folder / "empty.spacy")
    spacy.Language.factory("only_here", func=lambda nlp, name: lambda doc: doc)
    nlp.add_pipe("only_here", first=True)
    nlp.to_disk(folder / "model")
    return folder


def run(*args, code=0, **kwargs):
    done = subprocess.run(
        [sys.executable, "-m", "spacy", "global-pointer", *map(str, args)],
        capture_output=True,
        text=True,
        **kwargs,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_results_and_errors(folder):
    model, dev, code = folder / "model", folder / "dev.spacy", folder / "code.py"
    done = run("evaluate", model, dev, code=1)
    assert "only_here" in done.stderr and not done.stdout
    assert "Traceback" not in done.stderr
    done = run("evaluate", model, dev, "--code", code, "-o", folder / "scores.json")
    assert "\x1b" not in done.stdout and not done.stderr
    # Paths are on one line.
    assert str(folder / "scores.json") in done.stdout
    assert "All spans, micro" in done.stdout
    done = run("evaluate", model, dev, "--code", code, "--json")
    scores = json.loads(done.stdout)
    assert scores == {
        **json.loads((folder / "scores.json").read_text()),
        "words_per_second": scores["words_per_second"],
    }
    done = run("evaluate", model, dev, "--code", code, "--quiet")
    assert not done.stdout and not done.stderr
    done = run(
        "evaluate", model, folder / "empty.spacy", "--code", code, "--json", code=1
    )
    assert "[E176]" in done.stderr and "empty.spacy" in done.stderr
    assert not done.stdout
    (folder / "bad.py").write_text("import no_such_module")
    done = run("evaluate", model, dev, "--code", folder / "bad.py", code=1)
    assert "[E175]" in done.stderr and "no_such_module" in done.stderr


@pytest.mark.slow
def test_calibrate_says_why(folder):
    """A label has a threshold, or a note says why it has not."""
    arguments = [folder / "model", folder / "dev.spacy", folder / "out"]
    options = ["--code", folder / "code.py"]
    shown = run("calibrate", *arguments, *options)
    assert "Note" in shown.stdout
    found = json.loads(run("calibrate", *arguments, *options, "--json").stdout)
    assert (
        found["scores"]["spans"]["now"]["f"] >= found["scores"]["spans"]["before"]["f"]
    )
    labels = {label for _, spans in NESTED for *_, label in spans}
    own = {x for x in labels if x in found["settings"]["label_thresholds"]}
    assert labels == own | {*found["notes"]}
    for note in found["notes"].values():
        assert note in shown.stdout


@pytest.mark.slow
def test_code_in_other_processes(folder, tmp_path):
    texts = tmp_path / "in.jsonl"
    texts.write_text("".join(f'{{"text": "{text}"}}\n' for text, _ in NESTED))
    output = tmp_path / "out.jsonl"
    options = ["--code", folder / "code.py", "--n-process", 2]
    run("annotate", folder / "model", texts, output, *options)
    assert len(output.read_text().splitlines()) == len(NESTED)


@pytest.mark.slow
def test_counts_of_a_conversion(tmp_path):
    row = {"text": "Ada met Bo", "spans": [{"start": 0, "end": 3, "label": "PER"}]}
    (tmp_path / "train.jsonl").write_text(json.dumps(row))
    done = run("convert", tmp_path, tmp_path / "out", "--json")
    (written,) = json.loads(done.stdout)["splits"].values()
    assert written["docs"] == written["spans"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("no_color", ["", "1"])
def test_colors_in_a_terminal(folder, no_color):
    reading, writing = pty.openpty()
    env = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm"}
    command = [sys.executable, "-m", "spacy", "global-pointer", "init", "x", "-l", "??"]
    subprocess.run(command, stdout=writing, stderr=writing, env=env)
    os.close(writing)
    shown = os.read(reading, 10_000).decode()
    assert "[E180]" in shown
    assert ("\x1b[" in shown) == (not no_color)
