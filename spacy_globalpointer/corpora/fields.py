"""Fields of JSON objects, checked."""

from typing import Any, List, Optional, Tuple, TypeGuard, cast

from .record import LineError, Relation


def is_strings(value: Any) -> TypeGuard[List[str]]:
    """Whether a value is a list of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_sentences(value: Any) -> TypeGuard[List[List[str]]]:
    """Whether a value is a list of lists of strings."""
    return isinstance(value, list) and all(map(is_strings, value))


def is_offset(value: Any) -> TypeGuard[int]:
    """Whether a value is an integer. True and False are none."""
    return type(value) is int


def are_spans(value: Any) -> bool:
    """Whether a value looks like a list of spans, in whatever layout: objects, or
    lists that begin with two integers."""
    return isinstance(value, list) and any(
        (isinstance(item, dict) and any(map(is_offset, item.values())))
        or (isinstance(item, list) and len(item) > 2 and all(map(is_offset, item[:2])))
        for item in value
    )


def require_object(value: Any) -> Any:
    """A JSON object, or an error."""
    if not isinstance(value, dict):
        raise LineError(f"expected a JSON object, got {value!r:.80}")
    return value


def require_list(row: Any, key: str) -> List[Any]:
    """A list at a key of an object, or an error."""
    value = row.get(key)
    if not isinstance(value, list):
        raise LineError(f"{key!r} must be a list, got {value!r:.80}")
    return value


def require_string(row: Any, key: str) -> str:
    """A string at a key of an object, or an error."""
    value = row.get(key)
    if not isinstance(value, str):
        raise LineError(f"{key!r} must be a string, got {value!r:.80}")
    return value


def require_offset(row: Any, key: str) -> int:
    """An integer at a key of an object, or an error."""
    value = row.get(key)
    if not is_offset(value):
        raise LineError(f"{key!r} must be an integer, got {value!r:.80}")
    return value


def group_of(row: Any, spans_key: str) -> Optional[List[Any]]:
    """The spans under one key of "spans", as spaCy has them; None if there are none.

    row (Any): An object.
    spans_key (str): The key; where it is missing, the only one that there is.
    RAISES (LineError): If there are several others.
    """
    groups = row.get("spans")
    if not isinstance(groups, dict) or not groups:
        return None
    if spans_key not in groups and len(groups) > 1:
        raise LineError(f"there are spans under {[*groups]}; name one with --spans-key")
    return require_list(
        groups, spans_key if spans_key in groups else next(iter(groups))
    )


def count_of(row: Any, *keys: str) -> int:
    """How many entries the lists at keys of an object hold, if it has any."""
    lists = (row.get(key) for key in keys)
    return sum(len(found) for found in lists if isinstance(found, list))


def require_strings(row: Any, key: str) -> List[str]:
    """A list of strings that are not empty at a key of an object, or an error."""
    value = row.get(key)
    if not is_strings(value) or not all(value):
        raise LineError(f"{key!r} must be a list of strings, got {value!r:.80}")
    return cast(List[str], value)


def require_sentences(row: Any) -> List[List[str]]:
    """The lists of tokens at "sentences" of an object, or an error."""
    value = require_list(row, "sentences")
    if not is_sentences(value):
        raise LineError(f"'sentences' must be lists of strings, got {value!r:.80}")
    return value


def require_span(value: Any, *, exact: bool = False) -> Tuple[int, int, str]:
    """A list of start, end and label, or an error.

    value (Any): The list.
    exact (bool): Whether nothing may follow the label, a score or the like.
    """
    if not (
        isinstance(value, list)
        and (len(value) == 3 if exact else len(value) >= 3)
        and is_offset(value[0])
        and is_offset(value[1])
        and isinstance(value[2], str)
    ):
        raise LineError(f"a span must be [start, end, label], got {value!r:.80}")
    return value[0], value[1], value[2]


def relation_rows(row: Any, key: str = "relations") -> Optional[List[Any]]:
    """The list at a key of an object, None if there is no such key, or an error."""
    return None if row.get(key) is None else require_list(row, key)


def require_relation(head: Any, tail: Any, label: Any, n_mentions: int) -> Relation:
    """A relation of two mentions by their positions, or an error."""
    if not (
        is_offset(head)
        and is_offset(tail)
        and 0 <= head < n_mentions
        and 0 <= tail < n_mentions
        and isinstance(label, str)
        and label
    ):
        raise LineError(
            f"a relation must be head, tail and label, with positions of {n_mentions} "
            f"spans, got {[head, tail, label]!r:.80}"
        )
    return head, tail, label
