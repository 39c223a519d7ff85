"""Statistics of a corpus, and likely problems for training."""

from pathlib import Path
from typing import Any, Dict, List, Optional

import srsly
import typer
from wasabi import MESSAGES

from ..corpora import LanguageTools
from ..corpora.corpus_table import CorpusTable
from ..corpora.findings import ERROR, WARNING, check
from ..errors import Errors
from ..pipeline.gold import SOURCES
from .common import require_spacy_files
from .messages import JSON, QUIET, msg

COUNTS = (
    *("documents", "sentences", "tokens", "spans"),
    *("without annotation", "annotated without spans"),
    *("nested", "crossing", "identical", "depth"),
    *(
        "boundary inside a token",
        "whitespace at boundary",
        "punctuation at boundary",
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
        "spans",
        "--gold",
        help="Annotation source: spans (doc.spans) or ents (doc.ents)",
    ),
    lang: Optional[str] = typer.Option(
        None,
        "--lang",
        "-l",
        help="Language code of the pipeline, to find spans with a boundary inside one of its tokens",
    ),
    as_json: bool = JSON,
    quiet: bool = QUIET,
) -> None:
    """Show statistics of a corpus and likely problems for training.

    The exit status is 1 if a problem blocks training, else 0.
    """
    if gold not in SOURCES:
        _fail(
            Errors.E004.format(setting="--gold", allowed=SOURCES, value=gold), as_json
        )
    paths = {"train": train, "dev": dev, "test": test}
    try:
        for path in filter(None, paths.values()):
            require_spacy_files(path)
        splits = {
            name: CorpusTable.read(path, spans_key, gold)
            for name, path in paths.items()
            if path is not None
        }
        tools = None if lang is None else LanguageTools(lang)
        result = check(splits, spans_key, gold, tools)
    except (ImportError, OSError, ValueError) as error:
        _fail(str(error), as_json)
    if as_json:
        typer.echo(srsly.json_dumps(result, indent=2))
    else:
        _print(result)
    raise typer.Exit(0 if result["ok"] else 1)


def _fail(text: str, as_json: bool) -> None:
    finding = {"level": ERROR, "message": text}
    if as_json:
        typer.echo(srsly.json_dumps({"findings": [finding], "ok": False}, indent=2))
    else:
        msg.fail("Cannot check the corpus", text)
    raise typer.Exit(1)


def _print(result: Dict[str, Any]) -> None:
    splits = list(result["splits"])
    msg.divider("Splits")
    rows: List[Any] = [
        (count, *(f"{result['splits'][split][count]:,}" for split in splits))
        for count in COUNTS
        if count in result["splits"]["train"]
    ]
    _table(("", *splits), rows)
    msg.divider("Labels")
    rows = [
        (label, *(f"{counts[split]:,}" for split in splits))
        for label, counts in result["labels"].items()
    ]
    _table(("", *splits), rows)
    if result["lengths"]:
        msg.divider("Span lengths in train")
        rows = [
            (f"{row['percent']} %", *(f"{row[key]:,}" for key in list(row)[1:]))
            for row in result["lengths"]
        ]
        _table(tuple(result["lengths"][0]), rows)
    _print_links(result["links"])
    msg.divider("Sentences that occur in two splits")
    rows = [tuple(row.values()) for row in result["shared"]]
    _table(tuple(result["shared"][0]), rows, "ll")
    msg.divider("Unseen in train")
    rows = [
        (split, *(f"{100 * share:.1f} %" for share in shares.values()))
        for split, shares in result["unseen"].items()
    ]
    _table(("", *next(iter(result["unseen"].values()))), rows)
    if result["recommended"]:
        msg.divider("Recommended settings")
        for name, value in result["recommended"].items():
            msg.text(f"{name} = {srsly.json_dumps(value)}")
    msg.divider("Findings")
    styles = {ERROR: MESSAGES.FAIL, WARNING: MESSAGES.WARN}
    for finding in result["findings"]:
        style = styles.get(finding["level"], MESSAGES.INFO)
        msg.text(finding["message"], color=style, icon=style)
    if result["ok"]:
        msg.good("No blocking problems.")
    else:
        msg.fail("Some problems block training.")


def _print_links(links: Dict[str, Any]) -> None:
    """Relations and discontinuous entities, where there are some."""
    labels = sorted({label for part in links.values() for label in part["relations"]})
    if labels:
        msg.divider("Relations")
        rows: List[Any] = []
        for label in labels:
            found = [part["relations"].get(label, {}) for part in links.values()]
            counts = (f"{row.get('count', 0):,}" for row in found)
            train = found[0]
            measured: Any = ("-",) * 5
            if train:
                common = next(iter(train["ends"]))
                share = train["ends"][common] / train["count"]
                measured = (
                    f"{train['median_distance']:g}",
                    train["max_distance"],
                    f"{100 * train['forward']:.0f} %",
                    f"{100 * train['both_directions']:.0f} %",
                    f"{common} ({100 * share:.0f} %)",
                )
            rows.append((label, *counts, *measured))
        header = ("Distance", "Farthest", "Forward", "Both ways", "Most often")
        _table(("", *links, *header), rows)
    entities = [part["discontinuous"] for part in links.values()]
    if any(row["count"] for row in entities):
        msg.divider("Discontinuous entities")
        sizes = sorted({int(size) for row in entities for size in row["pieces"]})
        rows = [
            (f"{n} pieces", *(f"{row['pieces'].get(str(n), 0):,}" for row in entities))
            for n in sizes
        ]
        shared = (f"{row['sharing_a_piece']:,}" for row in entities)
        rows.append(("sharing a piece", *shared))
        _table(("", *links), rows)


def _table(header: Any, rows: List[Any], left: str = "l") -> None:
    aligns = tuple(left.ljust(len(header), "r"))
    msg.table(rows, header=header, divider=True, aligns=aligns)
