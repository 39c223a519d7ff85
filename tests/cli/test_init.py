"""A new project, and a config alone."""

import pytest
import spacy
import srsly
from spacy import util
from spacy.cli._util import app
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from spacy_globalpointer.project import CONFIGS, TEMPLATE


def run(*arguments, code=0):
    done = CliRunner().invoke(app, ["global-pointer", "init", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def variables(folder):
    return srsly.read_yaml(folder / "project.yml")["vars"]


def test_a_project_is_the_template_with_variables(tmp_path):
    folder = tmp_path / "my project"
    output = run(folder, "--lang", "de", "--system", "span_hybrid")
    # A command that a shell understands.
    assert "project'" in output and "spacy project run all '" in output
    expected = {**variables(TEMPLATE), "lang": "de", "config": "tok2vec-span_hybrid"}
    assert variables(folder) == expected
    written = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    for path in ("scripts/make_demo.py", "assets/demo_grammar.yaml"):
        assert TEMPLATE.joinpath(path).relative_to(TEMPLATE) in written
    for path in written:
        if path.name != "project.yml":
            assert (folder / path).read_bytes() == (TEMPLATE / path).read_bytes()
    configs = {path.relative_to(TEMPLATE) for path in CONFIGS.rglob("*.cfg")}
    assert len(configs) > 20 and configs <= written
    changed = (folder / "project.yml").read_text("utf8").splitlines()
    original = (TEMPLATE / "project.yml").read_text("utf8").splitlines()
    assert len(changed) == len(original)
    assert sum(a != b for a, b in zip(changed, original)) == 2


@pytest.mark.parametrize(
    "options, config, encoder, gpu_id",
    [
        ([], "tok2vec", "bert-base-cased", -1),
        (["--gpu"], "transformer", "roberta-base", 0),
        (["--gpu", "--lang", "ja"], "transformer", "bert-base-multilingual-uncased", 0),
        (["--gpu", "--encoder", "tok2vec"], "tok2vec", "bert-base-cased", 0),
        (["--encoder", "a\\b"], "transformer", "a\\b", -1),
        (["--flat"], "tok2vec-global_pointer_semi_markov_crf", "bert-base-cased", -1),
        (["--relations"], "tok2vec-relations", "bert-base-cased", -1),
    ],
)
def test_options_become_variables(tmp_path, options, config, encoder, gpu_id):
    run(tmp_path, *options)
    found = variables(tmp_path)
    assert (found["config"], found["encoder"]) == (config, encoder)
    assert found["gpu_id"] == gpu_id


@pytest.mark.parametrize(
    "options, encoder, objective",
    [
        (["--lang", "fr"], None, "BinaryCrossEntropy"),
        (["--lang", "fr", "--flat"], None, "SemiMarkovCRF"),
        (["--lang", "fr", "--encoder", "a/b"], "a/b", "ClassImbalance"),
    ],
)
def test_the_config_alone_makes_a_pipeline(tmp_path, options, encoder, objective):
    output = run(tmp_path / "new", "--config-only", *options)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["config.cfg"]
    assert "spacy train" in output
    nlp = util.load_model_from_config(
        util.load_config(tmp_path / "new" / "config.cfg"), auto_fill=False
    )
    assert nlp.lang == "fr" and nlp.pipe_names[-1] == "global_pointer"
    assert type(nlp.get_pipe("global_pointer").task.objective).__name__.startswith(
        objective
    )
    if encoder is not None:
        assert nlp.config["paths"]["encoder"] == encoder


@pytest.mark.parametrize("option", [[], ["--config-only"]])
def test_nothing_is_replaced(tmp_path, option):
    path = tmp_path / ("config.cfg" if option else "project.yml")
    path.write_text("mine", encoding="utf8")
    output = run(tmp_path, *option, code=1)
    assert "[E181]" in output and path.name in output.replace(" ", "")
    assert [path.read_text("utf8") for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "options, error",
    [
        (["--lang", "klingon"], "[E180] Unknown language 'klingon'"),
        (["--system", "crf"], "sequence_crf"),
        (["--system", "span_hybrid", "--flat"], "[E182]"),
        (["--relations", "--flat"], "got ['--flat', '--relations']"),
    ],
)
def test_what_cannot_be_written_is_an_error(tmp_path, options, error):
    assert error in run(tmp_path / "new", *options, code=1)
    assert not (tmp_path / "new").exists()


def test_the_default_needs_nothing_but_spacy(tmp_path):
    """The config is complete: spaCy adds nothing to it."""
    run(tmp_path, "--config-only")
    config = util.load_config(tmp_path / "config.cfg")
    assert spacy.blank("en").config["nlp"].keys() <= config["nlp"].keys()
    assert (tmp_path / "config.cfg").read_text("utf8").strip() == (
        CONFIGS / "tok2vec.cfg"
    ).read_text("utf8").strip()
