"""The step that writes the config that is trained."""

import gzip
import re
from pathlib import Path

import pytest
import spacy
import typer
from spacy.cli.debug_config import debug_config
from spacy.cli.init_config import fill_config
from spacy.tokens import Doc, DocBin
from thinc.api import Config
from typer.testing import CliRunner

from tests.util.files import PROJECT, load_script

script = load_script(PROJECT / "scripts" / "make_config.py")
CONFIGS = PROJECT / "configs"
ENCODERS = sorted(path.stem for path in CONFIGS.glob("*.cfg"))
SYSTEMS = sorted(path.stem for path in CONFIGS.glob("systems/*.cfg"))
NAMES = [*ENCODERS, *(f"{x}-{y}" for x in ENCODERS for y in SYSTEMS)]


def run(*args):
    app = typer.Typer()
    app.command()(script.make_config)
    return CliRunner().invoke(app, [*map(str, args)])


def made(folder, name, *vectors):
    """The config that the step writes, as it stands."""
    path = folder / "made.cfg"
    done = run(CONFIGS, name, path, "en", *vectors)
    assert done.exit_code == 0, done.output
    return Config().from_disk(path, interpolate=False)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "train.spacy"
    doc = Doc(spacy.blank("en").vocab, words=["a", "museum"])
    doc.spans["sc"] = [doc[1:2]]
    DocBin(docs=[doc]).to_disk(path)
    return str(path)


@pytest.mark.parametrize("name", NAMES)
def test_every_system_on_every_encoder_is_complete_and_valid(
    name, corpus, tmp_path, monkeypatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    config = made(tmp_path, name)
    path = tmp_path / "made.cfg"
    fill_config(tmp_path / "filled.cfg", path, silent=True)
    assert (tmp_path / "filled.cfg").read_text("utf8") == path.read_text("utf8")
    # Leaves the process if something is wrong.
    debug_config(path, overrides={"paths.train": corpus, "paths.dev": corpus})

    callback = {"@callbacks": "spacy_globalpointer.use_fast_matmul.v1"}
    assert config["nlp"]["before_creation"] == {**callback, "backend": "auto"}
    encoder = name.partition("-")[0]
    components = {**config["components"]}
    listened = [components.pop(encoder)]
    assert config["nlp"]["pipeline"] == [encoder, *components]
    for component in components.values():
        listened.append(component["model"]["tok2vec"])
        assert "Listener" in listened[-1]["@architectures"]
        # The entities of `ner` are doc.ents.
        assert component.get("spans_key", "sc") == "sc"


def test_systems_are_what_their_names_say(tmp_path):
    def models(name):
        components = made(tmp_path, name)["components"]
        return {key: component.get("model") for key, component in components.items()}

    def architecture(name):
        model = models(name)["global_pointer"]
        return model["@architectures"].split(".")[1], model.get("features")

    assert architecture("tok2vec-global_pointer") == ("GlobalPointer", None)
    efficient = "EfficientGlobalPointer"
    assert architecture("tok2vec-efficient_projected") == (efficient, "projected")
    assert architecture("tok2vec-efficient_hidden") == (efficient, "hidden")
    content = made(tmp_path, "tok2vec-efficient_content")["components"]
    assert content == made(tmp_path, "tok2vec")["components"]
    assert content["global_pointer"]["model"]["content_width"] > 0
    for rope, name in enumerate(("global_pointer_no_rope", "global_pointer_bce")):
        assert models(f"transformer-{name}")["global_pointer"]["rope"] == bool(rope)
    for name in ("boundary", "pooling", "hybrid", "attention"):
        model = models(f"tok2vec-span_{name}")["span_classifier"]
        assert model["representation"] == name
    for crf, name in enumerate(("softmax", "crf")):
        config = made(tmp_path, f"tok2vec-sequence_{name}")
        assert config["components"]["sequence_ner"]["crf"] == bool(crf)
    bundle = made(tmp_path, "transformer-bundle_span")["components"]
    weights = [bundle[x]["loss_weight"] for x in ("sequence_ner", "span_classifier")]
    assert weights == [0.1, 0.9]
    for name in ("sequence_ner", "span_classifier"):
        pooling = bundle[name]["model"]["tok2vec"]["pooling"]
        assert pooling == {"@layers": "reduce_max.v1"}
    typing = made(tmp_path, "tok2vec-typing")
    encode = typing["components"]["tok2vec"]["model"]["encode"]
    assert encode["@architectures"] == "spacy.TorchBiLSTMEncoder.v1"
    assert typing["corpora"]["dev"]["candidates_key"] == "sc"


def test_unknown_names_are_errors(tmp_path):
    for name, known in (("tok3vec", ENCODERS), ("tok2vec-crf", SYSTEMS)):
        done = run(CONFIGS, name, tmp_path / "made.cfg", "en")
        assert done.exit_code == 1
        assert all(x in done.output.replace("\n", "") for x in known)
    assert not any(tmp_path.iterdir())


def text_of(words):
    """Vectors of three numbers in word2vec's text format, two of them equal."""
    rows = [f"{word} {i // 2} 1.0 -{i // 2}" for i, word in enumerate(words)]
    return "\n".join([f"{len(words)} 3", *rows, ""])


@pytest.mark.parametrize("name", ENCODERS)
def test_without_vectors_the_config_is_trained_as_it_stands(tmp_path, name):
    done = run(CONFIGS, name, tmp_path / "a" / "made.cfg", "en")
    assert done.exit_code == 0, done.output
    made, expected = (
        Config().from_disk(path, interpolate=False)
        for path in (tmp_path / "a" / "made.cfg", CONFIGS / f"{name}.cfg")
    )
    log = made["training"]["logger"].pop("output_file")
    assert log == str(tmp_path / "a" / "made.jsonl")
    assert expected["training"]["logger"].pop("output_file") is None
    assert made == expected


@pytest.mark.parametrize("capital", [False, True])
@pytest.mark.parametrize("name", ["tok2vec", "tok2vec-span_hybrid", "tok2vec-typing"])
def test_the_config_with_vectors_uses_them(tmp_path, monkeypatch, name, capital):
    monkeypatch.chdir(tmp_path)
    words = ["the", "of", "Museum" if capital else "museum"]
    with gzip.open("small.txt.gz", "wt", encoding="utf8") as file:
        file.write(text_of(words))
    before = made(tmp_path, name)
    after = made(tmp_path, name, "small.txt.gz")
    assert after["paths"].pop("vectors") == str(Path("vectors", "small"))
    embeds = [x["components"]["tok2vec"]["model"]["embed"] for x in (after, before)]
    assert [x.pop("include_static_vectors") for x in embeds] == [True, False]
    before["paths"].pop("vectors")
    assert after == before

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
    done = run(CONFIGS, "transformer", "made.cfg", "en", "small.txt")
    assert done.exit_code == 1
    assert "takes no vectors" in " ".join(done.output.split())
    assert [path.name for path in tmp_path.iterdir()] == ["small.txt"]


def test_a_missing_file_is_an_error(tmp_path):
    done = run(CONFIGS, "tok2vec", tmp_path / "made.cfg", "en", tmp_path / "no.txt")
    assert done.exit_code != 0
    # A long path goes over several lines of the frame.
    assert "no.txt" in re.sub(r"[\s│]", "", done.output)


def test_a_logger_writes_beside_the_config_if_it_can(tmp_path):
    configs = tmp_path / "my configs"
    configs.mkdir()
    text = (CONFIGS / "tok2vec.cfg").read_text("utf8")
    (configs / "tok2vec.cfg").write_text(text, "utf8")
    output = tmp_path / "my training" / "one.cfg"
    assert run(configs, "tok2vec", output, "en", "").exit_code == 0
    logger = Config().from_disk(output)["training"]["logger"]
    assert logger["output_file"] == str(output.with_suffix(".jsonl"))
    # One without a file of its own is left as it is.
    other = re.sub(
        r"\[training\.logger\][^\[]*",
        '[training.logger]\n@loggers = "spacy.WandbLogger.v5"\nproject_name = "x"\n\n',
        text,
    )
    (configs / "tok2vec.cfg").write_text(other, "utf8")
    assert run(configs, "tok2vec", output, "en", "").exit_code == 0
    logger = Config().from_disk(output)["training"]["logger"]
    assert logger == {"@loggers": "spacy.WandbLogger.v5", "project_name": "x"}
