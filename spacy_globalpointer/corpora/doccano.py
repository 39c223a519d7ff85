"""doccano's JSONL: a text and spans at characters, ends exclusive.

    {"id": 1, "text": "Apple Inc.", "label": [[0, 10, "ORG"]]}
    {"id": 1, "text": "Apple Inc.", "entities": [
        {"id": 7, "label": "ORG", "start_offset": 0, "end_offset": 10}],
     "relations": []}

The list is called "label", "labels" or "entities", the text "text" or "data".
"""

from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from .fields import a_list, a_string, an_object, an_offset, count_of, is_offset
from .head import Head
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source
from .tally import Tally

LISTS = ("entities", "label", "labels")


def read_doccano(path: Path, tally: Tally) -> Iterator[Record]:
    """Read a file, line by line. Arguments as for `read_corpus`."""
    with Source(path, tally) as source:
        for row in source.json_values():
            with source.record():
                row = an_object(row)
                text = a_string(row, "text" if "text" in row else "data")
                yield Record(
                    path,
                    source.line,
                    _mentions(row),
                    text=text,
                    unit="characters",
                    others=count_of(row, "relations"),
                )


def is_doccano(head: Head) -> bool:
    """Whether a file is of this format."""
    return (
        head.has_rows(_fits)
        and any({*LISTS} & row.keys() for row in head.rows)
        and head.has_no_spans_besides(*LISTS)
    )


def _fits(row: Dict[str, Any]) -> bool:
    lists = [row[key] for key in LISTS if row.get(key) is not None]
    return isinstance(row.get("text", row.get("data")), str) and all(
        isinstance(spans, list)
        and all(
            (isinstance(span, dict) and "start_offset" in span)
            or (isinstance(span, list) and len(span) == 3)
            for span in spans
        )
        for spans in lists
    )


def _mentions(row: Any) -> Optional[List[Mention]]:
    found = [key for key in LISTS if row.get(key) is not None]
    if not found:
        return None
    return [_mention(span) for key in found for span in a_list(row, key)]


def _mention(span: Any) -> Mention:
    if isinstance(span, list):
        if len(span) != 3 or not is_offset(span[0]) or not is_offset(span[1]):
            raise LineError(f"a span must be [start, end, label], not {span!r:.80}")
        return Mention(span[0], span[1], a_string({"label": span[2]}, "label"))
    span = an_object(span)
    start, end = an_offset(span, "start_offset"), an_offset(span, "end_offset")
    return Mention(start, end, a_string(span, "label"))


FORMAT = Format(
    name="doccano",
    description="doccano's JSONL: a text, and spans at characters, ends exclusive.",
    matches=is_doccano,
    read=read_doccano,
    example={
        "train.jsonl": """\
{"id": 1, "text": "Apple Inc.", "label": [[0, 10, "ORG"]]}
"""
    },
)
