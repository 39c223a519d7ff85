"""JSON or JSONL of texts with a list of entities as objects, ends exclusive.

    {"text": "Ann left.", "entities": [{"start": 0, "end": 3, "label": "PER"}]}

So do `spacy convert`, displaCy ("ents") and many scripts write them. What
`Doc.to_json` writes has groups too, of which one is read instead of the entities:

    {"text": "Ann left.", "ents": [], "spans": {"sc": [
        {"start": 0, "end": 3, "label": "PER"}]}}
"""

from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from .conversion_report import ConversionReport
from .fields import (
    count_of,
    group_of,
    require_list,
    require_object,
    require_offset,
    require_string,
)
from .preview import Preview
from .record import Mention, Record
from .registry import Format
from .source import Source

LISTS = ("entities", "ents")
LABELS = ("label", "type", "entity_type", "entity_group", "tag", "entity")
STARTS, ENDS = ("start", "start_char", "begin"), ("end", "end_char")
SURFACES = ("text", "word")


def read_entities(
    path: Path, report: ConversionReport, spans_key: str = "sc"
) -> Iterator[Record]:
    """Read a file, text by text. Arguments as for `read_corpus`.

    spans_key (str): Key of the group that is read, where there are groups.
    """
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                entities, group = _mentions(row), group_of(row, spans_key)
                mentions = entities
                if group is not None:
                    mentions = [_mention(require_object(span)) for span in group]
                yield Record(
                    path,
                    source.line,
                    mentions,
                    text=require_string(row, "text"),
                    unit="characters",
                    n_unsupported=count_of(row, "relations")
                    + sum(entity not in (mentions or ()) for entity in entities or ()),
                )


def is_entities(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return (
        preview.has_rows(_fits)
        and any({*LISTS} & row.keys() for row in preview.rows)
        and preview.has_no_spans_besides(*LISTS)
    )


def _fits(row: Dict[str, Any]) -> bool:
    lists = [row[key] for key in LISTS if row.get(key) is not None]
    return isinstance(row.get("text"), str) and all(
        isinstance(spans, list)
        and all(
            isinstance(span, dict)
            and all(any(key in span for key in keys) for keys in (STARTS, ENDS, LABELS))
            for span in spans
        )
        for spans in lists
    )


def _mentions(row: Any) -> Optional[List[Mention]]:
    found = [key for key in LISTS if row.get(key) is not None]
    if not found:
        return None
    return [
        _mention(require_object(span))
        for key in found
        for span in require_list(row, key)
    ]


def _mention(span: Any) -> Mention:
    start, end = (require_offset(span, _key(span, keys)) for keys in (STARTS, ENDS))
    label = _key(span, LABELS)
    # An annotator may have left it out.
    name = "" if span.get(label) is None else require_string(span, label)
    surface = span.get(_key(span, SURFACES))
    surface = surface if isinstance(surface, str) else None
    kb_id, span_id = (span.get(key) for key in ("kb_id", "span_id"))
    return Mention(
        start,
        end,
        name,
        surface,
        kb_id=kb_id if isinstance(kb_id, str) else "",
        id=span_id if isinstance(span_id, str) else "",
    )


def _key(span: Any, keys: Any) -> str:
    return next((key for key in keys if key in span), keys[0])


FORMAT = Format(
    name="entities",
    description="JSON or JSONL of texts with entities as objects: start, end, label.",
    matches=is_entities,
    read=read_entities,
    options=("spans_key",),
    example={
        "a.jsonl": """\
{"text": "Ann left.", "entities": [{"start": 0, "end": 3, "label": "PER"}]}
"""
    },
)
