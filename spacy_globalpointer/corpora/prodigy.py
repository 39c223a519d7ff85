"""Prodigy's JSONL: a text and spans at characters, ends exclusive.

    {"text": "Apple Inc.", "tokens": [{"text": "Apple", "start": 0, "end": 5}, ...],
     "spans": [{"start": 0, "end": 10, "label": "ORG"}], "answer": "accept"}

Tasks that were rejected or ignored are left out. With tokens, the document has
those on which was annotated.
"""

from pathlib import Path
from typing import Any, Iterator, List, Optional

from .fields import a_list, a_string, an_object, an_offset, count_of
from .head import Head
from .record import Mention, Record
from .source import Source
from .tally import Tally


def read_prodigy(path: Path, tally: Tally) -> Iterator[Record]:
    """Read a file, line by line. Arguments as for `read_corpus`."""
    with Source(path, tally.advance) as source:
        for row in source.json_values():
            row = an_object(row)
            record = Record(
                path,
                source.line,
                _mentions(row),
                text=a_string(row, "text"),
                tokens=_tokens(row),
                unit="characters",
                others=count_of(row, "relations"),
            )
            if row.get("answer", "accept") == "accept":
                yield record
            else:
                reason = "of a rejected or skipped document"
                tally.add(reason, record, n=len(record.mentions or ()))


def is_prodigy(head: Head) -> bool:
    """Whether a file is of this format."""
    return head.has_rows(
        lambda row: (
            isinstance(row.get("text"), str)
            and all(isinstance(span, dict) for span in row.get("spans") or ())
            and not {"label", "labels", "entities"} & row.keys()
        )
    ) and any({"spans", "answer", "_input_hash"} & row.keys() for row in head.rows)


def _mentions(row: Any) -> Optional[List[Mention]]:
    # A task that was answered without a span has none, where no span is said of.
    if row.get("spans") is None:
        return [] if "answer" in row else None
    return [
        Mention(an_offset(span, "start"), an_offset(span, "end"), a_label(span))
        for span in map(an_object, a_list(row, "spans"))
    ]


def a_label(span: Any) -> str:
    """The label of a span, or an error."""
    return a_string(span, "label")


def _tokens(row: Any) -> Optional[List[str]]:
    if not row.get("tokens"):
        return None
    tokens = [a_string(an_object(token), "text") for token in a_list(row, "tokens")]
    # White space that is a token belongs to the text here.
    return [token for token in tokens if not token.isspace()]
