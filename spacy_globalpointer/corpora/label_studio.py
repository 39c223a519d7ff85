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
from typing import Any, Dict, Iterator, List, Optional

from .fields import a_list, a_string, an_object, an_offset, strings
from .head import Head
from .record import LineError, Mention, Record
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
    texts = [value for value in data.values() if isinstance(value, str)]
    kind = next((key for key in LISTS if key in row), LISTS[0])
    annotations = [an_object(value) for value in a_list(row, kind)]
    first: Any = {}
    for annotation in annotations:
        mentions = _results(annotation, record, tally)
        if annotation.get("was_cancelled"):
            tally.add("of a rejected or skipped document", record, n=len(mentions))
        elif record.mentions is None:
            first, record.mentions = annotation, mentions
        else:
            reason = "of another annotator of the same text"
            tally.add(reason, record, n=len(mentions))
    name = _name_of_text(first, data)
    if name is not None:
        record.text = a_string(data, name)
    elif len(texts) == 1:
        record.text = texts[0]
    else:
        raise LineError(f"'data' must hold one text, not {data!r:.80}")


def _name_of_text(annotation: Any, data: Any) -> Optional[str]:
    """Under which name the text stands: "text" as a rule, else the name that the
    annotation gives, where it is that of the data too."""
    if "text" in data:
        return "text"
    names = {str(result.get("to_name")) for result in annotation.get("result", ())}
    return next((name for name in sorted(names) if name in data), None)


def _results(annotation: Any, record: Record, tally: Tally) -> List[Mention]:
    mentions: List[Mention] = []
    for result in map(an_object, a_list(annotation, "result")):
        value = result.get("value")
        if result.get("type") in ("labels", "hypertextlabels") and value is not None:
            mentions += _mentions(an_object(value))
        elif result.get("type") != "relation":
            tally.add("of a kind that is no span", record, kind=result.get("type"))
    return mentions


def _mentions(value: Any) -> List[Mention]:
    surface = value.get("text")
    labels = strings(
        value, "hypertextlabels" if "hypertextlabels" in value else "labels"
    )
    start, end = an_offset(value, "start"), an_offset(value, "end")
    surface = surface if isinstance(surface, str) else None
    return [Mention(start, end, label, surface) for label in labels]
