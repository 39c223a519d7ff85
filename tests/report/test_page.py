import numpy as np
import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_globalpointer.report import span_page
from spacy_globalpointer.report.drawing import NestedSpanRenderer
from tests.util.pages import KEY, Page, make


def draw(*pairs, **settings):
    return Page(span_page(pairs, **{"spans_key": KEY, "title": "Page", **settings}))


def random_spans(rng, n_tokens, n_spans):
    starts = rng.integers(0, n_tokens, n_spans)
    ends = [int(rng.integers(start + 1, n_tokens + 1)) for start in starts]
    labels = rng.choice(["PER", "ORG", "GPE"], n_spans)
    return [(int(s), e, str(label)) for s, e, label in zip(starts, ends, labels)]


WORDS = ["the", "head", "of", "the", "bank", "of", "the", "United", "Kingdom"]


def test_page_stands_alone():
    doc = make("en", WORDS, [(0, 9, "PER"), (3, 9, "ORG")])
    markup = span_page([(doc, doc)], spans_key=KEY, title="On dev")
    page = Page(markup)
    assert markup.startswith("<!DOCTYPE html>\n")
    assert page.find("html")[0]["lang"] == "en"
    assert page.find("meta")[0]["charset"] == "utf-8"
    assert page.find("meta")[1]["name"] == "viewport"
    assert page.find("title")[0]["text"] == page.find("h1")[0]["text"] == "On dev"
    for outside in ("http:", "https:", "src=", "url(", "@import"):
        assert outside not in markup
    for tag in ("link", "img", "iframe"):
        assert not page.find(tag)
    assert [set(script) & {"src", "type"} for script in page.find("script")] == [set()]
    ids = [element["id"] for element in page.elements if "id" in element]
    assert len(ids) == len(set(ids))


def test_everything_is_escaped():
    label, evil = '<b>"it\'s" & so', "<script>alert('&amp;')</script>"
    words = [evil, '"', "&", "I"]
    gold = make("en", words, [(0, 2, label)])
    predicted = make("en", words, [(0, 1, label)])
    markup = span_page(
        [(gold, predicted)], spans_key=KEY, title="</title><b>", labels=["<i>"]
    )
    page = Page(markup)
    assert not page.find("b") + page.find("i") + page.find("script")[1:]
    assert page.find("title")[0]["text"] == "</title><b>"
    assert [d["text"].count(evil) for d in page.drawings] == [1, 1]
    assert {"<i>", label, f"− {label}", f"+ {label}"} == {
        badge["text"] for badge in page.find(cls="badge")
    }
    assert page.find(cls="bar")[0]["title"].startswith(f"{label}, 0–")


@pytest.mark.parametrize("seed", range(5))
def test_counts_agree_with_sets(seed):
    rng = np.random.default_rng(seed)
    pairs, expected = [], np.zeros(5, dtype=int)
    for n_tokens in (1, 3, 8, 20):
        words = [f"w{i}" for i in range(n_tokens)]
        # Few places for many spans: some are right, some are stored twice.
        gold, predicted = (random_spans(rng, n_tokens, n_tokens) for _ in range(2))
        predicted += gold[: len(gold) // 2]
        pairs.append((make("en", words, gold), make("en", words, predicted)))
        a, b = set(gold), set(predicted)
        counts = [len(a), len(b), len(a & b), len(a - b), len(b - a)]
        expected += counts
        page = draw(pairs[-1])
        assert list(page.totals.values()) == [1, *counts]
        right, missed, spurious = counts[2:]
        assert page.find("p", "counts")[0]["text"] == (
            f"{right} right, {missed} missed, {spurious} spurious"
        )
        for drawing, sign, wrong in zip(page.drawings, "−+", (missed, spurious)):
            chips = page.find(cls="badge", inside=drawing)
            marked = [badge for badge in chips if "wrong" in badge["class"]]
            assert len(marked) == wrong
            assert all(badge["text"].startswith(f"{sign} ") for badge in marked)
        errors = page.find(cls="errors")
        assert sum(len(page.find("li", inside=e)) for e in errors) == missed + spurious
    names = ["Documents", "Gold spans", "Predicted spans", "Right", "Missed"]
    totals = draw(*pairs).totals
    assert list(totals) == [*names, "Spurious"]
    assert list(totals.values()) == [4, *expected]


def test_every_label_and_token_is_there():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(30)]
    gold = make("en", words, random_spans(rng, 30, 40))
    predicted = make("en", words, random_spans(rng, 30, 40))
    page = draw((gold, predicted), labels=["UNSEEN", "GPE"])
    legend = [element["text"] for element in page.find("li")[:4]]
    assert legend == ["UNSEEN", "GPE", "ORG", "PER"]
    for drawing, doc in zip(page.drawings, (gold, predicted)):
        spans = {(s.start, s.end, s.label_) for s in doc.spans[KEY]}
        chips = [badge["text"][-3:] for badge in page.find(cls="badge", inside=drawing)]
        assert sorted(chips) == sorted(label for _, _, label in spans)
        bars = page.find(cls="bar", inside=drawing)
        assert len(bars) == sum(end - start for start, end, _ in spans)
        assert len(page.find(cls="start", inside=drawing)) == len(spans)
        assert len(page.find(cls="end", inside=drawing)) == len(spans)
        text = drawing["text"]
        for badge in page.find(cls="badge", inside=drawing):
            text = text.replace(badge["text"], "", 1)
        assert text == doc.text


def test_text_keeps_its_spaces():
    words, spaces = ["do", "n't", "\n", "北", "京"], [False, True, False, False, False]
    doc = make("en", words, [], spaces=spaces)
    assert draw((doc, doc)).drawings[0]["text"] == doc.text == "don't \n北京"
    # White space that belongs to a span is made visible, so that its bar can be seen.
    doc = make("en", ["a", "\n", " ", "b"], [(1, 2, "X"), (0, 4, "Y")])
    drawing = draw((doc, doc)).drawings[0]
    assert "⏎" in drawing["text"] and "␣" in drawing["text"]


def slots(tokens, spans):
    spans = [dict(zip(("start_token", "end_token", "label"), span)) for span in spans]
    infos = NestedSpanRenderer._assemble_per_token_info(tokens, spans)
    return [
        {
            (e["start_token"], e["end_token"], e["label"]): e["render_slot"]
            for e in info["entities"]
        }
        for info in infos
    ]


def test_nested_spans_have_rows_of_their_own():
    spans = [
        (0, 9, "PER"),
        (3, 9, "ORG"),
        (6, 9, "GPE"),
        (7, 9, "GPE"),
        (7, 9, "LOC"),
        (8, 9, "PER"),
    ]
    by_token = slots(WORDS, spans[::-1])
    # Each lies below what holds it; two labels on the same tokens do not cover another.
    assert by_token[8] == {span: slot for slot, span in enumerate(spans, 1)}
    doc = make("en", WORDS, spans)
    page = draw((doc, doc))
    last = page.find(cls="token", inside=page.drawings[0])[-1]
    rows = [bar["style"].split(";")[0] for bar in page.find(cls="bar", inside=last)]
    assert rows == [f"grid-row: {row}" for row in range(2, 8)]


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_as_few_as_can_be(seed):
    rng = np.random.default_rng(seed)
    spans = sorted(set(random_spans(rng, 15, 12)))
    by_token = slots(["w"] * 15, spans)
    for index, taken in enumerate(by_token):
        assert set(taken) == {s for s in spans if s[0] <= index < s[1]}
        assert len(set(taken.values())) == len(taken)
    for span in spans:
        assert len({taken[span] for taken in by_token if span in taken}) == 1
    deepest = max(map(len, by_token))
    assert max(slot for taken in by_token for slot in taken.values()) == deepest


def test_missing_is_not_empty():
    words = ["No", "word", "on", "Berlin"]
    berlin = [(3, 4, "GPE")]
    missing, empty = make("en", words, None), make("en", words, [])
    full = make("en", words, berlin)

    page = draw((missing, full))
    assert "not annotated" in page.find("p", "note")[0]["text"]
    assert (page.totals["Missed"], page.totals["Spurious"]) == (0, 0)
    assert page.totals["Predicted spans"] == 1
    assert page.totals["Not annotated documents"] == 1
    assert page.totals["Predicted in these, not judged"] == 1
    assert not page.find(cls="wrong") and not page.find(cls="faulty")

    page = draw((empty, full))
    assert [note["text"] for note in page.find("p", "note")] == ["no spans"]
    assert (page.totals["Missed"], page.totals["Spurious"]) == (0, 1)
    assert "Not annotated documents" not in page.totals
    assert page.find(cls="faulty")

    page = draw((full, missing))
    assert "nothing predicted" in page.find("p", "note")[0]["text"]
    assert (page.totals["Missed"], page.totals["Spurious"]) == (1, 0)


@pytest.mark.parametrize("words", [[], ["\n"], [" ", "\n\n"]])
@pytest.mark.parametrize("spans", [None, []])
def test_documents_without_text(words, spans):
    doc = make("en", words, spans)
    page = draw((doc, doc))
    assert all("no text" in note["text"] for note in page.find("p", "note"))
    assert page.totals["Documents"] == 1


def test_page_without_documents():
    page = draw()
    assert page.totals["Documents"] == 0
    assert not page.find(cls="document")


def test_language_and_direction():
    words = ["قال", "رئيس", "البنك", "المركزي", "العراقي"]
    arabic = make("ar", words, [(1, 5, "PER"), (2, 5, "ORG")])
    english, many = make("en", ["Hi"], []), make("xx", ["Hi"], [(0, 1, "X")])
    bare = Doc(Vocab(), words=["Hi"])
    page = draw((arabic, arabic), (english, english), (many, many), (bare, bare))
    holders = [d["inside"][-1] for d in page.drawings[::2]]
    assert [(holder["lang"], holder["dir"]) for holder in holders] == [
        ("ar", "rtl"),
        ("en", "ltr"),
        ("", "ltr"),
        ("", "ltr"),
    ]
    assert [d["style"].split("direction: ")[1] for d in page.drawings[::2]] == [
        "rtl",
        "ltr",
        "ltr",
        "ltr",
    ]


@pytest.mark.parametrize("kind", [list, np.asarray])
def test_scores(kind):
    spans = [(7, 9, "GPE"), (0, 9, "PER")]
    gold = make("en", WORDS, [])
    page = draw((gold, make("en", WORDS, spans, kind([0.25, 0.75]))))
    assert [e["text"] for e in page.find(cls="where")] == [
        "0–42, score 0.750",
        "28–42, score 0.250",
    ]
    assert "GPE, 28–42, score 0.250" in [e["title"] for e in page.find(cls="bar")]
    # Scores that cannot be matched with the spans are left out.
    page = draw((gold, make("en", WORDS, spans, kind([0.25]))))
    assert [e["text"] for e in page.find(cls="where")] == ["0–42", "28–42"]


def test_tokens_may_differ_but_not_the_text():
    gold = make("en", ["New", "York"], [(0, 2, "GPE")], spaces=[True, False])
    predicted = make("en", ["New York"], [(0, 1, "GPE")], spaces=[False])
    assert draw((gold, predicted)).totals["Right"] == 1
    with pytest.raises(ValueError, match=r"pair 2 differ.*'New York'.*'Paris '"):
        draw((gold, predicted), (gold, make("en", ["Paris"], [])))


def test_labels_without_a_name_and_labels_that_differ_in_case():
    doc = make("en", WORDS, [(0, 1, ""), (1, 2, "per"), (2, 3, "PER")])
    page = draw((doc, doc))
    chips = page.find(cls="badge", inside=page.drawings[0])
    assert [badge["text"] for badge in chips] == ["(no label)", "per", "PER"]
    assert len({badge["style"] for badge in chips}) == 3


def test_the_worst_documents_come_first():
    empty = make("en", WORDS, [])
    wrong = [(7, 9, "GPE"), (0, 9, "PER"), (3, 9, "ORG")]
    pairs = [(empty, make("en", WORDS, wrong[:n])) for n in (1, 0, 3, 1)]
    sections = draw(*pairs).find(cls="document")
    assert [(s["data-number"], s["data-errors"]) for s in sections] == [
        ("3", "3"),
        ("1", "1"),
        ("4", "1"),
        ("2", "0"),
    ]
    page = draw(*pairs, limit=2)
    assert [s["id"] for s in page.find(cls="document")] == ["document-3", "document-1"]
    assert page.totals["Spurious"] == 5
    assert page.find("output")[0]["text"].startswith("2 of 4 documents; ")


def test_documents_know_what_they_hold():
    gold = make("en", WORDS, [(0, 9, "PER"), (3, 9, "ORG"), (7, 9, "GPE"), (1, 2, "X")])
    predicted = make(
        "en", WORDS, [(0, 9, "PER"), (4, 9, "ORG"), (7, 9, "LOC"), (5, 6, "PER")]
    )
    nothing = make("en", WORDS, [])
    page = draw((gold, predicted), (nothing, nothing), (gold, gold))
    assert [s["data-kinds"] for s in page.find(cls="document")] == [
        "right missed spurious boundary type nesting",
        "",
        "right",
    ]
    kinds = {
        error["text"].split(" ", 2)[1]: [
            k["text"] for k in page.find(cls="kind", inside=error)
        ]
        for error in page.find("li", inside=page.find(cls="errors")[1])
    }
    assert kinds == {"LOC": ["type"], "ORG": ["boundary"], "PER": ["nesting"]}
    boxes = {
        box["value"]: label["text"].split()[-1]
        for label in page.find("label")
        for box in page.find("input", inside=label)
        if box["type"] == "checkbox"
    }
    assert boxes == {
        "right": "2",
        "missed": "1",
        "spurious": "1",
        "boundary": "1",
        "type": "1",
        "nesting": "1",
    }


def test_pairs_may_be_a_generator_and_documents_stay_as_they_are():
    doc = make("en", WORDS, [(7, 9, "GPE"), (0, 9, "PER")], [0.25, 0.75])
    before = doc.to_bytes()
    markup = span_page(((doc, doc) for _ in range(3)), spans_key=KEY, title="Page")
    assert Page(markup).totals["Documents"] == 3
    assert doc.to_bytes() == before


def test_length_of_the_page_is_linear_in_the_documents():
    doc = make("en", WORDS, [(7, 9, "GPE"), (0, 9, "PER")])
    sizes = [
        len(span_page([(doc, doc)] * n, spans_key=KEY, title="Page"))
        for n in (100, 200, 300)
    ]
    # Documents after the first ones are compressed.
    assert sizes[2] - sizes[1] <= 1.1 * (sizes[1] - sizes[0])


def test_relations_and_pieces():
    spans = [(0, 2, "ROLE"), (3, 5, "ORG"), (7, 8, "GPE"), (8, 9, "GPE")]
    gold, predicted = (make("en", WORDS, spans) for _ in range(2))
    gold.spans[KEY].attrs["relations"] = [[0, 1, "of"], [1, 2, "<in>"]]
    gold.spans[KEY].attrs["fragments"] = [[2, 3]]
    predicted.spans[KEY].attrs["relations"] = [[0, 1, "of"], [1, 0, "of"]]
    predicted.spans[KEY].attrs["relation_scores"] = [0.75, 0.5]
    page = draw((gold, predicted))
    found = [
        [" ".join(li["text"].split()) for li in page.find("li", inside=part)]
        for part in page.find("ul", "links")
    ]
    assert found == [
        [
            "United … Kingdom − GPE",
            "the head ROLE of → the bank ORG",
            "the bank ORG − <in> → United GPE",
        ],
        ["the head ROLE of → the bank ORG", "the bank ORG + of → the head ROLE"],
    ]
    scores = [b["title"] for b in page.find("b") if "title" in b]
    assert scores == ["score 0.750", "score 0.500"]
    # Without gold nothing is judged.
    del gold.spans[KEY]
    page = draw((gold, predicted))
    (links,) = page.find("ul", "links")
    assert not page.find(cls="wrong", inside=links)
