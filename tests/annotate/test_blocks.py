"""Blocks of every form of input: nothing missing, nothing twice, packed or not."""

import gzip
import os

import pyarrow
import pyarrow.parquet
import pytest
import spacy
import srsly
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin

from spacy_globalpointer.annotate import blocks as blocks_module
from spacy_globalpointer.annotate import find_files, read_section, sections
from spacy_globalpointer.annotate.blocks import Unreadable
from tests.util.lattices import few_examples

TEXTS = [f"text {i} " + "x" * (i % 7) for i in range(50)]


def read(*paths, size=40, kind=None, lines=False, done=()):
    files = find_files([str(path) for path in paths])
    return [
        block
        for section in sections(files, kind, lines, size)
        for block in read_section(section, size, done)
    ]


def contents(blocks):
    return [item.content for block in blocks for item in block.items]


def check_order(blocks):
    keys = [block.key for block in blocks]
    assert keys == sorted(set(keys))
    names = [item.name for block in blocks for item in block.items]
    assert len(names) == len({*names})


@few_examples
@given(
    st.lists(st.text("ab \u00e9", max_size=12).map(lambda s: s.encode()), max_size=20),
    st.booleans(),
    st.integers(1, 60),
)
def test_lines_are_read_once(tmp_path_factory, lines, ends, size):
    folder = tmp_path_factory.mktemp("lines")
    content = b"\n".join(lines) + (b"\n" if ends else b"")
    (folder / "a.txt").write_bytes(content)
    (folder / "b.txt.gz").write_bytes(gzip.compress(content))
    packed = zstandard.ZstdCompressor().compress(content)
    (folder / "c.txt.zst").write_bytes(packed)
    expected = [line for line in content.split(b"\n") if line.strip()]
    for name in ("a.txt", "b.txt.gz", "c.txt.zst"):
        found = read(folder / name, size=size, lines=True)
        assert [c.rstrip(b"\n") for c in contents(found)] == expected
        check_order(found)
        # Lines have their numbers once the blocks are put together.
        before, numbers = 0, []
        for block in found:
            numbers += [before + item.number for item in block.items]
            before += block.n_lines
        assert [content.split(b"\n")[n - 1] for n in numbers] == expected


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_what_is_done_is_not_read(tmp_path, name):
    content = b"".join(b'{"text": "%d"}\n' % i for i in range(50))
    pack = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}
    path = tmp_path / name
    path.write_bytes(pack.get(name.split(".")[-1], bytes)(content))
    every = read(path)
    assert len(every) > 5
    done = {block.key for block in every[::2]}
    rest = read(path, done=done)
    assert [block.key for block in rest] == [block.key for block in every[1::2]]
    assert contents(rest) == contents(every[1::2])


def test_files_of_text(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo")
    (tmp_path / "sub" / "a.txt.gz").write_bytes(gzip.compress(b"three"))
    (tmp_path / ".hidden.txt").write_bytes(b"hidden")
    for paths in ([tmp_path], [f"{tmp_path}/**/*.txt*"]):
        found = read(*paths)
        assert contents(found) == [b"one\r\ntwo", b"three"]
        check_order(found)
    assert [item.name for block in read(tmp_path) for item in block.items] == [
        "b",
        "sub/a",
    ]
    # Files of the same name in two folders.
    check_order(read(tmp_path / "b.txt", tmp_path / "b.txt"))


def test_rows(tmp_path):
    table = pyarrow.table({"text": TEXTS, "n": range(50)})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=20)
    found = read(tmp_path / "a.parquet", size=200)
    assert contents(found) == table.to_pylist()
    assert len(found) > 3
    check_order(found)
    rest = read(tmp_path / "a.parquet", size=200, done={found[1].key})
    assert contents(rest) == contents([found[0], *found[2:]])


def test_docs(tmp_path):
    nlp = spacy.blank("xx")
    docs = [nlp.make_doc(text) for text in TEXTS]
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    found = read(tmp_path / "a.spacy", size=100)
    assert len(found) > 3
    check_order(found)
    texts = [spacy.tokens.Doc(nlp.vocab).from_bytes(c).text for c in contents(found)]
    assert texts == TEXTS


def test_standard_input(tmp_path, monkeypatch):
    (tmp_path / "in").write_bytes(gzip.compress(b'{"text": "a"}\n' * 9))
    with (tmp_path / "in").open() as file:
        before = os.dup(0)
        os.dup2(file.fileno(), 0)
        try:
            found = read("-")
        finally:
            os.dup2(before, 0)
            os.close(before)
    assert contents(found) == [b'{"text": "a"}\n'] * 9


def test_long_lines_are_never_held(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks_module, "LONGEST", 100)
    (tmp_path / "a.txt").write_bytes(b"one\n" + b"x" * 1000 + b"\ntwo\n")
    first, second, third = contents(read(tmp_path / "a.txt", lines=True))
    assert (first, third) == (b"one\n", b"two\n")
    assert isinstance(second, Unreadable) and "longer than 100" in second.reason
    found = contents(read(tmp_path / "a.txt"))
    assert isinstance(found[0], Unreadable) and "longer than 100" in found[0].reason


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_truncated_file(tmp_path, suffix):
    content = os.urandom(300_000).hex().encode()
    content = b"\n".join(content[i : i + 50] for i in range(0, len(content), 50))
    pack = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}[suffix]
    path = tmp_path / f"a.txt.{suffix}"
    path.write_bytes(pack(content)[:-100])
    *found, last = contents(read(path, lines=True, size=1000))
    assert "damaged or truncated" in last.reason
    assert b"".join(found) == content[: sum(map(len, found))]


def test_what_is_no_input(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        read(tmp_path / "missing.txt")
    with pytest.raises(FileNotFoundError, match="no file"):
        read(f"{tmp_path}/*.txt")
    (tmp_path / "a.pdf").write_bytes(b"x")
    with pytest.raises(ValueError, match="--input-format"):
        read(tmp_path / "a.pdf")
    assert contents(read(tmp_path / "a.pdf", kind="txt")) == [b"x"]


def test_uri(tmp_path):
    srsly.write_jsonl(tmp_path / "a.jsonl", [{"text": text} for text in TEXTS])
    assert contents(read((tmp_path / "a.jsonl").as_uri())) == contents(
        read(tmp_path / "a.jsonl")
    )
    assert contents(read(tmp_path.as_uri())) == contents(read(tmp_path))
