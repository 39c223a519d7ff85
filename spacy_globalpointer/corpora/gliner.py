"""GLiNER's JSON: tokenized texts, ends inclusive.

[{"tokenized_text": ["Ann", "Lee", "left"], "ner": [[0, 1, "person"]]}]
"""

from pathlib import Path
from typing import Any, Iterator, List, Optional

from .fields import a_list, an_object, is_offset, is_strings, strings
from .head import Head
from .record import LineError, Mention, Record
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
    mentions = []
    for span in a_list(row, "ner"):
        if not (
            isinstance(span, list)
            and len(span) == 3
            and is_offset(span[0])
            and is_offset(span[1])
            and isinstance(span[2], str)
        ):
            raise LineError(f"a span must be [start, end, label], not {span!r:.80}")
        mentions.append(Mention(*span))
    return mentions


FORMAT = Format(
    name="gliner",
    description="GLiNER's JSON: tokenized_text and ner, ends inclusive.",
    matches=is_gliner,
    read=read_gliner,
    example={
        "a.json": '[{"tokenized_text": ["Ann", "left"], "ner": [[0, 0, "person"]]}]\n'
    },
)
