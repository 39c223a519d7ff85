"""Records to documents: offsets to tokens, nothing lost in silence."""

import json

import pytest
import srsly
from hypothesis import given
from hypothesis import strategies as st

from spacy_globalpointer.corpora import ConversionReport, CorpusError, Mention, Record
from tests.util.corpus_files import KEY, builder, read, write
from tests.util.lattices import few_examples
from tests.util.pipelines import found

TEXT = "Old New-Yorkers' town"  # Old New - Yorkers ' town


def build(mentions, text=TEXT, lang="en", **options):
    """The spans of a text as strings, and the account."""
    report = ConversionReport()
    record = Record(
        "a.jsonl",
        3,
        [Mention(*m) if isinstance(m, tuple) else m for m in mentions],
        text=text,
        unit="characters",
        inclusive=options.pop("inclusive", False),
    )
    doc = builder(report, lang, **options)(record)
    return [(span.text, span.label_) for span in doc.spans[KEY]], dict(report.counts)


def place(part, label="A", surface=None, text=TEXT):
    start = text.index(part)
    return (start, start + len(part), label, surface)


@pytest.mark.parametrize(
    "align, expected, reason",
    [
        ("strict", [], "boundary inside a token"),
        ("expand", [("New-Yorkers", "A")], "boundary inside a token (expanded)"),
        ("contract", [("New-", "A")], "boundary inside a token (contracted)"),
    ],
)
def test_offsets_inside_a_token(align, expected, reason):
    mention = place("New-York")
    assert build([mention], align=align) == (expected, {reason: 1})


def test_offsets_that_cut_both_ends():
    mention = place("ew-York")
    assert build([mention], align="expand")[0] == [("New-Yorkers", "A")]
    assert build([mention], align="contract")[0] == [("-", "A")]
    assert build([place("ld")], align="contract") == (
        [],
        {"boundary inside a token": 1},
    )


def test_white_space_at_the_edges_is_no_part_of_a_span():
    mentions = [(3, 4, "A"), (3, 7, "B"), (7, 7, "C")]
    spans, counts = build(mentions)
    assert spans == [("New", "B")]
    assert counts == {
        "only whitespace": 1,
        "whitespace at span boundary (trimmed)": 1,
        "empty": 1,
    }


@pytest.mark.parametrize("inclusive", [True, False])
def test_the_surface_says_whether_the_end_is_inclusive(inclusive):
    start, end, *_ = place("New")
    mentions = [(start, end, "A", "New"), (start, end - 1, "B", "New")]
    spans, counts = build(mentions, inclusive=inclusive)
    assert spans == [("New", "A"), ("New", "B")]
    assert counts == {"end offset is inclusive": 1, "same offsets as another span": 2}
    # Without a surface it is as the format has it.
    end -= inclusive
    assert build([(start, end, "A")], inclusive=inclusive) == ([("New", "A")], {})


def test_a_surface_without_the_white_space_at_its_edges_is_the_same():
    spans, counts = build([(3, 8, "A", "New-"), (4, 7, "B", " New\n")])
    assert spans == [("New-", "A"), ("New", "B")]
    assert counts == {"whitespace at span boundary (trimmed)": 1}


def test_a_surface_that_is_not_there_is_counted():
    mentions = [(4, 7, "A", "Old"), (0, 99, "B", "Old"), (-3, 0, "C", "")]
    mentions += [(0, 99, "D"), (5, 2, "E"), (0, 3, "")]
    spans, counts = build(mentions)
    assert spans == []
    assert counts == {
        "surface text does not match offsets": 1,
        "outside the text": 4,
        "without a label": 1,
    }


def test_offsets_that_count_units_of_utf16_are_found_by_the_surface():
    text = "🙂 in 😀 York 🙂"
    start = len(text[: text.index("York")].encode("utf-16-le")) // 2
    assert start == text.index("York") + 2
    for end in (start + 4, start + 3):
        spans, counts = build([(start, end, "A", "York")], text=text)
        assert spans == [("York", "A")]
        assert counts == {
            "surface text does not match offsets (UTF-16 offsets used)": 1
        }
    # Without a surface nothing tells, and code points are what formats count.
    place = text.index("York")
    assert build([(place, place + 4, "A")], text=text) == ([("York", "A")], {})


def test_duplicates_crossing_and_same_offsets_are_counted():
    mentions = [place("Old New"), place("New-Yorkers"), place("New-Yorkers")]
    mentions += [place("New-Yorkers", "B"), place("town")]
    spans, counts = build(mentions)
    assert spans == [
        ("Old New", "A"),
        ("New-Yorkers", "A"),
        ("New-Yorkers", "B"),
        ("town", "A"),
    ]
    assert counts == {
        "duplicate": 1,
        "crosses another span": 3,
        "same offsets as another span": 2,
    }


def test_chinese_is_read_by_character():
    text = "在北京2008年"
    spans, counts = build([(1, 3, "LOC"), (3, 5, "NUM")], text=text, lang="zh")
    assert spans == [("北京", "LOC"), ("20", "NUM")]
    assert counts == {}


def test_what_is_dropped_or_changed_is_listed_with_its_place(tmp_path):
    report = ConversionReport(tmp_path / "report.jsonl")
    rows = [
        {"text": "x", "label": []},
        {"text": TEXT, "label": [[4, 12, "GPE"], [0, 3, "A"], [0, 3, "A"]]},
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    path = write(tmp_path / "a.jsonl", content)
    read(path, report, lang="en")
    report.close()
    assert [*srsly.read_jsonl(tmp_path / "report.jsonl")] == [
        {
            "outcome": "dropped",
            "reason": "boundary inside a token",
            "file": str(path),
            "line": 2,
            "start": 4,
            "end": 12,
            "label": "GPE",
            "unit": "characters",
            "text": "New-York",
            "tokens": ["New", "-", "Yorkers"],
        },
        {
            "outcome": "dropped",
            "reason": "duplicate",
            "file": str(path),
            "line": 2,
            "start": 0,
            "end": 1,
            "label": "A",
            "surface": "Old",
            "unit": "tokens",
        },
    ]
    assert report.rows() == (
        ("dropped", "boundary inside a token", 1),
        ("dropped", "duplicate", 1),
    )


def test_nothing_to_list_is_no_file(tmp_path):
    report = ConversionReport(tmp_path / "report.jsonl")
    record = Record("a", 1, [Mention(0, 2, "A"), Mention(1, 3, "A")], tokens=["a"] * 3)
    builder(report)(record)
    report.close()
    assert report.counts == {"crosses another span": 2}
    assert [*tmp_path.iterdir()] == []


@few_examples
@given(
    st.text("ab🙂 \n-.'", min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5),
    st.sampled_from(["strict", "expand", "contract"]),
)
def test_alignment_agrees_with_spacy_and_every_span_is_accounted_for(
    text, places, align
):
    """Oracle: Doc.char_span, on what is left when white space is taken off."""
    places = [(min(p), min(max(p), len(text))) for p in map(sorted, places)]
    places = [p for p in places if p[0] <= p[1] <= len(text)]
    doc = builder(lang="en").tools.make_doc(text)
    expected = []
    for i, (start, end) in enumerate(places):
        surface = text[start:end]
        start += len(surface) - len(surface.lstrip())
        end = start + len(surface.strip())
        span = doc.char_span(start, end, alignment_mode=align) if start < end else None
        # spaCy's "contract" may give a span of white space tokens around.
        if span is not None and len(span):
            expected.append((span.start, span.end, f"L{i}"))
    report = ConversionReport()
    mentions = [Mention(s, e, f"L{i}") for i, (s, e) in enumerate(places)]
    record = Record("a", 1, mentions, text=text, unit="characters")
    spans = found(builder(report, "en", align=align)(record), KEY)
    assert spans == expected
    gone = ("boundary inside a token", "only whitespace", "empty")
    assert len(spans) + sum(report.counts[reason] for reason in gone) == len(places)


@pytest.mark.parametrize(
    "record",
    [
        Record("a.b", 7, [], text="a" * 10_001),
        Record("a.b", 7, [], text="\ud800"),
        Record("a.b", 7, [], tokens=["\ud800"]),
        Record("a.b", 7, [], tokens=[""]),
        Record("a.b", 7, []),
        Record("a.b", 7, [Mention(0, 1, "\udc00")], tokens=["a"]),
        Record("a.b", 7, [Mention(0, 3, "A")], tokens=["a"]),
        Record("a.b", 7, [Mention(1, 0, "A")], tokens=["a"]),
    ],
)
def test_what_can_be_no_document_is_an_error_with_its_place(record):
    with pytest.raises(CorpusError, match=r"^\[E009\] a\.b, line 7: "):
        builder(lang="en")(record)


def test_a_long_word_is_no_matter_by_character():
    assert len(builder(lang="zh")(Record("a", 1, [], text="银" * 20_000))) == 20_000
