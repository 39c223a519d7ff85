import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from spacy_globalpointer.report import label_colors
from spacy_globalpointer.report.colors import PALETTE

CORPORA = {
    "conll": ["PER", "ORG", "LOC", "MISC"],
    "ace": ["PER", "ORG", "GPE", "LOC", "FAC", "VEH", "WEA"],
    "genia": ["DNA", "RNA", "protein", "cell_line", "cell_type"],
    "ontonotes": [
        "PERSON",
        "NORP",
        "FAC",
        "ORG",
        "GPE",
        "LOC",
        "PRODUCT",
        "EVENT",
        "WORK_OF_ART",
        "LAW",
        "LANGUAGE",
        "DATE",
        "TIME",
        "PERCENT",
        "MONEY",
        "QUANTITY",
        "ORDINAL",
        "CARDINAL",
    ],
}
COLORS = [color for shades in PALETTE for color in shades]


@pytest.mark.parametrize("labels", CORPORA.values(), ids=CORPORA)
def test_colors_of_common_labels_hang_on_nothing_else(labels):
    colors = label_colors(labels)
    assert list(colors) == labels
    assert len(set(colors.values())) == len(labels)
    for label, color in colors.items():
        assert label_colors([label]) == {label: color}
    assert label_colors(labels[::-1] + labels) == colors


def test_colors_are_the_same_in_every_process():
    code = (
        "from spacy_globalpointer.report import label_colors\n"
        "print(label_colors(['PER', 'ORG']))"
    )
    call = [sys.executable, "-c", code]
    run = subprocess.run(call, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(label_colors(["PER", "ORG"]))


@pytest.mark.parametrize("seed", range(10))
def test_clashes_change_only_the_labels_that_clash(seed):
    rng = np.random.default_rng(seed)
    labels = [f"label-{i}" for i in rng.choice(1000, len(COLORS), replace=False)]
    alone = {label: label_colors([label])[label] for label in labels}
    assert set(alone.values()) <= {first for first, _ in PALETTE}
    for n in (2, 5, 10, 20, len(COLORS)):
        some = labels[:n]
        colors = label_colors(some)
        assert len(set(colors.values())) == n
        homes = [alone[label] for label in some]
        for label in some:
            if homes.count(alone[label]) == 1:
                assert colors[label] == alone[label]


def test_more_labels_than_colors_share():
    labels = [f"label-{i}" for i in range(3 * len(COLORS))]
    colors = label_colors(labels)
    assert set(colors) == set(labels)
    assert set(colors.values()) == set(COLORS)


def linear(color):
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
# Full severity, Machado et al. 2009, table 1; they act on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanope": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranope": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanope": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def lab(color, sight):
    seen = (sight @ linear(color)).clip(0, 1)
    xyz = TO_XYZ @ seen / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_black_text_is_legible_on_every_color():
    for color in COLORS:
        # WCAG 2, contrast for text of any size
        assert (TO_XYZ[1] @ linear(color) + 0.05) / 0.05 >= 4.5


@pytest.mark.parametrize("sight", SIGHT.values(), ids=SIGHT)
def test_colors_are_told_apart(sight):
    # A difference of 2.3 in CIELAB is just noticeable.
    firsts = [lab(first, sight) for first, _ in PALETTE]
    every = [lab(color, sight) for color in COLORS]
    assert min(np.linalg.norm(a - b) for a, b in combinations(firsts, 2)) > 10
    assert min(np.linalg.norm(a - b) for a, b in combinations(every, 2)) > 6
