"""CLUENER's JSONL: a text, and for each label its names with their characters,
ends inclusive.

    {"text": "...", "label": {"name": {"NAME": [[9, 11]]}}}
"""

from pathlib import Path
from typing import Any, Iterator, List, Optional

from .conversion_report import ConversionReport
from .fields import is_offset, require_object, require_string
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source


def read_cluener(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, line by line. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                text = require_string(row, "text")
                yield Record(
                    path,
                    source.line,
                    _mentions(row.get("label")),
                    text=text,
                    unit="characters",
                    inclusive=True,
                )


def is_cluener(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(
        lambda row: (
            isinstance(row.get("text"), str) and isinstance(row.get("label", {}), dict)
        )
    ) and any("label" in row for row in preview.rows)


def _mentions(labels: Any) -> Optional[List[Mention]]:
    if labels is None:
        return None
    mentions = []
    for label, surfaces in require_object(labels).items():
        for surface, places in require_object(surfaces).items():
            for place in places if isinstance(places, list) else [places]:
                if not (
                    isinstance(place, list)
                    and len(place) == 2
                    and all(is_offset(offset) for offset in place)
                ):
                    raise LineError(f"a span must be [start, end], got {place!r:.80}")
                mentions.append(Mention(place[0], place[1], label, surface))
    return mentions


FORMAT = Format(
    name="cluener",
    description="CLUENER's JSONL: names of each label at characters, ends inclusive.",
    matches=is_cluener,
    read=read_cluener,
    example={
        "train.json": """\
{"text": "叶老桂在北京", "label": {"name": {"叶老桂": [[0, 2]]}}}
"""
    },
    lang="zh",
)
