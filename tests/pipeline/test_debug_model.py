"""`spacy debug model` works on each component."""

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from tests.util.pipelines import LANG, LISTENER, examples, tok2vec

ARCHITECTURES = {
    "global_pointer": "GlobalPointer",
    "span_classifier": "SpanClassifier",
    "sequence_ner": "SequenceNER",
}


@pytest.mark.parametrize("listens", [True, False])
@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.filterwarnings("ignore:.*Component")
def test_debug_model(tmp_path, name, listens):
    nlp = spacy.blank(LANG)
    if listens:
        nlp.add_pipe("tok2vec", config={"model": tok2vec()})
    model = {
        "@architectures": f"spacy_globalpointer.{ARCHITECTURES[name]}.v1",
        "tok2vec": LISTENER if listens else tok2vec(),
    }
    nlp.add_pipe(name, config={"model": model})
    DocBin(docs=[eg.reference for eg in examples(nlp)]).to_disk(tmp_path / "c.spacy")
    nlp.config["paths"].update(
        dict.fromkeys(("train", "dev"), str(tmp_path / "c.spacy"))
    )
    nlp.config.to_disk(tmp_path / "config.cfg")
    arguments = ["debug", "model", str(tmp_path / "config.cfg"), name, "-P2", "-P3"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "Initialized the model with the training corpus" in done.output
    assert "STEP 3" in done.output
    assert "model looks good" in done.output
