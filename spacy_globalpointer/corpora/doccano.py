"""doccano's JSONL: a text and spans at characters, ends exclusive.

    {"id": 1, "text": "Apple Inc.", "label": [[0, 10, "ORG"]]}
    {"id": 1, "text": "Apple Inc.", "entities": [
        {"id": 7, "label": "ORG", "start_offset": 0, "end_offset": 10}],
     "relations": [{"id": 9, "from_id": 7, "to_id": 8, "type": "OF"}]}

The list is called "label", "labels" or "entities", the text "text" or "data".
"""

from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from .conversion_report import ConversionReport
from .fields import (
    is_offset,
    relation_rows,
    require_list,
    require_object,
    require_offset,
    require_relation,
    require_string,
)
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source

LISTS = ("entities", "label", "labels")


def read_doccano(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, line by line. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                text = require_string(row, "text" if "text" in row else "data")
                record = Record(path, source.line, None, text=text, unit="characters")
                spans = _spans(row)
                if spans is not None:
                    record.mentions = [_mention(span) for span in spans]
                _add_relations(record, row, spans or [])
                yield record


def is_doccano(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return (
        preview.has_rows(_fits)
        and any({*LISTS} & row.keys() for row in preview.rows)
        and preview.has_no_spans_besides(*LISTS)
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


def _spans(row: Any) -> Optional[List[Any]]:
    found = [key for key in LISTS if row.get(key) is not None]
    if not found:
        return None
    return [span for key in found for span in require_list(row, key)]


def _add_relations(record: Record, row: Any, spans: List[Any]) -> None:
    """Add the relations, which name spans by their identifiers. One of a span that is
    missing is counted."""
    rows = relation_rows(row)
    if rows is None:
        return
    places = {
        span["id"]: i
        for i, span in enumerate(spans)
        if isinstance(span, dict) and isinstance(span.get("id"), (int, str))
    }
    record.relations = []
    for relation in map(require_object, rows):
        ends = [relation.get(key) for key in ("from_id", "to_id")]
        found = [places.get(end) for end in ends if isinstance(end, (int, str))]
        label = relation.get("type")
        if len(found) < 2 or None in found or not isinstance(label, str) or not label:
            record.n_unsupported += 1
        else:
            record.relations.append(
                require_relation(found[0], found[1], label, len(spans)),
            )


def _mention(span: Any) -> Mention:
    if isinstance(span, list):
        if len(span) != 3 or not is_offset(span[0]) or not is_offset(span[1]):
            raise LineError(f"a span must be [start, end, label], got {span!r:.80}")
        return Mention(span[0], span[1], require_string({"label": span[2]}, "label"))
    span = require_object(span)
    start, end = (
        require_offset(span, "start_offset"),
        require_offset(span, "end_offset"),
    )
    return Mention(start, end, require_string(span, "label"))


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
