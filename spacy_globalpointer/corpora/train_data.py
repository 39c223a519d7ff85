"""spaCy's `TRAIN_DATA`, an array of pairs of a text and its entities, ends exclusive.

    [["Ann left.", {"entities": [[0, 3, "PER"]]}], ...]

With `{"spans": {"sc": [[0, 3, "PER"]]}}` one group is read instead of the entities.
Also a pair a line, and the export of NER Annotator, which has the pairs in an object
and null where a text was skipped:

    {"classes": ["PER"], "annotations": [["Ann left.", {"entities": [...]}], null]}
"""

from pathlib import Path
from typing import Any, Iterator, List, Optional

from .conversion_report import ConversionReport
from .fields import group_of, is_offset, require_list, require_string
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source


def read_train_data(
    path: Path, report: ConversionReport, spans_key: str = "sc"
) -> Iterator[Record]:
    """Read a file, text by text. Arguments as for `read_corpus`.

    spans_key (str): Key of the group that is read, where there are groups.
    """
    with Source(path, report) as source:
        for pair in _pairs(source):
            with source.record():
                if pair is None:
                    record = Record(path, source.line, None)
                    report.add("document rejected or skipped", record)
                    continue
                if not _is_pair(pair):
                    raise LineError(
                        f'expected [text, {{"entities": ...}}], got {pair!r:.80}'
                    )
                text, annotation = pair
                entities = _mentions(annotation)
                group = group_of(annotation, spans_key)
                mentions = entities if group is None else list(map(_mention, group))
                yield Record(
                    path,
                    source.line,
                    mentions,
                    text=text,
                    unit="characters",
                    n_unsupported=sum(
                        e not in (mentions or ()) for e in entities or ()
                    ),
                )


def is_train_data(preview: Preview) -> bool:
    """Whether a file is of this format."""
    values = preview.values
    if values and isinstance(values[0], str):
        return _is_pair(values[:2])
    if preview.rows:
        return len(values) == len(preview.rows) and all(
            isinstance(row.get("annotations"), list)
            and any(map(_is_pair, row["annotations"]))
            for row in preview.rows
        )
    return any(map(_is_pair, values))


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], dict)
        and bool({"entities", "spans"} & value[1].keys())
    )


def _pairs(source: Source) -> Iterator[Any]:
    """The pairs of a text and its annotation, and None where there is none."""
    if isinstance(next(iter(Preview.of(source.path).values), None), str):
        # A pair a line.
        yield from source.json_lines()
        return
    for value in source.json_values():
        if isinstance(value, dict):
            yield from require_list(value, "annotations")
        else:
            yield value


def _mentions(annotation: Any) -> Optional[List[Mention]]:
    if annotation.get("entities") is None:
        return None
    return [_mention(entity) for entity in require_list(annotation, "entities")]


def _mention(entity: Any) -> Mention:
    if isinstance(entity, dict):
        entity = [entity.get(key) for key in ("start", "end", "label")]
    if not (
        isinstance(entity, list)
        and len(entity) >= 3
        and is_offset(entity[0])
        and is_offset(entity[1])
    ):
        raise LineError(f"an entity must be [start, end, label], got {entity!r:.80}")
    # An annotator may have left the label out.
    label = "" if entity[2] is None else require_string({"label": entity[2]}, "label")
    return Mention(entity[0], entity[1], label)


FORMAT = Format(
    name="train-data",
    description="spaCy's TRAIN_DATA as JSON: pairs of a text and its entities.",
    matches=is_train_data,
    read=read_train_data,
    options=("spans_key",),
    example={"a.json": '[["Ann left.", {"entities": [[0, 3, "PER"]]}]]\n'},
)
