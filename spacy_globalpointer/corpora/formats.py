"""Which formats there are, and which one a file has."""

from pathlib import Path
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional

from .brat import is_brat, read_brat
from .cluener import is_cluener, read_cluener
from .cmeee import is_cmeee, read_cmeee
from .columns import is_columns, read_columns
from .doccano import is_doccano, read_doccano
from .dygie import is_dygie, read_dygie
from .head import Head
from .jsonl import is_jsonl, read_jsonl
from .label_studio import is_label_studio, read_label_studio
from .prodigy import is_prodigy, read_prodigy
from .pubtator import is_pubtator, read_pubtator
from .record import CorpusError, Record
from .spacy_docbin import is_spacy, read_spacy
from .spacy_json import is_spacy_json, read_spacy_json
from .spert import is_spert, read_spert
from .tally import Tally


class Format(NamedTuple):
    """A format.

    matches (Callable): Whether a file is of it, by its head.
    read (Callable): Its reader.
    lang (Optional[str]): The language of all corpora in it.
    """

    matches: Callable[[Head], bool]
    read: Callable[..., Iterator[Record]]
    lang: Optional[str] = None


FORMATS: Dict[str, Format] = {
    "jsonl": Format(is_jsonl, read_jsonl),
    "prodigy": Format(is_prodigy, read_prodigy),
    "doccano": Format(is_doccano, read_doccano),
    "label-studio": Format(is_label_studio, read_label_studio),
    "columns": Format(is_columns, read_columns),
    "brat": Format(is_brat, read_brat),
    "pubtator": Format(is_pubtator, read_pubtator),
    "cluener": Format(is_cluener, read_cluener, "zh"),
    "cmeee": Format(is_cmeee, read_cmeee, "zh"),
    "spert": Format(is_spert, read_spert),
    "dygie": Format(is_dygie, read_dygie),
    "spacy": Format(is_spacy, read_spacy),
    "spacy-json": Format(is_spacy_json, read_spacy_json),
}


def find_format(path: Path) -> Optional[str]:
    """The format of a file, by its content.

    path (Path): The file.
    RETURNS (Optional[str]): A key of FORMATS; None for a file of nothing.
    RAISES (CorpusError): If it is of no format, or could be of several.
    """
    head = Head.of(path)
    if "".join(head.text.split()) in ("", "[]"):
        return None
    found = [name for name, kind in FORMATS.items() if kind.matches(head)]
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
    options (Any): More for the reader.
    YIELDS (Record): The documents or sentences, as they are read.
    RAISES (CorpusError): For the first line that is not of the format.
    """
    tally = tally or Tally()
    format = format or find_format(path)
    if format is None:
        tally.add("file without documents", Record(path, 1, None))
        return iter(())
    return FORMATS[format].read(path, tally, **options)
