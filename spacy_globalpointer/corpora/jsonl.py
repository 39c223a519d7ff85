"""The project's JSONL format: one tokenised sentence or document a line.

    {"id": "1", "tokens": ["the", "Bank", "of", "England"],
     "spans": [[1, 4, "ORG"], [3, 4, "GPE"]], "text": "the Bank of England"}

Offsets count tokens, the end is exclusive. "text" is optional: with it a
document keeps its white space, and pipelines use their own tokenizer on it;
without it they use the tokens of the corpus. "doc" may name the document to
which a sentence belongs.
"""

from pathlib import Path
from types import NoneType
from typing import Any, Iterator, List

from .fields import count_of, is_strings
from .head import Head
from .record import LineError, Mention, Record
from .source import Source
from .tally import Tally


def read_jsonl(path: Path, tally: Tally) -> Iterator[Record]:
    """Read a file, line by line. Arguments as for `read_corpus`."""
    with Source(path, tally.advance) as source:
        for row in source.json_lines():
            yield _to_record(row, source)


def is_jsonl(head: Head) -> bool:
    """Whether a file is of this format."""
    return head.has_rows(
        lambda row: (
            is_strings(row.get("tokens"))
            and isinstance(row.get("spans"), list)
            and not any(isinstance(span, dict) for span in row["spans"])
        )
    )


def _to_record(row: Any, source: Source) -> Record:
    if not isinstance(row, dict):
        raise LineError(f"a JSON object is needed, not {row!r:.80}")
    tokens, spans, text = row.get("tokens"), row.get("spans"), row.get("text")
    if not is_strings(tokens) or not all(tokens):
        raise LineError(f"'tokens' must be a list of strings, not {tokens!r:.80}")
    if not isinstance(spans, list):
        raise LineError(f"'spans' must be a list, not {spans!r:.80}")
    if not isinstance(text, (str, NoneType)):
        raise LineError(f"'text' must be a string, not {text!r:.80}")
    mentions: List[Mention] = []
    for span in spans:
        if not (
            isinstance(span, list)
            and [type(value) for value in span] == [int, int, str]
            and 0 <= span[0] < span[1] <= len(tokens)
            and span[2]
        ):
            raise LineError(
                f"a span must be [start, end, label] with 0 <= start < end <= "
                f"{len(tokens)}, the number of tokens, not {span!r:.80}"
            )
        mentions.append(Mention(*span))
    doc = row.get("doc")
    return Record(
        source.path,
        source.line,
        mentions,
        text=text,
        tokens=tokens,
        doc=None if doc is None else str(doc),
        others=count_of(row, "relations"),
    )
