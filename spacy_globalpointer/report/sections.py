"""The sections of the report before the documents."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .tables import Markup, change, figure, percent, score, section, table

Metrics = Mapping[str, Any]
# The plots of each section: name to markup and caption.
Plots = Mapping[str, Mapping[str, tuple[str, str]]]

ROWS = {
    "micro": "All spans, micro",
    "macro": "All labels, macro",
    "outermost": "Outermost spans",
    "inner": "Inner spans",
    "flat": "Flat (doc.ents)",
}
KIND_NAMES = {
    "right": "Right",
    "type": "Type: the same tokens, another label",
    "boundary": "Boundary: overlaps one of its label",
    "nesting": "Nesting: a level too few or too many",
    "missed": "Missed: nothing like it predicted",
    "spurious": "Spurious: nothing like it in gold",
}


def render_sections(metrics: Metrics, names: Sequence[str], plots: Plots) -> str:
    """All sections but the documents.

    metrics (Metrics): The content of metrics.json.
    names (Sequence[str]): What the models are called in the report.
    plots (Plots): The plots.
    RETURNS (str): The markup.
    """
    sections = {
        "summary": ("Summary", _summary(metrics, names)),
        "labels": ("Labels", _labels(metrics, names, plots)),
        "buckets": ("Buckets", _buckets(metrics, names, plots)),
        "errors": ("Errors", _errors(metrics, names, plots)),
        "scores": ("Scores", _scores(metrics, names, plots)),
    }
    for name in plots:
        if name not in sections:
            sections[name] = (name.capitalize(), _figures(plots, name))
    titles = {name: title for name, (title, _) in sections.items()}
    titles["documents"] = "Documents"
    links = "".join(
        f'<li><a href="#{name}">{title}</a></li>' for name, title in titles.items()
    )
    parts = [section(name, title, text) for name, (title, text) in sections.items()]
    return "\n".join([f"<nav><ul>{links}</ul></nav>", *parts])


def _figures(plots: Plots, section: str) -> str:
    chosen = [figure(name, *plot) for name, plot in plots.get(section, {}).items()]
    return f'<div class="figures">{"".join(chosen)}</div>' if chosen else ""


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _summary(metrics: Metrics, names: Sequence[str]) -> str:
    n, annotated = metrics["documents"], metrics["annotated_documents"]
    lines = [f"{n:,} documents, {metrics['tokens']:,} tokens."]
    if annotated < n:
        lines.append(
            f"{n - annotated:,} documents have no gold annotation and are left out."
        )
    if metrics["bootstrap"]["resamples"]:
        lines.append(
            "Scores are in percent; below them are 95% intervals, from "
            f"{metrics['bootstrap']['resamples']:,} bootstrap resamples of the "
            "documents; changes of F1 are those from the first model, in bold where "
            "their interval does not contain 0."
        )
    parts = [_paragraph(" ".join(lines)), _models(metrics, names)]
    first = metrics["models"][0]["summary"]
    if len(names) == 1:
        header = ("", "P", "R", "F1", "Gold", "Predicted", "Right")
        counts = ("gold", "predicted", "right")
        rows = [
            [
                title,
                *(score(first[key], name) for name in "prf"),
                *(_count(first[key].get(name)) for name in counts),
            ]
            for key, title in ROWS.items()
        ]
        return "\n".join([*parts, table(header, rows)])
    rows = []
    for key, title in ROWS.items():
        row: list[Any] = [title]
        for model in metrics["models"]:
            row += [score(model["summary"][key], name) for name in "prf"]
            if "differences" in model:
                is_scored = model["summary"][key]["f"] is not None
                difference = model["differences"]["summary"][key]
                row.append(change(difference if is_scored else None))
        rows.append(row)
    return "\n".join(
        [*parts, table(_comparing(names, "PRF"), rows, groups=_groups(names, 3))]
    )


def _comparing(names: Sequence[str], scores: str) -> list[str]:
    """The header of a table with columns for each model."""
    columns = ["F1" if x == "F" else x for x in scores]
    header = ["", *columns]
    for _ in names[1:]:
        header += [*columns, "Change of F1"]
    return header


def _groups(names: Sequence[str], n: int, before: int = 1) -> list[tuple[str, int]]:
    """The models above their columns, n each, and one for the change."""
    return [("", before), (names[0], n), *((name, n + 1) for name in names[1:])]


def _count(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def _models(metrics: Metrics, names: Sequence[str]) -> str:
    items = []
    for name, model in zip(names, metrics["models"]):
        settings = {k: v for k, v in model["settings"].items() if v != {}}
        shown = [model["component"]]
        shown += [f"{key} = {_setting(value)}" for key, value in settings.items()]
        if model["off_tokens"]:
            shown.append(
                f"{model['off_tokens']:,} predicted spans begin or end inside a gold "
                "token; as in spaCy's scorer they are left out of the scores, and "
                "among the documents they are shown as spurious"
            )
        where = escape(model["model"])
        items.append(
            f"<li><b>{escape(name)}</b> ({where}): {escape('; '.join(shown))}</li>"
        )
    return f'<ul class="models">{"".join(items)}</ul>'


def _setting(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_setting(v)}" for k, v in value.items()) + "}"
    return str(value)


def _labels(metrics: Metrics, names: Sequence[str], plots: Plots) -> str:
    models = metrics["models"]
    labels = sorted({label for model in models for label in model["per_label"]})
    if not labels:
        return _paragraph("No spans, neither gold nor predicted.")
    rows = []
    for label in labels:
        of_label = [model["per_label"].get(label) for model in models]
        row: list[Any] = [label]
        if len(names) == 1:
            row += [score(of_label[0], name) for name in "prf"]
            row += [_count(of_label[0][name]) for name in ("gold", "predicted")]
        else:
            for model, scores in zip(models, of_label):
                row.append(score(scores, "f"))
                if "differences" in model:
                    row.append(change(model["differences"]["per_label"].get(label)))
            counts = [scores["gold"] for scores in of_label if scores]
            row.append(_count(max(counts)))
        rows.append(row)
    groups: list[tuple[str, int]] = []
    if len(names) == 1:
        header = ["Label", "P", "R", "F1", "Gold", "Predicted"]
    else:
        header = [*_comparing(names, "F"), "Gold"]
        groups = [*_groups(names, 1), ("", 1)]
    return table(header, rows, "tall", groups) + _figures(plots, "labels")


def _buckets(metrics: Metrics, names: Sequence[str], plots: Plots) -> str:
    rows = []
    for key, first in metrics["models"][0]["buckets"].items():
        for number, bucket in enumerate(first["buckets"]):
            row = [f"{first['title']}: {bucket['name']}", _count(bucket["gold"])]
            for model in metrics["models"]:
                own = model["buckets"][key]["buckets"][number]
                row += [_count(own["predicted"]), score(own, "f")]
                if "differences" in model:
                    other = model["differences"]["buckets"][key]["buckets"][number]
                    row.append(change(other))
            rows.append(row)
    header = ["", "Gold"]
    for number in range(len(names)):
        header += ["Predicted", "F1", "Change of F1"][: 3 if number else 2]
    groups = _groups(names, 2, before=2) if len(names) > 1 else []
    notes = _paragraph(
        "Lengths count tokens. Entity density is the number of gold spans to a token; "
        "the share of entity words, that of tokens inside a gold span. Label "
        "consistency is the share of training spans with the same text that have the "
        "same label; unknown words are tokens that the training data lacks. In the "
        "plots, each cell has the range, F1 in percent, and the number of gold spans."
    )
    if "consistency" not in metrics["models"][0]["buckets"]:
        notes += _paragraph(
            "Label consistency and unknown words need the training data: --train."
        )
    all_rows = table(header, rows, groups=groups)
    details = f"<details><summary>As a table</summary>{all_rows}</details>"
    return notes + _figures(plots, "buckets") + details


def _errors(metrics: Metrics, names: Sequence[str], plots: Plots) -> str:
    header = [""]
    columns = []
    for model in metrics["models"]:
        for side in ("gold", "predicted"):
            header.append(side.capitalize())
            columns.append(model["errors"][side])
    groups = [("", 1), *((name, 2) for name in names)] if len(names) > 1 else []
    rows = [
        [title, *(_count(column.get(kind)) for column in columns)]
        for kind, title in KIND_NAMES.items()
    ]
    rates = [
        [
            title,
            *(percent(model["errors"][rate]) for model in metrics["models"]),
        ]
        for title, rate in (
            ("Boundary errors", "boundary_error_rate"),
            ("Type errors", "type_error_rate"),
        )
    ]
    return (
        table(header, rows, groups=groups)
        + _paragraph(
            "Boundary errors and type errors, gold and predicted spans together, as "
            "shares of all errors (false positives and false negatives), in percent:"
        )
        + table(["", *names], rates)
        + _figures(plots, "errors")
    )


def _scores(metrics: Metrics, names: Sequence[str], plots: Plots) -> str:
    rows = []
    for name, model in zip(names, metrics["models"]):
        scores = model["scores"]
        ece = scores["reliability"]["ece"]
        chances = scores["gold_probability"]
        rows.append(
            [
                name,
                _count(scores["reliability"]["n"]),
                None if ece is None else f"{ece:.4f}",
                *(_share(chances[side]["mean"]) for side in ("right", "wrong")),
            ]
        )
    header = (
        "Model",
        "Candidates",
        "Expected calibration error",
        "Mean probability of gold labels of spans that were found",
        "Mean probability of gold labels of spans that were not found",
    )
    return table(header, rows) + _figures(plots, "scores")


def _share(value: float | None) -> Markup | None:
    return None if value is None else Markup(f"{value:.3f}")
