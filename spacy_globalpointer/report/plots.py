"""The plots of the report.

Okabe-Ito colours with markers and line styles of their own, and maps that grow
steadily lighter, so that all can be told apart in grey and by colour-blind readers.
"""

import io
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

import matplotlib
import numpy
from matplotlib.figure import Figure

from ..decoding import Floats, Ints, Mask

COLOURS = (
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
# Points that are drawn of a cloud.
MOST_POINTS = 1500

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
def _styled() -> Iterator[None]:
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
    with _styled():
        figure.savefig(path.with_suffix(".png"), dpi=150)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    path.with_suffix(".svg").write_text(svg, encoding="utf8")
    return svg


def to_png(figure: Figure) -> bytes:
    """Draw a figure as PNG."""
    buffer = io.BytesIO()
    with _styled():
        figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _axes(width: float, height: float) -> Tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _style(number: int) -> Dict[str, Any]:
    i = number % len(COLOURS)
    return {"color": COLOURS[i], "marker": MARKERS[i], "linestyle": LINES[i]}


def plot_labels(models: Mapping[str, Mapping[str, Any]]) -> Figure:
    """F1 of each label with its interval.

    models (Mapping[str, Mapping[str, Any]]): The scores per label of each model, as
        `describe` makes them.
    """
    gold: Dict[str, int] = {}
    for scores in models.values():
        for label, row in scores.items():
            gold[label] = max(gold.get(label, 0), row["gold"])
    labels = sorted(gold, key=lambda label: -gold[label])[:MOST_LABELS]
    with _styled():
        figure, axes = _axes(6, 0.8 + 0.3 * max(len(labels), 1) * (len(models) + 1) / 2)
        for number, (name, scores) in enumerate(models.items()):
            shift = (number + 0.5) / len(models) - 0.5
            chosen = [i for i, label in enumerate(labels) if label in scores]
            rows = [scores[labels[i]] for i in chosen]
            f = numpy.array([row["f"] for row in rows])
            bounds = [row.get("interval", {"f": [row["f"]] * 2})["f"] for row in rows]
            low, high = numpy.array(bounds).reshape(-1, 2).T
            style = {**_style(number), "linestyle": "none"}
            axes.errorbar(
                f,
                numpy.array(chosen) + shift * 0.6,
                xerr=numpy.maximum([f - low, high - f], 0.0),
                capsize=3,
                label=name,
                **style,
            )
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("F1")
        if len(models) > 1:
            axes.legend(loc="best")
    return figure


def plot_buckets(buckets: Mapping[str, Mapping[str, Any]]) -> Figure:
    """F1 by bucket as a heatmap, with the number of gold spans.

    buckets (Mapping[str, Mapping[str, Any]]): The entry "buckets" of a model in
        what `compare` returns.
    """
    rows = [row["buckets"] for row in buckets.values()]
    width = max((len(row) for row in rows), default=1)
    values = numpy.full((max(len(rows), 1), width), numpy.nan)
    for i, row in enumerate(rows):
        for j, bucket in enumerate(row):
            if bucket["gold"] or bucket["predicted"]:
                values[i, j] = bucket["f"]
    with _styled():
        figure, axes = _axes(6.4, 0.8 + 0.62 * len(values))
        image = _heatmap(axes, values)
        for i, row in enumerate(rows):
            for j, bucket in enumerate(row):
                text = f"{bucket['name']}\n–"
                if not numpy.isnan(values[i, j]):
                    text = (
                        f"{bucket['name']}\n{100 * bucket['f']:.1f} ({bucket['gold']})"
                    )
                _write(axes, j, i, text, values[i, j])
        axes.set_yticks(range(len(rows)), [row["title"] for row in buckets.values()])
        axes.set_xticks([])
        figure.colorbar(image, ax=axes, label="F1", shrink=0.8)
    return figure


def plot_confusion(labels: Sequence[str], matrix: Ints) -> Figure:
    """Gold labels against predicted ones, coloured by their share of the gold label.

    labels (Sequence[str]): The labels.
    matrix (Ints): From `confusion`.
    """
    matrix = numpy.asarray(matrix)
    chosen = numpy.sort(numpy.argsort(-matrix[:-1].sum(1), kind="stable")[:MOST_LABELS])
    kept = numpy.append(chosen, len(labels))
    matrix = matrix[numpy.ix_(kept, kept)]
    names = [*(labels[i] for i in chosen), "(none)"]
    with _styled():
        size = 2.2 + 0.52 * len(names)
        figure, axes = _axes(size + 0.6, size)
        shares = matrix / numpy.maximum(matrix.sum(1, keepdims=True), 1)
        image = _heatmap(axes, shares)
        for i, j in numpy.argwhere(matrix):
            _write(axes, j, i, str(matrix[i, j]), shares[i, j])
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("gold")
        figure.colorbar(image, ax=axes, label="share of the row", shrink=0.8)
    return figure


def _heatmap(axes: Any, values: Floats, low: float = 0.0, high: float = 1.0) -> Any:
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    return axes.imshow(values, cmap=HEAT, vmin=low, vmax=high, aspect="auto")


def _write(axes: Any, x: int, y: int, text: str, value: float) -> None:
    dark = not numpy.isnan(value) and value < 0.5
    colour = "white" if dark else "black"
    axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=8)


def plot_probabilities(probabilities: Floats, found: Mask) -> Figure:
    """The probability of the gold label, of spans that were found and of those that
    were not: a violin each.

    probabilities (Floats): *Shape:* (n_gold,)
    found (Mask): *Shape:* (n_gold,)
    """
    groups = {
        "found": probabilities[found],
        "not found": probabilities[~found],
    }
    with _styled():
        figure, axes = _axes(3.7, 3.2)
        for place, values in enumerate(groups.values()):
            colour = COLOURS[place]
            # A violin is drawn over a density, which one value has none of.
            if len(numpy.unique(values)) > 1:
                violin = axes.violinplot(
                    [values], [place], widths=0.8, showmedians=True
                )
                for part in violin["bodies"]:
                    part.set(facecolor=colour, edgecolor="black", alpha=0.6)
                for name in ("cmins", "cmaxes", "cbars", "cmedians"):
                    violin[name].set(color="black", linewidth=1)
            else:
                axes.plot([place] * len(values), values, "o", color=colour)
        names = [f"{name}\n(n = {len(x)})" for name, x in groups.items()]
        axes.set_xticks(range(len(groups)), names)
        axes.set_xlim(-0.6, len(groups) - 0.4)
        axes.set_ylim(-0.02, 1.02)
        axes.set_ylabel("probability of the gold label")
    return figure


def plot_components(
    places: Floats, shares: Floats, labels: Sequence[str], label_of: Ints
) -> Figure:
    """Gold spans by the principal components of their label outputs.

    places (Floats), shares (Floats): From `principal_components`.
    labels (Sequence[str]): The labels.
    label_of (Ints): The label of each span. *Shape:* (n_spans,)
    """
    with _styled():
        figure, axes = _axes(5, 4)
        if len(places) > MOST_POINTS:
            random = numpy.random.default_rng(0)
            drawn = numpy.sort(random.choice(len(places), MOST_POINTS, replace=False))
            places, label_of = places[drawn], label_of[drawn]
        shown = _most_frequent(label_of, len(COLOURS))
        rest = ~numpy.isin(label_of, shown)
        groups = [(labels[i], label_of == i) for i in shown]
        if rest.any():
            axes.scatter(*places[rest].T, s=8, color="#bbbbbb", label="(others)")
        for number, (name, mask) in enumerate(groups):
            style = _style(number)
            axes.scatter(
                *places[mask].T,
                s=14,
                facecolor="none" if number % 2 else style["color"],
                edgecolor=style["color"],
                marker=style["marker"],
                linewidth=0.7,
                alpha=0.7,
                label=name,
            )
        axes.set_xlabel(f"first component ({100 * shares[0]:.0f}% of variance)")
        axes.set_ylabel(f"second component ({100 * shares[1]:.0f}%)")
        if len(places):
            axes.legend(fontsize=8)
    return figure


def _most_frequent(numbers: Ints, most: int) -> List[int]:
    found, counts = numpy.unique(numbers, return_counts=True)
    return found[numpy.argsort(-counts, kind="stable")[:most]].tolist()


def plot_discrepancies(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Log ratio of predicted to true spans against scaled variance, by label.

    rows (Sequence[Mapping[str, Any]]): From `discrepancies`.
    """
    points = [
        row
        for row in rows
        if row["log_ratio"] is not None and row["scaled_variance"] is not None
    ]
    with _styled():
        figure, axes = _axes(5, 3.6)
        axes.axhline(0, color="black", linewidth=0.8)
        for row in points:
            place = row["scaled_variance"], row["log_ratio"]
            axes.plot(*place, "o", color=COLOURS[0], markersize=5)
            if len(points) <= MOST_LABELS:
                axes.annotate(
                    row["label"],
                    place,
                    xytext=(4, 4),
                    textcoords="offset points",
                    fontsize=8,
                )
        axes.margins(0.15)
        axes.set_xlabel("scaled variance of the gold label's probability")
        axes.set_ylabel("log(predicted / true spans)")
    return figure


def plot_reliability(models: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Accuracy by probability.

    models (Mapping[str, Mapping[str, Any]]): What `reliability` gives of each model.
    """
    with _styled():
        figure, axes = _axes(3.7, 3.5)
        axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
        for number, (name, values) in enumerate(models.items()):
            bins = values["bins"]
            ece = values["ece"]
            axes.plot(
                [b["probability"] for b in bins],
                [b["accuracy"] for b in bins],
                label=f"{name}: ECE {'–' if ece is None else format(ece, '.3f')}",
                **_style(number),
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel("probability")
        axes.set_ylabel("share that is right")
        axes.legend(fontsize=8, loc="upper left")
    return figure


def plot_precision_recall(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A precision-recall curve for each label, of those with the most gold spans.

    curves (Mapping[str, Mapping[str, Any]]): From `Result.label_curves`.
    """
    shown = sorted(curves, key=lambda label: -curves[label]["gold"])[: len(COLOURS)]
    with _styled():
        figure, axes = _axes(3.7, 3.5)
        for number, label in enumerate(shown):
            curve = curves[label]
            style = _style(number)
            axes.plot(
                curve["recall"],
                curve["precision"],
                color=style["color"],
                linestyle=style["linestyle"],
                label=f"{label}: AP {curve['average_precision']:.3f}",
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        if shown:
            axes.legend(fontsize=8, loc="lower left")
    return figure


def plot_training(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Losses and scores by step.

    rows (Sequence[Mapping[str, Any]]): From `read_training_log`.
    """
    with _styled():
        figure = Figure(figsize=(8, 3), layout="constrained")
        steps = [row["step"] for row in rows]
        panels = (("losses", "loss"), ("scores", "score"))
        for place, (part, title) in enumerate(panels, 1):
            axes = figure.add_subplot(1, 2, place)
            names = sorted({name for row in rows for name in row[part]})
            for number, name in enumerate(names):
                values = [row[part].get(name, numpy.nan) for row in rows]
                style = _style(number)
                axes.plot(
                    steps, values, label=name, **{**style, "marker": "."}, markersize=3
                )
            axes.set_xlabel("step")
            axes.set_ylabel(title)
            if names:
                axes.legend(fontsize=8)
            if part == "losses" and rows:
                # The first loss is far above all others.
                axes.set_yscale("symlog")
    return figure


def plot_lattice(
    values: Floats, tokens: Sequence[str], title: str, *, low: float, high: float
) -> Figure:
    """The scores of all spans of a text as a heatmap.

    values (Floats): NaN where there is no candidate. *Shape:* (n_tokens, n_tokens),
        heads by tails
    tokens (Sequence[str]): The tokens.
    title (str): What stands above.
    low, high (float): The ends of the colour map.
    """
    n = len(tokens)
    with _styled():
        size = min(2.4 + 0.26 * n, 14)
        figure, axes = _axes(size + 0.8, size)
        shape = (max(n, 1),) * 2
        image = _heatmap(axes, values if n else numpy.full(shape, numpy.nan), low, high)
        axes.set_xticks(range(n), tokens, rotation=90)
        axes.set_yticks(range(n), tokens)
        axes.set_xlabel("tail")
        axes.set_ylabel("head")
        axes.set_title(title, loc="left", fontsize=10)
        figure.colorbar(image, ax=axes, shrink=0.7)
    return figure
