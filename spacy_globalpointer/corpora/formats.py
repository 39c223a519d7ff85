"""Which format a file has, and its reader."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Iterator, List, Optional, Set

from . import (
    biaffine,
    bioc,
    bionlp,
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
    inline_xml,
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
    webanno,
)
from .conversion_report import ConversionReport
from .preview import Preview
from .record import CorpusError, Record
from .registry import FORMATS, Format, register
from .xml_events import START, begins_as_xml, first_events, xml_error

# In the order in which they are shown.
for _module in (
    *(jsonl, prodigy, doccano, label_studio, columns, conllu, csv_columns),
    *(webanno, brat, bionlp, pubtator, bioc, inline_xml),
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
    preview = Preview.of(path, encoding)
    if "".join(preview.text.split()) in ("", "[]"):
        return None
    found = matching_formats(preview)
    if not found:
        preview.tolerant = True
        found = matching_formats(preview)
        found = found if len(found) == 1 else []
    if len(found) == 1:
        return found[0]
    if not found and preview.is_json and not preview.rows and preview.error is not None:
        raise preview.error
    damage = None if found else xml_error(preview)
    if damage is not None:
        raise damage
    if found:
        which = f"several formats match: {', '.join(found)}"
    else:
        which = f"no known format matches; {what_is_seen(preview)}"
    reason = f"{which}; set --format to one of {', '.join(FORMATS)}"
    raise CorpusError.at(path, 1, reason)


def matching_formats(preview: Preview) -> List[str]:
    """The names of the formats that a file may be of."""
    found = [name for name, format in FORMATS.items() if format.matches(preview)]
    certain = [name for name in found if FORMATS[name].is_certain]
    return certain or found


def what_is_seen(preview: Preview) -> str:
    """The keys or columns of a file of no format, and the formats that come nearest."""
    if preview.rows:
        seen = [*dict.fromkeys(key for row in preview.rows for key in row)]
        keys = {name: _keys(format) for name, format in FORMATS.items()}
        shared = {
            name: len({*seen} & of) / len({*seen} | of)
            for name, of in keys.items()
            if of
        }
        nearest = sorted(shared, key=lambda name: -shared[name])[:3]
        near = ", ".join(
            f"{name} ({', '.join(sorted(keys[name]))})"
            for name in nearest
            if shared[name]
        )
        return f"it has the keys {', '.join(seen)!s:.120}" + (
            f", and the nearest formats are {near:.160}" if near else ""
        )
    if begins_as_xml(preview):
        names = dict.fromkeys(e.value for e in first_events(preview) if e.kind == START)
        return f"it has the elements {', '.join([*names][1:]):.120}, none in a text"
    filled = [line for line in preview.lines if line.strip()]
    line = next((line for line in filled if line[0] != "#"), "".join(filled[:1]))
    cells = line.split("\t") if "\t" in line else line.split()
    plural = "s" * (len(cells) != 1)
    return (
        f"its first line has {len(cells)} column{plural}, {line!r:.80}, and no column "
        "has tags such as B-ORG; --columns word=1,ner=2 names columns"
    )


def _keys(format: Format) -> Set[str]:
    """The keys of the objects in the example of a format of JSON."""
    found: Set[str] = set()
    for content in format.example.values():
        with suppress(ValueError):
            values = json.loads(content)
            for value in values if isinstance(values, list) else [values]:
                found |= {*value} if isinstance(value, dict) else set()
    return found


def read_corpus(
    path: Path,
    report: Optional[ConversionReport] = None,
    format: Optional[str] = None,
    **options: Any,
) -> Iterator[Record]:
    """Read a file of any format.

    path (Path): The file; for brat the text or the annotation.
    report (Optional[ConversionReport]): Counts what the reader leaves out or changes.
    format (Optional[str]): A key of FORMATS; None: it is found by content.
    options (Any): Options of conversions; the reader gets those it takes.
    YIELDS (Record): The documents or sentences, as they are read.
    RAISES (CorpusError): For the first line that is not of the format.
    """
    report = report or ConversionReport()
    name = format or find_format(path, report.encoding)
    if name is None:
        report.add("file without documents", Record(path, 1, None))
        return iter(())
    reader = FORMATS[name]
    taken = {key: options[key] for key in reader.options if key in options}
    return reader.read(path, report, **taken)
