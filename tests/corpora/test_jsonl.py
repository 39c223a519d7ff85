"""The JSONL reader: what it reads, and what it says of what it cannot read."""

import gzip
import json
import zlib

import pytest

from spacy_globalpointer.corpora import ConversionReport, CorpusError, read_jsonl
from tests.util.corpus_files import KEY, builder
from tests.util.pipelines import found

GOOD = {"tokens": ["the", "Bank", "of", "England"], "spans": [[1, 4, "ORG"]]}
LINE = json.dumps(GOOD).encode() + b"\n"


@pytest.fixture(params=["plain", "gzip"])
def write(request, tmp_path):
    """Writes lines or bytes, packed or not, and gives the path."""

    def write(content):
        if not isinstance(content, bytes):
            content = "".join(json.dumps(record) + "\n" for record in content).encode()
        packed = request.param == "gzip"
        path = tmp_path / f"part.jsonl{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
        return path

    return write


@pytest.fixture
def write_plain(tmp_path):
    def write(content):
        path = tmp_path / "part.jsonl"
        path.write_bytes(content)
        return path

    return write


def read(path):
    return list(docs(path))


def docs(path):
    return map(builder(), read_jsonl(path, ConversionReport()))


def words(doc):
    return [token.text for token in doc]


# Reading


def test_tokens_and_spans_are_those_of_the_file(write):
    records = [
        {**GOOD, "id": "1", "doc": "d", "relations": [[0, 0, "self"]]},
        {"tokens": ["a b", "é", "银行", "🙂", " "], "spans": []},
        {"tokens": ["x"], "spans": [[0, 1, "A"], [0, 1, "B"]]},
        {"tokens": list("abc"), "spans": [[0, 3, "A"], [0, 2, "A"], [1, 3, "A"]]},
        {"tokens": [], "spans": []},
    ]
    found_docs = read(write(records))
    assert len(found_docs) == len(records)
    for doc, record in zip(found_docs, records):
        assert words(doc) == record["tokens"]
        assert {tuple(span) for span in record["spans"]} == {*found(doc, KEY)}
        assert doc.spans.keys() == {KEY}


def test_a_text_of_null_is_no_text(write):
    (doc,) = read(write([{**GOOD, "text": None}]))
    assert words(doc) == GOOD["tokens"]


def test_a_span_given_twice_is_one(write):
    (doc,) = read(write([{"tokens": ["a"], "spans": [[0, 1, "A"]] * 3}]))
    assert found(doc, KEY) == [(0, 1, "A")]


@pytest.mark.parametrize(
    "tokens, text",
    [
        (["the", "Bank", "of", "England"], "the Bank of England"),
        (["the", "Bank", "of", "England"], "the  Bank\nof \t\n England"),
        (["the", "Bank", "of", "England"], "  the Bank of England  "),
        (["the", "Bank", "of", "England"], "\nthe Bankof England\n"),
        (list("中国银行在北京"), "中国银行在北京"),
        (list("中国银行"), "中 国\u3000银\xa0\xa0行"),
        (["🙂", "👨‍👩‍👧", "is", "é", "e\u0301"], "🙂👨‍👩‍👧  is é e\u0301\r\n"),
        (["a", "a", "aa", "a"], "a aaaa"),
        (["it", "'s"], "it's"),
        (["a b", "c"], "a b  c"),
        (["a"], "a"),
        ([], ""),
        ([], "  "),
    ],
)
def test_the_text_is_kept_and_spans_stand_at_the_same_characters(write, tokens, text):
    spans = [
        (start, end, "A")
        for start in range(len(tokens))
        for end in range(start + 1, len(tokens) + 1)
    ]
    (doc,) = read(write([{"tokens": tokens, "spans": spans, "text": text}]))
    assert doc.text == text
    assert [word for word in words(doc) if not word.isspace()] == tokens
    group = doc.spans[KEY]
    assert len(group) == len(spans)
    for span, (start, end, label) in zip(group, spans):
        assert (span[0].text, span[-1].text) == (tokens[start], tokens[end - 1])
        inner = [token.text for token in span if not token.is_space]
        assert inner == tokens[start:end]
        assert span.label_ == label


@pytest.mark.parametrize("text", ["a b", "a   b", " a b"])
def test_a_token_may_be_white_space_with_a_text(write, text):
    """The format does not rule it out: it is read, or refused by line."""
    tokens = ["a", " ", "b"]
    path = write([{"tokens": tokens, "spans": [[0, 1, "A"]], "text": text}])
    try:
        (doc,) = read(path)
    except CorpusError as error:
        assert "line 1: " in str(error)
    else:
        assert doc.text == text


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("blank", [b"", b"  ", b"\t"])
def test_blank_lines_and_windows_line_ends(write, end, blank):
    line = LINE.rstrip()
    content = end.join([blank, line, blank, blank, line, blank, b""])
    assert [found(doc, KEY) for doc in read(write(content))] == [[(1, 4, "ORG")]] * 2


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n \n"])
def test_a_file_of_nothing_has_no_documents(write, content):
    assert read(write(content)) == []


def test_the_last_line_needs_no_line_end(write):
    assert len(read(write(LINE + LINE.rstrip()))) == 2


def test_reading_is_a_stream(write):
    stream = docs(write(LINE + b"broken\n"))
    assert words(next(stream)) == GOOD["tokens"]
    with pytest.raises(CorpusError, match="line 2"):
        next(stream)


# Bad lines


def line_of(**changes):
    return json.dumps({**GOOD, **changes}).encode()


def without(key):
    return json.dumps({k: v for k, v in GOOD.items() if k != key}).encode()


BAD_LINES = {
    "no JSON": (b"{'tokens': []}", "invalid JSON"),
    "a cut line": (LINE[:20], "invalid JSON"),
    "two objects": (LINE.rstrip() + LINE.rstrip(), "invalid JSON"),
    "a second byte order mark": (b"\xef\xbb\xbf" + LINE, "invalid JSON"),
    "no-break space": (b"\xc2\xa0", "invalid JSON"),
    "no UTF-8": (LINE.replace(b"Bank", b"B\xe4nk"), "not valid UTF-8"),
    "a UTF-8 sign cut": (b'{"tokens": ["\xe9\x93', "not valid UTF-8"),
    "a list": (b"[]", "JSON object"),
    "null": (b"null", "JSON object"),
    "a string": (b'"tokens"', "JSON object"),
    "NaN": (b"NaN", "JSON object"),
    "no tokens": (without("tokens"), "'tokens' must be a list of strings, got None"),
    "tokens of another type": (line_of(tokens="the Bank"), "'tokens' must be"),
    "a token of another type": (line_of(tokens=["a", 1]), "'tokens' must be"),
    "many tokens of another type": (line_of(tokens=[1] * 5000), "'tokens' must be"),
    "many records in one line": (json.dumps([GOOD] * 500).encode(), "JSON object"),
    "an empty token": (line_of(tokens=["a", ""]), "'tokens' must be"),
    "no spans": (without("spans"), "'spans' must be a list, got None"),
    "spans of another type": (line_of(spans={}), "'spans' must be"),
    "text of another type": (line_of(text=["the"]), "'text' must be a string"),
    "text and tokens differ": (line_of(text="the Bank in England"), "'of'.*not next"),
    "text ends early": (line_of(text="the Bank of"), "'England'.*not next"),
    "text goes on": (line_of(text="the Bank of England ."), "text after.*' .'"),
    "text begins early": (line_of(text="At the Bank of England"), "'the'.*not next"),
    "empty text": (line_of(text=""), "'the'.*not next"),
    "tokens in another order": (line_of(text="the of Bank England"), "not next"),
}
BAD_SPANS = {
    "past the end": [1, 5, "ORG"],
    "before the start": [-1, 2, "ORG"],
    "empty": [2, 2, "ORG"],
    "reversed": [3, 1, "ORG"],
    "bool": [False, True, "ORG"],
    "one bool": [0, True, "ORG"],
    "float": [0.0, 1.0, "ORG"],
    "strings": ["0", "1", "ORG"],
    "null": [0, None, "ORG"],
    "no label": [0, 1],
    "empty label": [0, 1, ""],
    "a number as label": [0, 1, 5],
    "null as label": [0, 1, None],
    "too much": [0, 1, "ORG", "PER"],
    "nothing": [],
    "an object": {"start": 0, "end": 1, "label": "ORG"},
    "a string": "0 1 ORG",
    "a number": 3,
    "far past the end": [0, 10**30, "ORG"],
    "very long": [0, 1, "ORG", "x" * 5000],
}
# What Python's decoders cannot take fails in other ways than wrong JSON does.
ODD_LINES = {
    "half a surrogate pair in a token": rb'{"tokens": ["\ud83d"], "spans": []}',
    "half a surrogate pair in a label": rb'{"tokens":["a"],"spans":[[0,1,"\udc00"]]}',
    "a number of 5000 digits": LINE.replace(b"4", b"4" * 5000),
    "100000 brackets": b"[" * 100_000,
    "a token that begins with a space": (
        line_of(tokens=["a", " b"], spans=[], text="a b")
    ),
}


def check(path, line, reason=None):
    with pytest.raises(CorpusError, match=reason) as error:
        read(path)
    assert str(error.value).startswith(f"[E009] {path}, line {line}: ")
    # A message, not a dump of the line.
    assert len(str(error.value)) < 400 + len(str(path))


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_bad_line_is_named_with_file_number_and_reason(write, kind):
    bad, reason = BAD_LINES[kind]
    check(write(LINE + b"\n" + LINE + bad + b"\n" + LINE), 4, reason)


@pytest.mark.parametrize("kind", BAD_SPANS)
def test_a_bad_span_is_named_and_shown(write_plain, kind):
    bad = line_of(spans=[[0, 1, "ORG"], BAD_SPANS[kind]])
    check(write_plain(LINE + bad), 2, r"start < end <= 4.*got ")


@pytest.mark.parametrize("kind", ODD_LINES)
def test_an_odd_line_is_named_too(write_plain, kind):
    check(write_plain(LINE + ODD_LINES[kind] + b"\n"), 2)


def test_a_bad_first_line(write):
    check(write(b"\x80\n" + LINE), 1, "not valid UTF-8")


# Damaged archives


def numbered(n):
    """A corpus that does not pack well, so that a cut falls on any line."""
    lines = [
        {"tokens": [f"{i * i * 7919 % 65537:x}", f"{i}"], "spans": [[0, 1, "A"]]}
        for i in range(n)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99, 1.0])
def test_a_truncated_archive(tmp_path, share):
    packed = gzip.compress(numbered(2000))
    cut = packed[: min(int(share * len(packed)), len(packed) - 1)]
    path = tmp_path / "part.jsonl.gz"
    path.write_bytes(cut)
    whole_lines = zlib.decompressobj(wbits=31).decompress(cut).count(b"\n")
    check(path, whole_lines + 1, "truncated")


# In the header of the first block, in the code tables, in the data, in the sum.
@pytest.mark.parametrize("place", [10, 15, 40, 5000, -6])
def test_an_archive_with_a_changed_byte(tmp_path, place):
    packed = bytearray(gzip.compress(numbered(2000)))
    packed[place] ^= 0xFF
    path = tmp_path / "part.jsonl.gz"
    path.write_bytes(packed)
    with pytest.raises(CorpusError) as error:
        read(path)
    assert str(error.value).startswith(f"[E009] {path}, line ")


def test_an_archive_that_is_none(tmp_path):
    path = tmp_path / "part.jsonl.gz"
    path.write_bytes(LINE)
    check(path, 1, "gzip")


def test_an_archive_with_something_behind_it(tmp_path):
    path = tmp_path / "part.jsonl.gz"
    path.write_bytes(gzip.compress(LINE) + b"something")
    with pytest.raises(CorpusError, match="gzip"):
        read(path)


def test_archives_one_behind_the_other_are_one_file(tmp_path):
    path = tmp_path / "part.jsonl.gz"
    path.write_bytes(gzip.compress(LINE) + gzip.compress(LINE))
    assert len(read(path)) == 2
