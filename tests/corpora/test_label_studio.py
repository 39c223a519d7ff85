"""Label Studio's exports: a region is put on its own text, at its own offsets, or is
counted."""

import json

import pytest

from spacy_globalpointer.corpora import ConversionReport, CorpusError, find_format
from tests.util.corpora_samples import array, result
from tests.util.corpus_files import KEY, read, write


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
