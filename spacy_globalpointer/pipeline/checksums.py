"""Checksums of what a component saves, so that damage is an error and never another
prediction.

They are saved in the component's `cfg`:

    "checksums": {
        "settings": {"threshold": "5c4b...", "configured.threshold": "5c4b...", ...},
        "model": "90ae...",
        "checksums": "1be7..."
    }

Each setting has its own, so that a setting that a version of before did not save may
be missing.
"""

import hashlib
import json
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

CHECKSUMS, CONFIGURED = "checksums", "configured"


def checksum(data: bytes) -> str:
    """RETURNS (str): The checksum of bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def all_checksums(
    saved: Mapping[str, Any], data: Mapping[str, bytes]
) -> Dict[str, Any]:
    """The value of "checksums".

    saved (Mapping[str, Any]): What is saved in `cfg`.
    data (Mapping[str, bytes]): What is saved beside it, by field.
    RETURNS (Dict[str, Any]): The checksums, and a checksum of them.
    """
    checksums: Dict[str, Any] = {
        "settings": checksums_of_settings(saved),
        **{name: checksum(content) for name, content in data.items()},
    }
    return {**checksums, CHECKSUMS: _of_value(checksums)}


def checksums_of_settings(saved: Mapping[str, Any]) -> Dict[str, str]:
    """The checksum of each value that is saved.

    saved (Mapping[str, Any]): What is saved in `cfg`.
    RETURNS (Dict[str, str]): Checksums by name.
    """
    return {name: _of_value(value) for name, value in _values(saved)}


def changed_setting(saved: Mapping[str, Any]) -> Optional[str]:
    """The first value that is not as it was saved, None if all are, or if they were
    saved without checksums, by version 0.1.0.

    saved (Mapping[str, Any]): What was saved in `cfg`.
    RETURNS (Optional[str]): Its name.
    """
    if CHECKSUMS not in saved:
        return None
    checksums = dict(saved[CHECKSUMS])
    if checksums.pop(CHECKSUMS, None) != _of_value(checksums):
        return CHECKSUMS
    found, wanted = checksums_of_settings(saved), checksums["settings"]
    return next((x for x in found if found[x] != wanted.get(x)), None)


def _of_value(value: Any) -> str:
    return checksum(json.dumps(value, sort_keys=True).encode("utf8"))


def _values(saved: Mapping[str, Any]) -> Iterator[Tuple[str, Any]]:
    for name, value in saved.items():
        if name == CONFIGURED:
            yield from ((f"{CONFIGURED}.{key}", value[key]) for key in value)
        elif name != CHECKSUMS:
            yield name, value
