"""Plots of scores, errors, trainings and lattices."""

from typing import Any, Dict, Mapping, Sequence

import numpy
from matplotlib.figure import Figure

from ..core.arrays import Floats, Ints
from .canvas import HEAT, MOST_LABELS, new_axes, plot_style, style_of
from .registry import register_plot


@register_plot(
    "labels",
    section="labels",
    caption="F1 of each label, with 95% intervals; the labels with the most gold "
    f"spans, at most {MOST_LABELS}.",
    values=lambda data: (
        {x: model["per_label"] for x, model in zip(data.names, data.models)},
    ),
)
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
    with plot_style():
        figure, axes = new_axes(
            6, 0.8 + 0.3 * max(len(labels), 1) * (len(models) + 1) / 2
        )
        for number, (name, scores) in enumerate(models.items()):
            shift = (number + 0.5) / len(models) - 0.5
            chosen = [i for i, label in enumerate(labels) if label in scores]
            rows = [scores[labels[i]] for i in chosen]
            f = numpy.array([row["f"] for row in rows])
            bounds = [row.get("interval", {"f": [row["f"]] * 2})["f"] for row in rows]
            low, high = numpy.array(bounds).reshape(-1, 2).T
            style = {**style_of(number), "linestyle": "none"}
            axes.errorbar(
                f,
                numpy.array(chosen) + shift * 0.6,
                xerr=numpy.maximum([f - low, high - f], 0.0),
                capsize=3,
                label=name,
                **style,
            )
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(max(len(labels), 1) - 0.5, -0.5)
        # Room for markers at the ends.
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("F1")
        if len(models) > 1:
            axes.legend(loc="best")
    return figure


@register_plot(
    "buckets",
    section="buckets",
    caption="F1 by bucket; empty where there are no gold spans.",
    values=lambda data: (data.models[0]["buckets"],),
    of_each=True,
)
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
            if bucket["gold"]:
                values[i, j] = bucket["f"]
    with plot_style():
        figure, axes = new_axes(6, 0.8 + 0.62 * len(values))
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


@register_plot(
    "confusion",
    section="errors",
    caption="Gold labels against predicted ones, on the same tokens.",
    values=lambda data: tuple(data.models[0]["errors"]["confusion"].values()),
    of_each=True,
)
def plot_confusion(labels: Sequence[str], matrix: Ints) -> Figure:
    """Gold labels against predicted ones, colored by their share of the gold label.

    labels (Sequence[str]): The labels.
    matrix (Ints): From `confusion`.
    """
    matrix = numpy.asarray(matrix, dtype="int64")
    chosen = numpy.sort(numpy.argsort(-matrix[:-1].sum(1), kind="stable")[:MOST_LABELS])
    kept = numpy.append(chosen, len(labels))
    matrix = matrix[numpy.ix_(kept, kept)]
    names = [*(labels[i] for i in chosen), "(none)"]
    with plot_style():
        size = 2.2 + 0.52 * len(names)
        figure, axes = new_axes(size + 0.6, size)
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
    color = "white" if dark else "black"
    axes.text(x, y, text, ha="center", va="center", color=color, fontsize=8)


@register_plot(
    "training",
    section="training",
    caption="Losses and scores at each evaluation of the training.",
    values=lambda data: (
        (data.metrics["training"],) if data.metrics.get("training") else None
    ),
)
def plot_training(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Losses and scores by step.

    rows (Sequence[Mapping[str, Any]]): From `read_training_log`.
    """
    with plot_style():
        figure = Figure(figsize=(8, 3), layout="constrained")
        steps = [row["step"] for row in rows]
        panels = (("losses", "loss"), ("scores", "score"))
        for place, (part, title) in enumerate(panels, 1):
            axes = figure.add_subplot(1, 2, place)
            names = sorted({name for row in rows for name in row[part]})
            for number, name in enumerate(names):
                values = [row[part].get(name, numpy.nan) for row in rows]
                style = style_of(number)
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
                # Powers would be written as formulas, which are off for labels.
                axes.yaxis.set_major_formatter("{x:g}")
    return figure


def plot_lattice(
    values: Floats, tokens: Sequence[str], title: str, *, low: float, high: float
) -> Figure:
    """The scores of all spans of a text as a heatmap.

    values (Floats): NaN where there is no candidate. *Shape:* (n_tokens, n_tokens),
        heads by tails
    tokens (Sequence[str]): The tokens.
    title (str): The title.
    low, high (float): The ends of the color map.
    """
    n = len(tokens)
    with plot_style():
        size = min(2.4 + 0.26 * n, 14)
        figure, axes = new_axes(size + 0.8, size)
        shape = (max(n, 1),) * 2
        image = _heatmap(axes, values if n else numpy.full(shape, numpy.nan), low, high)
        axes.set_xticks(range(n), tokens, rotation=90)
        axes.set_yticks(range(n), tokens)
        axes.set_xlabel("tail")
        axes.set_ylabel("head")
        axes.set_title(title, loc="left", fontsize=10)
        figure.colorbar(image, ax=axes, shrink=0.7)
    return figure
