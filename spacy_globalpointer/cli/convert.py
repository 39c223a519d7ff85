"""Corpora to `.spacy` files."""

import codecs
from pathlib import Path
from typing import List, Optional

import typer
from tqdm import tqdm
from wasabi import msg

from ..corpora import FORMATS, Conversion, Converted, CorpusError, Options
from ..corpora.align import ALIGN
from ..corpora.build import DISCONTINUOUS
from ..corpora.conversion import UNANNOTATED
from ..corpora.language import guess_language
from ..corpora.layout import parse_columns
from ..corpora.parts import parse_patterns, parse_shares
from ..corpora.reference import describe_formats
from ..corpora.tally import ON_ERROR
from ..errors import Errors


def list_formats(wanted: bool) -> None:
    """Show each format with an example, and end."""
    if not wanted:
        return
    for name, text in describe_formats():
        msg.divider(name)
        # Not wrapped: the examples keep their lines.
        typer.echo(text)
    raise typer.Exit


def convert_cli(
    source: Path = typer.Argument(
        ..., help="Annotated file, or folder of files", exists=True
    ),
    target: Path = typer.Argument(
        ..., help="A .spacy file, or a folder for one file a part"
    ),
    format: Optional[str] = typer.Option(
        None,
        "--format",
        "-f",
        help=f"Format, found by content if not given: {', '.join(FORMATS)}",
    ),
    lang: Optional[str] = typer.Option(
        None,
        "--lang",
        "-l",
        help="Language code; by default zh for cluener and cmeee, en for others",
    ),
    spans_key: str = typer.Option("sc", "--spans-key", "-sk", help="Key of doc.spans"),
    ents: bool = typer.Option(
        False, "--ents", "-e", help="Fill doc.ents too, with the outermost spans"
    ),
    sentences: bool = typer.Option(
        False,
        "--sentences",
        help="Cut documents into sentences, those of the source or else those of spaCy's sentencizer",
    ),
    max_tokens: Optional[int] = typer.Option(
        None,
        "--max-tokens",
        help="Cut longer documents into windows, between sentences where possible",
        min=1,
    ),
    align: str = typer.Option(
        "strict",
        "--align",
        help="Spans that begin or end inside a token: drop them (strict), expand or contract them",
    ),
    fragments: str = typer.Option(
        "drop",
        "--fragments",
        help="Discontinuous spans: drop them, take their cover or each part as a span, or keep the parts together in the attributes of the group",
    ),
    split: Optional[str] = typer.Option(
        None,
        "--split",
        help="Split a corpus without parts by document into train, dev and test: 80,10,10; or train into train and dev where there is no dev: 90,10",
    ),
    seed: int = typer.Option(0, "--seed", help="Seed of the split", min=0),
    label_names: Optional[str] = typer.Option(
        None,
        "--label-names",
        help="What the numbers of tags stand for, in their order: O,B-PER,I-PER",
    ),
    columns: Optional[str] = typer.Option(
        None,
        "--columns",
        help="Columns of words and tags, by number or name: word=1,ner=4",
    ),
    split_files: Optional[List[str]] = typer.Option(
        None,
        "--split-files",
        help="Files of a split, by a pattern of their names: train=*_Train*.txt. Once for each split",
    ),
    encoding: Optional[str] = typer.Option(
        None, "--encoding", help="Encoding of the files, UTF-8 if not given: latin-1"
    ),
    on_error: str = typer.Option(
        "error",
        "--on-error",
        help="Records and lines that cannot be read: stop (error), or count and list them and go on (skip)",
    ),
    unannotated: str = typer.Option(
        "keep",
        "--unannotated",
        help="Documents without annotation: keep them so, which teaches nothing, or take them as negative, without spans",
    ),
    allow_loss: bool = typer.Option(
        False,
        "--allow-loss",
        help="Exit with status 0 even if more than a tenth of the spans begin or end inside a token and are dropped",
    ),
    _: bool = typer.Option(
        False,
        "--list-formats",
        help="Show all formats with an example of each",
        is_eager=True,
        callback=list_formats,
    ),
) -> None:
    """Convert an annotated corpus to spaCy's format.

    A folder is read part by part where names of files or folders say train, dev or
    test, else as one corpus; without a test part, dev stands in for it. No span is
    ever cut. What is dropped or changed is counted, and listed with its place in a
    report beside the output. Nothing is written if there is a line that cannot be
    read.
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
            label_names=None if label_names is None else label_names.split(","),
        )
        conversion = Conversion(source, target, options)
        _warn(conversion)
        msg.info("Reading")
        for line in conversion.describe():
            # Lines stay as they are.
            typer.echo(line)
        if conversion.copied:
            msg.warn(f"No test part in {source}; dev stands in for it.")
        if conversion.lacks_dev:
            msg.warn(f"No dev part in {source}. --split 90,10 makes one of train.")
        with tqdm(
            total=conversion.n_bytes,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=None,
        ) as bar:
            converted = conversion.run(bar.update)
    except CorpusError as error:
        msg.fail("Cannot read the corpus", str(error), exits=1)
    except (ImportError, LookupError, OSError, ValueError) as error:
        msg.fail("Cannot convert the corpus", str(error), exits=1)
    _print(converted, ents)
    if converted.tally.listed:
        msg.info(f"Listed {converted.tally.listed} cases: {conversion.report}")
    msg.good(f"Wrote {target}")
    if converted.loses_much:
        _say_loss(converted, conversion.lang, exits=None if allow_loss else 1)


def _warn(conversion: Conversion) -> None:
    for path in conversion.parts.others:
        msg.warn(f"Not read, since its name tells no part: {path}")
    for path in conversion.parts.doubtful:
        msg.warn(
            f"{path.name} holds the name of a split, but does not tell one. "
            f"--split-files train={path.name} takes it as train."
        )
    for reason, paths in conversion.left_out.items():
        names = ", ".join(path.name for path in paths[:3])
        more = f" and {len(paths) - 3:,} more" if len(paths) > 3 else ""
        msg.warn(f"{reason}: {names}{more}")
    for part in conversion.without_spans:
        msg.warn(
            f"{part} is annotated, but has no spans. If its labels are not published, "
            f"leave it out: name the other splits with --split-files."
        )


def _say_loss(converted: Converted, lang: str, exits: Optional[int]) -> None:
    example = converted.tally.examples["inside a token"]
    tokens = example.get("tokens", [])
    guess = guess_language("".join(tokens))
    if guess is not None and guess != lang:
        remedy = f"--lang {guess} is likely the language of the texts"
    else:
        remedy = "--lang names the language, --align expand takes whole tokens"
    msg.fail(
        f"{converted.n_misaligned:,} spans begin or end inside a token of the "
        f"tokenizer of {lang!r} and were dropped, more than a tenth",
        f"Such as {example.get('text')!r:.60} in {' '.join(tokens)!r:.60}: {remedy}. "
        "--allow-loss accepts it.",
        exits=exits,
    )


def _print(converted: Converted, ents: bool) -> None:
    rows = [
        (
            part or "all",
            written.docs,
            written.tokens,
            written.spans,
            written.not_in_ents if ents else "-",
            written.empty,
        )
        for part, written in converted.written.items()
    ]
    header = (
        "Part",
        "Documents",
        "Tokens",
        "Spans",
        "Not in doc.ents",
        "Without spans",
    )
    msg.table(rows, header=header, divider=True, aligns=tuple("lrrrrr"))
    cases = converted.tally.rows()
    if cases:
        titles = ("Outcome", "What was the matter", "Count")
        msg.table(cases, header=titles, divider=True, aligns=tuple("llr"))
