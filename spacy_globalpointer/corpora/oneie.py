"""OneIE's JSONL: tokenized sentences with entities, relations and events, ends
exclusive.

    {"doc_id": "a", "sent_id": "a-1", "tokens": ["Ann", "of", "York"],
     "entity_mentions": [
        {"id": "a-E1", "text": "Ann", "entity_type": "PER", "start": 0, "end": 1},
        {"id": "a-E2", "text": "York", "entity_type": "GPE", "start": 2, "end": 3}],
     "relation_mentions": [{"id": "a-R1", "relation_type": "PHYS", "arguments": [
        {"entity_id": "a-E1", "role": "Arg-1"},
        {"entity_id": "a-E2", "role": "Arg-2"}]}],
     "event_mentions": []}

The label of an entity is its type, without the subtype.
"""

from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .conversion_report import ConversionReport
from .fields import (
    count_of,
    is_strings,
    relation_rows,
    require_list,
    require_object,
    require_offset,
    require_string,
    require_strings,
)
from .preview import Preview
from .record import Mention, Record, Relation
from .registry import Format
from .source import Source


def read_oneie(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, sentence by sentence. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                entities = list(
                    map(require_object, require_list(row, "entity_mentions"))
                )
                places = {entity.get("id"): i for i, entity in enumerate(entities)}
                relations, n_others = _relations(row, places)
                doc = row.get("doc_id")
                yield Record(
                    path,
                    source.line,
                    list(map(_mention, entities)),
                    tokens=require_strings(row, "tokens"),
                    doc_id=None if doc is None else str(doc),
                    relations=relations,
                    n_unsupported=n_others + count_of(row, "event_mentions"),
                )


def is_oneie(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(
        lambda row: (
            is_strings(row.get("tokens"))
            and isinstance(row.get("entity_mentions"), list)
            and all(isinstance(entity, dict) for entity in row["entity_mentions"])
        )
    )


def _mention(entity: Any) -> Mention:
    start, end = require_offset(entity, "start"), require_offset(entity, "end")
    return Mention(start, end, require_string(entity, "entity_type"))


def _relations(
    row: Any, places: Dict[Any, int]
) -> Tuple[Optional[List[Relation]], int]:
    """The relations of two entities, and how many others there are."""
    rows = relation_rows(row, "relation_mentions")
    if rows is None:
        return None, 0
    relations: List[Relation] = []
    for relation in map(require_object, rows):
        arguments = map(require_object, require_list(relation, "arguments"))
        ends = sorted(arguments, key=lambda argument: str(argument.get("role")))
        names = [require_string(argument, "entity_id") for argument in ends]
        if len(names) == 2 and all(name in places for name in names):
            label = require_string(relation, "relation_type")
            relations.append((places[names[0]], places[names[1]], label))
    return relations, len(rows) - len(relations)


FORMAT = Format(
    name="oneie",
    description="OneIE's JSONL: tokens and entity_mentions, with relations.",
    matches=is_oneie,
    read=read_oneie,
    example={
        "a.jsonl": """\
{"tokens": ["Ann", "left"], "entity_mentions": [
 {"id": "E1", "entity_type": "PER", "start": 0, "end": 1}]}
"""
    },
)
