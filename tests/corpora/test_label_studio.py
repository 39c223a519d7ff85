"""Label Studio's exports: a region is put on its own text, at its own offsets, or is
counted."""

import json

import pytest

from spacy_globalpointer.corpora import ConversionReport, CorpusError, find_format
from spacy_globalpointer.span_groups import negative_key
from tests.util.corpora_samples import array, result
from tests.util.corpus_files import KEY, convert, read, write

REJECTED = negative_key(KEY)


def task(data, *results, **more):
    return {"data": data, "annotations": [{"result": results}], **more}


def export(tmp_path, *tasks):
    path = write(tmp_path / "a.json", array(*tasks))
    assert find_format(path) == "label-studio"
    return path


def region(text, part, label="X", *, surface=None, tag="text", start=0):
    start = text.index(part, start)
    found = result(start, start + len(part), surface or part, label)
    return {**found, "to_name": tag}


def spans(path, **options):
    report = ConversionReport()
    docs = read(path, report, lang="en", **options)
    texts = [(doc.text, [(s.text, s.label_) for s in doc.spans[KEY]]) for doc in docs]
    return texts, dict(report.counts)


@pytest.mark.parametrize(
    "text, part, surface",
    [
        ("in Berlin,  Germany.", "Berlin,  Germany", "Berlin, Germany"),
        ("in New\n   York City.", "New\n   York City", "New York City"),
        ("the Bank\n\nof England", "Bank\n\nof England", "Bank of England"),
        ("in New\xa0York.", "New\xa0York", "New York"),
        ("in New\u3000York.", "New\u3000York", "NewYork"),
        ("the Bank\nof\nEngland rose", "Bank\nof\nEngland", "BankofEngland"),
        ("the Bank\nof\nEngland rose", "Bank\nof\nEngland", "Bank\\nof\\nEngland"),
        ("a Bank \t of", "Bank \t of", "Bank of"),
    ],
)
def test_white_space_of_a_region_is_that_of_the_text(tmp_path, text, part, surface):
    path = export(tmp_path, task({"text": text}, region(text, part, surface=surface)))
    assert spans(path) == ([(text, [(part, "X")])], {})


@pytest.mark.parametrize(
    "text, part",
    [
        ("see C:\\new\\notes.txt now", "C:\\new\\notes.txt"),
        ("let \\nabla f be", "\\nabla f"),
        ("see C:\\data now", "C:\\data"),
    ],
)
def test_a_backslash_of_the_text_stays(tmp_path, text, part):
    path = export(tmp_path, task({"text": text}, region(text, part)))
    assert spans(path) == ([(text, [(part, "X")])], {})


@pytest.mark.parametrize("labels", ["absent", [], None, [""]])
def test_a_region_without_a_label_is_counted(tmp_path, labels):
    text = "Ann left Cork"
    lost = region(text, "Cork")
    lost["value"]["labels"] = labels
    if labels == "absent":
        del lost["value"]["labels"]
    path = export(tmp_path, task({"text": text}, region(text, "Ann", "PER"), lost))
    assert spans(path) == ([(text, [("Ann", "PER")])], {"without a label": 1})


def test_regions_of_two_texts_stay_on_their_own(tmp_path):
    subject, body = "Acme hires Bob", "Acme sells to Bob Lee"
    regions = [
        region(subject, "Acme", "BUYER", tag="subject"),
        region(subject, "Bob", "PER", tag="subject"),
        region(body, "Bob Lee", "PER"),
    ]
    path = export(tmp_path, task({"subject": subject, "text": body}, *regions))
    assert spans(path) == (
        [(subject, [("Acme", "BUYER"), ("Bob", "PER")]), (body, [("Bob Lee", "PER")])],
        {},
    )


@pytest.mark.parametrize(
    "tag, with_surface", [("body", True), ("t1", True), ("body", False)]
)
def test_the_text_is_that_in_which_regions_fit(tmp_path, tag, with_surface):
    body = "Ann left Cork"
    regions = [region(body, part, tag=tag) for part in ("Ann", "Cork")]
    if not with_surface:
        for each in regions:
            del each["value"]["text"]
    path = export(tmp_path, task({"text": "Meta line of it", "body": body}, *regions))
    assert spans(path) == ([(body, [("Ann", "X"), ("Cork", "X")])], {})


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/1/notes.txt",
        "/data/local-files/?d=notes.txt",
        "https://example.org/notes.txt",
        "s3://bucket/folder/notes",
        "notes.txt",
    ],
)
def test_an_address_is_no_text(tmp_path, address):
    regions = [region(address, address[:5]), result(120, 125, "", "PER")]
    for each in regions:
        del each["value"]["text"]
    path = export(tmp_path, task({"text": address}, *regions))
    with pytest.raises(CorpusError, match="line 1: the text is not in the export"):
        read(path)


@pytest.mark.parametrize("text", ["https://example.org", "and/or", "Ann", "..."])
def test_a_text_of_one_word_is_a_text(tmp_path, text):
    path = export(
        tmp_path, task({"text": text}, region(text, text)), task({"text": text})
    )
    assert spans(path) == ([(text, [(text, "X")]), (text, [])], {})


def short(key, text, name, *regions, **more):
    values = [{**each["value"]} for each in regions]
    return {
        "id": 1,
        key: text,
        name: values,
        "annotator": 1,
        "annotation_id": 3,
        **more,
    }


@pytest.mark.parametrize("key, name", [("content", "ner"), ("body", "label")])
def test_json_min_under_other_names(tmp_path, key, name):
    text = "Ann Lee lives in Paris."
    row = short(
        key,
        text,
        name,
        region(text, "Ann Lee", "PER"),
        region(text, "Paris", "LOC"),
        created_at="2024-01-01T10:11:12.123456Z with more words than there are here",
        source="x.txt",
    )
    del row[name][1]["labels"]
    path = export(tmp_path, row, {**row, name: []})
    assert spans(path) == (
        [(text, [("Ann Lee", "PER")]), (text, [])],
        {"without a label": 1},
    )


def test_a_region_at_the_offsets_of_another_text_is_dropped(tmp_path):
    text = "Ann left"
    path = export(tmp_path, task({"text": text}, result(0, 4, "Bobby", "PER")))
    assert spans(path) == ([(text, [])], {"surface text does not match offsets": 1})


def test_a_task_without_a_text_is_an_error(tmp_path):
    path = write(tmp_path / "a.json", json.dumps([task({"n": 1})]))
    with pytest.raises(CorpusError, match="line 1: there is no text in"):
        read(path, format="label-studio")


# As Label Studio 1.13 exports a task that was imported with a prediction: one region of
# it was kept, one was removed, one has got another label, one is new.
def labeled(name, text, label, **more):
    names = {"from_name": "label", "to_name": "text", "type": "labels"}
    start = "Ann met Bob in Cork".index(text)
    value = {"start": start, "end": start + len(text), "text": text, "labels": [label]}
    return {"id": name, **names, **more, "value": value}


CORRECTED = {
    "id": 41,
    "annotations": [
        {
            "id": 17,
            "completed_by": 1,
            "result": [
                labeled("s0", "Ann", "PER", origin="prediction", score=0.91),
                labeled("s2", "Cork", "LOC", origin="prediction-changed", score=0.52),
                labeled("xQ3", "Bob", "PER", origin="manual"),
            ],
            "was_cancelled": False,
            "ground_truth": False,
            "created_at": "2026-11-02T09:12:44.120Z",
            "updated_at": "2026-11-02T09:12:44.120Z",
            "draft_created_at": None,
            "lead_time": 8.31,
            "prediction": {},
            "result_count": 3,
            "unique_id": "8d0c",
            "import_id": None,
            "last_action": None,
            "task": 41,
            "project": 3,
            "updated_by": 1,
            "parent_prediction": 9,
            "parent_annotation": None,
            "last_created_by": None,
        }
    ],
    "file_upload": "chosen.json",
    "drafts": [],
    "predictions": [
        {
            "id": 9,
            "result": [
                labeled("s0", "Ann", "PER", score=0.91),
                labeled("s1", "met", "ORG", score=0.55),
                labeled("s2", "Cork", "PER", score=0.52),
            ],
            "model_version": "en_pipeline-0.0.0",
            "score": 0.52,
            "task": 41,
            "project": 3,
        }
    ],
    "data": {"text": "Ann met Bob in Cork", "priority": 0.98},
    "meta": {},
    "total_annotations": 1,
    "cancelled_annotations": 0,
    "total_predictions": 1,
    "comment_count": 0,
    "project": 3,
    "updated_by": 1,
    "comment_authors": [],
}
WAITING = {"id": 42, "annotations": [], "predictions": [12], "data": {"text": "later"}}


@pytest.mark.parametrize("partial", [False, True])
def test_a_corrected_prediction(tmp_path, partial):
    done, waiting = convert(export(tmp_path, CORRECTED, WAITING), partial=partial)
    found = [(s.text, s.label_) for s in done.spans[KEY]]
    assert found == [("Ann", "PER"), ("Cork", "LOC"), ("Bob", "PER")]
    assert not waiting.spans
    if partial:
        wrong = [(s.text, s.label_) for s in done.spans[REJECTED]]
        assert wrong == [("met", "ORG"), ("Cork", "PER")]
        assert done.to_array("ENT_IOB").tolist() == [3, 0, 3, 0, 3]
    else:
        assert REJECTED not in done.spans


def test_a_removed_prediction_is_of_its_own_text(tmp_path):
    """Two texts, of which one has rejected regions alone."""
    title, body = "Ann in Cork", "He met Bob"
    kept = region(title, "Ann", "PER", tag="title")
    wrong = [region(body, "Bob", "LOC", tag="body"), kept]
    prediction = {"model_version": "x", "result": wrong}
    texts = {"title": title, "body": body}
    path = export(tmp_path, task(texts, kept, predictions=[prediction]))
    first, second = convert(path, partial=True)
    assert (first.text, second.text) == (title, body)
    assert [s.text for s in first.spans[KEY]] == ["Ann"]
    assert KEY not in second.spans and not len(first.spans[REJECTED])
    assert [(s.text, s.label_) for s in second.spans[REJECTED]] == [("Bob", "LOC")]
