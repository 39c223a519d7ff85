"""The report: a page, its numbers as JSON, and its plots as files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
from matplotlib.figure import Figure

from ..evaluation.diagnostics import principal_components
from ..evaluation.result import Result
from ..folders import replaced_folder
from . import canvas, plots, score_plots
from .page import span_page
from .sections import render_sections

Metrics = Mapping[str, Any]


def write_report(
    folder: Path,
    results: Sequence[Result],
    metrics: Metrics,
    *,
    title: str,
    limit: int = 0,
) -> Path:
    """Write report.html, metrics.json and the folder of plots. They take the place of
    an older report all at once, when they are complete.

    folder (Path): Where they are written. Other files there are kept.
    results (Sequence[Result]): The models. The documents are drawn with the
        predictions of the first.
    metrics (Metrics): From `compare`; with "training", from `read_training_log`, the
        training is drawn too.
    title (str): Title of the page.
    limit (int): Most documents that are drawn, 0 for all.
    RETURNS (Path): The page.
    """
    with replaced_folder(folder, outdated=("plots/*.svg", "plots/*.png")) as new:
        _write(new, results, metrics, title, limit)
    return folder / "report.html"


def _write(
    folder: Path, results: Sequence[Result], metrics: Metrics, title: str, limit: int
) -> None:
    names = short_names([result.name for result in results])
    drawn = folder / "plots"
    drawn.mkdir()
    saved = {
        name: (canvas.save(figure, drawn / name), caption)
        for name, (figure, caption) in _figures(results, metrics, names).items()
    }
    first = results[0]
    page = span_page(
        first.pairs,
        spans_key=first.spans_key,
        title=title,
        labels=first.labels,
        before=render_sections(metrics, names, saved),
        limit=limit,
        gold=first.gold,
    )
    # Not with srsly, which does not give every float back as it was.
    text = json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "metrics.json").write_bytes(text.encode("utf8"))
    (folder / "report.html").write_bytes(page.encode("utf8"))


def short_names(models: Sequence[str]) -> list[str]:
    """What models are called in the report: the last parts of their paths, as many as
    tell them apart, and numbers where they are the same.

    models (Sequence[str]): Folders or packages.
    RETURNS (list[str]): The names, none of them twice.
    """
    parts = [Path(model).parts or (model,) for model in models]
    for n in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-n:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{part[-1]} ({number})" for number, part in enumerate(parts, 1)]


def _figures(
    results: Sequence[Result], metrics: Metrics, names: Sequence[str]
) -> dict[str, tuple[Figure, str]]:
    """The plots by name, with captions. What is of one model has its number at the
    end, where there are several."""
    models = metrics["models"]
    by_name = dict(zip(names, models))
    figures = {
        "labels": (
            plots.plot_labels({x: model["per_label"] for x, model in by_name.items()}),
            "F1 of each label, with 95% intervals; the labels with the most gold "
            f"spans, at most {canvas.MOST_LABELS}.",
        ),
        "reliability": (
            score_plots.plot_reliability(
                {x: model["scores"]["reliability"] for x, model in by_name.items()}
            ),
            "Reliability: how often candidates are right, by their probability; on "
            "the dotted line, as often as it says. Expected calibration error (ECE): "
            "the mean distance from it.",
        ),
    }
    for number, (result, model) in enumerate(zip(results, models)):
        end, of_model = "", ""
        if len(results) > 1:
            end, of_model = f"-{number + 1}", f"{names[number]}: "
        for name, (figure, caption) in _figures_of(result, model).items():
            figures[name + end] = (figure, of_model + caption)
    if metrics.get("training"):
        figures["training"] = (
            plots.plot_training(metrics["training"]),
            "Losses and scores at each evaluation of the training.",
        )
    return figures


def _figures_of(result: Result, model: Metrics) -> dict[str, tuple[Figure, str]]:
    outputs, confused = result.outputs, model["errors"]["confusion"]
    figures = {
        "buckets": (plots.plot_buckets(model["buckets"]), "F1 by bucket."),
        "confusion": (
            plots.plot_confusion(
                confused["labels"], numpy.array(confused["matrix"], dtype="int64")
            ),
            "Gold labels against predicted ones, on the same tokens.",
        ),
        "probability": (
            score_plots.plot_probabilities(
                outputs.gold_probabilities, outputs.gold_found
            ),
            "Probability of the gold label, of gold spans that were found and of "
            "those that were not.",
        ),
        "curves": (
            score_plots.plot_precision_recall(model["scores"]["precision_recall"]),
            "Precision and recall at all thresholds down to "
            f"{model['scores']['floor']}, before the choice among overlapping spans; "
            f"at most {len(canvas.COLORS)} labels. AP: average precision.",
        ),
        "discrepancy": (
            score_plots.plot_discrepancies(model["scores"]["discrepancies"]),
            "Labels above the line are predicted too often, those below too seldom; "
            "to the right, the model is sure of some of their spans and rules out "
            "others.",
        ),
    }
    if outputs.gold_outputs.shape[1]:
        places, shares = principal_components(outputs.gold_outputs)
        figures["components"] = (
            score_plots.plot_components(
                places, shares, result.labels, outputs.gold_labels
            ),
            "Gold spans by the principal components of the scores of all labels.",
        )
    return figures
