"""A color for every label, the same one on every page."""

import zlib
from collections.abc import Iterable

# Grounds for black text, each in two shades. Found by search over a grid of RGB values
# so that any two, above all of the first shades, are told apart with normal,
# protanope, deuteranope and tritanope sight; the tests measure it.
PALETTE = (
    ("#bbeedd", "#448877"),
    ("#eeaa44", "#aa7744"),
    ("#8888ff", "#9955ff"),
    ("#ee7777", "#ee4444"),
    ("#7799bb", "#66bbff"),
    ("#ddee99", "#99dd77"),
    ("#88ccff", "#5588bb"),
    ("#88ccaa", "#77eebb"),
    ("#ffcc44", "#ffee66"),
    ("#44aa77", "#558855"),
    ("#aadd66", "#ccff44"),
    ("#dd8844", "#ddaa99"),
    ("#cc77dd", "#cc44dd"),
    ("#ff88dd", "#997799"),
    ("#bb8899", "#bb6677"),
    ("#66ffbb", "#88bbaa"),
    ("#eeaacc", "#ff44bb"),
    ("#eeddff", "#6677dd"),
    ("#ddcc99", "#aa9955"),
    ("#aabb66", "#bbff88"),
)

# A start value for the checksum, found by search, with which the labels of CoNLL-2003,
# ACE, GENIA and OntoNotes have each a row of the palette of their own within their set.
_SEED = 136185447


def label_colors(labels: Iterable[str]) -> dict[str, str]:
    """Give each label a color.

    No finite palette can give a label one color in all sets and yet no two labels of a
    set the same, so being stable comes first. The checksum of a label picks its row of
    the palette, whatever the other labels are. A label alone in its row has the first
    shade. Where labels meet in a row, the first in alphabetical order keeps that shade,
    the next takes the second, and any further one the next color that is free, so that
    a clash never changes the color of a label that is alone in its row. Colors are
    shared only when there are more labels than colors.

    labels (Iterable[str]): The labels; repeats are ignored.
    RETURNS (dict[str, str]): Label to color, "#rrggbb", in the order of the labels.
    """
    unique = list(dict.fromkeys(labels))
    wishes = {label: _wishes(label) for label in sorted(unique)}
    owner: dict[str, str] = {}
    for label, wished in wishes.items():
        owner.setdefault(wished[0], label)
    colors = {label: color for color, label in owner.items()}
    for label, wished in wishes.items():
        if label not in colors:
            free = (color for color in wished if color not in owner)
            colors[label] = next(free, wished[0])
            owner.setdefault(colors[label], label)
    return {label: colors[label] for label in unique}


def _wishes(label: str) -> list[str]:
    # Python's own hash of a string changes from process to process.
    row = zlib.crc32(label.encode("utf8"), _SEED) % len(PALETTE)
    return [color for shades in PALETTE[row:] + PALETTE[:row] for color in shades]
