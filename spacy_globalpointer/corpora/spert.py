"""SpERT's JSON: an array of tokenised sentences, ends exclusive.

[{"tokens": ["Apple", "Inc."], "entities": [
    {"type": "Org", "start": 0, "end": 2}], "relations": [], "orig_id": 7}]
"""

from pathlib import Path
from typing import Iterator

from .fields import (
    a_list,
    a_string,
    an_object,
    an_offset,
    count_of,
    is_strings,
    strings,
)
from .head import Head
from .record import Mention, Record
from .source import Source
from .tally import Tally


def read_spert(path: Path, tally: Tally) -> Iterator[Record]:
    """Read a file, sentence by sentence. Arguments as for `read_corpus`."""
    with Source(path, tally.advance) as source:
        for row in source.json_values():
            row = an_object(row)
            mentions = [
                Mention(an_offset(e, "start"), an_offset(e, "end"), a_string(e, "type"))
                for e in map(an_object, a_list(row, "entities"))
            ]
            tokens = strings(row, "tokens")
            doc = row.get("orig_id")
            yield Record(
                path,
                source.line,
                mentions,
                tokens=tokens,
                doc=None if doc is None else str(doc),
                others=count_of(row, "relations"),
            )


def is_spert(head: Head) -> bool:
    """Whether a file is of this format."""
    return head.has_rows(
        lambda row: (
            is_strings(row.get("tokens"))
            and isinstance(row.get("entities"), list)
            and all(isinstance(entity, dict) for entity in row["entities"])
        )
    )
