"""How plots look, and how they become files.

Okabe-Ito colors with markers and line styles of their own, and maps that grow
steadily lighter, so that all can be told apart in gray and by color-blind readers.
"""

import io
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import matplotlib
from matplotlib.figure import Figure

COLORS = (
    "#0072B2",
    "#E69F00",
    "#000000",
    "#56B4E9",
    "#D55E00",
    "#CC79A7",
    "#009E73",
    "#F0E442",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
HEAT = "cividis"
# Labels that a plot can show, those with the most gold spans.
MOST_LABELS = 20

STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.fonttype": "none",
    # The same ids in every run.
    "svg.hashsalt": "spacy-globalpointer",
    # A label may hold dollar signs.
    "text.parse_math": False,
}


@contextmanager
def plot_style() -> Iterator[None]:
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # Labels in scripts that the font lacks: the page has them in its tables.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def save(figure: Figure, path: Path) -> str:
    """Write a figure as SVG and PNG.

    figure (Figure): The figure.
    path (Path): The files, without suffix.
    RETURNS (str): The SVG.
    """
    with plot_style():
        figure.savefig(path.with_suffix(".png"), dpi=150)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    path.with_suffix(".svg").write_text(svg, encoding="utf8")
    return svg


def to_png(figure: Figure) -> bytes:
    """Draw a figure as PNG."""
    buffer = io.BytesIO()
    with plot_style():
        figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def new_axes(width: float, height: float) -> Tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def style_of(number: int) -> Dict[str, Any]:
    i = number % len(COLORS)
    return {"color": COLORS[i], "marker": MARKERS[i], "linestyle": LINES[i]}
