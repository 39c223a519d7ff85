"""CMeEE's JSON: an array of texts with entities at characters, ends inclusive.

[{"text": "...", "entities": [
    {"start_idx": 3, "end_idx": 9, "type": "dis", "entity": "..."}]}]
"""

from pathlib import Path
from typing import Any, Iterator

from .conversion_report import ConversionReport
from .fields import require_list, require_object, require_offset, require_string
from .preview import Preview
from .record import Mention, Record
from .registry import Format
from .source import Source


def read_cmeee(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, text by text. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                entities = None
                if row.get("entities") is not None:
                    entities = [
                        _mention(require_object(e))
                        for e in require_list(row, "entities")
                    ]
                yield Record(
                    path,
                    source.line,
                    entities,
                    text=require_string(row, "text"),
                    unit="characters",
                    inclusive=True,
                )


def is_cmeee(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(
        lambda row: (
            isinstance(row.get("text"), str)
            and isinstance(row.get("entities", []), list)
            and all(
                isinstance(entity, dict) and "start_idx" in entity
                for entity in row.get("entities", [])
            )
            and not {"label", "labels", "relations"} & row.keys()
        )
    ) and (
        any("entities" in row for row in preview.rows)
        and preview.has_no_spans_besides("entities")
    )


def _mention(entity: Any) -> Mention:
    surface = require_string(entity, "entity") if "entity" in entity else None
    start, end = require_offset(entity, "start_idx"), require_offset(entity, "end_idx")
    return Mention(start, end, require_string(entity, "type"), surface)


FORMAT = Format(
    name="cmeee",
    description="CMeEE's JSON: texts with entities at characters, ends inclusive.",
    matches=is_cmeee,
    read=read_cmeee,
    example={
        "train.json": """\
[{"text": "房室结消融", "entities": [
  {"start_idx": 0, "end_idx": 2, "type": "bod", "entity": "房室结"}]}]
"""
    },
    lang="zh",
)
