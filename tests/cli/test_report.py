"""The command `report`, on pipelines that are trained here."""

import json
import shutil

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from spacy.training import Corpus
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from tests.util.pipelines import (
    KEY,
    NESTED,
    examples,
    initialize,
    listening_pipeline,
    train,
)
from tests.util.pipelines import pipeline as make_pipeline

LOG = {"epoch": 0, "step": 1, "losses": {"a": 1.5}, "scores": {"f": 20.0}, "score": 0.2}


def run(*args, code=0):
    result = CliRunner().invoke(app, ["global-pointer", *map(str, args)])
    assert result.exit_code == code, (result.output, result.exception)
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Test documents with entities, and two pipelines: one that knows them, with the
    encoder in a component of its own, and one that was never trained."""
    folder = tmp_path_factory.mktemp("report")
    trained = train(listening_pipeline(threshold=0.9), steps=15)
    trained.to_disk(folder / "model")
    initialize(make_pipeline(threshold=1.0)).to_disk(folder / "silent")
    docs = [example.reference for example in examples(trained, NESTED)]
    for doc in docs:
        doc.set_ents(spacy.util.filter_spans(doc.spans[KEY]))
    DocBin(docs=docs).to_disk(folder / "test.spacy")
    DocBin().to_disk(folder / "empty.spacy")
    return folder


def report(folder, model, *args, data="test.spacy"):
    out = folder / "out"
    output = run("report", folder / model, folder / data, out, "--bootstrap", 20, *args)
    assert "report.html" in output
    page = (out / "report.html").read_text("utf8")
    return json.loads((out / "metrics.json").read_text("utf8")), page


def test_scores_are_those_of_spacy(folder):
    metrics, page = report(folder, "model")
    nlp = spacy.load(folder / "model")
    scores = nlp.evaluate(list(Corpus(folder / "test.spacy")(nlp)))
    summary = metrics["models"][0]["summary"]
    for name in "prf":
        assert summary["micro"][name] == pytest.approx(scores[f"spans_sc_{name}"])
        assert summary["flat"][name] == pytest.approx(scores[f"ents_{name}"])
    assert summary["macro"]["f"] == pytest.approx(scores["spans_sc_macro_f"])
    assert 0 < summary["micro"]["r"] <= 1
    # With the scores of the encoder's component.
    found = metrics["models"][0]["scores"]["gold_probability"]
    assert found["right"]["n"] == summary["micro"]["right"]
    assert found["right"]["quantiles"][0] >= 0.9
    assert f"{100 * summary['micro']['f']:.2f}" in page
    assert page.count('<section class="document') == 2
    assert "consistency" not in metrics["models"][0]["buckets"]
    assert not (folder / "out" / "plots" / "training.svg").exists()


def test_all_options(folder, tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(LOG) + "\n", "utf8")
    train = tmp_path / "train.spacy"  # a folder of files, as of a large corpus
    train.mkdir()
    shutil.copy(folder / "test.spacy", train / "00001.spacy")
    options = ["--compare", folder / "silent", "--compare", folder / "model"]
    options += ["--train", train, "--log", log, "--limit", 1, "--seed", 3]
    metrics, page = report(folder, "model", *options)
    names = [model["model"].rsplit("/", 1)[-1] for model in metrics["models"]]
    assert names == ["model", "silent", "model"]
    assert metrics["training"] == [LOG]
    assert metrics["bootstrap"]["seed"] == 3
    assert page.count('<section class="document') == 1
    first, silent, same = metrics["models"]
    for name, scores in silent["summary"].items():
        assert scores["f"] == 0
        gain = silent["differences"]["summary"][name]["f"]
        assert gain == -first["summary"][name]["f"]
    assert same["differences"]["summary"]["micro"]["interval"]["f"] == [0, 0]
    # All texts of the spans are in training, if not with one label alone.
    consistency = first["buckets"]["consistency"]["buckets"]
    assert consistency[0]["gold"] == 0
    assert [x["gold"] for x in first["buckets"]["oov"]["buckets"]] == [10, 0, 0, 0]


def test_without_gold_no_report(folder, tmp_path):
    """An error that says where annotation is; a report that is there stays."""
    docs = list(DocBin().from_disk(folder / "test.spacy").get_docs(Vocab()))
    for doc in docs:
        doc.spans["other"] = doc.spans.pop(KEY)
    DocBin(docs=docs).to_disk(tmp_path / "other.spacy")
    (tmp_path / "report.html").write_text("old")
    for data in (folder / "empty.spacy", tmp_path / "other.spacy"):
        output = run("report", folder / "model", data, tmp_path, code=1)
        empty = "has no documents" in output
        assert empty or "gold spans in doc.spans['sc']" in output
        assert empty == (data.name == "empty.spacy")
        assert "Micro F1" not in output
    assert "doc.spans['other'] with the labels GPE, GROUP, LOC, ORG" in output
    assert "2 of 2 documents in" in output
    assert (tmp_path / "report.html").read_text() == "old"


def test_nothing_predicted(folder):
    metrics, _ = report(folder, "silent", "--bootstrap", 0)
    (model,) = metrics["models"]
    assert model["summary"]["micro"]["gold"] == 10
    assert model["summary"]["micro"]["predicted"] == 0
    assert "interval" not in model["summary"]["micro"]
    assert model["errors"]["gold"]["missed"] == 10


def test_a_log_that_is_none(folder, tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("{}\n", "utf8")
    arguments = [
        folder / "model",
        folder / "test.spacy",
        tmp_path / "out",
        "--log",
        log,
    ]
    assert "log.jsonl, line 1" in run("report", *arguments, code=1)
    assert not (tmp_path / "out").exists()
