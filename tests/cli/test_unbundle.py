"""Two components trained on one encoder by the project's config, then cut apart."""

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.cli.train import train
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from thinc.api import Config, fix_random_seed
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from spacy_globalpointer.training.configs import assemble
from tests.util.files import PROJECT
from tests.util.pipelines import (
    KEY,
    NESTED,
    ents,
    found,
    same_scores,
    scored,
    set_spans,
)

CONFIGS = PROJECT / "configs"
PARTS = ["global_pointer", "sequence_ner"]
# The last text is nothing that was learned.
TEXTS = [text for text, _ in NESTED] + ["", "New England met Boston people in New York"]
OUTERMOST = [[(0, 9, "GROUP")], [(2, 3, "GPE"), (4, 9, "ORG")]]
IGNORE_NESTED = "ignore:.*Component 'sequence_ner' cannot use some of the gold spans"


def run(*args, code=0):
    result = CliRunner().invoke(app, ["global-pointer", *map(str, args)])
    assert result.exit_code == code, (result.output, result.exception)
    return " ".join(result.output.split())


def config(**overrides):
    """The project's config, for two documents."""
    small = {
        "training.max_steps": 60,
        "training.eval_frequency": 20,
        "training.dropout": 0.0,
        "training.optimizer.learn_rate": 0.01,
        "training.optimizer.use_averages": False,
        "components.tok2vec.model.encode.width": 32,
        "components.sequence_ner.loss_weight": 0.9,
        **overrides,
    }
    text = assemble(CONFIGS, "tok2vec-bundle_global_pointer").to_str(interpolate=False)
    return Config().from_str(text, overrides=small, interpolate=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    nlp = spacy.blank("en")
    docs = [set_spans(nlp.make_doc(text), spans) for text, spans in NESTED]
    path = tmp_path_factory.mktemp("data") / "corpus.spacy"
    DocBin(docs=docs).to_disk(path)
    return path


@pytest.fixture(scope="module")
def bundle(data, tmp_path_factory):
    """Trained by `spacy train`."""
    folder = tmp_path_factory.mktemp("bundle")
    config(**{"paths.train": str(data), "paths.dev": str(data)}).to_disk(
        folder / "config.cfg"
    )
    with pytest.warns(UserWarning, match="'sequence_ner' cannot use"):
        train(folder / "config.cfg", folder)
    return folder / "model-last"


@pytest.fixture(scope="module", params=PARTS)
def cut(request, bundle, tmp_path_factory):
    """The name of one component, and the pipeline cut down to it."""
    folder = tmp_path_factory.mktemp("cut")
    output = run("unbundle", bundle, request.param, folder)
    (other,) = {*PARTS} - {request.param}
    assert f"without {other}" in output
    return request.param, folder


def test_both_components_learn(bundle):
    nlp = spacy.load(bundle)
    assert nlp.pipe_names == ["tok2vec", "sequence_ner", "global_pointer"]
    docs = list(nlp.pipe(text for text, _ in NESTED))
    # The last component speaks, in doc.ents too.
    assert [set(found(doc)) for doc in docs] == [set(spans) for _, spans in NESTED]
    assert [ents(doc) for doc in docs] != [[], []]
    assert all(set(ents(doc)) <= set(found(doc)) for doc in docs)
    with nlp.select_pipes(disable="global_pointer"):
        docs = list(nlp.pipe(text for text, _ in NESTED))
    assert [found(doc) for doc in docs] == [ents(doc) for doc in docs] == OUTERMOST


def test_one_part_predicts_as_in_the_bundle(bundle, cut):
    name, folder = cut
    nlp = spacy.load(bundle)
    (other,) = {*PARTS} - {name}
    with nlp.select_pipes(disable=other):
        expected = [(scored(doc), ents(doc)) for doc in nlp.pipe(TEXTS)]
    alone = spacy.load(folder)
    answers = [(scored(doc), ents(doc)) for doc in alone.pipe(TEXTS)]
    assert answers == expected
    assert any(scores for scores, _ in answers)


def test_the_other_part_leaves_no_trace(bundle, cut):
    name, folder = cut
    (other,) = {*PARTS} - {name}
    nlp = spacy.load(folder)
    assert nlp.component_names == ["tok2vec", name]
    assert {*nlp.get_pipe("tok2vec").listener_map} == {name}
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files and not any(other in str(path) for path in files)
    assert not any(other.encode() in path.read_bytes() for path in files)
    assert srsly.read_json(folder / "meta.json")["performance"] == {}


@pytest.mark.parametrize("name", PARTS)
def test_evaluate_scores_the_named_part(bundle, data, tmp_path, name):
    output = tmp_path / "m.json"
    run("evaluate", bundle, data, "-o", output, "-c", name)
    metrics = srsly.read_json(output)
    assert metrics["component"] == name
    assert ("threshold" in metrics) == (name == "global_pointer")
    predicted = sum(label["predicted"] for label in metrics["per_label"].values())
    assert predicted == {"global_pointer": 10, "sequence_ner": 3}[name]
    # Without a name, it is the one that speaks.
    run("evaluate", bundle, data, "-o", output)
    assert srsly.read_json(output)["component"] == "global_pointer"


def test_the_other_commands_take_the_parts(bundle, data, cut, tmp_path):
    name, folder = cut
    run("report", folder, data, tmp_path / "report", "--compare", bundle, "-c", name)
    metrics = srsly.read_json(tmp_path / "report" / "metrics.json")
    # It predicts just what it did in the bundle.
    one, other = metrics["models"]
    assert one["component"] == other["component"] == name
    assert one["scores"] == other["scores"]
    assert other["differences"]["summary"]["micro"]["interval"]["f"] == [0.0, 0.0]
    for model in (folder, bundle):
        output = run("calibrate", model, data, tmp_path / "c", "-c", name)
        assert ("has no thresholds to choose" in output) == (name == "sequence_ner")
        # Without thresholds it is written as it is.
        paths = (model, tmp_path / "c")
        before, after = (spacy.load(path).get_pipe(name).to_bytes() for path in paths)
        assert before == after or name == "global_pointer"


def test_unbundle_of_what_is_not_there(bundle, tmp_path):
    output = run("unbundle", bundle, "typo", tmp_path / "o", code=1)
    assert "'typo'" in output and "sequence_ner" in output
    assert not (tmp_path / "o").exists()


def test_unbundle_of_one_component_changes_nothing(cut, tmp_path):
    name, folder = cut
    run("unbundle", folder, name, tmp_path / "o")
    answers = [
        [scored(doc) for doc in spacy.load(path).pipe(TEXTS)]
        for path in (folder, tmp_path / "o")
    ]
    assert answers[0] == answers[1]


@pytest.mark.filterwarnings(IGNORE_NESTED)
def test_encoders_and_scores_of_what_goes_go_too(tmp_path):
    """An encoder of its own, another key, other components in between."""
    nlp = spacy.blank("en")
    width = {"width": 16, "embed_size": 100, "depth": 1}
    for encoder, name, key in [
        ("first", "global_pointer", "sc"),
        ("second", "sequence_ner", "other"),
    ]:
        model = {"@architectures": "spacy.HashEmbedCNN.v2", "window_size": 1}
        model |= {"maxout_pieces": 2, "subword_features": True, **width}
        model["pretrained_vectors"] = None
        nlp.add_pipe("tok2vec", name=encoder, config={"model": model})
        listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16}
        listener["upstream"] = encoder
        pipe_model = {"tok2vec": listener}
        nlp.add_pipe(name, config={"model": pipe_model, "spans_key": key})
    nlp.add_pipe("sentencizer")
    weights = {"spans_sc_f": 0.5, "spans_other_f": 0.5}
    nlp.config["training"]["score_weights"] = weights
    nlp.config["training"]["frozen_components"] = ["second", "sentencizer"]
    docs = [set_spans(nlp.make_doc(text), spans) for text, spans in NESTED]
    docs = [set_spans(doc, spans, "other") for doc, (_, spans) in zip(docs, NESTED)]
    corpus = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    fix_random_seed(0)
    nlp.initialize(lambda: corpus)
    nlp.to_disk(tmp_path / "all")
    run("unbundle", tmp_path / "all", "global_pointer", tmp_path / "cut")
    cut = spacy.load(tmp_path / "cut")
    assert cut.component_names == ["first", "global_pointer", "sentencizer"]
    training = cut.config["training"]
    assert training["frozen_components"] == ["sentencizer"]
    assert not any("other" in score for score in training["score_weights"])
    with nlp.select_pipes(disable=["second", "sequence_ner"]):
        before = [scored(doc) for doc in nlp.pipe(TEXTS)]
    assert same_scores([scored(doc) for doc in cut.pipe(TEXTS)], before)


@pytest.mark.filterwarnings(IGNORE_NESTED)
def test_what_is_cut_out_can_be_trained_on(cut, data):
    name, folder = cut
    nlp = spacy.load(folder)
    corpus = list(Corpus(data)(nlp))
    optimizer = nlp.resume_training()
    losses = nlp.update(corpus, sgd=optimizer)
    assert losses[name] >= 0
    assert scored(nlp(TEXTS[0]), KEY)
