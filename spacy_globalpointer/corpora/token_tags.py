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
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from .arrow import with_class_names
from .conversion_report import ConversionReport
from .fields import is_offset, is_strings, require_object, require_strings
from .preview import Preview
from .record import LineError, Record
from .registry import Format
from .source import Source
from .tags import TAG, TagReader

TOKENS = ("tokens", "words", "token", "word", "sentence", "text")
# Words in the names of lists of tags; those of entities are preferred.
ENTITIES, OF_TAGS = {"ner", "entity", "entities"}, {"tag", "tags", "label", "labels"}
INFO = "dataset_info.json"


def read_token_tags(
    path: Path,
    report: ConversionReport,
    label_names: Optional[Sequence[str]] = None,
    columns: Optional[Mapping[str, str]] = None,
) -> Iterator[Record]:
    """Read a file, row by row. Arguments as for `read_corpus`.

    label_names (Optional[Sequence[str]]): Tag names for numeric tags.
    columns (Optional[Mapping[str, str]]): The key of the tokens as "word", those of
        lists of tags under any other name.
    """
    preview = Preview.of(path)
    with Source(path, report) as source:
        given = dict(columns or {})
        tokens_key = given.pop("word", None)
        keys = list(given.values()) or [_tags_key(preview.rows)]
        saved = _saved_features(path)
        named = {"feature": {"names": [*label_names]}} if label_names else None
        features = {key: named or saved.get(key) for key in keys}
        has_signs = all(
            TAG.fullmatch(tag)
            for row in preview.rows
            for key in keys
            for tags in [with_class_names(row.get(key), features[key])]
            for tag in (tags if isinstance(tags, list) else ())
            if _is_tag(tag)
        )
        reader = TagReader(report)
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                tokens = require_strings(row, tokens_key or _tokens_key(row))
                record = Record(path, source.line, None, tokens=tokens)
                layers = [
                    _tags(row, key, features[key], len(tokens), has_signs)
                    for key in keys
                    # The tags of a test split that are not published may be empty.
                    if columns
                    or row.get(key) not in ((None, []) if tokens else (None,))
                ]
                if layers:
                    reader.read(record, layers)
                yield record
        if has_signs:
            reader.finish(Record(path, source.line, None))


def is_token_tags(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(lambda row: is_strings(row.get(_tokens_key(row)))) and bool(
        _tag_keys(preview.rows)
    )


def _tokens_key(row: Dict[str, Any]) -> str:
    return next((key for key in TOKENS if is_strings(row.get(key))), TOKENS[0])


def _tag_keys(rows: List[Dict[str, Any]]) -> List[str]:
    """The keys of lists that may be the tags of entities."""
    rows = [row for row in rows if is_strings(row.get(_tokens_key(row)))]
    keys = dict.fromkeys(key for row in rows for key in row)
    found = [key for key in keys if key not in TOKENS and _holds_tags(key, rows)]
    of_entities = [key for key in found if ENTITIES & _words(key)]
    return of_entities or found


def _words(key: str) -> Any:
    return {*re.split(r"[^a-z]+", key.lower())}


def _holds_tags(key: str, rows: List[Dict[str, Any]]) -> bool:
    lists = [(row.get(key), row.get(_tokens_key(row))) for row in rows if row.get(key)]
    # A row that is damaged is an error when it is read, not another format.
    fitting = [
        tags
        for tags, tokens in lists
        if isinstance(tags, list) and len(tags) == len(tokens or ())
    ]
    if 2 * len(fitting) < len(lists):
        return False
    values = [tag for tags in fitting for tag in tags]
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
        raise LineError(
            f"there are several lists of tags, {', '.join(keys)}; name those that are "
            f"wanted with --columns ner={keys[0]},more={keys[1]}"
        )
    raise LineError(f"there are no tokens with a list of tags, only {seen}")


def _saved_features(path: Path) -> Dict[str, Any]:
    """The columns in `dataset_info.json` next to a file or in the folder above."""
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


def _tags(
    row: Any, key: str, feature: Any, n_tokens: int, has_signs: bool
) -> List[Optional[str]]:
    """The tags of a row, each with a sign and a label; None for one that is not
    known."""
    tags = with_class_names(row.get(key), feature)
    if not isinstance(tags, list) or len(tags) != n_tokens:
        raise LineError(
            f"{key!r} must be a list of {n_tokens} tags, one for each token, not "
            f"{tags!r:.80}"
        )
    if any(map(is_offset, tags)):
        raise LineError(
            f"{key!r} holds numbers and their names are not known; give them in "
            f"order with --label-names O,B-PER,I-PER,..., or in {INFO}"
        )
    if not all(tag is None or _is_tag(tag) for tag in tags):
        raise LineError(f"{key!r} must be a list of tags, got {tags!r:.80}")
    if not has_signs:
        tags = [f"I-{tag}" if tag not in ("O", None) else tag for tag in tags]
    for tag in tags:
        if tag is not None and not TAG.fullmatch(tag):
            raise LineError(f"expected a tag such as 'B-ORG', got {tag!r:.80}")
    return tags


FORMAT = Format(
    name="token-tags",
    description="JSON, JSONL or Parquet of tokens with a list of tags.",
    matches=is_token_tags,
    read=read_token_tags,
    example={"a.jsonl": '{"tokens": ["Ann", "left"], "ner_tags": ["B-PER", "O"]}\n'},
    options=("label_names", "columns"),
)
