"""W2NER's JSON: tokenized sentences, and the tokens of each entity.

    [{"sentence": ["left", "and", "right", "leg"], "ner": [
        {"index": [2, 3], "type": "PART"}, {"index": [0, 3], "type": "PART"}]}]

Tokens that do not follow each other are a discontinuous entity.
"""

from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple

from .conversion_report import ConversionReport
from .fields import (
    is_offset,
    is_strings,
    require_list,
    require_object,
    require_string,
    require_strings,
)
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source


def read_w2ner(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, sentence by sentence. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                tokens = require_strings(row, "sentence")
                mentions: Optional[List[Mention]] = None
                if row.get("ner") is not None:
                    entities = map(require_object, require_list(row, "ner"))
                    mentions = [_mention(entity, len(tokens)) for entity in entities]
                yield Record(path, source.line, mentions, tokens=tokens)


def is_w2ner(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(
        lambda row: (
            is_strings(row.get("sentence"))
            and isinstance(row.get("ner", []), list)
            and all(
                isinstance(entity, dict) and "index" in entity
                for entity in row.get("ner", [])
            )
        )
    ) and any("ner" in row for row in preview.rows)


def _mention(entity: Any, n_tokens: int) -> Mention:
    index = require_list(entity, "index")
    if not index or not all(is_offset(i) and 0 <= i < n_tokens for i in index):
        raise LineError(
            f"'index' must be numbers of {n_tokens} tokens, got {index!r:.80}"
        )
    runs = _runs(index)
    label = require_string(entity, "type")
    fragments = runs if len(runs) > 1 else []
    return Mention(runs[0][0], runs[-1][1], label, fragments=fragments)


def _runs(index: List[int]) -> List[Tuple[int, int]]:
    """Tokens that follow each other, as (first, the one behind the last)."""
    runs: List[Tuple[int, int]] = []
    for i in sorted({*index}):
        if runs and runs[-1][1] == i:
            runs[-1] = runs[-1][0], i + 1
        else:
            runs.append((i, i + 1))
    return runs


FORMAT = Format(
    name="w2ner",
    description="W2NER's JSON: sentences, and the tokens of each entity.",
    matches=is_w2ner,
    read=read_w2ner,
    example={
        "a.json": """\
[{"sentence": ["Ann", "left"], "ner": [{"index": [0], "type": "PER"}]}]
"""
    },
)
