"""Documents to `.spacy` files."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from spacy.tokens import Doc, DocBin
from spacy.util import filter_spans

from ..errors import Errors


@dataclass
class Written:
    """What a file holds now.

    docs, tokens, spans (int): How many.
    not_in_ents (int): Spans that doc.ents has no room for.
    """

    docs: int = 0
    tokens: int = 0
    spans: int = 0
    not_in_ents: int = 0


def find_part(folder: Path, name: str) -> Path:
    """The file of one part of a corpus, packed or not.

    folder (Path): The folder of the corpus.
    name (str): "train", "dev" or "test".
    RAISES (FileNotFoundError): If there is none.
    """
    for suffix in (".jsonl", ".jsonl.gz"):
        path = folder / f"{name}{suffix}"
        if path.exists():
            return path
    raise FileNotFoundError(Errors.E010.format(name=name, path=folder))


def convert(docs: Iterable[Doc], path: Path, *, spans_key: str, ents: bool) -> Written:
    """Write documents to a `.spacy` file. It appears once it is complete.

    docs (Iterable[Doc]): The documents.
    path (Path): The file.
    spans_key (str): Key of doc.spans.
    ents (bool): Whether to fill doc.ents too, with the outermost spans.
    RETURNS (Written): What was written.
    """
    written = Written()
    doc_bin = DocBin(store_user_data=False)
    for doc in docs:
        spans = list(doc.spans[spans_key])
        if ents:
            doc.set_ents(filter_spans(spans))
            written.not_in_ents += len(spans) - len(doc.ents)
        doc_bin.add(doc)
        written.docs += 1
        written.tokens += len(doc)
        written.spans += len(spans)
    write_whole(path, doc_bin.to_bytes())
    return written


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
