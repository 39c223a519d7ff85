"""Documents to .spacy files: all of them or nothing, and the same each time."""

import os
import random
import stat
import subprocess
import sys
from itertools import pairwise

import pytest
import spacy
from pipelines import found, set_spans
from spacy.tokens import Doc, DocBin

from spacy_globalpointer.corpora import convert, find_part
from spacy_globalpointer.corpora.docbin import write_whole

KEY = "mentions"
NLP = spacy.blank("xx")
SPANS = [
    [(0, 4, "A"), (1, 3, "B"), (1, 2, "A"), (5, 6, "A")],
    [(0, 2, "A"), (0, 2, "B")],
    [],
    [(0, 3, "A"), (2, 6, "B")],
]


def make_docs(corpus=SPANS):
    for spans in corpus:
        doc = Doc(NLP.vocab, words=["the", "🙂", "of", "银行", "in", "Boston"])
        yield set_spans(doc, spans, KEY)


def write(path, docs=None, ents=False):
    docs = make_docs() if docs is None else docs
    return convert(docs, path, spans_key=KEY, ents=ents)


def read(path):
    return list(DocBin().from_disk(path).get_docs(NLP.vocab))


@pytest.mark.parametrize("ents", [False, True])
def test_what_is_read_is_what_was_written(tmp_path, ents):
    written = write(tmp_path / "part.spacy", ents=ents)
    docs = read(tmp_path / "part.spacy")
    assert [found(doc, KEY) for doc in docs] == SPANS
    assert [doc.text for doc in docs] == [doc.text for doc in make_docs()]
    assert all(doc.has_annotation("ENT_IOB") == ents for doc in docs)
    assert (written.docs, written.tokens) == (len(SPANS), 6 * len(SPANS))
    assert written.spans == sum(map(len, SPANS))
    n_ents = sum(len(doc.ents) for doc in docs)
    assert written.not_in_ents == (written.spans - n_ents if ents else 0)


def test_entities_are_the_outermost_spans(tmp_path):
    """In documents without crossing spans: those that no other one holds."""
    rng = random.Random(0)
    corpus = []
    for _ in range(20):
        cuts = sorted(rng.sample(range(7), 3))
        outer = [(a, b, "A") for a, b in pairwise(cuts)]
        inner = [(a, rng.randint(a + 1, b - 1), "B") for a, b, _ in outer if b - a > 1]
        corpus.append([*inner, *outer])
    write(tmp_path / "part.spacy", make_docs(corpus), ents=True)
    for doc, spans in zip(read(tmp_path / "part.spacy"), corpus):
        outermost = [span for span in spans if span[2] == "A"]
        assert [(e.start, e.end, e.label_) for e in doc.ents] == outermost


def test_an_empty_corpus_is_an_empty_file(tmp_path):
    assert write(tmp_path / "part.spacy", []).docs == 0
    assert read(tmp_path / "part.spacy") == []


def test_folders_are_made(tmp_path):
    write(tmp_path / "a" / "b" / "part.spacy")
    assert len(read(tmp_path / "a" / "b" / "part.spacy")) == len(SPANS)


@pytest.mark.parametrize("existing", [None, b"what was there before"])
def test_nothing_is_written_on_failure(tmp_path, existing):
    path = tmp_path / "part.spacy"
    if existing is not None:
        path.write_bytes(existing)

    def failing():
        yield from make_docs()
        raise ValueError("a line that cannot be read")

    with pytest.raises(ValueError, match="cannot be read"):
        write(path, failing())
    assert [*tmp_path.iterdir()] == ([] if existing is None else [path])
    assert existing is None or path.read_bytes() == existing


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path):
    target = tmp_path / "part.spacy"
    target.mkdir()
    (target / "file").write_bytes(b"")
    with pytest.raises(OSError):
        write(target)
    assert [*tmp_path.iterdir()] == [target]


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_file_that_cannot_be_written_to_its_end_leaves_the_old_one(tmp_path):
    import resource

    path = tmp_path / "part.spacy"
    path.write_bytes(b"what was there before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"what was there before"
    assert [*tmp_path.iterdir()] == [path]


def test_an_existing_file_is_replaced(tmp_path):
    path = tmp_path / "part.spacy"
    path.write_bytes(b"what was there before")
    write(path)
    assert len(read(path)) == len(SPANS)
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.skipif(os.name != "posix", reason="permission bits of POSIX")
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_a_file_has_the_permissions_of_any_new_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "whole", b"content")
        (tmp_path / "plain").write_bytes(b"content")
    finally:
        os.umask(before)
    whole, plain = ((tmp_path / name).stat().st_mode for name in ("whole", "plain"))
    assert stat.filemode(whole) == stat.filemode(plain)


def test_the_same_documents_give_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        write(tmp_path / name, ents=True)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


@pytest.mark.slow
def test_the_same_bytes_in_another_process(tmp_path):
    """Sets of strings are ordered by hashes, which differ from process to process."""
    corpus = tmp_path / "part.jsonl"
    corpus.write_text(
        "".join(
            f'{{"tokens": ["w{i}", "x{i}"], "spans": [[0, 1, "L{i}"]]}}\n'
            for i in range(50)
        )
    )
    code = """
import sys, spacy
from pathlib import Path
from spacy_globalpointer.corpora import convert, read_jsonl
docs = read_jsonl(Path(sys.argv[1]), spacy.blank("xx").vocab, "sc")
convert(docs, Path(sys.argv[2]), spans_key="sc", ents=True)
"""
    for seed in ("1", "2"):
        arguments = [sys.executable, "-c", code, str(corpus), str(tmp_path / seed)]
        subprocess.run(
            arguments, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize(
    "files, expected",
    [
        (["dev.jsonl"], "dev.jsonl"),
        (["dev.jsonl.gz"], "dev.jsonl.gz"),
        (["dev.jsonl.gz", "dev.jsonl", "train.jsonl"], "dev.jsonl"),
    ],
)
def test_a_part_is_found_packed_or_not(tmp_path, files, expected):
    for name in files:
        (tmp_path / name).write_bytes(b"")
    assert find_part(tmp_path, "dev") == tmp_path / expected


def test_a_part_that_is_not_there_is_named(tmp_path):
    (tmp_path / "train.jsonl").write_bytes(b"")
    with pytest.raises(FileNotFoundError) as error:
        find_part(tmp_path, "dev")
    assert "dev.jsonl" in str(error.value)
    assert str(tmp_path) in str(error.value)
