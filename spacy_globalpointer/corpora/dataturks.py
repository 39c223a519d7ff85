"""Dataturks' JSONL: a text and its spans, ends inclusive.

    {"content": "Ann left.", "annotation": [{"label": ["PER"], "points": [
        {"start": 0, "end": 2, "text": "Ann"}]}], "extras": null}

The text of a span decides whether its end is inclusive.
"""

from pathlib import Path
from typing import Any, Iterator, List, Optional

from .conversion_report import ConversionReport
from .fields import (
    is_strings,
    require_list,
    require_object,
    require_offset,
    require_string,
)
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source


def read_dataturks(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, line by line. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                yield Record(
                    path,
                    source.line,
                    _mentions(row),
                    text=require_string(row, "content"),
                    unit="characters",
                    inclusive=True,
                )


def is_dataturks(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(
        lambda row: (
            isinstance(row.get("content"), str)
            and "annotation" in row
            and isinstance(row["annotation"] or [], list)
            and all(
                isinstance(entry, dict) and "points" in entry
                for entry in row["annotation"] or []
            )
        )
    )


def _mentions(row: Any) -> Optional[List[Mention]]:
    if row.get("annotation") is None:
        return None
    mentions = []
    for entry in map(require_object, require_list(row, "annotation")):
        # A span of no label is counted later.
        labels = entry.get("label") or [""]
        labels = [labels] if isinstance(labels, str) else labels
        if not is_strings(labels):
            raise LineError(f"'label' must be a list of strings, got {labels!r:.80}")
        for point in map(require_object, require_list(entry, "points")):
            start, end = require_offset(point, "start"), require_offset(point, "end")
            surface = point.get("text")
            surface = surface if isinstance(surface, str) else None
            mentions += [Mention(start, end, label, surface) for label in labels]
    return mentions


FORMAT = Format(
    name="dataturks",
    description="Dataturks' JSONL: content and annotation, ends inclusive.",
    matches=is_dataturks,
    read=read_dataturks,
    example={
        "a.jsonl": """\
{"content": "Ann left.", "annotation": [
 {"label": ["PER"], "points": [{"start": 0, "end": 2, "text": "Ann"}]}]}
"""
    },
)
