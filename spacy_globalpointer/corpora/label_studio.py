"""Label Studio's JSON export of spans in a text, in full or "JSON-MIN".

    [{"id": 1, "data": {"text": "Apple Inc."}, "annotations": [{"id": 5,
      "was_cancelled": false, "result": [{"type": "labels", "from_name": "label",
      "to_name": "text", "value": {"start": 0, "end": 10, "text": "Apple Inc.",
      "labels": ["ORG"]}}]}]}]
    [{"id": 1, "text": "Apple Inc.", "label": [{"start": 0, "end": 10,
      "text": "Apple Inc.", "labels": ["ORG"]}], "annotator": 1}]

Of a text that several people annotated the first annotation is taken.
"""

from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from .fields import a_list, a_string, an_object, an_offset, strings
from .head import Head
from .record import Mention, Record
from .source import Source
from .tally import Tally

# "completions" until version 1.0.
LISTS = ("annotations", "completions")


def read_label_studio(path: Path, tally: Tally) -> Iterator[Record]:
    """Read a file, task by task. Arguments as for `read_corpus`."""
    with Source(path, tally.advance) as source:
        for row in source.json_values():
            row = an_object(row)
            record = Record(path, source.line, None, unit="characters")
            if "data" in row:
                _full(row, record, tally)
            else:
                _short(row, record)
            yield record


def is_label_studio(head: Head) -> bool:
    """Whether a file is of this format."""
    return head.has_rows(
        lambda row: (
            (
                isinstance(row.get("data"), dict)
                and any(isinstance(row.get(key), list) for key in LISTS)
            )
            or _is_short(row)
        )
    )


def _is_short(row: Dict[str, Any]) -> bool:
    return isinstance(row.get("text"), str) and (
        "annotation_id" in row or "annotator" in row or bool(_spans_of_short(row))
    )


def _spans_of_short(row: Dict[str, Any]) -> List[Any]:
    """The spans stand under the name that the label tag has in the project."""
    return [
        span
        for value in row.values()
        if isinstance(value, list)
        for span in value
        if isinstance(span, dict) and {"start", "end", "labels"} <= span.keys()
    ]


def _short(row: Any, record: Record) -> None:
    record.text = a_string(row, "text")
    record.mentions = [m for span in _spans_of_short(row) for m in _mentions(span)]


def _full(row: Any, record: Record, tally: Tally) -> None:
    data = an_object(row["data"])
    kind = next((key for key in LISTS if key in row), LISTS[0])
    annotations = [an_object(value) for value in a_list(row, kind)]
    for annotation in annotations:
        mentions = _results(annotation, record)
        if annotation.get("was_cancelled"):
            tally.add("of a rejected or skipped document", record, n=len(mentions))
        elif record.mentions is None:
            record.mentions = mentions
        else:
            reason = "of another annotator of the same text"
            tally.add(reason, record, n=len(mentions))
    record.text = _text(data, record.mentions or [])


def _text(data: Any, mentions: List[Mention]) -> str:
    """The text under whatever name: that in which the most surfaces stand at their
    offsets, of several the one of most words."""
    texts = [value for value in data.values() if isinstance(value, str)]
    if "text" in data or not texts:
        return a_string(data, "text")

    def fit(text: str) -> Tuple[int, int]:
        found = sum(text[m.start : m.end] == m.surface for m in mentions)
        return found, len(text.split())

    return max(texts, key=fit)


def _results(annotation: Any, record: Record) -> List[Mention]:
    mentions: List[Mention] = []
    for result in map(an_object, a_list(annotation, "result")):
        value = result.get("value")
        if result.get("type") in ("labels", "hypertextlabels") and value is not None:
            mentions += _mentions(an_object(value))
        else:
            record.others += 1
    return mentions


def _mentions(value: Any) -> List[Mention]:
    surface = value.get("text")
    labels = strings(
        value, "hypertextlabels" if "hypertextlabels" in value else "labels"
    )
    start, end = an_offset(value, "start"), an_offset(value, "end")
    # Line breaks are written as a backslash and an n.
    surface = surface.replace("\\n", "\n") if isinstance(surface, str) else None
    return [Mention(start, end, label, surface) for label in labels]
