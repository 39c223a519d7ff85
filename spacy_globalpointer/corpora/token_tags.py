"""Rows of tokens and their tags, the habit of Hugging Face data sets.

    {"tokens": ["Ann", "left"], "ner_tags": ["B-PER", "O"]}
    {"words": ["Ann", "left"], "tags": ["PER", "O"]}

JSON, JSONL, Parquet, and folders saved by `datasets`. Tags may be numbers if a list
of names is known: from the data set, from `dataset_info.json` beside the file or
above it, or from the option `--label-names`.
"""

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

from .arrow import with_class_names
from .fields import an_object, is_offset, is_strings, strings
from .head import Head
from .record import LineError, Record
from .registry import Format
from .source import Source
from .tags import TAG, TagReader
from .tally import Tally

TOKENS = ("tokens", "words", "token", "word", "sentence", "text")
# Words in the names of lists of tags; those of entities are preferred.
ENTITIES, OF_TAGS = {"ner", "entity", "entities"}, {"tag", "tags", "label", "labels"}
INFO = "dataset_info.json"


def read_token_tags(
    path: Path, tally: Tally, label_names: Optional[Sequence[str]] = None
) -> Iterator[Record]:
    """Read a file, row by row. Arguments as for `read_corpus`.

    label_names (Optional[Sequence[str]]): The tags that numbers stand for.
    """
    head = Head.of(path)
    with Source(path, tally) as source:
        key = _tags_key(head.rows)
        feature = {"feature": {"names": [*label_names]}} if label_names else None
        feature = feature or _saved_features(path).get(key)
        names = (with_class_names(row.get(key), feature) for row in head.rows)
        has_signs = all(
            TAG.fullmatch(tag) for tags in names for tag in tags or () if _is_tag(tag)
        )
        reader = TagReader(tally)
        for row in source.json_values():
            with source.record():
                row = an_object(row)
                tags = with_class_names(row.get(key), feature)
                yield _to_record(row, key, tags, has_signs, source, reader)
        if has_signs:
            reader.finish(Record(path, source.line, None))


def is_token_tags(head: Head) -> bool:
    """Whether a file is of this format."""
    return head.has_rows(lambda row: is_strings(row.get(_tokens_key(row)))) and bool(
        _tag_keys(head.rows)
    )


def _tokens_key(row: Dict[str, Any]) -> str:
    return next((key for key in TOKENS if is_strings(row.get(key))), TOKENS[0])


def _tag_keys(rows: List[Dict[str, Any]]) -> List[str]:
    """The keys of lists that may be the tags of entities."""
    keys = dict.fromkeys(key for row in rows for key in row)
    found = [key for key in keys if key not in TOKENS and _holds_tags(key, rows)]
    of_entities = [key for key in found if ENTITIES & _words(key)]
    return of_entities or found


def _words(key: str) -> Any:
    return {*re.split(r"[^a-z]+", key.lower())}


def _holds_tags(key: str, rows: List[Dict[str, Any]]) -> bool:
    values: List[Any] = []
    for row in rows:
        tags = row.get(key)
        if tags is None:
            continue
        if not isinstance(tags, list) or len(tags) != len(
            row.get(_tokens_key(row), ())
        ):
            return False
        values += tags
    if not all(tag is None or isinstance(tag, str) or is_offset(tag) for tag in values):
        return False
    names = [tag for tag in values if isinstance(tag, str)]
    if names and all(map(TAG.fullmatch, names)):
        return True
    is_named = bool(_words(key) & (ENTITIES | OF_TAGS))
    return is_named and (("O" in names) if names else any(map(is_offset, values)))


def _tags_key(rows: List[Dict[str, Any]]) -> str:
    keys = _tag_keys(rows)
    # The same tags as names and as numbers.
    names = [k for k in keys if any(is_strings(row.get(k)) for row in rows)]
    keys = names or keys
    if len(keys) == 1:
        return keys[0]
    seen = ", ".join(dict.fromkeys(key for row in rows for key in row))
    if keys:
        raise LineError(f"there are several lists of tags: {', '.join(keys)}")
    raise LineError(f"there are no tokens with a list of tags, only {seen}")


def _saved_features(path: Path) -> Dict[str, Any]:
    """What `dataset_info.json` beside a file or above it says of the columns."""
    for folder in (path.parent, path.parent.parent):
        try:
            info = json.loads((folder / INFO).read_text(encoding="utf8"))
            features = info["features"]
        except (KeyError, OSError, TypeError, ValueError):
            continue
        if isinstance(features, dict):
            return features
    return {}


def _is_tag(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _to_record(
    row: Any, key: str, tags: Any, has_signs: bool, source: Source, reader: TagReader
) -> Record:
    tokens = strings(row, _tokens_key(row))
    record = Record(source.path, source.line, None, tokens=tokens)
    if tags is None:
        return record
    if not isinstance(tags, list) or len(tags) != len(tokens):
        raise LineError(
            f"{key!r} must be a list of {len(tokens)} tags, one for each token, not "
            f"{tags!r:.80}"
        )
    if any(map(is_offset, tags)):
        raise LineError(
            f"{key!r} holds numbers and their names are not known; give them in "
            f"order with --label-names O,B-PER,I-PER,..., or in {INFO}"
        )
    if not all(tag is None or _is_tag(tag) for tag in tags):
        raise LineError(f"{key!r} must be a list of tags, not {tags!r:.80}")
    if not has_signs:
        tags = [f"I-{tag}" if tag not in ("O", None) else tag for tag in tags]
    for tag in tags:
        if tag is not None and not TAG.fullmatch(tag):
            raise LineError(f"expected a tag such as 'B-ORG', got {tag!r:.80}")
    reader.read(record, [tags])
    return record


FORMAT = Format(
    name="token-tags",
    description="JSON, JSONL or Parquet of tokens with a list of tags.",
    matches=is_token_tags,
    read=read_token_tags,
    example={"a.jsonl": '{"tokens": ["Ann", "left"], "ner_tags": ["B-PER", "O"]}\n'},
    options=("label_names",),
)
