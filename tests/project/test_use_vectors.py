"""The step that puts static vectors into a config."""

import gzip
import importlib.util
from pathlib import Path

import pytest
import spacy
import typer
from spacy.tokens import Doc
from thinc.api import Config
from typer.testing import CliRunner

PROJECT = Path(__file__).parents[2] / "project"
SPEC = importlib.util.spec_from_file_location(
    "use_vectors", PROJECT / "scripts" / "use_vectors.py"
)
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)


def config_of(name):
    return PROJECT / "configs" / f"{name}.cfg"


def run(*args):
    app = typer.Typer()
    app.command()(script.use_vectors)
    return CliRunner().invoke(app, [*map(str, args)])


def text_of(words):
    """Vectors of three numbers in word2vec's text format, two of them equal."""
    rows = [f"{word} {i // 2} 1.0 -{i // 2}" for i, word in enumerate(words)]
    return "\n".join([f"{len(words)} 3", *rows, ""])


@pytest.mark.parametrize("name", ["tok2vec", "span_classifier", "transformer"])
def test_without_vectors_the_config_is_trained_as_it_stands(tmp_path, name):
    done = run(config_of(name), tmp_path / "a" / "made.cfg", "en")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "a" / "made.cfg").read_bytes() == config_of(name).read_bytes()


@pytest.mark.parametrize("capital", [False, True])
@pytest.mark.parametrize("name", ["tok2vec", "span_classifier", "typing"])
def test_the_config_with_vectors_uses_them(tmp_path, monkeypatch, name, capital):
    monkeypatch.chdir(tmp_path)
    words = ["the", "of", "Museum" if capital else "museum"]
    with gzip.open("small.txt.gz", "wt", encoding="utf8") as file:
        file.write(text_of(words))
    done = run(config_of(name), "made.cfg", "en", "small.txt.gz")
    assert done.exit_code == 0, done.output

    made = Config().from_disk("made.cfg", interpolate=False)
    before = Config().from_disk(config_of(name), interpolate=False)
    assert made["paths"].pop("vectors") == str(Path("vectors", "small"))
    embeds = [x["components"]["tok2vec"]["model"]["embed"] for x in (made, before)]
    assert [x.pop("include_static_vectors") for x in embeds] == [True, False]
    before["paths"].pop("vectors")
    assert made == before

    # As the layer of static vectors looks words up.
    vocab = spacy.load(Path("vectors", "small")).vocab
    doc = Doc(vocab, words=["THE", "Museum", "museum", "x"])
    rows = vocab.vectors.find(keys=doc.to_array(vocab.vectors.attr))
    known = [False, True, False] if capital else [True, True, True]
    assert (rows >= 0).tolist() == [*known, False]
    assert vocab.vectors.data[rows[1]].tolist() == [1.0, 1.0, -1.0]


def test_a_config_that_takes_no_vectors_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.txt").write_text(text_of(["the"]), encoding="utf8")
    done = run(config_of("transformer"), "made.cfg", "en", "small.txt")
    assert done.exit_code == 1
    assert "takes no vectors" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["small.txt"]


def test_a_missing_file_is_an_error(tmp_path):
    done = run(config_of("tok2vec"), tmp_path / "made.cfg", "en", tmp_path / "no.txt")
    assert done.exit_code != 0
    assert "no.txt" in done.output.replace("\n", "")
