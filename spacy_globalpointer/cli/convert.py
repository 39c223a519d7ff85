"""Corpora to `.spacy` files."""

import codecs
from dataclasses import asdict
from pathlib import Path
from typing import List, Optional

import srsly
import typer
from tqdm import tqdm

from ..corpora import FORMATS, Conversion, Converted, CorpusError, Options
from ..corpora.align import ALIGN
from ..corpora.conversion import UNANNOTATED
from ..corpora.conversion_report import ON_ERROR
from ..corpora.doc_builder import DISCONTINUOUS
from ..corpora.language import guess_language
from ..corpora.layout import parse_columns
from ..corpora.reference import describe_formats
from ..corpora.splits import parse_patterns, parse_shares
from ..errors import Errors
from .messages import JSON, QUIET, msg


def list_formats(wanted: bool) -> None:
    """Print each format with an example, then exit."""
    if not wanted:
        return
    for name, text in describe_formats():
        msg.divider(name)
        # Not wrapped: the examples keep their lines.
        typer.echo(text)
    raise typer.Exit


def convert_cli(
    source: Path = typer.Argument(
        ..., help="Annotated file, or directory of files", exists=True
    ),
    target: Path = typer.Argument(
        ..., help="A .spacy file, or a directory; one file per split"
    ),
    format: Optional[str] = typer.Option(
        None,
        "--format",
        "-f",
        help=f"Format. Default: detected by content. One of {', '.join(FORMATS)}",
    ),
    lang: Optional[str] = typer.Option(
        None,
        "--lang",
        "-l",
        help="Language code. Default: zh for cluener and cmeee, en for all others",
    ),
    spans_key: str = typer.Option("sc", "--spans-key", "-sk", help="Key of doc.spans"),
    ents: bool = typer.Option(
        False, "--ents", "-e", help="Also set doc.ents to the outermost spans"
    ),
    sentences: bool = typer.Option(
        False,
        "--sentences",
        help="Split documents into sentences, those of the source or else those of spaCy's sentencizer",
    ),
    max_tokens: Optional[int] = typer.Option(
        None,
        "--max-tokens",
        help="Split longer documents into windows, between sentences where possible",
        min=1,
    ),
    align: str = typer.Option(
        "strict",
        "--align",
        help="Spans with a boundary inside a token: drop them (strict), expand or contract them",
    ),
    fragments: str = typer.Option(
        "drop",
        "--fragments",
        help="Discontinuous spans: drop them, convert them to their covering span (cover) or to one span per part (parts), or keep the parts together in the attributes of the group (keep)",
    ),
    split: Optional[str] = typer.Option(
        None,
        "--split",
        help="Split a corpus without splits by document into train, dev and test: 80,10,10; or train into train and dev if there is no dev: 90,10",
    ),
    seed: int = typer.Option(0, "--seed", help="Random seed of --split", min=0),
    label_names: Optional[str] = typer.Option(
        None,
        "--label-names",
        help="Tag names for numeric tags, in order: O,B-PER,I-PER",
    ),
    columns: Optional[str] = typer.Option(
        None,
        "--columns",
        help="Columns of words and tags, by number or header name: word=1,ner=4",
    ),
    split_files: Optional[List[str]] = typer.Option(
        None,
        "--split-files",
        help="File name pattern of a split: train=*_Train*.txt. Can be repeated, once per split",
    ),
    encoding: Optional[str] = typer.Option(
        None,
        "--encoding",
        help="Encoding of the files, such as latin-1. Default: UTF-8",
    ),
    on_error: str = typer.Option(
        "error",
        "--on-error",
        help="Records and lines that cannot be read: stop (error), or count, list and skip them (skip)",
    ),
    unannotated: str = typer.Option(
        "keep",
        "--unannotated",
        help="Documents without annotation: keep them unannotated, so that they contribute no loss (keep), or treat them as annotated without spans (negative)",
    ),
    partial: bool = typer.Option(
        False,
        "--partial",
        help="Documents are annotated in part: spans are right, spans that were shown and rejected (Prodigy) or predictions that were removed (Label Studio) are wrong and written to doc.spans[KEY.negative], everything else is unknown",
    ),
    allow_loss: bool = typer.Option(
        False,
        "--allow-loss",
        help="Exit with status 0 even if more than a tenth of the spans are dropped because of a boundary inside a token",
    ),
    as_json: bool = JSON,
    quiet: bool = QUIET,
    _: bool = typer.Option(
        False,
        "--list-formats",
        help="Print all formats with an example of each",
        is_eager=True,
        callback=list_formats,
    ),
) -> None:
    """Convert an annotated corpus to spaCy's format.

    File or directory names containing train, dev or test determine the split; without
    such names a directory is one corpus. If there is no test split, dev is also written
    as test. Documents are never split inside a span. Everything that is dropped or
    changed is counted, and listed with its file and line in a report next to the
    output. If a line cannot be read, nothing is written.
    """
    for name, value, allowed in (
        ("--format", format, (None, *FORMATS)),
        ("--align", align, ALIGN),
        ("--fragments", fragments, DISCONTINUOUS),
        ("--on-error", on_error, ON_ERROR),
        ("--unannotated", unannotated, UNANNOTATED),
    ):
        if value not in allowed:
            names = ", ".join(filter(None, allowed))
            msg.fail(
                Errors.E004.format(
                    setting=name, allowed=f"one of {names}", value=value
                ),
                exits=1,
            )
    try:
        options = Options(
            format=format,
            lang=lang,
            spans_key=spans_key,
            ents=ents,
            sentences=sentences,
            max_tokens=max_tokens,
            align=align,
            fragments=fragments,
            split=None if split is None else parse_shares(split),
            seed=seed,
            columns=None if columns is None else parse_columns(columns),
            split_files=parse_patterns(split_files) if split_files else None,
            encoding=None if encoding is None else codecs.lookup(encoding).name,
            on_error=on_error,
            unannotated=unannotated,
            partial=partial,
            label_names=None if label_names is None else label_names.split(","),
        )
        conversion = Conversion(source, target, options)
        _warn(conversion)
        msg.info("Reading")
        for line in conversion.describe():
            msg.text(line)
        if conversion.copied:
            msg.warn(
                f"No test split in {source}. The dev split is also written as test."
            )
        if conversion.lacks_dev:
            msg.warn(f"No dev split in {source}. Use --split 90,10 to split train.")
        with tqdm(
            total=conversion.n_bytes,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=True if msg.is_silent else None,
        ) as bar:
            converted = conversion.run(bar.update)
    except CorpusError as error:
        msg.fail("Cannot read the corpus", str(error), exits=1)
    except (ImportError, LookupError, OSError, ValueError) as error:
        msg.fail("Cannot convert the corpus", str(error), exits=1)
    _print(converted, ents)
    if converted.report.listed:
        msg.info(f"Details of dropped and changed annotation: {conversion.report_path}")
    msg.good(f"Wrote {target}")
    if as_json:
        result = {
            "splits": {x or "all": asdict(y) for x, y in converted.written.items()},
            "cases": [
                dict(zip(("outcome", "reason", "count"), row))
                for row in converted.report.rows()
            ],
        }
        typer.echo(srsly.json_dumps(result, indent=2))
    if converted.loses_much:
        _say_loss(converted, conversion.lang, exits=None if allow_loss else 1)


def _warn(conversion: Conversion) -> None:
    for path in conversion.splits.others:
        msg.warn(f"Not read, because its name does not determine a split: {path}")
    for path in conversion.splits.doubtful:
        msg.warn(
            f"The name {path.name} contains a split name, but does not determine a "
            f"split. Use --split-files train={path.name} to read it as train."
        )
    for reason, paths in conversion.left_out.items():
        names = ", ".join(path.name for path in paths[:3])
        more = f" and {len(paths) - 3:,} more" if len(paths) > 3 else ""
        msg.warn(f"{reason}: {names}{more}")
    for split in conversion.without_spans:
        msg.warn(
            f"The {split} split is annotated, but has no spans. If its labels are not "
            "published, leave it out: name the other splits with --split-files."
        )


def _say_loss(converted: Converted, lang: str, exits: Optional[int]) -> None:
    example = converted.report.examples["boundary inside a token"]
    tokens = example.get("tokens", [])
    guess = guess_language("".join(tokens))
    if guess is not None and guess != lang:
        remedy = f"the texts look like --lang {guess}"
    else:
        remedy = "set the language with --lang, or use --align expand"
    msg.fail(
        f"{converted.n_misaligned:,} spans, more than a tenth, have a boundary inside a "
        f"token of the tokenizer of {lang!r} and were dropped",
        f"For example {example.get('text')!r:.60} in {' '.join(tokens)!r:.60}: {remedy}. "
        "Use --allow-loss to accept the loss.",
        exits=exits,
    )


def _print(converted: Converted, ents: bool) -> None:
    rows = [
        (
            split or "all",
            written.docs,
            written.tokens,
            written.spans,
            written.not_in_ents if ents else "-",
            written.empty,
        )
        for split, written in converted.written.items()
    ]
    header = (
        "Split",
        "Documents",
        "Tokens",
        "Spans",
        "Not in doc.ents",
        "Without spans",
    )
    msg.table(rows, header=header, divider=True, aligns=tuple("lrrrrr"))
    cases = converted.report.rows()
    if cases:
        titles = ("Outcome", "Reason", "Count")
        msg.table(cases, header=titles, divider=True, aligns=tuple("llr"))
