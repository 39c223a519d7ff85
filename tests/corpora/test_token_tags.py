"""Rows of tokens and tags: which list holds the tags, names for numbers, Parquet and
saved data sets."""

import builtins
import json

import pytest
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_globalpointer.corpora import (
    Conversion,
    ConversionReport,
    CorpusError,
    Options,
    find_format,
    read_corpus,
)
from tests.util.corpora_samples import array, lines
from tests.util.corpus_files import KEY, read, write
from tests.util.pipelines import found

NAMES = ["O", "B-PER", "I-PER", "B-LOC"]
TOKENS = ["Ann", "Lee", "of", "York"]
SPANS = [(0, 2, "PER"), (3, 4, "LOC")]


def spans(path, report=None, **options):
    assert find_format(path) == "token-tags"
    return [
        None if r.mentions is None else [(m.start, m.end, m.label) for m in r.mentions]
        for r in read_corpus(path, report, **options)
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"tokens": TOKENS, "ner_tags": ["B-PER", "I-PER", "O", "B-LOC"]},
        {"words": TOKENS, "tags": ["B-PER", "E-PER", "O", "S-LOC"]},
        {"tokens": TOKENS, "labels": ["I-PER", "I-PER", "O", "I-LOC"]},
        {"tokens": TOKENS, "entities": ["PER", "PER", "O", "LOC"]},
        {"tokens": TOKENS, "x": ["B-PER", "L-PER", "O", "U-LOC"], "lemmas": TOKENS},
        {
            "tokens": TOKENS,
            "pos_tags": ["N", "N", "P", "N"],
            "chunk_tags": ["B-NP", "I-NP", "B-PP", "B-NP"],
            "ner_tags": ["B-PER", "I-PER", "O", "B-LOC"],
            "ner_ids": [1, 2, 0, 3],
        },
    ],
)
def test_the_list_of_tags_is_found(tmp_path, row):
    report = ConversionReport()
    path = write(tmp_path / "a.jsonl", lines(row, {**row}))
    assert spans(path, report) == [SPANS, SPANS]
    path = write(tmp_path / "a.json", array(row, indent=1))
    assert spans(path) == [SPANS]


def test_several_lists_of_tags_are_named(tmp_path):
    row = {"tokens": ["a"], "ner_coarse": ["B-X"], "ner_fine": ["B-Y"]}
    path = write(tmp_path / "a.jsonl", lines(row))
    with pytest.raises(CorpusError, match="lists of tags, ner_coarse, ner_fine; name"):
        spans(path)
    assert spans(path, columns={"ner": "ner_fine"}) == [[(0, 1, "Y")]]
    columns = {"word": "tokens", "ner": "ner_coarse", "more": "ner_fine"}
    assert spans(path, columns=columns) == [[(0, 1, "X"), (0, 1, "Y")]]
    with pytest.raises(CorpusError, match="'x' must be a list of 1 tags"):
        spans(path, columns={"ner": "x"})


NUMBERS = {"tokens": TOKENS, "ner_tags": [1, 2, 0, 3]}


def test_numbers_need_names(tmp_path):
    path = write(tmp_path / "train.jsonl", lines(NUMBERS))
    with pytest.raises(CorpusError, match=r"line 1: .*numbers.*--label-names O,B-PER"):
        spans(path)
    assert spans(path, label_names=NAMES) == [SPANS]
    options = Options(label_names=NAMES)
    run = Conversion(path, tmp_path / "a.spacy", options).run()
    assert run.written[""].spans == 2
    features = {"ner_tags": {"feature": {"names": NAMES, "_type": "ClassLabel"}}}
    write(tmp_path / "dataset_info.json", json.dumps({"features": features}))
    assert spans(path) == [SPANS]


def test_unknown_tags_stay_unknown(tmp_path):
    rows = [{**NUMBERS, "ner_tags": [1, 2, -100, 3]}, {**NUMBERS, "ner_tags": [-1] * 4}]
    path = write(tmp_path / "a.jsonl", lines(*rows))
    assert spans(path, label_names=NAMES) == [SPANS, None]
    options = Options(label_names=NAMES, ents=True)
    Conversion(path, tmp_path / "a.spacy", options).run()
    docs = DocBin().from_disk(tmp_path / "a.spacy").get_docs(Vocab())
    assert [list(doc.to_array("ENT_IOB")) for doc in docs] == [[3, 1, 0, 3], [0] * 4]


def test_a_tag_too_few_is_an_error(tmp_path):
    rows = [NUMBERS, {"tokens": TOKENS, "ner_tags": [0]}]
    path = write(tmp_path / "a.jsonl", lines(*[NUMBERS] * 60, *rows))
    with pytest.raises(CorpusError, match="line 62: 'ner_tags' must be a list of 4"):
        spans(path, label_names=NAMES)


# Parquet and Arrow


def info(names=NAMES):
    tags = {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "Sequence"}
    tokens = {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
    return {"info": {"features": {"tokens": tokens, "ner_tags": tags}}}


def table(rows, metadata=None):
    pyarrow = pytest.importorskip("pyarrow")
    found = pyarrow.Table.from_pylist(rows)
    if metadata is None:
        return found
    return found.replace_schema_metadata({"huggingface": json.dumps(metadata)})


def save(path, content, kind):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "parquet":
        parquet.write_table(content, path)
        return path
    writer = pyarrow.ipc.new_stream if kind == "stream" else pyarrow.ipc.new_file
    with pyarrow.OSFile(str(path), "wb") as file, writer(file, content.schema) as out:
        out.write_table(content)
    return path


KINDS = ["parquet", "stream", "file"]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_parquet_and_arrow(tmp_path, kind):
    rows = [{"tokens": TOKENS, "ner_tags": [1, 2, 0, 3]}] * 2500
    path = save(tmp_path / "a.bin", table(rows, info()), kind)
    assert spans(path) == [SPANS] * 2500
    path = save(tmp_path / "b.bin", table(rows), kind)
    with pytest.raises(CorpusError, match=r"line 1: .*--label-names"):
        spans(path)
    assert spans(path, label_names=NAMES)[-1] == SPANS


@pytest.mark.parametrize("kind", KINDS)
def test_other_layouts_in_parquet(tmp_path, kind):
    entities = [{"start": 0, "end": 3, "label": "PER"}]
    path = save(
        tmp_path / "a", table([{"text": "Ann left", "entities": entities}]), kind
    )
    assert find_format(path) == "entities"
    (doc,) = read(path, lang="en")
    assert found(doc, KEY) == [(0, 1, "PER")]


def test_a_sequence_of_objects_is_saved_as_an_object_of_sequences(tmp_path):
    row = {"text": "Ann", "entities": {"start": [0], "end": [3], "label": [1]}}
    label = {"names": ["ORG", "PER"], "_type": "ClassLabel"}
    features = {"entities": {"feature": {"label": label}, "_type": "Sequence"}}
    path = save(
        tmp_path / "a", table([row], {"info": {"features": features}}), "parquet"
    )
    (doc,) = read(path, lang="en")
    assert found(doc, KEY) == [(0, 1, "PER")]


def test_a_folder_saved_by_datasets(tmp_path):
    """The layout of DatasetDict.save_to_disk."""
    folder = tmp_path / "saved"
    for split, n in ("train", 3), ("validation", 2), ("test", 1):
        content = table([NUMBERS] * n, info())
        save(folder / split / "data-00000-of-00001.arrow", content, "stream")
        write(folder / split / "state.json", '{"_split": "x"}')
        write(folder / split / "dataset_info.json", json.dumps(info()["info"]))
    write(folder / "dataset_dict.json", '{"splits": ["train", "validation", "test"]}')
    run = Conversion(folder, tmp_path / "out", Options()).run()
    assert {split: w.docs for split, w in run.written.items()} == {
        "train": 3,
        "dev": 2,
        "test": 1,
    }
    assert sum(written.spans for written in run.written.values()) == 12
    assert run.report.counts == {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_damaged_tables_are_errors(tmp_path, kind, share):
    rows = [{"tokens": [str(i)], "ner_tags": ["O"]} for i in range(1000)]
    path = save(tmp_path / "a.bin", table(rows), kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CorpusError, match=r"a\.bin, line \d+: "):
        Conversion(path, tmp_path / "a.spacy", Options(format="token-tags")).run()
    assert not (tmp_path / "a.spacy").exists()


def test_without_pyarrow_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", b"PAR1 and more")
    given = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return given(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        CorpusError, match=r"pip install 'spacy-globalpointer\[parquet\]'"
    ):
        find_format(path)


def test_a_row_that_cannot_be_read_is_left_out_if_that_is_wanted(tmp_path):
    rows = [NUMBERS, {**NUMBERS, "ner_tags": [0]}, NUMBERS]
    path = write(tmp_path / "a.jsonl", lines(*rows))
    report = ConversionReport(on_error="skip")
    found = read_corpus(path, report, "token-tags", label_names=NAMES)
    assert len(list(found)) == 2
    assert report.counts == {"record cannot be read": 1}
