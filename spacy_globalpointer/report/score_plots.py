"""Plots of the probabilities and scores behind predictions."""

from typing import Any, List, Mapping, Optional, Sequence, Tuple

import numpy
from matplotlib.figure import Figure

from ..core.arrays import Floats, Ints, Mask
from ..evaluation.diagnostics import principal_components
from ..evaluation.outputs import LOWEST_REPORTED
from ..evaluation.reliability import N_BINS
from ..evaluation.result import Result
from .canvas import COLORS, MOST_LABELS, new_axes, plot_style, style_of
from .registry import register_plot

# Points that are drawn of a cloud.
MOST_POINTS = 1500


@register_plot(
    "probability",
    section="scores",
    caption="Probability of the gold label, of gold spans that were found and of those "
    "that were not.",
    values=lambda data: (
        data.results[0].outputs.gold_probabilities,
        data.results[0].outputs.gold_found,
    ),
    of_each=True,
)
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
    with plot_style():
        figure, axes = new_axes(3.7, 3.2)
        for place, values in enumerate(groups.values()):
            color = COLORS[place]
            # A violin is drawn over a density, which one value has none of.
            if len(numpy.unique(values)) > 1:
                violin = axes.violinplot(
                    [values], [place], widths=0.8, showmedians=True
                )
                for part in violin["bodies"]:
                    part.set(facecolor=color, edgecolor="black", alpha=0.6)
                for name in ("cmins", "cmaxes", "cbars", "cmedians"):
                    violin[name].set(color="black", linewidth=1)
            else:
                axes.plot([place] * len(values), values, "o", color=color)
        names = [f"{name}\n(n = {len(x)})" for name, x in groups.items()]
        axes.set_xticks(range(len(groups)), names)
        axes.set_xlim(-0.6, len(groups) - 0.4)
        axes.set_ylim(-0.02, 1.02)
        axes.set_ylabel("probability of the gold label")
    return figure


@register_plot(
    "components",
    section="scores",
    caption="Gold spans by the principal components of the scores of all labels.",
    values=lambda data: _components(data.results[0]),
    of_each=True,
)
def plot_components(
    places: Floats, shares: Floats, labels: Sequence[str], label_of: Ints
) -> Figure:
    """Gold spans by the principal components of their label outputs.

    places (Floats), shares (Floats): From `principal_components`.
    labels (Sequence[str]): The labels.
    label_of (Ints): The label of each span. *Shape:* (n_spans,)
    """
    with plot_style():
        figure, axes = new_axes(5, 4)
        if len(places) > MOST_POINTS:
            random = numpy.random.default_rng(0)
            drawn = numpy.sort(random.choice(len(places), MOST_POINTS, replace=False))
            places, label_of = places[drawn], label_of[drawn]
        shown = _most_frequent(label_of, len(COLORS))
        rest = ~numpy.isin(label_of, shown)
        groups = [(labels[i], label_of == i) for i in shown]
        if rest.any():
            axes.scatter(*places[rest].T, s=8, color="#bbbbbb", label="(others)")
        for number, (name, mask) in enumerate(groups):
            style = style_of(number)
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


def _components(result: Result) -> Optional[Tuple[Any, ...]]:
    outputs = result.outputs
    if not outputs.gold_outputs.shape[1]:
        return None
    places = principal_components(outputs.gold_outputs)
    return *places, result.labels, outputs.gold_labels


def _most_frequent(numbers: Ints, most: int) -> List[int]:
    found, counts = numpy.unique(numbers, return_counts=True)
    return found[numpy.argsort(-counts, kind="stable")[:most]].tolist()


@register_plot(
    "discrepancy",
    section="scores",
    caption="Labels above the line are predicted too often, those below too seldom; to "
    "the right, the model is sure of some of their spans and rules out others.",
    values=lambda data: (data.models[0]["scores"]["discrepancies"],),
    of_each=True,
)
def plot_discrepancies(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Log ratio of predicted to true spans against scaled variance, by label.

    rows (Sequence[Mapping[str, Any]]): From `discrepancies`.
    """
    points = [
        row
        for row in rows
        if row["log_ratio"] is not None and row["scaled_variance"] is not None
    ]
    with plot_style():
        figure, axes = new_axes(5, 3.6)
        axes.axhline(0, color="black", linewidth=0.8)
        for row in points:
            place = row["scaled_variance"], row["log_ratio"]
            axes.plot(*place, "o", color=COLORS[0], markersize=5)
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


@register_plot(
    "reliability",
    section="scores",
    caption="Reliability: how often candidates are right, by their probability; on the "
    "dotted line, as often as it says. Expected calibration error (ECE): the mean "
    "distance from it. Below: the number of candidates.",
    values=lambda data: (
        {x: m["scores"]["reliability"] for x, m in zip(data.names, data.models)},
    ),
)
def plot_reliability(models: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Accuracy by probability.

    models (Mapping[str, Mapping[str, Any]]): What `reliability` gives of each model.
    """
    with plot_style():
        figure = Figure(figsize=(3.7, 4.4), layout="constrained")
        axes, below = figure.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]}
        )
        axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
        for number, (name, values) in enumerate(models.items()):
            bins = values["bins"]
            ece = values["ece"]
            axes.plot(
                [b["probability"] for b in bins],
                [b["accuracy"] for b in bins],
                label=f"{name}: ECE {'–' if ece is None else format(ece, '.3f')}",
                **style_of(number),
            )
            counts = numpy.zeros(N_BINS)
            for b in bins:
                counts[round(b["from"] * N_BINS)] = b["n"]
            edges = numpy.linspace(0, 1, N_BINS + 1)
            below.stairs(counts, edges, color=style_of(number)["color"])
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        below.set_yscale("symlog")
        below.yaxis.set_major_formatter("{x:g}")
        below.set_xlabel("probability")
        below.set_ylabel("candidates")
        axes.set_ylabel("accuracy")
        axes.legend(fontsize=8, loc="upper left")
    return figure


@register_plot(
    "curves",
    section="scores",
    caption="Precision and recall at all thresholds down to "
    f"{LOWEST_REPORTED}, before the choice among overlapping spans; at most "
    f"{len(COLORS)} labels. AP: average precision.",
    values=lambda data: (data.models[0]["scores"]["precision_recall"],),
    of_each=True,
)
def plot_precision_recall(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A precision-recall curve for each label, of those with the most gold spans.

    curves (Mapping[str, Mapping[str, Any]]): From `Result.label_curves`.
    """
    shown = sorted(curves, key=lambda label: -curves[label]["gold"])[: len(COLORS)]
    with plot_style():
        figure, axes = new_axes(3.7, 3.5)
        for number, label in enumerate(shown):
            curve = curves[label]
            style = style_of(number)
            axes.plot(
                curve["recall"],
                curve["precision"],
                color=style["color"],
                linestyle=style["linestyle"],
                label=f"{label}: AP {curve['average_precision']:.3f}",
            )
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        if shown:
            axes.legend(fontsize=8, loc="lower left")
    return figure
