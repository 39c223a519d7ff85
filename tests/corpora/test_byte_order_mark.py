"""A byte order mark in a text is no part of it, whether offsets count it or not."""

import pytest

from spacy_globalpointer.corpora import ConversionReport, Mention, Record
from tests.util.corpus_files import KEY, builder, read, write

TEXT = "Ann left Cork. Ann"
SPANS = [(0, 3, "PER"), (9, 13, "LOC")]


@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize("inclusive", [0, 1])
@pytest.mark.parametrize("surfaces", [True, False])
@pytest.mark.parametrize("tokens", [None, [*TEXT.replace(".", " .").split()]])
def test_a_mark_in_the_text(counted, inclusive, surfaces, tokens):
    mentions = []
    for start, end, label in SPANS:
        surface = TEXT[start:end] if surfaces else None
        end -= inclusive
        mentions.append(Mention(start + counted, end + counted, label, surface))
    report = ConversionReport()
    record = Record(
        "a",
        1,
        mentions,
        text="\ufeff" + TEXT,
        tokens=tokens and ["\ufeff" + tokens[0], *tokens[1:]],
        unit="characters",
        inclusive=bool(inclusive),
    )
    doc = builder(report, lang="en")(record)
    assert doc.text == TEXT
    found = [(s.start_char, s.end_char, s.label_) for s in doc.spans[KEY]]
    assert found == SPANS


def test_a_mention_that_holds_the_mark():
    mentions = [Mention(0, 4, "PER"), Mention(10, 14, "LOC")]
    record = Record("a", 1, mentions, text="\ufeff" + TEXT, unit="characters")
    doc = builder(lang="en")(record)
    assert [span.text for span in doc.spans[KEY]] == ["Ann", "Cork"]


@pytest.mark.parametrize("counted", [0, 1])
def test_a_mark_in_the_text_of_brat(tmp_path, counted):
    text = "\ufeffAnn Lee\r\nleft New\r\nYork"
    plain = text[1:].replace("\r\n", "\n")
    ann, new, york = (plain.index(word) + counted for word in ("Ann", "New", "York"))
    write(tmp_path / "a.txt", text)
    lines = [
        f"T1\tPER {ann} {ann + 7}\tAnn Lee",
        f"T2\tLOC {new} {new + 3};{york} {york + 4}\tNew York",
    ]
    write(tmp_path / "a.ann", "\n".join(lines))
    report = ConversionReport()
    (doc,) = read(tmp_path / "a.txt", report, lang="en")
    assert [span.text for span in doc.spans[KEY]] == ["Ann Lee", "New\nYork"]
    assert report.counts == {}


@pytest.mark.parametrize(
    "tokens, spans",
    [
        (["Ann", "left"], [0, 1]),
        (["\ufeffAnn", "left"], [0, 1]),
        (["\ufeff", "Ann", "left"], [1, 2]),
    ],
)
def test_a_mark_and_offsets_of_tokens(tokens, spans):
    mentions = [Mention(*spans, "PER")]
    record = Record("a", 1, mentions, text="\ufeffAnn left", tokens=tokens)
    doc = builder()(record)
    assert [span.text for span in doc.spans[KEY]] == ["Ann"]
