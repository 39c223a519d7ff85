"""Scores of a pipeline."""

from pathlib import Path
from timeit import default_timer
from typing import Any, Dict, Optional

import srsly
import typer

from ..evaluation import span_metrics
from ..evaluation.relations import relation_metrics
from ..evaluation.result import SETTINGS
from .common import (
    CODE,
    COMPONENT,
    DATA,
    GPU_ID,
    MODEL,
    fail_without_gold,
    load,
    predict,
    read,
)
from .messages import JSON, QUIET, msg

# The scores of a component that finds relations, with their titles.
RELATIONS = (
    ("strict", "All relations, strict"),
    ("boundaries", "Boundaries and relation"),
    ("given_spans", "Between gold spans"),
    ("discontinuous", "Discontinuous entities"),
)


def evaluate_cli(
    model: str = MODEL,
    data: Path = DATA,
    output: Optional[Path] = typer.Option(
        None, "--output", "-o", help="JSON file for the scores"
    ),
    component: Optional[str] = COMPONENT,
    gpu_id: int = GPU_ID,
    code: Optional[Path] = CODE,
    as_json: bool = JSON,
    quiet: bool = QUIET,
) -> None:
    """Score the spans of a pipeline strictly: offsets and label must agree.

    Documents and tokens without annotation are left out. Without any gold spans there
    is no score, and the exit status is 1.
    """
    nlp, pipe = load(model, component, gpu_id)
    examples = read(nlp, pipe, data)
    n_words = sum(len(example.predicted) for example in examples)
    start = default_timer()
    predict(nlp, pipe, examples, "Predicting")
    seconds = default_timer() - start
    reader = pipe.annotation_reader
    metrics = {
        "model": model,
        "data": str(data),
        "component": pipe.name,
        **{name: pipe.cfg[name] for name in SETTINGS if name in pipe.cfg},
        "documents": len(examples),
        "annotated_documents": sum(reader.is_annotated(x.reference) for x in examples),
        "words": n_words,
        "words_per_second": round(n_words / seconds) if n_words else 0,
        **span_metrics(examples, reader.spans_key, reader.source, reader.rejected_key),
    }
    relations = relation_metrics(nlp, examples)
    if relations:
        metrics["relations"] = relations
    if as_json:
        typer.echo(srsly.json_dumps(metrics, indent=2))
    _print(metrics)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_json(output, metrics)
        msg.good(f"Wrote {output}")
    if metrics["micro"]["f"] is None:
        fail_without_gold(pipe, examples, data)


def _print(metrics: Dict[str, Any]) -> None:
    header = ("", "P", "R", "F", "Gold", "Predicted")
    aligns = tuple("lrrrrr")
    totals = [
        ("All spans, micro", metrics["micro"]),
        ("All spans, macro", metrics["macro"]),
        ("Outermost spans", metrics["outermost"]),
        ("Inner spans", metrics["inner"]),
        ("Flat (doc.ents)", metrics["flat"]),
    ]
    msg.divider(f"{metrics['model']} on {metrics['data']}")
    msg.table([_row(*total) for total in totals], header=header[:4], aligns=aligns[:4])
    msg.table(
        [
            (*_row(label, scores), scores["gold"], scores["predicted"])
            for label, scores in metrics["per_label"].items()
        ],
        header=("Label", *header[1:]),
        aligns=aligns,
    )
    for name, scores in metrics.get("relations", {}).items():
        rows = [(title, scores[key]) for key, title in RELATIONS if key in scores]
        rows += sorted(scores["per_label"].items())
        table = [_row(*row) for row in rows]
        msg.table(table, header=(name, *header[1:4]), aligns=aligns[:4])
        errors = ", ".join(f"{kind} {n:,}" for kind, n in scores["errors"].items())
        msg.info(f"Errors of relations: {errors}")
        if scores["unusable"]:
            msg.warn(f"Relations that are not scored: {scores['unusable']}")
    msg.info(
        f"{metrics['words']:,} words in {metrics['documents']:,} documents, "
        f"{metrics['words_per_second']:,} words per second"
    )


def _row(name: str, scores: Dict[str, Optional[float]]) -> tuple:
    values = [scores[key] for key in "prf"]
    return name, *("-" if x is None else f"{100 * x:.2f}" for x in values)
