"""What is in a corpus, and what of it will hurt."""

from pathlib import Path
from typing import Any, Dict, List, Optional

import srsly
import typer
from wasabi import Printer

from ..corpora import LanguageTools
from ..corpora.check import ERROR, WARNING, check
from ..corpora.table import SpanTable
from ..errors import Errors
from ..pipeline.gold import SOURCES

COUNTS = (
    *("documents", "sentences", "tokens", "spans"),
    *("without annotation", "annotated without spans"),
    *("nested", "crossing", "identical", "depth"),
    *(
        "cut by the tokenizer",
        "edged by white space",
        "edged by punctuation",
        "repeated sentences",
    ),
)


def check_cli(
    train: Path = typer.Argument(..., help="Training documents, .spacy", exists=True),
    dev: Path = typer.Argument(..., help="Development documents, .spacy", exists=True),
    test: Optional[Path] = typer.Option(
        None, "--test", "-t", help="Test documents, .spacy", exists=True
    ),
    spans_key: str = typer.Option("sc", "--spans-key", "-sk", help="Key of doc.spans"),
    gold: str = typer.Option(
        "spans", "--gold", help="What is learnt from: spans (doc.spans) or ents"
    ),
    lang: Optional[str] = typer.Option(
        None,
        "--lang",
        "-l",
        help="Language code of the pipeline, to find the spans that its tokenizer cuts",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON for machines"),
) -> None:
    """Tell what is in the documents of a corpus and what of it will hurt in training.

    The exit status is 1 if training cannot go on, else 0.
    """
    msg = Printer(no_print=as_json)
    if gold not in SOURCES:
        _fail(
            Errors.E004.format(setting="--gold", allowed=SOURCES, value=gold), as_json
        )
    paths = {"train": train, "dev": dev, "test": test}
    try:
        parts = {
            name: SpanTable.read(path, spans_key, gold)
            for name, path in paths.items()
            if path is not None
        }
        tools = None if lang is None else LanguageTools(lang)
        result = check(parts, spans_key, gold, tools)
    except (ImportError, OSError, ValueError) as error:
        _fail(str(error), as_json)
    if as_json:
        typer.echo(srsly.json_dumps(result, indent=2))
    else:
        _print(result, msg)
    raise typer.Exit(0 if result["ok"] else 1)


def _fail(text: str, as_json: bool) -> None:
    finding = {"level": ERROR, "message": text}
    if as_json:
        typer.echo(srsly.json_dumps({"findings": [finding], "ok": False}, indent=2))
    else:
        Printer().fail("Cannot check the corpus", text)
    raise typer.Exit(1)


def _print(result: Dict[str, Any], msg: Printer) -> None:
    parts = list(result["parts"])
    msg.divider("Parts")
    rows: List[Any] = [
        (count, *(f"{result['parts'][part][count]:,}" for part in parts))
        for count in COUNTS
        if count in result["parts"]["train"]
    ]
    _table(msg, ("", *parts), rows)
    msg.divider("Labels")
    rows = [
        (label, *(f"{counts[part]:,}" for part in parts))
        for label, counts in result["labels"].items()
    ]
    _table(msg, ("", *parts), rows)
    if result["lengths"]:
        msg.divider("Lengths of the spans of train")
        rows = [
            (f"{row['percent']} %", *(f"{row[key]:,}" for key in list(row)[1:]))
            for row in result["lengths"]
        ]
        _table(msg, tuple(result["lengths"][0]), rows)
    msg.divider("Sentences that stand in two parts")
    rows = [tuple(row.values()) for row in result["shared"]]
    _table(msg, tuple(result["shared"][0]), rows, "ll")
    msg.divider("Not seen in train")
    rows = [
        (part, *(f"{100 * share:.1f} %" for share in shares.values()))
        for part, shares in result["unseen"].items()
    ]
    _table(msg, ("", *next(iter(result["unseen"].values()))), rows)
    if result["recommended"]:
        msg.divider("Settings that fit")
        for name, value in result["recommended"].items():
            msg.text(f"{name} = {srsly.json_dumps(value)}")
    msg.divider("Findings")
    say = {ERROR: msg.fail, WARNING: msg.warn}
    for finding in result["findings"]:
        say.get(finding["level"], msg.info)(finding["message"])
    if result["ok"]:
        msg.good("Training can go on.")
    else:
        msg.fail("Training cannot go on.")


def _table(msg: Printer, header: Any, rows: List[Any], left: str = "l") -> None:
    aligns = tuple(left.ljust(len(header), "r"))
    msg.table(rows, header=header, divider=True, aligns=aligns)
