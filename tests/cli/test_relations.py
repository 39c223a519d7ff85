"""Commands of a pipeline with relations."""

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from spacy_globalpointer.evaluation.relations import relation_metrics, score_given_spans
from tests.pipeline.test_relation_pointer import NAME, examples, joint, train


def test_evaluate(tmp_path):
    nlp = train(joint(), steps=60, given=False)
    nlp.to_disk(tmp_path / "model")
    docs = [example.reference for example in examples(nlp, given=False)]
    # A relation of a span that is not there.
    docs[0].spans["sc"].attrs["relations"].append([0, 99, "has"])
    DocBin(docs=docs).to_disk(tmp_path / "test.spacy")
    arguments = ["evaluate", tmp_path / "model", tmp_path / "test.spacy"]
    arguments += ["-o", tmp_path / "scores.json"]
    done = CliRunner().invoke(app, ["global-pointer", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    found = srsly.read_json(tmp_path / "scores.json")["relations"][NAME]
    scores = nlp.evaluate(examples(nlp, given=False))
    for x in "prf":
        strict, boundaries = (
            scores[f"relations_{x}"],
            scores[f"relations_boundaries_{x}"],
        )
        assert found["strict"][x] == pytest.approx(strict)
        assert found["boundaries"][x] == pytest.approx(boundaries)
    given = score_given_spans(nlp, examples(nlp, given=False))["relations_f"]
    assert given > 0.5
    assert found["given_spans"]["f"] == pytest.approx(given)
    assert found["unusable"] == {"gold: of a span that is not there": 1}
    assert "Between gold spans" in done.output and "not scored" in done.output


def test_calibrate(tmp_path):
    """The best of all thresholds, tried one by one."""
    nlp = train(joint(), steps=40, given=False)
    nlp.get_pipe(NAME).cfg["threshold"] = 1.0
    nlp.to_disk(tmp_path / "model")
    docs = [example.reference for example in examples(nlp, given=False)]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    arguments = ["calibrate", tmp_path / "model", tmp_path / "dev.spacy"]
    arguments += [tmp_path / "calibrated", "--json"]
    done = CliRunner().invoke(app, ["global-pointer", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    calibrated = spacy.load(tmp_path / "calibrated")
    pipe = calibrated.get_pipe(NAME)
    found = pipe.cfg["threshold"]
    assert calibrated.config["components"][NAME]["threshold"] == found

    def score(threshold):
        pipe.cfg["threshold"] = threshold
        return calibrated.evaluate(examples(calibrated, given=False))["relations_f"]

    best = max(score(number / 50) for number in range(1, 51))
    assert score(found) >= best > score(1.0) == 0.0


def test_pipelines_without_relations_have_no_such_scores():
    nlp = joint()
    nlp.remove_pipe(NAME)
    assert relation_metrics(nlp, []) == {}
