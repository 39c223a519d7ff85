"""GLiNER's JSON: tokenized texts, ends inclusive.

[{"tokenized_text": ["Ann", "Lee", "left"], "ner": [[0, 1, "person"]]}]
"""

from pathlib import Path
from typing import Any, Iterator, List, Optional

from .fields import a_list, a_span, an_object, is_strings, strings
from .head import Head
from .record import Mention, Record
from .registry import Format
from .source import Source
from .tally import Tally


def read_gliner(path: Path, tally: Tally) -> Iterator[Record]:
    """Read a file, text by text. Arguments as for `read_corpus`."""
    with Source(path, tally) as source:
        for row in source.json_values():
            with source.record():
                row = an_object(row)
                yield Record(
                    path,
                    source.line,
                    _mentions(row),
                    tokens=strings(row, "tokenized_text"),
                    inclusive=True,
                )


def is_gliner(head: Head) -> bool:
    """Whether a file is of this format."""
    return head.has_rows(lambda row: is_strings(row.get("tokenized_text")))


def _mentions(row: Any) -> Optional[List[Mention]]:
    if row.get("ner") is None:
        return None
    return [Mention(*a_span(span, exact=True)) for span in a_list(row, "ner")]


FORMAT = Format(
    name="gliner",
    description="GLiNER's JSON: tokenized_text and ner, ends inclusive.",
    matches=is_gliner,
    read=read_gliner,
    example={
        "a.json": '[{"tokenized_text": ["Ann", "left"], "ner": [[0, 0, "person"]]}]\n'
    },
)
