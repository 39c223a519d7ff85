"""Which files of a folder are read, in which format, and what is said of it."""

import json

import pytest
import srsly
from spacy.cli._util import app
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from spacy_globalpointer.corpora import FORMATS, Conversion, CorpusError, Options
from spacy_globalpointer.corpora.splits import find_splits, parse_patterns
from tests.util.corpus_files import write

LINE = json.dumps({"tokens": ["Ann"], "spans": [[0, 1, "PER"]]}) + "\n"


def convert(*args, code=0):
    command = ["global-pointer", "convert", *map(str, args)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == code, (done.output, done.exception)
    return " ".join(done.output.split())


def spans_of(converted):
    return {part: written.spans for part, written in converted.written.items()}


@pytest.mark.parametrize(
    "files",
    [
        ("CDR_TrainingSet.txt", "CDR_DevelopmentSet.txt", "CDR_TestSet.txt"),
        (
            "NCBItrainset_corpus.txt",
            "NCBIdevelopset_corpus.txt",
            "NCBItestset_corpus.txt",
        ),
        ("engtrain.bio", "engdev.bio", "engtest.bio"),
        ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"),
        ("a.train.csv", "a.dev.csv", "a.test.csv"),
    ],
)
def test_names_that_tell_the_splits(tmp_path, files):
    for name in files:
        write(tmp_path / name, LINE)
    parts = find_splits(tmp_path)
    assert parts.files == {
        part: [tmp_path / name] for part, name in zip(("train", "dev", "test"), files)
    }
    assert not parts.others and not parts.doubtful


def test_names_that_hold_a_split_and_tell_none_are_said(tmp_path):
    for name in ("constraints.jsonl", "other.jsonl"):
        write(tmp_path / "in" / name, LINE)
    output = convert(tmp_path / "in", tmp_path / "out")
    assert "--split-files train=constraints.jsonl to read it as train" in output
    write(tmp_path / "in" / "dev.jsonl", LINE)
    output = convert(tmp_path / "in", tmp_path / "out", code=1)
    assert "Not read: constraints.jsonl; --split-files train=NAME" in output


def test_files_of_splits_by_pattern(tmp_path):
    for name in ("x/a.jsonl", "x/b.jsonl", "y/c.jsonl"):
        write(tmp_path / "in" / name, LINE)
    patterns = parse_patterns(["train=x/*", "test=c.*"])
    parts = find_splits(tmp_path / "in", patterns)
    assert {part: len(files) for part, files in parts.files.items()} == {
        "train": 2,
        "test": 1,
    }
    with pytest.raises(FileNotFoundError, match=r"'z\*'"):
        find_splits(tmp_path / "in", {"train": "z*"})
    with pytest.raises(ValueError, match=r"train=\*_Train"):
        parse_patterns(["x=y"])


def test_what_is_read_is_said_first(tmp_path):
    write(tmp_path / "in" / "train.txt", "1\tAnn\tB-PER\n2\tleft\tO\n")
    write(tmp_path / "in" / "dev.jsonl", LINE)
    output = convert(tmp_path / "in", tmp_path / "out")
    for line in (
        "train: columns; train.txt",
        "words: column 2 of 3",
        "tags: column 3, tags with B, I and O: PER",
        "words behind identifiers in column 1",
        "dev: jsonl; dev.jsonl",
        "first record: 'Ann left'; 'Ann' PER",
    ):
        assert line in output


@pytest.mark.parametrize(
    "content, says",
    [
        (
            '{"text": "a", "spams": []}',
            r"the keys text, spams, .* cluener \(label, text\)",
        ),
        ("a b c\nd e f\n", "has 3 columns, 'a b c'"),
    ],
)
def test_what_is_seen_in_a_file_of_no_format(tmp_path, content, says):
    path = write(tmp_path / "a.txt", content)
    with pytest.raises(CorpusError, match=says):
        Conversion(path, tmp_path / "a.spacy", Options())


def test_a_corpus_in_two_formats_is_counted_and_stops(tmp_path):
    for i in range(3):
        write(tmp_path / "in" / "a" / f"{i}.txt", f"Ann left {i}.")
        write(tmp_path / "in" / "a" / f"{i}.ann", "T1\tPER 0 3\tAnn\n")
        rows = f"Ann\tB-PER\nleft\tO\n{i}\tO\n.\tO\n"
        write(tmp_path / "in" / "b" / f"{i}.conll", rows)
    with pytest.raises(ValueError, match=r"brat 3, columns 3; 3 .* --format"):
        Conversion(tmp_path / "in", tmp_path / "out", Options())
    for name in ("brat", "columns"):
        options = Options(format=name)
        converted = Conversion(tmp_path / "in", tmp_path / "out", options).run()
        assert spans_of(converted) == {"": 3}


@pytest.mark.parametrize(
    "name, labeled, unlabeled",
    [
        (
            "jsonl",
            '{"text": "Ann", "label": [[0, 3, "A"]]}',
            '{"id": 1, "text": "Ann"}',
        ),
        ("tsv", "Ann\tB-PER\nleft\tO\n", "Bo\nrose\n"),
        ("tsv", "1\tAnn\tB-PER\n2\tleft\tO\n", "1\tBo\n2\trose\n"),
    ],
)
def test_a_test_split_without_annotation_is_left_out(
    tmp_path, name, labeled, unlabeled
):
    for part in ("train", "dev"):
        write(tmp_path / "in" / f"{part}.{name}", labeled)
    write(tmp_path / "in" / f"test.{name}", unlabeled)
    output = convert(tmp_path / "in", tmp_path / "out")
    assert f"test has no annotation and is left out: test.{name}" in output
    assert "dev split is also written as test" in output
    write(tmp_path / "in" / f"test.{name}", "\0 what is this\n{")
    convert(tmp_path / "in", tmp_path / "out", code=1)


PRODIGY_ROW = '{"text": "Ann", "spans": [{"start": 0, "end": 3, "label": "P"}]}'
TAGS_ROW = '[{"tokens": ["Ann"], "ner_tags": ["B-P"]}]'


@pytest.mark.parametrize(
    "name, labeled, unlabeled",
    [
        ("jsonl", PRODIGY_ROW, '{"text": "Bo", "_input_hash": 3}'),
        ("tsv", "1\tAnn\tB-PER\n2\tleft\tO\n", "1\tBo\t_\n2\tleft\t_\n"),
        ("json", TAGS_ROW, '[{"tokens": ["Ann"], "ner_tags": []}]'),
        ("json", TAGS_ROW, '[{"tokens": ["Ann"]}]'),
    ],
)
def test_an_unlabeled_part_of_a_known_format_is_left_out(
    tmp_path, name, labeled, unlabeled
):
    for part in ("train", "dev"):
        write(tmp_path / "in" / f"{part}.{name}", labeled + "\n")
    write(tmp_path / "in" / f"test.{name}", unlabeled + "\n")
    output = convert(tmp_path / "in", tmp_path / "out")
    assert f"test has no annotation and is left out: test.{name}" in output
    assert "dev split is also written as test" in output


def test_a_part_without_a_span_is_kept_with_a_warning(tmp_path):
    for part, tag in (("train", "B-PER"), ("dev", "B-PER"), ("test", "O")):
        write(tmp_path / "in" / f"{part}.tsv", f"Ann\t{tag}\nleft\tO\n")
    output = convert(tmp_path / "in", tmp_path / "out")
    assert "The test split is annotated, but has no spans" in output
    assert "also written as test" not in output
    assert (tmp_path / "out" / "test.spacy").exists()


def test_texts_without_annotation_may_be_negative(tmp_path):
    write(tmp_path / "in" / "a.txt", "Ann left.")
    write(tmp_path / "in" / "a.ann", "T1\tPER 0 3\tAnn\n")
    write(tmp_path / "in" / "b.txt", "No one.")
    for unannotated, empty in (("keep", 0), ("negative", 1)):
        options = Options(unannotated=unannotated)
        converted = Conversion(tmp_path / "in", tmp_path / "out", options).run()
        assert converted.written[""].docs == 2
        assert converted.written[""].empty == empty


def test_brat_over_lines_and_torn_lines(tmp_path):
    text = "Acts of\nRome\nand Ann left Bo.\n"
    rows = [
        "T1\tLAW 0 12\tActs of",
        "Rome",
        "T2\tPER 17 20\tAnn",
        "torn",
        "T3\tPER 26 28\tBo",
    ]
    write(tmp_path / "a.ann", "\n".join(rows) + "\n")
    path = write(tmp_path / "a.txt", text)
    converted = Conversion(path, tmp_path / "a.spacy", Options()).run()
    assert spans_of(converted) == {"": 3}
    assert converted.report.counts == {"line is not an annotation": 1}
    (entry,) = srsly.read_jsonl(tmp_path / "a.report.jsonl")
    assert (entry["line"], entry["text"]) == (4, "torn")


def test_a_text_of_brat_that_looks_like_another_format(tmp_path):
    for text in ("7|t|Ann left", "Ann\tB-PER\nleft\tO\n", '{"text": "Ann"}'):
        path = write(tmp_path / "a.txt", text)
        start = text.index("Ann")
        write(tmp_path / "a.ann", f"T1\tPER {start} {start + 3}\tAnn\n")
        conversion = Conversion(path, tmp_path / "a.spacy", Options(align="expand"))
        assert conversion.formats == {path: "brat"}
        assert spans_of(conversion.run()) == {"": 1}


def test_a_loss_of_many_spans_is_an_error_with_a_remedy(tmp_path):
    row = {"text": "张三在北京", "label": [[0, 2, "PER"], [3, 5, "LOC"]]}
    path = write(tmp_path / "a.jsonl", json.dumps(row) + "\n")
    output = convert(path, tmp_path / "a.spacy", code=1)
    assert "2 spans, more than a tenth, have a boundary inside a token" in output
    assert "--lang zh" in output
    convert(path, tmp_path / "a.spacy", "--allow-loss")
    assert "boundary inside a token" not in convert(
        path, tmp_path / "a.spacy", "--lang", "zh"
    )
    row = {"text": "xAnn", "label": [[1, 4, "PER"]]}
    write(path, json.dumps(row) + "\n")
    assert "--align expand" in convert(path, tmp_path / "a.spacy", code=1)


def test_a_damaged_line_of_webanno_is_an_error(tmp_path):
    content = FORMATS["webanno"].example["train.tsv"]
    for damaged in ("1-2x", "x", "1-2\0"):
        path = write(tmp_path / "a.tsv", content.replace("\n1-2", f"\n{damaged}"))
        with pytest.raises(CorpusError, match="line 7: a token must be"):
            Conversion(path, tmp_path / "a.spacy", Options()).run()


SURROGATES = {
    "a.jsonl": '{"tokens": ["Bo", "x\\ud83d"], "spans": []}',
    "b.jsonl": '{"text": "Bo x\\ud83d", "label": [[0, 2, "A"]]}',
    "c.jsonl": '{"tokens": ["Bo"], "spans": [[0, 1, "A\\ud83d"]]}',
    "e.jsonl": '{"tokens": ["Bo"], "spans": [[0, 1, "A"]], '
    '"relations": [[0, 0, "x\\ud83d"]]}',
    "d.json": '[{"tokens": ["x\\ud83d"], "entities": []}]',
}


@pytest.mark.parametrize("name", SURROGATES)
def test_half_of_a_surrogate_pair_is_named(tmp_path, name):
    good = '{"tokens": ["Ann"], "spans": []}\n' if name in "a.jsonl c.jsonl" else ""
    path = write(tmp_path / name, good + SURROGATES[name] + "\n")
    line = 2 if good else 1
    with pytest.raises(CorpusError, match=rf"line {line}: .*ud83d', half of a surr"):
        Conversion(path, tmp_path / "a.spacy", Options()).run()
    done = Conversion(path, tmp_path / "a.spacy", Options(on_error="skip")).run()
    assert done.report.counts["record cannot be read"] == 1


def test_bad_lines_of_json_are_left_out(tmp_path):
    lines = [LINE, '{"tokens": ["Ann"], \n', LINE, '{"tokens": 1, "spans": []}\n', LINE]
    data = "".join(lines).encode() + b'{"tokens": ["\xff"], "spans": []}\n'
    path = write(tmp_path / "a.jsonl", data)
    with pytest.raises(CorpusError, match="line 2"):
        Conversion(path, tmp_path / "a.spacy", Options()).run()
    output = convert(path, tmp_path / "a.spacy", "--on-error", "skip")
    assert "cannot be read 3" in output
    report = srsly.read_jsonl(tmp_path / "a.report.jsonl")
    assert [entry["line"] for entry in report] == [2, 4, 6]


def test_a_text_of_bionlp_without_annotation(tmp_path):
    write(tmp_path / "in" / "a.txt", "IL-2 rose.")
    write(tmp_path / "in" / "a.a1", "T1\tProtein 0 4\tIL-2\n")
    write(tmp_path / "in" / "b.txt", "No protein.")
    converted = Conversion(tmp_path / "in", tmp_path / "out", Options()).run()
    assert converted.written[""].docs == 2
    assert converted.written[""].spans == 1
    assert converted.report.counts == {"document without annotation": 1}
