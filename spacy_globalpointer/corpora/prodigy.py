"""Prodigy's JSONL: a text and spans at characters, ends exclusive.

    {"text": "Apple Inc.", "tokens": [{"text": "Apple", "start": 0, "end": 5}, ...],
     "spans": [{"start": 0, "end": 10, "label": "ORG"}], "answer": "accept"}

"relations" have "head" and "child", numbers of tokens, and perhaps "head_span" and
"child_span". Tasks and spans that were rejected or ignored are left out. With tokens,
the document has those on which was annotated, unless they are word pieces.

A row of a recipe that asks about one span at a time ("_is_binary", or the view "ner")
says that this span is right or wrong and nothing about the rest. The accepted and the
rejected spans of one text are one document, at the end of the file, of which nothing
else is known.
"""

from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from .conversion_report import ConversionReport
from .fields import (
    is_offset,
    relation_rows,
    require_list,
    require_object,
    require_offset,
    require_relation,
    require_string,
)
from .preview import Preview
from .record import Mention, Record
from .registry import Format
from .source import Source

# Lists of spans in the exports of other programs.
OTHERS = ("label", "labels", "entities")


def read_prodigy(
    path: Path, report: ConversionReport, partial: bool = False
) -> Iterator[Record]:
    """Read a file, line by line. Other arguments as for `read_corpus`.

    partial (bool): Whether to keep spans that were rejected as such.
    """
    binary: Dict[Any, Record] = {}
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                record = Record(
                    path,
                    source.line,
                    None,
                    text=require_string(row, "text"),
                    unit="characters",
                )
                spans = _spans(row, record, report, partial)
                if spans is not None:
                    record.mentions = [_mention(span) for span in spans]
                _add_relations(record, row, spans or [])
                record.tokens = _tokens(row, record.text or "")
                answer = row.get("answer", "accept")
                is_binary = row.get("_is_binary", row.get("_view_id") == "ner") is True
                if answer != "accept" and not (is_binary and answer == "reject"):
                    reason = "document rejected or skipped"
                    report.add(reason, record, n=len(record.mentions or ()))
                if is_binary:
                    _add_answer(record, answer, row, binary, report)
                elif answer == "accept":
                    yield record
    yield from binary.values()


def is_prodigy(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(
        lambda row: (
            isinstance(row.get("text"), str)
            and isinstance(spans := row.get("spans") or [], list)
            and all(isinstance(span, dict) for span in spans)
            and not any(isinstance(row.get(key), (list, dict)) for key in OTHERS)
        )
    ) and (
        any({"spans", "answer", "_input_hash"} & row.keys() for row in preview.rows)
        and preview.has_no_spans_besides("spans")
    )


def _spans(
    row: Any, record: Record, report: ConversionReport, partial: bool
) -> Optional[List[Any]]:
    """The spans that were not rejected. Those that were are the record's, if it is
    annotated in part."""
    # A task that was answered without a span has none, where no span is said of.
    if row.get("spans") is None:
        return [] if "answer" in row else None
    spans = []
    for span in map(require_object, require_list(row, "spans")):
        # Spans may have an answer of their own.
        if partial and span.get("answer") == "reject":
            record.rejected = [*(record.rejected or ()), _mention(span)]
        elif span.get("answer") in ("reject", "ignore"):
            report.add("span rejected or skipped", record, _mention(span))
        else:
            spans.append(span)
    return spans


def _mention(span: Any) -> Mention:
    start, end = require_offset(span, "start"), require_offset(span, "end")
    return Mention(start, end, require_string(span, "label"))


def _add_relations(record: Record, row: Any, spans: List[Any]) -> None:
    """Add the relations, each with its head and its child as spans, or as the last
    token of a span. One of a span that is missing is counted."""
    rows = relation_rows(row)
    if rows is None:
        return
    by_place: Dict[Any, int] = {}
    by_token: Dict[Any, int] = {}
    for i, span in enumerate(spans):
        by_place.setdefault((span["start"], span["end"]), i)
        by_place.setdefault((span["start"], span["end"], span["label"]), i)
        if is_offset(span.get("token_end")):
            by_token.setdefault(span["token_end"], i)
    record.relations = []
    for relation in map(require_object, rows):
        ends: List[Optional[int]] = []
        for key in ("head", "child"):
            end = relation.get(f"{key}_span")
            token = relation.get(key)
            if isinstance(end, dict):
                start, stop = end.get("start"), end.get("end")
                place = (start, stop) if is_offset(start) and is_offset(stop) else None
                found = by_place.get(place)
                if place is not None and isinstance(end.get("label"), str):
                    found = by_place.get((*place, end["label"]), found)
                ends.append(found)
            else:
                ends.append(by_token.get(token) if is_offset(token) else None)
        label = relation.get("label")
        if None in ends or not isinstance(label, str) or not label:
            record.n_unsupported += 1
        else:
            record.relations.append(
                require_relation(ends[0], ends[1], label, len(spans)),
            )


def _add_answer(
    record: Record,
    answer: str,
    row: Any,
    texts: Dict[Any, Record],
    report: ConversionReport,
) -> None:
    """Add the answer about one span to what is known of its text."""
    report.add("answer about one span (merged by text)", record)
    key = row.get("_input_hash")
    whole = texts.setdefault(key if is_offset(key) else record.text, record)
    mentions = record.mentions or []
    if whole is record:
        record.mentions, record.outside = None, []
    else:
        whole.n_unsupported += record.n_unsupported
    # An answer about one span does not cover relations.
    whole.n_unsupported += len(record.relations or ())
    record.relations = None
    if answer in ("accept", "reject") and mentions:
        right, wrong = whole.mentions or [], whole.rejected or []
        known = right if answer == "accept" else wrong
        known += [mention for mention in mentions if mention not in known]
        whole.mentions, whole.rejected = right, wrong


def _tokens(row: Any, text: str) -> Optional[List[str]]:
    """The tokens, without whitespace, which belongs to the text here. None: there
    are none, or none that make up the text, such as word pieces."""
    if not row.get("tokens"):
        return None
    tokens: List[str] = []
    end = 0
    for token in map(require_object, require_list(row, "tokens")):
        word = require_string(token, "text")
        start, stop = token.get("start"), token.get("end")
        if is_offset(start) and is_offset(stop):
            # Special tokens of transformers have no characters.
            given, word = word, text[start:stop] if 0 <= start < stop else ""
            if word and given.casefold() != word.casefold():
                return None
        else:
            start = text.find(word, end)
        if word and not word.isspace():
            if start < end or text[end:start].strip():
                return None
            tokens.append(word)
            end = start + len(word)
    return tokens if tokens and not text[end:].strip() else None


FORMAT = Format(
    name="prodigy",
    description="Prodigy's JSONL: a text, and spans at characters, ends exclusive.",
    matches=is_prodigy,
    read=read_prodigy,
    options=("partial",),
    example={
        "train.jsonl": """\
{"text": "Apple", "spans": [{"start": 0, "end": 5, "label": "ORG"}], "answer": "accept"}
"""
    },
)
