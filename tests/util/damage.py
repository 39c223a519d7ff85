"""Damaged files of every format, the same for the same number."""

import gzip
import json
import random
import re

# A file that is whole, and what it is called, by format.
from tests.util.corpora_samples import SAMPLES, TEXT_AND_ANNOTATION

OTHERS = (None, 1, -5, 2.5, "", "x", [], {}, True, [[]], [None], {"a": 1}, "\ud800")
WRONG_ENCODINGS = ("utf-16", "utf-16-le", "latin-1", "gb18030", "cp1252")
NASTY = [
    "\t", "\0", "\ufeff", "\u2028", "\r", "🙂", "\x85", "\xa0",
    "-1", "1e999", "null", "[", "]", "{", "}", '"', "\\ud800", "999999999999999999999",
    "true", ",", "\n", "\n\n", "O", "B-", "I-X", ";", "|t|", "#", "",
]  # fmt: skip


def damaged(number):
    """A damaged file: (name of the sample, file name, content, and for brat the
    content of the annotation).

    number (int): Which one.
    """
    rng = random.Random(number)
    name = rng.choice([*SAMPLES, "brat"])
    if name == "brat":
        text, annotation = (part.encode("utf8") for part in TEXT_AND_ANNOTATION)
        if rng.random() < 0.5:
            return name, "a.txt", text, _damage(annotation, rng)
        return name, "a.txt", _damage(text, rng), annotation
    file_name, content = SAMPLES[name]
    return name, file_name, _damage(content.encode("utf8"), rng), None


def _damage(data, rng):
    for _ in range(rng.randint(1, 3)):
        data = rng.choice(KINDS)(data, rng)
    return data


def _cut(data, rng):
    return data[: rng.randrange(len(data) + 1)]


def _cut_front(data, rng):
    return data[rng.randrange(len(data) + 1) :]


def _flip(data, rng):
    data = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _insert(data, rng):
    place = rng.randrange(len(data) + 1)
    what = rng.choice(NASTY).encode("utf8") * rng.choice((1, 1, 1, 300))
    return data[:place] + what + data[place:]


def _random_bytes(data, rng):
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.randbytes(rng.randint(1, 50)) + data[place:]


def _encode(data, rng):
    try:
        return data.decode("utf8").encode(rng.choice(WRONG_ENCODINGS))
    except UnicodeError:
        return data


def _line_ends(data, rng):
    return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"")))


def _mark(data, rng):
    return b"\xef\xbb\xbf" + data


def _packed_and_cut(data, rng):
    packed = gzip.compress(data)
    return packed[: rng.randint(3, len(packed))]


def _lines_moved(data, rng):
    lines = data.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


def _number_changed(data, rng):
    found = list(re.finditer(rb"\d+", data))
    if not found:
        return data
    match = rng.choice(found)
    value = rng.choice((b"-1", b"0", b"99999", b'"3"', b"1.5", b"null", b"true", b"[]"))
    return data[: match.start()] + value + data[match.end() :]


def _value_changed(data, rng):
    """Another type somewhere in the JSON of a line or of the file."""
    lines = data.split(b"\n")
    whole = data[:1] == b"["
    place = 0 if whole else rng.randrange(len(lines))
    try:
        value = json.loads(data if whole else lines[place])
    except ValueError:
        return data
    if isinstance(value, (dict, list)):
        _change(value, rng)
    text = json.dumps(value).encode("utf8")
    if whole:
        return text
    lines[place] = text
    return b"\n".join(lines)


def _change(value, rng):
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = rng.choice(keys)
    if isinstance(value[key], (dict, list)) and rng.random() < 0.7:
        _change(value[key], rng)
    elif rng.random() < 0.2:
        del value[key]
    else:
        others = (
            None,
            1,
            -5,
            2.5,
            "",
            "x",
            [],
            {},
            True,
            [[]],
            [None],
            {"a": 1},
            "\ud800",
        )
        value[key] = rng.choice(others)


def _long(data, rng):
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    lines[place] = lines[place] * 20
    return b"\n".join(lines)


KINDS = (
    _cut, _cut_front, _flip, _insert, _random_bytes, _encode, _line_ends, _mark,
    _packed_and_cut, _lines_moved, _number_changed, _value_changed, _long,
)  # fmt: skip
