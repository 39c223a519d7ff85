"""SpERT's JSON: an array of tokenized sentences, ends exclusive.

[{"tokens": ["Ann", "of", "York"], "entities": [
    {"type": "Peop", "start": 0, "end": 1}, {"type": "Loc", "start": 2, "end": 3}],
  "relations": [{"type": "Live_In", "head": 0, "tail": 1}], "orig_id": 7}]

Relations name entities by position.
"""

from pathlib import Path
from typing import Any, Iterator, List, Optional

from .conversion_report import ConversionReport
from .fields import (
    is_strings,
    relation_rows,
    require_list,
    require_object,
    require_offset,
    require_relation,
    require_string,
    require_strings,
)
from .preview import Preview
from .record import Mention, Record, Relation
from .registry import Format
from .source import Source


def read_spert(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, sentence by sentence. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                mentions = [
                    _mention(require_object(entity))
                    for entity in require_list(row, "entities")
                ]
                tokens = require_strings(row, "tokens")
                doc = row.get("orig_id")
                yield Record(
                    path,
                    source.line,
                    mentions,
                    tokens=tokens,
                    doc_id=None if doc is None else str(doc),
                    relations=_relations(row, len(mentions)),
                )


def is_spert(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(
        lambda row: (
            is_strings(row.get("tokens"))
            and isinstance(row.get("entities"), list)
            and all(isinstance(entity, dict) for entity in row["entities"])
        )
    ) and preview.has_no_spans_besides("entities")


def _mention(entity: Any) -> Mention:
    start, end = require_offset(entity, "start"), require_offset(entity, "end")
    return Mention(start, end, require_string(entity, "type"))


def _relations(row: Any, n_mentions: int) -> Optional[List[Relation]]:
    relations = relation_rows(row)
    if relations is None:
        return None
    return [
        require_relation(r.get("head"), r.get("tail"), r.get("type"), n_mentions)
        for r in map(require_object, relations)
    ]


FORMAT = Format(
    name="spert",
    description="SpERT's JSON: tokenized sentences with entities, ends exclusive.",
    matches=is_spert,
    read=read_spert,
    example={
        "train.json": """\
[{"tokens": ["Apple", "Inc."], "entities": [{"type": "Org", "start": 0, "end": 2}],
  "relations": []}]
"""
    },
)
