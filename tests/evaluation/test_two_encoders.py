"""What is shown of a component is what it predicted, with another encoder behind."""

import json

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from thinc.api import Adam
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from spacy_globalpointer.evaluation import read_outputs
from spacy_globalpointer.report import lattice_scores
from tests.util.pipelines import LANG, NESTED, examples, found, initialize, tok2vec

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot use some of the gold spans")
# Component to its factory, each with an encoder before it.
COMPONENTS = {"a": "global_pointer", "b": "span_classifier", "c": "sequence_ner"}


@pytest.fixture(scope="module")
def nlp():
    nlp = spacy.blank(LANG)
    for name, factory in COMPONENTS.items():
        encoder = f"encoder_{name}"
        nlp.add_pipe("tok2vec", encoder, config={"model": tok2vec()})
        listener = {
            "@architectures": "spacy.Tok2VecListener.v1",
            "width": 16,
            "upstream": encoder,
        }
        nlp.add_pipe(
            factory,
            name,
            config={
                "model": {"tok2vec": listener},
                "spans_key": name,
                "set_ents": False,
            },
        )
    corpus = gold_of(nlp)
    initialize(nlp, corpus)
    optimizer = Adam(0.01)
    for _ in range(30):
        nlp.update(corpus, sgd=optimizer)
    return nlp


def gold_of(nlp):
    corpus = examples(nlp)
    for eg in corpus:
        for name in COMPONENTS:
            eg.reference.spans[name] = list(eg.reference.spans["sc"])
    return corpus


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("kind", ["text", "document"])
def test_lattice_scores(nlp, name, kind):
    n_seen = 0
    for text, _ in NESTED:
        shown = text if kind == "text" else nlp(text)
        for label in nlp.get_pipe(name).labels:
            lattice = lattice_scores(nlp, shown, label, component=name)
            group = lattice.doc.spans[name]
            for span, score in zip(group, group.attrs["scores"]):
                if span.label_ == label:
                    p = lattice.probabilities[span.start, span.end - 1]
                    assert p == pytest.approx(score, abs=1e-6)
                    n_seen += 1
    assert n_seen > 3


@pytest.mark.parametrize("name", COMPONENTS)
def test_outputs(nlp, name):
    corpus = gold_of(nlp)
    for eg, doc in zip(corpus, nlp.pipe([eg.reference.text for eg in corpus])):
        eg.predicted = doc
    pipe = nlp.get_pipe(name)
    stored = sorted(
        float(p) for eg in corpus for p in eg.predicted.spans[name].attrs["scores"]
    )
    before = [found(eg.predicted, name) for eg in corpus]
    outputs = read_outputs(pipe, corpus, nlp=nlp)
    predicted = outputs.probabilities >= 0.5 if name != "c" else slice(None)
    assert sorted(outputs.probabilities[predicted]) == pytest.approx(stored, abs=1e-6)
    assert stored
    assert outputs.gold_probabilities[outputs.gold_found].min() > 0.1
    assert [found(eg.predicted, name) for eg in corpus] == before


def test_report(nlp, tmp_path):
    nlp.to_disk(tmp_path / "model")
    docs = [eg.reference for eg in gold_of(nlp)]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "test.spacy")
    out = tmp_path / "out"
    args = [tmp_path / "model", tmp_path / "test.spacy", out]
    options = ["--component", "a", "--bootstrap", "0"]
    command = ["global-pointer", "report", *map(str, args), *options]
    assert CliRunner().invoke(app, command).exit_code == 0
    (model,) = json.loads((out / "metrics.json").read_text())["models"]
    right = model["scores"]["gold_probability"]["right"]
    assert right["n"] > 3
    # What was predicted has at least the threshold.
    assert right["quantiles"][0] >= 0.5
