"""Documents to .spacy files: all of them or nothing, and the same each time."""

import os
import random
import stat
import subprocess
import sys
import zlib
from itertools import pairwise

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus
from spacy.vocab import Vocab

from spacy_globalpointer.corpora import convert
from spacy_globalpointer.corpora.docbin import (
    SPAN_ATTRS,
    DocWriter,
    all_attrs,
)
from spacy_globalpointer.files import write_whole
from tests.util.pipelines import found, set_spans

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

    with pytest.raises(ValueError, match="a line that cannot be read"):
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
import sys
from pathlib import Path
from spacy_globalpointer.corpora import Conversion, Options
Conversion(Path(sys.argv[1]), Path(sys.argv[2]), Options(ents=True)).run()
"""
    for seed in ("1", "2"):
        target = tmp_path / f"{seed}.spacy"
        arguments = [sys.executable, "-c", code, str(corpus), str(target)]
        subprocess.run(
            arguments, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
    assert (tmp_path / "1.spacy").read_bytes() == (tmp_path / "2.spacy").read_bytes()


ALL_KINDS = [
    *make_docs(),
    Doc(NLP.vocab, words=[]),
    Doc(NLP.vocab, words=["a", "b"], spaces=[False, True], ents=["B-X", "O"]),
]


def rich_doc():
    """A document with all that a .spacy file can hold."""
    doc = Doc(
        NLP.vocab,
        words=["He", "saw", "Boston", "."],
        spaces=[True, True, False, False],
        tags=["PRP", "VBD", "NNP", "."],
        pos=["PRON", "VERB", "PROPN", "PUNCT"],
        morphs=["Case=Nom", "", "Number=Sing", ""],
        lemmas=["he", "see", "Boston", "."],
        heads=[1, 1, 1, 1],
        deps=["nsubj", "ROOT", "dobj", "punct"],
        ents=["O", "O", "B-GPE", "O"],
    )
    doc.cats = {"news": 1.0}
    doc.spans["other"] = [Span(doc, 0, 2, label="X", kb_id="Q1", span_id="s1")]
    doc.spans["same"] = doc.spans["other"]
    doc.spans["empty"] = []
    return set_spans(doc, [(0, 4, "A"), (2, 3, "B")], KEY)


def contents(data):
    return srsly.msgpack_loads(zlib.decompress(data))


@pytest.mark.parametrize("attrs", [SPAN_ATTRS, all_attrs()])
def test_the_file_is_that_of_a_doc_bin(tmp_path, attrs):
    """Oracle: spaCy's own DocBin, which needs all documents in memory."""
    docs = [*ALL_KINDS, rich_doc()]
    convert(docs, tmp_path / "a.spacy", spans_key=KEY, ents=False, attrs=attrs)
    names = [attr for attr in attrs if attr != "ORTH"]
    doc_bin = DocBin(attrs=names, docs=docs)
    ours, theirs = (
        contents((tmp_path / "a.spacy").read_bytes()),
        contents(doc_bin.to_bytes()),
    )
    strings = {*ours.pop("strings")}
    # "_" is how spaCy names a morphology of nothing.
    assert strings <= {*theirs.pop("strings"), "_"}
    assert {"Boston", "GPE", "A", "B", "X", "Q1", "s1"} <= strings
    assert ours == theirs
    # In a vocabulary that has never seen them, all names are known again.
    (*_, last) = DocBin().from_disk(tmp_path / "a.spacy").get_docs(Vocab())
    assert [span.kb_id_ for span in last.spans["other"]] == ["Q1"]
    assert [ent.label_ for ent in last.ents] == ["GPE"]
    if attrs == all_attrs():
        assert [token.lemma_ for token in last] == ["he", "see", "Boston", "."]
        assert [str(token.morph) for token in last][:1] == ["Case=Nom"]


def test_what_one_file_cannot_hold_is_a_folder_that_spacy_reads(tmp_path):
    path = tmp_path / "part.spacy"
    docs = [*make_docs(SPANS * 5)]
    writer = DocWriter(path, spans_key=KEY, ents=False, max_bytes=7 * 6 * 4 * 8)
    with writer:
        for doc in docs:
            writer.add(doc)
    assert sorted(p.name for p in path.iterdir()) == [
        f"{i:05}.spacy" for i in range(1, 4)
    ]
    references = [example.reference for example in Corpus(path)(NLP)]
    assert [found(doc, KEY) for doc in references] == SPANS * 5
    # Another conversion replaces the folder.
    write(path)
    assert [found(doc, KEY) for doc in read(path)] == SPANS
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("there_before", [True, False])
def test_a_document_that_is_too_much_for_a_file_has_one_of_its_own(
    tmp_path, there_before
):
    path = tmp_path / "part.spacy"
    if there_before:
        write(path)
    with DocWriter(path, spans_key=KEY, ents=False, max_bytes=1) as writer:
        for doc in make_docs():
            writer.add(doc)
    assert len([*path.iterdir()]) == len(SPANS)
    references = [example.reference for example in Corpus(path)(NLP)]
    assert [found(doc, KEY) for doc in references] == SPANS
