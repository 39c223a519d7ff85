"""The project's JSONL format: one tokenized sentence or document a line.

    {"id": "1", "tokens": ["the", "Bank", "of", "England"],
     "spans": [[1, 4, "ORG"], [3, 4, "GPE"]], "text": "the Bank of England"}

Offsets count tokens, the end is exclusive. "text" is optional: with it a
document keeps its whitespace, and pipelines use their own tokenizer on it;
without it they use the tokens of the corpus. "doc" may name the document to
which a sentence belongs. "relations" are [head, tail, label] with positions in
"spans". "fragments" are entities in several pieces that are not in "spans":

    {"tokens": ["left", "and", "right", "leg"], "spans": [[2, 4, "PART"]],
     "fragments": [[[[0, 1], [3, 4]], "PART"]]}
"""

from pathlib import Path
from types import NoneType
from typing import Any, Iterator, List

from .conversion_report import ConversionReport
from .fields import is_strings, relation_rows, require_list, require_relation
from .preview import Preview
from .record import LineError, Mention, Record, Relation
from .registry import Format
from .source import Source


def read_jsonl(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, line by line. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for row in source.json_lines():
            with source.record():
                yield _to_record(row, source)


def is_jsonl(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(
        lambda row: (
            is_strings(row.get("tokens"))
            and isinstance(row.get("spans"), list)
            and not any(isinstance(span, dict) for span in row["spans"])
        )
    ) and preview.has_no_spans_besides("spans")


def _to_record(row: Any, source: Source) -> Record:
    if not isinstance(row, dict):
        raise LineError(f"expected a JSON object, got {row!r:.80}")
    tokens, spans, text = row.get("tokens"), row.get("spans"), row.get("text")
    if not is_strings(tokens) or not all(tokens):
        raise LineError(f"'tokens' must be a list of strings, got {tokens!r:.80}")
    if not isinstance(spans, list):
        raise LineError(f"'spans' must be a list, got {spans!r:.80}")
    if not isinstance(text, (str, NoneType)):
        raise LineError(f"'text' must be a string, got {text!r:.80}")
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
                f"{len(tokens)}, the number of tokens, got {span!r:.80}"
            )
        mentions.append(Mention(*span))
    # Relations name "spans" by position, so what is no span is behind them.
    relations = relation_rows(row)
    if relations is not None:
        relations = [_relation(value, len(spans)) for value in relations]
    if row.get("fragments") is not None:
        rows = require_list(row, "fragments")
        mentions += [_discontinuous(value, len(tokens)) for value in rows]
    doc = row.get("doc")
    return Record(
        source.path,
        source.line,
        mentions,
        text=text,
        tokens=tokens,
        doc_id=None if doc is None else str(doc),
        relations=relations,
    )


def _relation(value: Any, n_spans: int) -> Relation:
    if not isinstance(value, list) or len(value) != 3:
        raise LineError(f"a relation must be [head, tail, label], got {value!r:.80}")
    return require_relation(value[0], value[1], value[2], n_spans)


def _discontinuous(value: Any, n_tokens: int) -> Mention:
    pieces, label = value if isinstance(value, list) and len(value) == 2 else ((), "")
    valid = isinstance(pieces, list) and all(
        isinstance(piece, list)
        and [type(offset) for offset in piece] == [int, int]
        and 0 <= piece[0] < piece[1] <= n_tokens
        for piece in pieces
    )
    if not valid or not pieces or not isinstance(label, str) or not label:
        raise LineError(
            f"'fragments' must be [[[start, end], ...], label] with 0 <= start < end "
            f"<= {n_tokens}, the number of tokens, got {value!r:.80}"
        )
    fragments = sorted((start, end) for start, end in pieces)
    end = max(end for _, end in fragments)
    return Mention(fragments[0][0], end, label, fragments=fragments)


FORMAT = Format(
    name="jsonl",
    description="The project's own JSONL: tokens, and spans at tokens, ends exclusive.",
    matches=is_jsonl,
    read=read_jsonl,
    example={
        "train.jsonl": """\
{"tokens": ["Bank", "of", "England"], "spans": [[0, 3, "ORG"], [2, 3, "GPE"]]}
"""
    },
)
