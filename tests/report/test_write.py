"""Whole reports, from predictions to files."""

import json

import pytest

from spacy_globalpointer.evaluation import compare, read_table, spans_under
from spacy_globalpointer.report.write import short_names, write_report
from tests.util.documents import make_doc, random_pairs, result, to_docs
from tests.util.pages import Page, make

KEY = "sc"
PLOTS = {"labels", "reliability", "buckets", "confusion", "probability"}
PLOTS |= {"curves", "discrepancy", "components"}


def write(folder, *results, training=(), **kwargs):
    metrics = {**compare(results, n_bootstrap=20), "training": list(training)}
    path = write_report(folder, results, metrics, title="Title", **kwargs)
    assert json.loads((folder / "metrics.json").read_text("utf8")) == metrics
    markup = path.read_text("utf8")
    ids = [x["id"] for x in Page(markup).elements if "id" in x]
    assert len(ids) == len(set(ids))
    for outside in ("http:", "https:", "src=", "@import"):
        # The names of the formats in a drawing are no addresses.
        assert outside not in markup.replace("http://www.w3.org/", "")
    return Page(markup)


def names(folder):
    files = sorted((folder / "plots").iterdir())
    found = {path.stem for path in files}
    assert {path.name for path in files} == {
        f"{stem}.{suffix}" for stem in found for suffix in ("png", "svg")
    }
    return found


def test_report(tmp_path):
    docs = to_docs(random_pairs(0, n_docs=12))
    log = [{"step": i, "losses": {"a": 2 - i}, "scores": {"f": i}} for i in (0, 1)]
    page = write(tmp_path, result(docs, "<model>"), training=log)
    assert names(tmp_path) == {*PLOTS, "training"}
    sections = [s["id"] for s in page.find("section") if "id" in s][:7]
    assert sections == [
        *("summary", "labels", "buckets", "errors", "scores", "training", "documents")
    ]
    links = [a["href"][1:] for a in page.find("a") if a["href"].startswith("#")]
    assert set(sections) <= set(links)
    assert len(page.find("figure")) == len(PLOTS) + 1
    assert len(page.find(cls="document")) == 12
    assert "<model>" in "".join(page.texts) and "<A>: 0.25" in "".join(page.texts)
    rows = [row["text"] for row in page.find("tr")]
    table = read_table(docs, spans_under(KEY))
    micro = next(row for row in rows if row.startswith("All spans"))
    assert micro.endswith(
        f"{len(table.gold)}{len(table.predicted)}{table.right[0].sum()}"
    )


def test_models_side_by_side(tmp_path):
    docs = to_docs(random_pairs(0, n_docs=12))
    right = [(gold, gold) for gold, _ in docs]
    page = write(tmp_path, result(docs, "a/best"), result(right, "b/best"))
    both = PLOTS - {"labels", "reliability"}
    assert names(tmp_path) == {"labels", "reliability"} | {
        f"{name}-{number}" for name in both for number in (1, 2)
    }
    groups = {x["text"]: x["colspan"] for x in page.find("th", "group")}
    assert {"a/best", "b/best"} <= groups.keys()
    summary = page.find("section")[0]
    header = [x["text"] for x in page.find("th", inside=summary) if x["scope"] == "col"]
    assert header == ["", *["P", "R", "F1"] * 2, "Change of F1"]
    spans = page.find("th", "group", inside=summary)
    assert sum(int(x["colspan"]) for x in spans) == len(header)
    micro = next(x for x in page.find("tr") if x["text"].startswith("All spans"))
    # The second is surely better.
    assert page.find("b", inside=micro)


def test_names_of_models():
    assert short_names(["x/model-best"]) == ["model-best"]
    assert short_names(["x/best", "y/best"]) == ["x/best", "y/best"]
    assert short_names(["/a/best", "/b/c/best"]) == ["a/best", "c/best"]
    assert short_names(["x/best", "x/best"]) == ["best (1)", "best (2)"]


@pytest.mark.parametrize(
    "docs",
    [
        [],
        [(make_doc(3, []), make_doc(3, []))],
        [(make_doc(3, [(0, 1, "A")]), make_doc(3, []))],
        [(make_doc(3, []), make_doc(3, [(0, 1, "A")]))],
        [(make_doc(3, [(0, 1, "A")]), make_doc(3, [(0, 1, "A")]))],
        [(make_doc(3, None), make_doc(3, [(0, 1, "A")]))],
        [(make_doc(0, []), make_doc(0, None))],
    ],
    ids=["none", "empty", "missed", "spurious", "right", "not annotated", "no text"],
)
def test_little_to_show(docs, tmp_path):
    page = write(tmp_path, result(docs))
    assert len(page.find(cls="document")) == len(docs)
    assert "nan" not in "".join(page.texts).lower()


def test_a_hundred_labels(tmp_path):
    spans = [(i, i + 1, f"L{i:02}") for i in range(100)]
    docs = [(make_doc(100, spans), make_doc(100, spans[::2]))]
    page = write(tmp_path, result(docs))
    labels = page.find("section")[1]
    assert len(page.find("tr", inside=labels)) == 101
    assert len(page.find("li", inside=page.find("ul", "legend")[0])) == 100


def test_other_scripts(tmp_path):
    arabic = ["قال", "رئيس", "البنك", "المركزي", "العراقي"]
    chinese = list("北京大学在北京")
    docs = [
        (
            make("ar", arabic, [(1, 5, "شخص"), (2, 5, "ORG")]),
            make("ar", arabic, [(2, 5, "شخص")]),
        ),
        (
            make("zh", chinese, [(0, 4, "机构"), (0, 2, "地名")]),
            make("zh", chinese, [(0, 4, "机构")]),
        ),
    ]
    page = write(tmp_path, result(docs))
    assert {x["dir"] for x in page.find("div") if "dir" in x} == {"ltr", "rtl"}
    assert {"شخص", "机构", "地名"} <= {x["text"] for x in page.find("th")}


def test_only_the_worst_documents_are_drawn(tmp_path):
    docs = to_docs(random_pairs(0, n_docs=12))
    write(tmp_path, result(docs), result(docs))
    page = write(tmp_path, result(docs), limit=3)
    assert names(tmp_path) == PLOTS  # nothing of the one before
    assert len(page.find(cls="document")) == 3
    assert page.totals["Documents"] == 12
