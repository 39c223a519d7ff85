"""Pictures of documents and of lattices."""

import math
import sys
import types

import numpy as np
import pytest
import spacy

import spacy_globalpointer
from spacy_globalpointer.report import lattice_scores, visualize
from tests.util.pipelines import KEY, LABELS, TEXTS, all_scores, changed, found, train
from tests.util.pipelines import pipeline as make_pipeline

# One of the spans is longer than max_length = 7.
pytestmark = pytest.mark.filterwarnings("ignore:.*cannot use some of the gold spans")


@pytest.fixture(scope="module")
def trained():
    return train(make_pipeline(max_length=7), steps=30)


def test_the_package_has_them(trained):
    assert spacy_globalpointer.visualize is visualize
    assert spacy_globalpointer.lattice_scores is lattice_scores
    assert {"visualize", "lattice_scores"} <= set(dir(spacy_globalpointer))
    with pytest.raises(AttributeError, match="nothing"):
        _ = spacy_globalpointer.nothing


def test_documents_are_drawn(trained):
    docs = list(trained.pipe(TEXTS))
    for shown in (docs[0], docs):
        markup = visualize(shown)
        expected = [docs[0]] if shown is docs[0] else docs
        spans = [span for doc in expected for span in doc.spans[KEY]]
        assert markup.count("bar start") == len(spans) > 0
        assert markup.count("<figure") == 0 and markup.startswith("<style>")
    score = docs[0].spans[KEY].attrs["scores"][0]
    assert f"score {score:.3f}" in markup


def test_another_key_and_a_wrong_one(trained):
    doc = trained.make_doc(TEXTS[0])
    doc.spans["gold"] = [doc[0:2]]
    assert "(no label)" in visualize(doc, "gold")
    with pytest.raises(ValueError, match=r"'sc'.*\['gold'\]"):
        visualize(doc)


def test_notebooks_show_them(trained, monkeypatch):
    shown = []
    display = types.SimpleNamespace(HTML=str, display=shown.append)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    doc = trained(TEXTS[0])
    assert visualize(doc, jupyter=True) is None
    assert visualize(doc, jupyter=False) in shown[0]


@pytest.mark.parametrize("temperatures", [{}, {"ORG": 2.0, "GPE": 0.5}])
def test_lattice_has_the_score_of_every_span(trained, temperatures):
    with changed(trained, label_temperatures=temperatures):
        check_scores(trained, temperatures)


def check_scores(trained, temperatures):
    (expected,) = all_scores(trained, [TEXTS[0]])
    n = len(trained.make_doc(TEXTS[0]))
    for label in LABELS:
        lattice = lattice_scores(trained, TEXTS[0], label)
        assert lattice.scores.shape == lattice.probabilities.shape == (n, n)
        for head in range(n):
            for tail in range(n):
                p = lattice.probabilities[head, tail]
                if (head, tail + 1, label) in expected:
                    assert p == pytest.approx(expected[head, tail + 1, label], abs=1e-6)
                    score = lattice.scores[head, tail] / temperatures.get(label, 1)
                    assert 1 / (1 + math.exp(-score)) == pytest.approx(p)
                else:
                    assert math.isnan(p) and math.isnan(lattice.scores[head, tail])
        said = {(s, e - 1) for s, e, x in found(lattice.doc) if x == label}
        above = np.argwhere(lattice.probabilities >= lattice.threshold).tolist()
        assert said == {tuple(cell) for cell in above}


def test_pictures_of_a_lattice(trained):
    with changed(trained, label_thresholds={"GPE": 0.25}):
        lattice = lattice_scores(trained, trained(TEXTS[1]), "GPE")
    assert lattice.threshold == 0.25
    assert lattice._repr_png_().startswith(b"\x89PNG")
    axes = lattice.figure("scores").axes[0]
    assert [x.get_text() for x in axes.get_yticklabels()] == TEXTS[1].split()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("tail", "head")
    assert lattice_scores(trained, "", "GPE")._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="'odds'"):
        lattice.figure("odds")


def test_what_is_not_there(trained):
    with pytest.raises(ValueError, match=r"'X'.*GPE"):
        lattice_scores(trained, TEXTS[0], "X")
    with pytest.raises(ValueError, match=r"'other'.*global_pointer"):
        lattice_scores(trained, TEXTS[0], "GPE", component="other")
    nlp = spacy.blank("en")
    nlp.add_pipe("sequence_ner")
    with pytest.raises(ValueError, match="label sequences"):
        lattice_scores(nlp, TEXTS[0], "GPE")
