"""The command, with a pipeline trained here, against plain calls of the pipeline."""

import json
import os
import random

import pyarrow.parquet
import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from spacy_globalpointer.annotate import Options
from spacy_globalpointer.annotate.annotator import Annotator, batches
from spacy_globalpointer.annotate.job import Job, annotate
from spacy_globalpointer.annotate.outputs import OUTPUTS
from spacy_globalpointer.corpora import Conversion
from spacy_globalpointer.corpora import Options as ConvertOptions
from tests.util.pipelines import KEY, TEXTS, pipeline, train

WORDS = " ".join(TEXTS).split()


def texts_of(n, seed=0):
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 30))) for _ in range(n)]


DOCUMENTS = texts_of(60)


@Language.component("test_relations")
def add_relations(doc):
    """Relations, and an entity in two pieces, where there are spans enough."""
    group = doc.spans[KEY]
    attrs = {"scores": [float(s) for s in group.attrs["scores"]]}
    if len(group) >= 4:
        attrs["relations"] = [[0, 1, "near"], [1, 2, "part of"]]
        attrs["relation_scores"] = [0.75, 0.5]
        attrs["fragments"] = [[2, 3]]
    spans = [Span(doc, span.start, span.end, span.label_) for span in group]
    if len(group) >= 4:
        spans[3] = Span(doc, spans[3].start, spans[3].end, spans[2].label_)
    doc.spans[KEY] = SpanGroup(doc, name=KEY, attrs=attrs, spans=spans)
    return doc


@Language.component("test_fails")
def fail(doc):
    if "FAIL" in doc.text:
        raise RuntimeError("cannot do that")
    return doc


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A saved pipeline."""
    path = tmp_path_factory.mktemp("model")
    train(pipeline(), steps=40).to_disk(path)
    return path


@pytest.fixture(scope="module")
def linked(model, tmp_path_factory):
    """The same with relations and entities in pieces."""
    path = tmp_path_factory.mktemp("linked")
    nlp = spacy.load(model)
    nlp.add_pipe("test_fails")
    nlp.add_pipe("test_relations")
    nlp.to_disk(path)
    return path


def run(model, source, target, *args, code=0):
    command = ["global-pointer", "annotate", model, source, target, *args]
    result = CliRunner().invoke(app, [*map(str, command)])
    assert result.exit_code == code, (result.output, result.exception)
    return " ".join(result.output.split())


def write(path, texts=DOCUMENTS, **more):
    srsly.write_jsonl(path, [{"text": text, "id": i} for i, text in enumerate(texts)])
    return path


def spans_of(doc):
    scores = doc.spans[KEY].attrs["scores"]
    return [
        (s.start_char, s.end_char, s.label_, pytest.approx(float(p), abs=1e-4))
        for s, p in zip(doc.spans[KEY], scores)
    ]


def spans_in(row):
    keys = ("start", "end", "label", "score")
    return [tuple(span[key] for key in keys) for span in row["spans"]]


def test_lines_of_json(model, tmp_path):
    source = write(tmp_path / "in.jsonl")
    output = run(model, source, tmp_path / "out.jsonl", "--block-size", "0.001")
    rows = list(srsly.read_jsonl(tmp_path / "out.jsonl"))
    nlp = spacy.load(model)
    docs = [nlp(text) for text in DOCUMENTS]
    assert [row["id"] for row in rows] == [*range(60)]
    assert [spans_in(row) for row in rows] == [spans_of(doc) for doc in docs]
    assert sum(map(len, map(spans_of, docs))) > 50
    for row, doc in zip(rows, docs):
        assert row["text"] == doc.text
        for span in row["spans"]:
            tokens = doc[span["token_start"] : span["token_end"]]
            assert tokens.text == row["text"][span["start"] : span["end"]]
    assert "60 documents" in output
    assert sorted(os.listdir(tmp_path)) == [
        "in.jsonl",
        "out.jsonl",
        "out.jsonl.report.json",
    ]


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_output_holds_the_same(linked, tmp_path, name):
    """Each form against plain calls of the pipeline, by spaCy's, pyarrow's and the
    converters' own readers."""
    source = write(tmp_path / "in.jsonl")
    suffix = {"spacy": ".spacy", "parquet": ".parquet", "label-studio": ".json"}
    target = tmp_path / f"out{suffix.get(name, '' if name == 'brat' else '.jsonl')}"
    output = run(linked, source, target, "-f", name, "--block-size", "0.001")
    nlp = spacy.load(linked)
    docs = [nlp(text) for text in DOCUMENTS]
    groups = [doc.spans[KEY] for doc in docs]
    n_linked = sum("relations" in group.attrs for group in groups)
    assert n_linked > 5
    if name == "spacy":
        found = list(DocBin().from_disk(target).get_docs(nlp.vocab))
        for doc, other in zip(docs, found, strict=True):
            assert spans_of(other) == spans_of(doc)
            assert other.spans[KEY].attrs.keys() == doc.spans[KEY].attrs.keys()
            assert other.spans[KEY].attrs.get("fragments") == doc.spans[KEY].attrs.get(
                "fragments"
            )
        assert [doc.user_data["fields"] for doc in found] == [
            {"id": i} for i in range(60)
        ]
        return
    if name in ("jsonl", "parquet"):
        if name == "parquet":
            rows = pyarrow.parquet.read_table(target).to_pylist()
            assert [json.loads(row["fields"])["id"] for row in rows] == [*range(60)]
        else:
            rows = list(srsly.read_jsonl(target))
        for doc, row in zip(docs, rows, strict=True):
            assert row["text"] == doc.text
            assert spans_in(row) == spans_of(doc)
            attrs = doc.spans[KEY].attrs
            relations = [
                [r["head"], r["tail"], r["label"]] for r in row.get("relations", [])
            ]
            assert relations == attrs.get("relations", [])
            assert row.get("fragments", []) == attrs.get("fragments", [])
            if relations:
                assert [r["score"] for r in row["relations"]] == [0.75, 0.5]
        return
    if name == "brat":
        written = {path.read_text(): path for path in target.glob("*.txt")}
        for doc in docs:
            check_standoff(doc, written[doc.text].with_suffix(".ann"))
    converted = convert(target, tmp_path / "back.spacy", name)
    assert len(converted) == 60
    for doc, other in zip(docs, converted):
        assert other.text == doc.text
        attrs, back = doc.spans[KEY].attrs, other.spans[KEY]
        if name == "brat" and "fragments" in attrs:
            continue
        pieces = {i for row in attrs.get("fragments", ()) for i in row}
        assert sorted((s.start_char, s.end_char, s.label_) for s in back) == sorted(
            (span.start_char, span.end_char, span.label_)
            for i, span in enumerate(doc.spans[KEY])
            if i not in pieces
        )
        expected = [r for r in attrs.get("relations", []) if not {*r[:2]} & pieces]
        assert len(back.attrs.get("relations") or ()) == len(expected)
    if name != "brat":
        assert f"{n_linked} x entity in several pieces" in output
        assert f"{n_linked} x relation of an entity in several pieces" in output
        assert nlp.meta["version"] in target.read_text()


def check_standoff(doc, path):
    """Whether a file of brat says what a document does."""
    group, attrs = doc.spans[KEY], doc.spans[KEY].attrs
    entities, relations, notes = {}, [], []
    for line in path.read_text().splitlines():
        name, content, *rest = line.split("\t")
        label, _, place = content.partition(" ")
        if name[0] == "T":
            ranges = [tuple(map(int, pair.split())) for pair in place.split(";")]
            assert rest == [" ".join(doc.text[a:b] for a, b in ranges)]
            entities[name] = (label, ranges)
        elif name[0] == "R":
            relations.append([x.split(":")[1] for x in place.split()] + [label])
        else:
            notes.append((place, rest[0]))
    places = [(span.start_char, span.end_char) for span in group]
    rows = attrs.get("fragments", [])
    pieces = {i for row in rows for i in row}
    expected = [[i] for i in range(len(group)) if i not in pieces] + rows
    assert list(entities.values()) == [
        (group[row[0]].label_, [places[i] for i in row]) for row in expected
    ]
    names = {i: name for name, row in zip(entities, expected) for i in row}
    assert relations == [
        [names[head], names[tail], label.replace(" ", "_")]
        for head, tail, label in attrs.get("relations", [])
    ]
    assert [note for note in notes if note[0][0] == "T"] == [
        (name, f"score {round(min(attrs['scores'][i] for i in row), 4)}")
        for name, row in zip(entities, expected)
    ]


def convert(source, target, name):
    options = ConvertOptions(format=name, lang="xx", fragments="keep")
    if name == "label-studio":
        # A corrected export has annotations, where the task had predictions.
        tasks = srsly.read_json(source)
        for task in tasks:
            task["annotations"] = task.pop("predictions")
        srsly.write_json(source.with_name("export.json"), tasks)
        source = source.with_name("export.json")
    Conversion(source, target, options).run()
    return list(DocBin().from_disk(target).get_docs(spacy.blank("xx").vocab))


def test_every_input_gives_the_same(model, tmp_path):
    texts = DOCUMENTS
    write(tmp_path / "in.jsonl")
    (tmp_path / "lines.txt").write_text("".join(f"{text}\n" for text in texts))
    (tmp_path / "folder").mkdir()
    for i, text in enumerate(texts):
        (tmp_path / "folder" / f"{i:03}.txt").write_text(text)
    pyarrow.parquet.write_table(
        pyarrow.table({"body": texts}), tmp_path / "in.parquet", row_group_size=25
    )
    nlp = spacy.load(model)
    DocBin(docs=map(nlp.make_doc, texts)).to_disk(tmp_path / "in.spacy")
    outputs = []
    for i, (source, *args) in enumerate(
        (
            ("in.jsonl",),
            ("lines.txt", "--lines"),
            ("folder",),
            ("folder/*.txt",),
            ("in.parquet", "--text-field", "body"),
            ("in.spacy",),
        )
    ):
        target = tmp_path / f"out{i}.jsonl"
        run(model, tmp_path / source, target, *args)
        rows = list(srsly.read_jsonl(target))
        outputs.append([(row["text"], row["spans"]) for row in rows])
    assert [text for text, _ in outputs[0]] == texts
    assert all(output == outputs[0] for output in outputs)


def test_failures_are_listed_and_the_rest_goes_on(linked, tmp_path):
    lines = [json.dumps({"text": text}).encode() for text in DOCUMENTS[:12]]
    bad = {
        2: (b'{"text": "caf\xe9"}', "not valid UTF-8"),
        3: (b'{"text": ', "invalid JSON"),
        5: (b'{"body": "x"}', "expected a string in the field 'text', got the fields"),
        6: (b'{"text": 3}', "got 3"),
        7: (b'["x"]', "expected a JSON object"),
        8: (b'{"text": "we FAIL here"}', "RuntimeError: cannot do that"),
        9: (b'{"text": "\\ud800 half"}', "surrogate"),
        10: (b'{"text": "half", "x": "\\ud800"}', "surrogate"),
        11: (b'{"text": "' + b"x " * 600_000 + b'"}', "1,000,000|1000000"),
    }
    for i, (content, _) in bad.items():
        lines[i] = content
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    target = tmp_path / "out.jsonl"
    output = run(linked, tmp_path / "in.jsonl", target, code=1)
    assert f"Failed: {len(bad)} documents" in output
    rows = list(srsly.read_jsonl(target))
    good = [text for i, text in enumerate(DOCUMENTS[:12]) if i not in bad]
    assert [row["text"] for row in rows] == good
    failures = list(srsly.read_jsonl(f"{target}.errors.jsonl"))
    assert [failure["line"] for failure in failures] == [i + 1 for i in bad]
    for failure, (_, reason) in zip(failures, bad.values()):
        assert any(part in failure["reason"] for part in reason.split("|")), failure
    # A second call has nothing to do; the failures are still there.
    run(linked, tmp_path / "in.jsonl", target, code=1)
    run(linked, tmp_path / "in.jsonl", target, "--on-error", "skip")


def test_another_run_is_not_mixed_in(model, tmp_path):
    source, target = write(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    run(model, source, target)
    before = target.read_bytes()
    write(source, DOCUMENTS[:10])
    assert "another input" in run(model, source, target, code=1)
    assert "another batch size and input" in run(
        model, source, target, "--batch-size", "50", code=1
    )
    assert target.read_bytes() == before
    run(model, source, target, "--overwrite")
    assert len(target.read_text().splitlines()) == 10
    (tmp_path / "mine.jsonl").write_text("mine")
    assert "is there already" in run(model, source, tmp_path / "mine.jsonl", code=1)
    assert (tmp_path / "mine.jsonl").read_text() == "mine"


def interrupted(job, after):
    """Run a job until so many parts are finished."""

    def stop(summary, is_old):
        nonlocal after
        after -= not is_old
        if after < 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate(job, stop)


@pytest.mark.parametrize("name", OUTPUTS)
def test_interrupted_runs_give_the_same_bytes(linked, tmp_path, name):
    source = write(tmp_path / "in.jsonl", texts_of(80, seed=1))
    suffix = OUTPUTS[name].suffix
    for is_folder in (False, True):
        contents = []
        for turn in range(2):
            target = tmp_path / f"out{turn}{'' if is_folder else suffix}"
            if name == "brat" and not is_folder:
                continue
            options = Options(model=str(linked), format=name)
            job = Job([str(source)], str(target), options, block_size=700)
            if turn:
                interrupted(job, 0)
                interrupted(job, 2)
                interrupted(job, 1)
            report = annotate(job, lambda *args: None)
            assert report.docs == 80
            contents.append(content_of(target))
        assert all(content == contents[0] for content in contents[1:])
        assert any(contents[0].values()) if contents else name == "brat"


def content_of(path):
    if path.is_file():
        return {"": path.read_bytes()}
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def test_parts_of_a_folder_make_up_the_file(model, tmp_path):
    source = write(tmp_path / "in.jsonl")
    run(model, source, tmp_path / "out.jsonl", "--block-size", "0.001")
    run(model, source, f"{tmp_path}/out", "--block-size", "0.001")
    parts = [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())]
    assert len(parts) > 3
    assert b"".join(parts) == (tmp_path / "out.jsonl").read_bytes()


def test_uris(model, tmp_path):
    source = write(tmp_path / "in.jsonl")
    run(model, source, tmp_path / "out.jsonl", "--block-size", "0.001")
    target = (tmp_path / "remote" / "out.jsonl").as_uri()
    run(model, source.as_uri(), target, "--block-size", "0.001")
    written = (tmp_path / "remote" / "out.jsonl").read_bytes()
    assert written == (tmp_path / "out.jsonl").read_bytes()
    assert not (tmp_path / "remote" / "out.jsonl.parts").exists()


def test_batches_are_of_similar_length():
    lengths = dict(enumerate([5, 100, 7, 6, 90, 1, 300, 5]))
    found = list(batches(lengths, 100))
    assert sorted(i for batch in found for i in batch) == [*range(8)]
    for batch in found:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= 100
    # From the shortest on.
    assert [lengths[i] for batch in found for i in batch] == sorted(lengths.values())


def test_documents_without_a_group(tmp_path):
    nlp = spacy.blank("xx")
    nlp.to_disk(tmp_path / "model")
    source = write(tmp_path / "in.jsonl", DOCUMENTS[:3])
    output = run(tmp_path / "model", source, tmp_path / "out.jsonl", code=1)
    assert "--spans-key" in output
    run(tmp_path / "model", source, tmp_path / "out.jsonl", "--spans-key", KEY)
    rows = list(srsly.read_jsonl(tmp_path / "out.jsonl"))
    assert [row["spans"] for row in rows] == [[], [], []]


def test_empty_input(model, tmp_path):
    (tmp_path / "in.jsonl").write_text("")
    for name, output in OUTPUTS.items():
        if name == "brat":
            continue
        target = tmp_path / f"{name}{output.suffix}"
        run(model, tmp_path / "in.jsonl", target, "-f", name)
        assert target.exists()
    assert srsly.read_json(tmp_path / "label-studio.json") == []
    assert pyarrow.parquet.read_table(tmp_path / "parquet.parquet").num_rows == 0


def test_memory_does_not_hold_the_words_of_the_input(model):
    """The vocabulary is that of the pipeline again after each batch."""
    from spacy_globalpointer.annotate.blocks import Block, Item

    annotator = Annotator(Options(model=str(model)))
    n_strings = len(annotator.nlp.vocab.strings)
    items = [Item(f"new{i} word{i}\n".encode(), i, str(i), "f") for i in range(100)]
    assert annotator.annotate(Block("k", "lines", "f", items=items)).summary.docs == 100
    assert len(annotator.nlp.vocab.strings) <= n_strings + 10


def test_user_data_survives(model, tmp_path):
    nlp = spacy.load(model)
    doc = nlp.make_doc(TEXTS[0])
    doc.user_data["mine"] = 3
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "in.spacy")
    run(model, tmp_path / "in.spacy", tmp_path / "out.spacy")
    (found,) = DocBin().from_disk(tmp_path / "out.spacy").get_docs(nlp.vocab)
    assert isinstance(found, Doc)
    assert found.user_data["mine"] == 3
