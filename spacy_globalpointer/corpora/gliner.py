"""GLiNER's JSON: tokenized texts, ends inclusive.

[{"tokenized_text": ["Ann", "Lee", "left"], "ner": [[0, 1, "person"]]}]
"""

from pathlib import Path
from typing import Any, Iterator, List, Optional

from .conversion_report import ConversionReport
from .fields import (
    is_strings,
    require_list,
    require_object,
    require_span,
    require_strings,
)
from .preview import Preview
from .record import Mention, Record
from .registry import Format
from .source import Source


def read_gliner(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, text by text. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                yield Record(
                    path,
                    source.line,
                    _mentions(row),
                    tokens=require_strings(row, "tokenized_text"),
                    inclusive=True,
                )


def is_gliner(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(lambda row: is_strings(row.get("tokenized_text")))


def _mentions(row: Any) -> Optional[List[Mention]]:
    if row.get("ner") is None:
        return None
    return [
        Mention(*require_span(span, exact=True)) for span in require_list(row, "ner")
    ]


FORMAT = Format(
    name="gliner",
    description="GLiNER's JSON: tokenized_text and ner, ends inclusive.",
    matches=is_gliner,
    read=read_gliner,
    example={
        "a.json": '[{"tokenized_text": ["Ann", "left"], "ner": [[0, 0, "person"]]}]\n'
    },
)
