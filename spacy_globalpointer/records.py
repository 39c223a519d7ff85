"""Predicted spans and their probabilities where people look for them: as rows of a
table, and as an attribute of a span."""

from collections.abc import Iterable
from typing import Any, Dict, List, Optional

from spacy.tokens import Doc, Span

from .annotate.annotation import annotation_of
from .errors import Errors

# The keys of a record.
COLUMNS = (
    *("doc", "text", "label", "score"),
    *("start", "end", "token_start", "token_end"),
)


def to_records(
    docs: Doc | Iterable[Doc], spans_key: str = "sc"
) -> List[Dict[str, Any]]:
    """The spans of documents as plain values, one dictionary per span.

    docs (Doc | Iterable[Doc]): One document, or several.
    spans_key (str): Key of `doc.spans`.
    RETURNS (List[Dict[str, Any]]): Each with "doc", the number of its document, "text",
        "label", "score", the probability (None without one), "start" and "end" in
        characters, "token_start" and "token_end" in tokens, ends exclusive.
    RAISES (ValueError): If a document has no such key.
    """
    docs = [docs] if isinstance(docs, Doc) else docs
    return [
        row for number, doc in enumerate(docs) for row in _rows(number, doc, spans_key)
    ]


def to_dataframe(docs: Doc | Iterable[Doc], spans_key: str = "sc") -> Any:
    """The spans of documents as a pandas DataFrame, one row per span.

    docs (Doc | Iterable[Doc]): One document, or several.
    spans_key (str): Key of `doc.spans`.
    RETURNS (pandas.DataFrame): The columns are the keys of `to_records`.
    RAISES (ValueError): If a document has no such key.
    RAISES (ImportError): If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(Errors.E183) from error
    return pandas.DataFrame(to_records(docs, spans_key), columns=[*COLUMNS])


def _rows(number: int, doc: Doc, key: str) -> List[Dict[str, Any]]:
    if key not in doc.spans:
        raise ValueError(Errors.E040.format(key=key, keys=list(doc.spans)))
    spans = annotation_of(doc, key, {}, "").spans
    rows = [
        {"doc": number, "text": doc.text[x["start"] : x["end"]], "score": None, **x}
        for x in spans
    ]
    return [{column: row[column] for column in COLUMNS} for row in rows]


def add_score_extension(name: str = "score") -> None:
    """Let `span._.score` give the probability of a span, of `doc.spans` and of
    `doc.ents`: that of the span with its offsets and label in the groups of its
    document that have scores, or None. Call it once.

    name (str): Name of the attribute.
    RAISES (ValueError): If there is an attribute with this name.
    """
    Span.set_extension(name, getter=_score)


def _score(span: Span) -> Optional[float]:
    wanted = span.start, span.end, span.label
    for group in span.doc.spans.values():
        scores = group.attrs.get("scores")
        if scores is None or len(scores) != len(group):
            continue
        for other, score in zip(group, scores):
            if (other.start, other.end, other.label) == wanted:
                return float(score)
    return None
