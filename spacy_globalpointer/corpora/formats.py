"""Which format a file has, and its reader."""

from pathlib import Path
from typing import Any, Iterator, Optional

from . import (
    biaffine,
    brat,
    cluener,
    cmeee,
    columns,
    conllu,
    csv_columns,
    dataturks,
    doccano,
    dygie,
    entities_json,
    gliner,
    jsonl,
    label_studio,
    oneie,
    prodigy,
    pubtator,
    spacy_docbin,
    spacy_json,
    spert,
    token_tags,
    train_data,
    w2ner,
)
from .head import Head
from .record import CorpusError, Record
from .registry import FORMATS, register
from .tally import Tally

# In the order in which they are shown.
for _module in (
    *(jsonl, prodigy, doccano, label_studio, columns, conllu, csv_columns),
    *(brat, pubtator),
    *(cluener, cmeee, spert, dygie, spacy_docbin, spacy_json),
    *(train_data, entities_json, token_tags, biaffine, w2ner, oneie, gliner),
    dataturks,
):
    register(_module.FORMAT)


def find_format(path: Path, encoding: Optional[str] = None) -> Optional[str]:
    """The format of a file, by its content.

    path (Path): The file.
    encoding (Optional[str]): Its encoding; None: UTF-8.
    RETURNS (Optional[str]): A key of FORMATS; None for a file of nothing.
    RAISES (CorpusError): If it is of no format, or could be of several.
    """
    head = Head.of(path, encoding)
    if "".join(head.text.split()) in ("", "[]"):
        return None
    found = [name for name, format in FORMATS.items() if format.matches(head)]
    if len(found) == 1:
        return found[0]
    if not found and head.is_json and not head.rows and head.error is not None:
        raise head.error
    which = f"could be of several formats, {', '.join(found)}"
    which = which if found else "is of no known format"
    reason = f"this {which}; --format may name one of {', '.join(FORMATS)}"
    raise CorpusError.at(path, 1, reason)


def read_corpus(
    path: Path,
    tally: Optional[Tally] = None,
    format: Optional[str] = None,
    **options: Any,
) -> Iterator[Record]:
    """Read a file of any format.

    path (Path): The file; for brat the text or the annotation.
    tally (Optional[Tally]): Counts what the reader leaves out or changes.
    format (Optional[str]): A key of FORMATS; None: it is found by content.
    options (Any): Options of conversions; the reader gets those it takes.
    YIELDS (Record): The documents or sentences, as they are read.
    RAISES (CorpusError): For the first line that is not of the format.
    """
    tally = tally or Tally()
    name = format or find_format(path, tally.encoding)
    if name is None:
        tally.add("file without documents", Record(path, 1, None))
        return iter(())
    reader = FORMATS[name]
    taken = {key: options[key] for key in reader.options if key in options}
    return reader.read(path, tally, **taken)
