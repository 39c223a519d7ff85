"""The step that packages the pipeline: its meta and its model card."""

import json
from importlib.util import find_spec

import pytest
import spacy
import srsly
from spacy.tokens import Span
from spacy.training import Example

from tests.util.files import PROJECT, load_script

script = load_script(PROJECT / "scripts" / "package_pipeline.py")

# spaCy leaves it to Python to close the files that it writes.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)


@pytest.fixture(scope="module")
def nlp():
    nlp = spacy.blank("en")
    nlp.add_pipe("global_pointer", config={"spans_key": "people"})
    doc = nlp.make_doc("Ann met Bob")
    doc.spans["people"] = [Span(doc, 0, 1, "A"), Span(doc, 2, 3, "B")]
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc)])
    return nlp


@pytest.fixture(scope="module")
def report():
    def row(p, r, f, **more):
        interval = {"f": [f - 0.125, f + 0.0625]}
        return {"p": p, "r": r, "f": f, "interval": interval, **more}

    empty = {"p": None, "r": None, "f": None}
    model = {
        "component": "global_pointer",
        "summary": {
            "micro": row(0.5, 0.75, 0.625, gold=4),
            "macro": row(0.25, 0.5, 0.375),
            "flat": row(0.5, 1.0, 0.6875, gold=3),
        },
        "per_label": {"A": row(1.0, 0.5, 0.625, gold=4), "B": {**empty, "gold": 0}},
    }
    bootstrap = {"resamples": 1000, "level": 0.95}
    return {"models": [model], "annotated_documents": 7, "bootstrap": bootstrap}


@pytest.fixture(scope="module")
def packaged(nlp, report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packaged")
    nlp.meta["performance"] = {"spans_people_f": 0.99, "global_pointer_loss": 3.0}
    nlp.to_disk(folder / "model")
    srsly.write_json(folder / "metrics.json", report)
    with pytest.MonkeyPatch.context() as patch:
        # The wheel is spaCy's work, and takes a download.
        package = script.package
        patch.setattr(
            script,
            "package",
            lambda *args, create_wheel, **kw: package(*args, create_wheel=False, **kw),
        )
        script.package_pipeline(
            folder / "model",
            folder / "metrics.json",
            folder / "out",
            name="some-corpus_tok2vec",
            version="1.2.0",
            data="some corpus",
            data_url="https://example.org/corpus",
            license="MIT",
            author="Ann",
            intended_use="Notes of museums.",
        )
    return folder / "out" / "en_some_corpus_tok2vec-1.2.0"


def test_meta_has_the_scores_of_the_report(packaged):
    meta = srsly.read_json(packaged / "meta.json")
    assert meta["performance"] == {
        "spans_people_p": 0.5,
        "spans_people_r": 0.75,
        "spans_people_f": 0.625,
        "spans_people_macro_f": 0.375,
        "ents_p": 0.5,
        "ents_r": 1.0,
        "ents_f": 0.6875,
        "spans_people_per_type": {
            "A": {"p": 1.0, "r": 0.5, "f": 0.625},
            "B": {"p": None, "r": None, "f": None},
        },
    }
    assert (meta["name"], meta["version"]) == ("some_corpus_tok2vec", "1.2.0")
    assert (meta["license"], meta["author"]) == ("MIT", "Ann")
    assert meta["sources"][0]["url"] == "https://example.org/corpus"
    assert any(x.startswith("spacy-globalpointer") for x in meta["requirements"])


def test_the_package_has_the_pipeline(packaged, nlp):
    folder = packaged / "en_some_corpus_tok2vec" / packaged.name
    loaded = spacy.load(folder)
    assert loaded.get_pipe("global_pointer").labels == ("A", "B")
    assert loaded.meta["version"] == "1.2.0"


def test_the_card_says_what_a_reader_needs(packaged):
    folder = packaged / "en_some_corpus_tok2vec" / packaged.name
    card = (packaged / "README.md").read_text(encoding="utf8")
    assert card == (folder / "README.md").read_text(encoding="utf8")
    for text in (
        "| all spans, micro | 50.00 | 75.00 | 62.50 | 50.00 to 68.75 | 4 |",
        "| `A` | 100.00 | 50.00 | 62.50 | 50.00 to 68.75 | 4 |",
        "| `B` | - | - | - | - | 0 |",
        "On 7 documents of the test split of some corpus, with 95% intervals",
        "Notes of museums.",
        'spacy.load("en_some_corpus_tok2vec")',
        'doc.spans["people"]',
        "[some corpus](https://example.org/corpus)",
        "`MIT`",
    ):
        assert text in card, text


def test_the_hub_finds_the_metrics(packaged, tmp_path):
    """spacy-huggingface-hub's own reader, on the files that it unpacks from a wheel."""
    if find_spec("spacy_huggingface_hub") is None:
        pytest.skip("needs the package spacy-huggingface-hub")
    from spacy_huggingface_hub.push import _create_model_card

    for name in ("meta.json", "README.md"):
        (tmp_path / name).write_bytes((packaged / name).read_bytes())
    _create_model_card("en_some_corpus_tok2vec", tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf8")
    front = srsly.yaml_loads(card.split("---\n")[1])
    assert front["license"] == "mit" and front["language"] == ["en"]
    (index,) = front["model-index"]
    metrics = {
        metric["name"]: metric["value"]
        for result in index["results"]
        for metric in result["metrics"]
    }
    expected = {"NER Precision": 0.5, "NER Recall": 1.0, "NER F Score": 0.6875}
    assert metrics == expected
    json.dumps(front, allow_nan=False)
