import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from spacy_globalpointer.evaluation import discrepancies, reliability
from spacy_globalpointer.report import canvas, plots, score_plots

LABELS = ["PER", "ORG", "$x$ & <y>"]


def scores(f, gold=5, interval=True):
    row = {"p": f, "r": f, "f": f, "gold": gold, "predicted": gold}
    return {**row, "interval": {"f": [f - 0.1, f + 0.1]}} if interval else row


def bucket(name, f, n):
    return {"name": name, "f": f, "gold": n, "predicted": n}


RNG = np.random.default_rng(0)
FIGURES = {
    "labels": lambda: plots.plot_labels(
        {
            "one": {x: scores(0.5) for x in LABELS},
            "other": {"PER": scores(0.7, interval=False)},
        }
    ),
    "no labels": lambda: plots.plot_labels({"one": {}}),
    "many labels": lambda: plots.plot_labels(
        {"one": {f"L{i}": scores(0.5, i) for i in range(100)}}
    ),
    "buckets": lambda: plots.plot_buckets(
        {
            "length": {
                "title": "Entity length",
                "buckets": [bucket("1", 0.9, 10), bucket("2+", 0.0, 0)],
            }
        }
    ),
    "no buckets": lambda: plots.plot_buckets({}),
    "confusion": lambda: plots.plot_confusion(LABELS, RNG.integers(0, 9, (4, 4))),
    "no confusion": lambda: plots.plot_confusion([], np.zeros((1, 1), dtype=int)),
    "many confused": lambda: plots.plot_confusion(
        [f"L{i}" for i in range(100)], RNG.integers(0, 9, (101, 101))
    ),
    "probabilities": lambda: score_plots.plot_probabilities(
        RNG.random(50), RNG.random(50) < 0.5
    ),
    "few probabilities": lambda: score_plots.plot_probabilities(
        np.array([0.5, 0.5, 0.2]), np.array([True, True, False])
    ),
    "no probabilities": lambda: score_plots.plot_probabilities(
        np.zeros(0), np.zeros(0, dtype=bool)
    ),
    "components": lambda: score_plots.plot_components(
        RNG.normal(size=(5000, 2)),
        np.array([0.5, 0.2]),
        [f"L{i}" for i in range(12)],
        RNG.integers(0, 12, 5000),
    ),
    "no components": lambda: score_plots.plot_components(
        np.zeros((0, 2)), np.zeros(2), LABELS, np.zeros(0, dtype=int)
    ),
    "discrepancies": lambda: score_plots.plot_discrepancies(
        discrepancies(
            LABELS,
            np.array([3, 2, 0]),
            np.array([4, 1, 1]),
            np.array([0, 0, 1]),
            np.array([0.9, 0.1, 0.4]),
        )
    ),
    "no discrepancies": lambda: score_plots.plot_discrepancies([]),
    "reliability": lambda: score_plots.plot_reliability(
        {
            "one": reliability(RNG.random(99), RNG.random(99) < 0.5),
            "none": reliability(np.zeros(0), np.zeros(0, dtype=bool)),
        }
    ),
    "curves": lambda: score_plots.plot_precision_recall(
        {
            f"L{i}": {
                "precision": [1, 0.5],
                "recall": [0.2, 0.4],
                "gold": i,
                "average_precision": 0.3,
            }
            for i in range(30)
        }
    ),
    "no curves": lambda: score_plots.plot_precision_recall({}),
    "training": lambda: plots.plot_training(
        [
            {"step": i, "losses": {"a": 1000.0 - i}, "scores": {"f": i, "p": i / 2}}
            for i in range(5)
        ]
    ),
    "lattice": lambda: plots.plot_lattice(
        np.triu(RNG.random((4, 4))), ["$a", "b", "北京", "العراق"], "X", low=0, high=1
    ),
    "no lattice": lambda: plots.plot_lattice(np.zeros((0, 0)), [], "X", low=0, high=1),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_plot_is_drawn(name, tmp_path):
    """Warnings are errors here, so nothing empty or single is drawn badly."""
    svg = canvas.save(FIGURES[name](), tmp_path / "plot")
    assert (tmp_path / "plot.svg").read_text(encoding="utf8") == svg
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    # Formulas are off, so there must be none.
    assert "mathdefault" not in svg
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg") and root.get("viewBox")


def texts(name, tmp_path):
    svg = canvas.save(FIGURES[name](), tmp_path / "plot")
    root = ElementTree.fromstring(svg)
    return [
        "".join(x.itertext()) for x in root.iter("{http://www.w3.org/2000/svg}text")
    ]


def test_labels_stand_as_they_are(tmp_path):
    assert {*LABELS, "one", "other"} <= set(texts("labels", tmp_path))
    assert {*LABELS, "(none)"} <= set(texts("confusion", tmp_path))


def test_the_most_frequent_labels_are_shown(tmp_path):
    shown = [x for x in texts("many labels", tmp_path) if re.fullmatch(r"L\d+", x)]
    assert sorted(shown) == sorted(f"L{i}" for i in range(80, 100))
    shown = [x for x in texts("many confused", tmp_path) if re.fullmatch(r"L\d+", x)]
    assert len(shown) == 2 * canvas.MOST_LABELS


def test_cells_say_what_they_stand_for(tmp_path):
    assert {"Entity length", "90.0 (10)", "1", "–"} <= set(texts("buckets", tmp_path))


def test_the_same_figure_is_the_same_file(tmp_path):
    figures = [canvas.save(FIGURES["labels"](), tmp_path / x) for x in ("a", "b")]
    assert figures[0] == figures[1]


def test_colors_are_told_apart_in_grey():
    """Lines that follow each other differ in lightness; all differ in marker, and in
    line style."""
    rgb = [[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in canvas.COLORS]
    gray = np.array(rgb) @ [0.2126, 0.7152, 0.0722]
    assert (np.abs(np.diff(gray)) > 0.05).all()
    n = len(canvas.COLORS)
    assert len({*canvas.MARKERS}) == len({*map(str, canvas.LINES)}) == n


@pytest.mark.parametrize("module", ["", ".cli", ".report", ".evaluation"])
def test_matplotlib_is_loaded_when_it_is_needed(module):
    code = (
        f"import sys, spacy_globalpointer{module}; print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n"
