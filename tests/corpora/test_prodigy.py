"""Prodigy's rows: answers of spans, answers about one span, tokens of transformers."""

import itertools

import pytest

from spacy_globalpointer.corpora import ConversionReport, CorpusError, find_format
from spacy_globalpointer.span_groups import negative_key
from tests.util.corpora_samples import lines
from tests.util.corpus_files import KEY, convert, read, write

TEXT = "Ann met Bob in Cork"
REJECTED = negative_key(KEY)


def span(part, label, **more):
    start = TEXT.index(part)
    return {"start": start, "end": start + len(part), "label": label, **more}


def row(*spans, text=TEXT, answer="accept", **more):
    return {"text": text, "spans": [*spans], "answer": answer, **more}


def spans(path, **options):
    report = ConversionReport()
    docs = read(path, report, lang="en", **options)
    found = [
        (
            doc.text,
            [(s.text, s.label_) for s in doc.spans[KEY]] if KEY in doc.spans else None,
        )
        for doc in docs
    ]
    return found, dict(report.counts)


@pytest.mark.parametrize("answer", ["reject", "ignore"])
def test_a_rejected_span_is_no_gold(tmp_path, answer):
    spans_of = [span("Ann", "PER"), span("Cork", "PER", answer=answer)]
    path = write(tmp_path / "a.jsonl", lines(row(*spans_of)))
    assert find_format(path) == "prodigy"
    assert spans(path) == ([(TEXT, [("Ann", "PER")])], {"span rejected or skipped": 1})


def binary_rows(with_hash):
    answers = [
        row(span("Ann", "PER")),
        row(span("Bob", "PER")),
        row(span("Cork", "PER"), answer="reject"),
        row(span("Cork", "LOC")),
    ]
    others = [
        {"text": "No one", "spans": [{"start": 0, "end": 2, "label": "PER"}]},
    ]
    rows = [
        {**answer, "_is_binary": True, **({"_input_hash": 7} if with_hash else {})}
        for answer in answers
    ]
    others = [
        {**other, "answer": "reject", "_is_binary": True, "_input_hash": 8}
        for other in others
    ]
    return rows, others


@pytest.mark.parametrize("with_hash", [True, False])
def test_answers_about_one_span_are_one_document(tmp_path, with_hash):
    rows, others = binary_rows(with_hash)
    # Rows of other texts are between them.
    mixed = [rows[0], *others, *rows[1:]]
    path = write(tmp_path / "a.jsonl", lines(*mixed))
    found, counts = spans(path)
    assert found == [
        (TEXT, [("Ann", "PER"), ("Bob", "PER"), ("Cork", "LOC")]),
        ("No one", []),
    ]
    assert counts == {
        "answer about one span (merged by text)": 5,
        "span rejected (kept as rejected)": 2,
        "token with unknown entity status": 4,
    }
    docs = read(path, lang="en")
    wrong = [[(s.text, s.label_) for s in doc.spans[REJECTED]] for doc in docs]
    assert wrong == [[("Cork", "PER")], [("No", "PER")]]


def test_what_is_ignored_says_nothing(tmp_path):
    rows = [
        row(span("Ann", "PER"), answer="ignore", _is_binary=True),
        row(span("Bob", "PER"), answer="reject", _is_binary=True),
        row(span("Bob", "PER"), answer="reject", _is_binary=True),
    ]
    path = write(tmp_path / "a.jsonl", lines(*rows))
    (doc,) = convert(path)
    assert KEY not in doc.spans
    assert [s.text for s in doc.spans[REJECTED]] == ["Bob"]


@pytest.mark.parametrize("partial", [False, True])
def test_rejected_spans_of_a_text_that_is_annotated_in_part(tmp_path, partial):
    spans_of = [
        span("Ann", "PER"),
        span("Cork", "PER", answer="reject"),
        span("Bob", "PER", answer="ignore"),
    ]
    path = write(tmp_path / "a.jsonl", lines(row(*spans_of), row(text="No one")))
    docs = convert(path, partial=partial)
    assert [s.text for s in docs[0].spans[KEY]] == ["Ann"]
    if not partial:
        assert all(REJECTED not in doc.spans for doc in docs)
        return
    wrong = [[(s.text, s.label_) for s in doc.spans[REJECTED]] for doc in docs]
    assert wrong == [[("Cork", "PER")], []]
    assert docs[0].to_array("ENT_IOB").tolist() == [3, 0, 0, 0, 0]
    assert docs[1].to_array("ENT_IOB").tolist() == [0, 0]


def test_the_rest_of_such_a_text_is_unknown(tmp_path):
    rows, _ = binary_rows(True)
    path = write(tmp_path / "a.jsonl", lines(*rows))
    (doc,) = convert(path)
    assert doc.to_array("ENT_IOB").tolist() == [3, 0, 3, 0, 3]


def pieces(*tokens):
    return [
        {"text": text, "start": start, "end": end, "id": i}
        for i, (text, start, end) in enumerate(tokens)
    ]


CLS, SEP = ("[CLS]", 0, 0), ("[SEP]", 0, 0)


@pytest.mark.parametrize(
    "text, tokens, words",
    [
        (
            "Ada Nolan left",
            [CLS, ("ada", 0, 3), ("no", 4, 6), ("##lan", 6, 9), ("left", 10, 14), SEP],
            "Ada Nolan left",
        ),
        ("Ada left", [("ada", 0, 3), ("left", 4, 8)], "Ada left"),
        ("Ada-x left", [("Ada-x", 0, 5), ("left", 6, 10)], "Ada-x left"),
        (
            "Ada left",
            [("<s>", 0, 0), ("\u0120Ada", 0, 3), ("\u0120left", 3, 8)],
            "Ada left",
        ),
        ("Ada left", [("Ada", 0, 3)], "Ada left"),
        ("Ada left", [("left", 4, 8), ("Ada", 0, 3)], "Ada left"),
        ("Ada left", [("Ada", 0, 3), ("left", 40, 80)], "Ada left"),
    ],
)
def test_tokens_that_are_no_words_are_left(tmp_path, text, tokens, words):
    given = {"start": 0, "end": text.index(" left"), "label": "PER"}
    path = write(
        tmp_path / "a.jsonl", lines(row(given, text=text, tokens=pieces(*tokens)))
    )
    (doc,) = read(path, lang="en")
    assert doc.text == text
    assert [token.text for token in doc] == words.split()
    assert [s.text for s in doc.spans[KEY]] == [text[: given["end"]]]


def test_tokens_without_offsets_are_found_in_the_text(tmp_path):
    text = "a-b c"
    for words in itertools.chain(["a-b c", "a - b c", "a -b c"]):
        tokens = [{"text": word} for word in words.split()]
        path = write(tmp_path / "a.jsonl", lines(row(text=text, tokens=tokens)))
        (doc,) = read(path, lang="en")
        assert [token.text for token in doc] == words.split()


def test_rows_with_spans_under_another_name_are_no_prodigy_rows(tmp_path):
    ner = [{"from": 0, "to": 3, "type": "PER"}]
    path = write(
        tmp_path / "a.jsonl", lines({"text": TEXT, "answer": "yes", "ner": ner})
    )
    with pytest.raises(CorpusError, match="no known format matches"):
        find_format(path)


def test_rows_of_the_binary_view_without_a_flag(tmp_path):
    """As old versions write them: "label" is the label asked for, no list."""
    more = {"_view_id": "ner", "label": "PER", "_input_hash": 1}
    rows = [row(span("Ann", "PER"), **more), row(span("Bob", "PER"), **more)]
    path = write(tmp_path / "a.jsonl", lines(*rows))
    assert find_format(path) == "prodigy"
    found, counts = spans(path)
    assert found == [(TEXT, [("Ann", "PER"), ("Bob", "PER")])]
    assert counts["answer about one span (merged by text)"] == 2
