"""Whole corpora: parts, splits, sentences, windows."""

import json
import subprocess
import sys
from itertools import chain, pairwise

import pytest
import srsly
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin

from spacy_globalpointer.corpora import (
    Conversion,
    ConversionReport,
    CorpusError,
    DocSplitter,
    Options,
    Record,
)
from spacy_globalpointer.corpora.splits import find_splits, parse_shares, split_records
from tests.util.corpus_files import KEY, TOOLS, builder, write
from tests.util.lattices import few_examples
from tests.util.pipelines import found, set_spans

ROW = {"tokens": ["Ann", "saw", "York", "."], "spans": [[0, 1, "PER"], [2, 3, "LOC"]]}
LINE = json.dumps(ROW) + "\n"


def docs_of(path):
    return list(DocBin().from_disk(path).get_docs(TOOLS["xx"].vocab))


def run(source, target, **options):
    return Conversion(source, target, Options(**options)).run()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Parts


@pytest.mark.parametrize(
    "files",
    [
        ("train.jsonl", "dev.jsonl", "test.jsonl"),
        ("train.jsonl.gz", "valid.json", "test.jsonl"),
        ("genia.train.iob2", "genia.dev.iob2", "genia.test.iob2"),
        ("NER-de-train.tsv", "NER-de-dev.tsv", "NER-de-test.tsv"),
        ("eng.train", "eng.testa", "eng.testb"),
        ("CMeEE_train.json", "CMeEE_dev.json", "CMeEE_test.json"),
        ("Training/a.txt", "Development/b.txt", "Test/c.txt"),
    ],
)
def test_parts_are_told_by_names(tmp_path, files):
    for name in files:
        write(tmp_path / name, LINE)
    write(tmp_path / "README.md", "train")
    write(tmp_path / ".train.jsonl", "hidden")
    parts = find_splits(tmp_path)
    assert parts.files == {
        part: [tmp_path / name] for part, name in zip(("train", "dev", "test"), files)
    }
    assert parts.others == [tmp_path / "README.md"]


def test_of_two_copies_one_is_read(tmp_path):
    for name in (
        "train.jsonl",
        "train.jsonl.gz",
        "train-2.jsonl",
        "split-train-dev.json",
    ):
        write(tmp_path / name, LINE)
    parts = find_splits(tmp_path)
    assert parts.files == {
        "train": [tmp_path / "train-2.jsonl", tmp_path / "train.jsonl"]
    }
    assert parts.others == [tmp_path / "split-train-dev.json"]


def test_a_folder_without_parts_is_one_corpus(tmp_path):
    for name in ("b/2.txt", "b/2.ann", "a.txt", "a.ann", "annotation.conf"):
        write(tmp_path / "in" / name, "")
    write(tmp_path / "in" / "b" / "2.txt", "Ann rose.")
    write(tmp_path / "in" / "b" / "2.ann", "T1\tPER 0 3\tAnn\n")
    converted = run(tmp_path / "in", tmp_path / "out", format="brat")
    assert names(tmp_path / "out") == ["in.spacy"]
    assert converted.written[""].docs == 2
    assert converted.written[""].spans == 1


def test_several_formats_in_one_corpus(tmp_path):
    write(tmp_path / "in" / "train.jsonl", LINE)
    write(tmp_path / "in" / "dev.iob", "Ann\tB-PER\n")
    write(tmp_path / "in" / "test.json", "")
    converted = run(tmp_path / "in", tmp_path / "out")
    assert {part: w.spans for part, w in converted.written.items()} == {
        "train": 2,
        "dev": 1,
        "test": 0,
    }
    assert converted.report.counts == {"file without documents": 1}


@pytest.mark.parametrize(
    "files, target, options, error",
    [
        (["dev.jsonl"], "out", {}, "No train split"),
        (["train.jsonl"], "out", {"split": (8, 1, 1)}, "already has splits"),
        (["train.jsonl", "dev.jsonl"], "out", {"split": (9, 1)}, "already has splits"),
        (["test.jsonl"], "out", {"split": (90, 10)}, "No train split"),
        (["train.jsonl", "dev.jsonl"], "out.spacy", {}, "is a file, but"),
        (["a.jsonl"], "out.spacy", {"split": (90, 10)}, "is a file, but"),
        (["README.md"], "out", {}, "No annotated file"),
    ],
)
def test_what_does_not_go_together(tmp_path, files, target, options, error):
    for name in files:
        write(tmp_path / "in" / name, LINE)
    with pytest.raises((OSError, ValueError), match=error):
        run(tmp_path / "in", tmp_path / target, **options)
    assert names(tmp_path) == ["in"]


def test_nothing_is_written_if_the_last_part_is_damaged(tmp_path):
    write(tmp_path / "in" / "train.jsonl", LINE)
    write(tmp_path / "in" / "dev.jsonl", LINE)
    write(tmp_path / "in" / "test.jsonl", LINE + "{")
    before = write(tmp_path / "out" / "train.spacy", "what was there")
    with pytest.raises(CorpusError, match=r"test\.jsonl, line 2"):
        run(tmp_path / "in", tmp_path / "out")
    assert names(tmp_path / "out") == ["train.spacy"]
    assert before.read_text() == "what was there"


def test_the_report_lies_beside_and_goes_when_there_is_nothing(tmp_path):
    twice = {**ROW, "spans": ROW["spans"] * 2}
    path = write(tmp_path / "a.jsonl", json.dumps(twice) + "\n")
    run(path, tmp_path / "a.spacy")
    report = list(srsly.read_jsonl(tmp_path / "a.report.jsonl"))
    assert [entry["reason"] for entry in report] == ["duplicate"] * 2
    run(write(path, LINE), tmp_path / "a.spacy")
    assert names(tmp_path) == ["a.jsonl", "a.spacy"]


def test_a_report_is_no_corpus(tmp_path):
    """The folder that `convert` wrote is one that it can read."""
    twice = {**ROW, "spans": ROW["spans"] * 2}
    write(tmp_path / "in" / "train.jsonl", json.dumps(twice) + "\n")
    run(tmp_path / "in", tmp_path / "out")
    assert names(tmp_path / "out") == ["report.jsonl", "train.spacy"]
    assert run(tmp_path / "out", tmp_path / "again").written["train"].spans == 2


def test_other_annotation_of_spacy_files_is_kept(tmp_path):
    doc = Doc(TOOLS["xx"].vocab, words=["Ann", "rose"], tags=["NNP", "VBD"])
    doc.cats = {"x": 1.0}
    set_spans(doc, [(0, 1, "PER")], "sc")
    set_spans(doc, [(1, 2, "VERB")], "other")
    DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
    run(tmp_path / "a.spacy", tmp_path / "b.spacy", ents=True)
    (read,) = docs_of(tmp_path / "b.spacy")
    assert [token.tag_ for token in read] == ["NNP", "VBD"]
    assert read.cats == {"x": 1.0}
    assert found(read, "other") == [(1, 2, "VERB")]
    assert [ent.label_ for ent in read.ents] == ["PER"]


# Splits


def records(docs):
    return iter([Record("a", i, [], doc_id=doc) for i, doc in enumerate(docs)])


@few_examples
@given(
    st.lists(st.sampled_from([None, "a", "b", "c", "d", "e"]), max_size=40),
    st.integers(0, 5),
)
def test_documents_stay_together_and_shares_are_kept(docs, seed):
    parts = split_records(records(docs), (80, 10, 10), seed).tolist()
    assert len(parts) == len(docs)
    of_doc = {}
    for i, (doc, part) in enumerate(zip(docs, parts)):
        of_doc.setdefault(doc or i, set()).add(part)
    assert all(len(found) == 1 for found in of_doc.values())
    sizes = [sum(found == {part} for found in of_doc.values()) for part in range(3)]
    wanted = [share * len(of_doc) for share in (0.8, 0.1, 0.1)]
    assert all(abs(a - b) <= 1 for a, b in zip(sizes, wanted))
    assert parts == split_records(records(docs), (8, 1, 1), seed).tolist()


def test_another_seed_is_another_split():
    splits = {
        tuple(split_records(records([None] * 50), (80, 10, 10), seed).tolist())
        for seed in range(5)
    }
    assert len(splits) == 5


def test_a_split_corpus_holds_each_document_once(tmp_path):
    rows = [
        {"tokens": [f"w{i}"], "spans": [[0, 1, "A"]] * 2, "doc": f"d{i // 3}"}
        for i in range(60)
    ]
    path = write(
        tmp_path / "all.jsonl", "".join(json.dumps(row) + "\n" for row in rows)
    )
    converted = run(path, tmp_path / "out", split=(80, 10, 10), seed=1)
    assert [w.docs for w in converted.written.values()] == [48, 6, 6]
    words = {
        part: [doc[0].text for doc in docs_of(tmp_path / "out" / f"{part}.spacy")]
        for part in ("train", "dev", "test")
    }
    assert sorted(chain(*words.values())) == sorted(f"w{i}" for i in range(60))
    assert converted.report.counts == {"duplicate": 60}
    first = (tmp_path / "out" / "train.spacy").read_bytes()
    run(path, tmp_path / "out", split=(80, 10, 10), seed=1)
    assert (tmp_path / "out" / "train.spacy").read_bytes() == first


@pytest.mark.parametrize("has_test", [True, False])
def test_dev_can_be_split_off_train(tmp_path, has_test):
    rows = [
        {"tokens": [f"w{i}"], "spans": [[0, 1, "A"]], "doc": f"d{i // 4}"}
        for i in range(40)
    ]
    write(tmp_path / "in" / "train.jsonl", "\n".join(map(json.dumps, rows)))
    if has_test:
        write(tmp_path / "in" / "test.jsonl", LINE)
    converted = run(tmp_path / "in", tmp_path / "out", split=(80, 20))
    words = {
        part: [[token.text for token in doc] for doc in docs_of(path)]
        for part in ("train", "dev", "test")
        for path in [tmp_path / "out" / f"{part}.spacy"]
    }
    assert [len(words[part]) for part in ("train", "dev")] == [32, 8]
    assert sorted(words["train"] + words["dev"]) == sorted([f"w{i}"] for i in range(40))
    assert words["test"] == ([json.loads(LINE)["tokens"]] if has_test else words["dev"])
    assert {part: w.docs for part, w in converted.written.items()} == {
        part: len(found) for part, found in words.items()
    }


def test_of_several_files_each_is_a_document(tmp_path):
    for i in range(10):
        write(tmp_path / "novels" / f"{i}.tsv", f"w{i}\tB-X\n\n" * 4)
    converted = run(tmp_path / "novels", tmp_path / "out", split=(80, 10, 10))
    assert [w.docs for w in converted.written.values()] == [32, 4, 4]
    words = {doc[0].text for doc in docs_of(tmp_path / "out" / "dev.spacy")}
    assert len(words) == 1


@pytest.mark.parametrize(
    "value", ["80", "80,x", "1,2,3,4", "-1,2", "0,0", "nan,1", "inf,1"]
)
def test_shares_that_are_none(value):
    with pytest.raises(ValueError, match="80,10,10"):
        parse_shares(value)


# Sentences and windows


@st.composite
def cuttable(draw):
    n = draw(st.integers(0, 14))
    sents = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    sents[:1] = [True] * bool(n)
    place = st.tuples(st.integers(0, n), st.integers(0, n)).map(sorted)
    places = draw(st.lists(place, max_size=4))
    spans = dict.fromkeys((s, e, f"L{i}") for i, (s, e) in enumerate(places) if s < e)
    words = [f"w{i}" for i in range(n)]
    doc = Doc(TOOLS["xx"].vocab, words=words, sent_starts=sents if n else None)
    doc.has_unknown_spaces = draw(st.booleans())
    return set_spans(doc, list(spans), KEY), sents


@few_examples
@given(cuttable(), st.booleans(), st.none() | st.integers(1, 8))
def test_pieces_hold_all_tokens_and_spans_and_cut_none(case, sentences, size):
    doc, sents = case
    pieces = list(DocSplitter(sentences, size).pieces(doc))
    assert [token.text for piece in pieces for token in piece] == [t.text for t in doc]
    borders = [0]
    for piece in pieces:
        borders.append(borders[-1] + len(piece))
        assert piece.has_unknown_spaces == doc.has_unknown_spaces
    moved = [
        (start + offset, end + offset, label)
        for piece, offset in zip(pieces, borders)
        for start, end, label in found(piece, KEY)
    ]
    assert sorted(moved) == sorted(found(doc, KEY))
    spans = found(doc, KEY)
    free = [not any(s < i < e for s, e, _ in spans) for i in range(len(doc) + 1)]
    inner = borders[1:-1]
    if sentences:
        wanted = {i for i in range(1, len(doc)) if sents[i] and free[i]}
        assert wanted <= {*inner}
    for start, end in pairwise(borders):
        places = [i for i in range(start + 1, end) if free[i]]
        if size is None:
            assert sentences or len(pieces) == 1
        elif end - start > size:
            # Longer only where no place to cut is in reach.
            assert not places
        elif end < len(doc) and not sents[end]:
            # Not at a sentence only where none begins in reach.
            assert not any(sents[i] for i in places)
            reach = range(end + 1, min(start + size, len(doc)) + 1)
            assert not any(free[i] for i in reach)


def test_sentences_are_those_of_spacy_where_the_source_has_none(tmp_path):
    row = {"text": "Ann rose. Dr. No. fell. The end", "label": [[10, 22, "X"]]}
    path = write(tmp_path / "a.jsonl", json.dumps(row) + "\n")
    run(path, tmp_path / "a.spacy", sentences=True, format="doccano")
    texts = [doc.text.strip() for doc in docs_of(tmp_path / "a.spacy")]
    assert texts == ["Ann rose.", "Dr. No. fell.", "The end"]


def test_a_window_that_a_span_makes_longer_is_counted(tmp_path):
    row = {"tokens": list("abcdef"), "spans": [[1, 5, "A"]]}
    path = write(tmp_path / "a.jsonl", json.dumps(row) + "\n")
    converted = run(path, tmp_path / "a.spacy", max_tokens=2)
    assert [len(doc) for doc in docs_of(tmp_path / "a.spacy")] == [1, 4, 1]
    assert converted.report.counts == {"longer than --max-tokens": 1}
    (entry,) = srsly.read_jsonl(tmp_path / "a.report.jsonl")
    assert (entry["outcome"], entry["line"], entry["tokens"]) == ("kept", 1, 4)


def test_documents_of_the_source_keep_their_sentences():
    record = Record("a", 1, [], tokens=list("abcd"), sent_starts=[0, 2])
    pieces = DocSplitter(True, None).pieces(builder(ConversionReport())(record))
    assert [doc.text.split() for doc in pieces] == [["a", "b"], ["c", "d"]]


def test_no_part_is_replaced_where_another_cannot_be(tmp_path):
    for part in ("train", "dev", "test"):
        write(tmp_path / "in" / f"{part}.jsonl", LINE)
    write(tmp_path / "out" / "test.spacy" / "mine", "")
    with pytest.raises(IsADirectoryError, match="other files"):
        run(tmp_path / "in", tmp_path / "out")
    assert names(tmp_path / "out") == ["test.spacy"]


def test_a_conversion_may_run_again(tmp_path):
    for part in ("train", "dev"):
        write(tmp_path / "in" / f"{part}.jsonl", LINE)
    conversion = Conversion(tmp_path / "in", tmp_path / "out", Options())
    assert conversion.run().written == conversion.run().written
    assert names(tmp_path / "out") == ["dev.spacy", "test.spacy", "train.spacy"]


PEAK = """
import re, sys
from pathlib import Path
from spacy_globalpointer.corpora import Conversion, Options
Conversion(Path(sys.argv[1]), Path(sys.argv[2]), Options(ents=True)).run()
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc of Linux")
@pytest.mark.parametrize("kind", ["lines", "array"])
def test_memory_does_not_grow_with_the_file(tmp_path, kind):
    """Twenty times as much, and not 10 MB more; DocBin needs 100 MB more."""
    peaks = []
    for n in (2_000, 40_000):
        words = ([f"w{i * j % 97}" for j in range(30)] for i in range(n))
        if kind == "lines":
            rows = ({"tokens": tokens, "spans": [[0, 2, "A"]]} for tokens in words)
            content = "\n".join(map(json.dumps, rows))
        else:
            entities = [{"start": 0, "end": 2, "type": "A"}]
            rows = ({"tokens": tokens, "entities": entities} for tokens in words)
            content = f"[{', '.join(map(json.dumps, rows))}]"
        path = write(tmp_path / f"{n}.json", content)
        arguments = [sys.executable, "-c", PEAK, str(path), str(tmp_path / "a.spacy")]
        done = subprocess.run(arguments, check=True, capture_output=True)
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 10_000
