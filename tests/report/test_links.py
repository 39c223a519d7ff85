"""The list of relations and discontinuous entities below a document."""

import re

from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_globalpointer.report import visualize


def make_doc(**attrs):
    doc = Doc(Vocab(), words=["left", "and", "right", "<leg>", "Ann"])
    places = [(0, 1, "Pain"), (2, 3, "Pain"), (3, 4, "Pain"), (4, 5, "Per")]
    spans = [Span(doc, *place) for place in places]
    doc.spans["sc"] = SpanGroup(doc, name="sc", attrs=attrs, spans=spans)
    return doc


def items(doc):
    """The text of the items."""
    rows = re.findall("<li>(.*)</li>", visualize(doc, jupyter=False))
    return [re.sub(" +", " ", re.sub("<[^>]*>", " ", row)).strip() for row in rows]


def test_links_are_listed():
    doc = make_doc(
        fragments=[[0, 2], [1, 2]],
        relations=[[3, 2, "has & holds"], [2, 3, "of"]],
        relation_scores=[0.75, 0.5],
    )
    assert items(doc) == [
        "left … &lt;leg&gt; Pain",
        "right … &lt;leg&gt; Pain",
        "Ann Per has &amp; holds → &lt;leg&gt; Pain",
        "&lt;leg&gt; Pain of → Ann Per",
    ]
    assert 'title="score 0.750"' in visualize(doc, jupyter=False)


def test_nothing_to_list():
    assert "<ul" not in visualize(make_doc(), jupyter=False)
    assert "<ul" not in visualize(make_doc(relations=[]), jupyter=False)
    assert items(make_doc(relations=[[0, 3, "x"]])) == ["left Pain x → Ann Per"]
