"""The project as a user runs it, on a shrunken demo."""

import os
import subprocess
import sys

import pytest
import spacy
import srsly


def run(*args, cwd=None):
    """Run a command of spaCy and give back what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "spacy", *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("new") / "my project"
    run("global-pointer", "init", folder)
    path = folder / "project.yml"
    text = path.read_text(encoding="utf8")
    small = text.replace(
        "make_demo.py raw/demo", "make_demo.py raw/demo --sentences 200"
    )
    assert small != text
    path.write_text(small, encoding="utf8")
    return folder


@pytest.mark.slow
def test_all_runs_then_skips_what_has_not_changed(project):
    # Weasel takes a value that begins with "--" for the next option.
    train_args = " --training.max_epochs 3 --training.eval_frequency 10"
    short = ["--vars.train_args", train_args]
    first = run("project", "run", "all", project, *short)
    assert "nothing changed" not in first
    metrics = srsly.read_json(project / "metrics" / "demo-tok2vec.json")
    assert metrics["documents"] == 20
    assert 0 < metrics["micro"]["f"] <= 1
    assert 0 < metrics["threshold"] < 1
    folder = project / "reports" / "demo-tok2vec"
    assert f"{folder.name}/report.html" in first
    report = srsly.read_json(folder / "metrics.json")
    micro = report["models"][0]["summary"]["micro"]
    assert micro["f"] == pytest.approx(metrics["micro"]["f"])
    assert len(report["training"]) > 1
    page = (folder / "report.html").read_text(encoding="utf8")
    assert page.count('<section class="document') == 20
    assert "Label consistency" in page and 'id="training"' in page

    second = run("project", "run", "all", project, *short)
    # check and check-config make no file, so they run each time.
    steps = ["demo", "corpus", "config", "train", "calibrate", "evaluate", "report"]
    for step in steps:
        assert f"Skipping '{step}': nothing changed" in second

    # Another config, so all that is made from it is made again; the same demo.
    with (project / "assets" / "demo_grammar.yaml").open("a") as file:
        file.write("# changed\n")
    config = project / "configs" / "tok2vec.cfg"
    text = config.read_text(encoding="utf8")
    config.write_text(text.replace("patience = 1600", "patience = 800"), "utf8")
    third = run("project", "run", "all", project, *short)
    assert "Skipping 'corpus': nothing changed" in third  # the same sentences
    assert "Skipping 'train'" not in third


def write_vectors(path, words):
    """Vectors of three numbers in word2vec's text format."""
    rows = [f"{word} {i} 1.0 -{i}" for i, word in enumerate(words)]
    path.write_text("\n".join([f"{len(words)} 3", *rows, ""]), encoding="utf8")
    return path


@pytest.mark.slow
def test_mentions_are_typed_with_static_vectors(project, tmp_path):
    """All steps with the variables `config` and `vectors`; the trained pipeline has
    the vectors with it."""
    words = ["museum", "the", "town", "of", "ship", "mayor"]
    variables = {
        "config": "tok2vec-typing",
        "vectors": write_vectors(tmp_path / "small.txt", words),
        "train_args": " --training.max_epochs 3 --training.eval_frequency 10",
    }
    arguments = [x for key, y in variables.items() for x in (f"--vars.{key}", str(y))]
    run("project", "run", "all", project, *arguments)
    metrics = srsly.read_json(project / "metrics" / "demo-tok2vec-typing.json")
    # The places are given, so after three epochs many labels are right already.
    assert metrics["micro"]["f"] > 0.3
    nlp = spacy.load(project / "training" / "demo-tok2vec-typing" / "model-best")
    (museum,) = nlp.make_doc("museum")
    assert museum.vector.tolist() == [0.0, 1.0, 0.0]
