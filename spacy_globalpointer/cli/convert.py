"""Corpora to `.spacy` files."""

from pathlib import Path

import spacy
import typer
from tqdm import tqdm
from wasabi import msg

from ..corpora import CorpusError, convert, find_part, read_jsonl
from .common import global_pointer

PARTS = ("train", "dev", "test")


@global_pointer.command("convert")
def convert_cli(
    source: Path = typer.Argument(
        ...,
        help="Folder with train, dev and test as .jsonl or .jsonl.gz",
        exists=True,
        file_okay=False,
    ),
    target: Path = typer.Argument(
        ..., help="Folder for train.spacy, dev.spacy and test.spacy"
    ),
    lang: str = typer.Option("en", "--lang", "-l", help="Language code"),
    spans_key: str = typer.Option("sc", "--spans-key", "-sk", help="Key of doc.spans"),
    ents: bool = typer.Option(
        False, "--ents", "-e", help="Fill doc.ents too, with the outermost spans"
    ),
) -> None:
    """Convert a corpus in the project's JSONL format: one object a line, with
    "tokens" (a list of strings), "spans" (a list of [start, end, label], token
    offsets, end exclusive) and, if there is one, "text".

    A corpus without test part is tested on dev. Nothing is written of a part with
    a line that cannot be read.
    """
    vocab = spacy.blank(lang).vocab
    rows = []
    for part in PARTS:
        try:
            path = find_part(source, part)
        except FileNotFoundError as error:
            if part != "test":
                msg.fail(str(error), exits=1)
            msg.warn(f"No test part in {source}; dev stands in for it.")
            path = find_part(source, "dev")
        docs = tqdm(
            read_jsonl(path, vocab, spans_key), desc=part, leave=False, unit="doc"
        )
        try:
            written = convert(
                docs, target / f"{part}.spacy", spans_key=spans_key, ents=ents
            )
        except CorpusError as error:
            docs.close()
            msg.fail("Cannot read the corpus", str(error), exits=1)
        rows.append(
            (
                part,
                written.docs,
                written.tokens,
                written.spans,
                written.not_in_ents if ents else "-",
            )
        )
    header = ("Part", "Documents", "Tokens", "Spans", "Not in doc.ents")
    msg.table(rows, header=header, divider=True, aligns=tuple("lrrrr"))
    msg.good(f"Wrote {target}")
