"""Corpora to `.spacy` files."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

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

    A corpus without test part is tested on dev. Nothing is written if there is a
    line that cannot be read.
    """
    vocab = spacy.blank(lang).vocab
    target.mkdir(parents=True, exist_ok=True)
    # The parts appear together, once all of them could be read.
    with TemporaryDirectory(dir=target, prefix=".") as folder:
        rows = []
        for part in PARTS:
            docs = read_jsonl(_find(source, part), vocab, spans_key)
            progress = tqdm(docs, desc=part, leave=False, unit="doc")
            path = Path(folder) / f"{part}.spacy"
            try:
                written = convert(progress, path, spans_key=spans_key, ents=ents)
            except CorpusError as error:
                progress.close()
                msg.fail("Cannot read the corpus", str(error), exits=1)
            left_out = written.not_in_ents if ents else "-"
            rows.append((part, written.docs, written.tokens, written.spans, left_out))
        for part in PARTS:
            os.replace(Path(folder) / f"{part}.spacy", target / f"{part}.spacy")
    header = ("Part", "Documents", "Tokens", "Spans", "Not in doc.ents")
    msg.table(rows, header=header, divider=True, aligns=tuple("lrrrr"))
    msg.good(f"Wrote {target}")


def _find(source: Path, part: str) -> Path:
    try:
        return find_part(source, part)
    except FileNotFoundError as error:
        if part != "test":
            msg.fail(str(error), exits=1)
        msg.warn(f"No test part in {source}; dev stands in for it.")
        return find_part(source, "dev")
