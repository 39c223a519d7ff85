"""A byte order mark in a text is no part of it, whether offsets count it or not."""

import pytest
from corpus_files import KEY, builder

from spacy_globalpointer.corpora import Mention, Record, Tally

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
    tally = Tally()
    record = Record(
        "a",
        1,
        mentions,
        text="\ufeff" + TEXT,
        tokens=tokens and ["\ufeff" + tokens[0], *tokens[1:]],
        unit="characters",
        inclusive=bool(inclusive),
    )
    doc = builder(tally, lang="en")(record)
    assert doc.text == TEXT
    found = [(s.start_char, s.end_char, s.label_) for s in doc.spans[KEY]]
    assert found == SPANS


def test_a_mention_that_holds_the_mark():
    mentions = [Mention(0, 4, "PER"), Mention(10, 14, "LOC")]
    record = Record("a", 1, mentions, text="\ufeff" + TEXT, unit="characters")
    doc = builder(lang="en")(record)
    assert [span.text for span in doc.spans[KEY]] == ["Ann", "Cork"]
