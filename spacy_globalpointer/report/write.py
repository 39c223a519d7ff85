"""The report: a page, its numbers as JSON, and its plots as files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..evaluation.result import Result
from ..folders import replaced_folder
from . import canvas, plots, score_plots  # noqa: F401
from .page import span_page
from .registry import ReportData, draw_plots
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
    saved: dict[str, dict[str, tuple[str, str]]] = {}
    for plot in draw_plots(ReportData(names, results, metrics)):
        svg = canvas.save(plot.figure, drawn / plot.name)
        saved.setdefault(plot.section, {})[plot.name] = (svg, plot.caption)
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
