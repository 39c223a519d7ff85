"""Pages as they are read back, and documents to draw."""

from html.parser import HTMLParser

import spacy
from spacy.tokens import Doc, Span, SpanGroup

VOID = {"meta", "input", "br", "hr", "link", "img"}
KEY = "sc"


class Page(HTMLParser):
    """Reads a page and fails where its tags are not balanced."""

    def __init__(self, markup):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(markup)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        element = {"tag": tag, **dict(attrs), "text": "", "inside": list(self.open)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert tag not in VOID
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        self.texts.append(data)
        for element in self.open:
            element["text"] += data

    def find(self, tag=None, cls=None, inside=None):
        return [
            element
            for element in self.elements
            if (tag is None or element["tag"] == tag)
            and (cls is None or cls in element.get("class", "").split())
            and (inside is None or any(inside is outer for outer in element["inside"]))
        ]

    @property
    def totals(self):
        names = [element["text"] for element in self.find("dt")]
        numbers = [int(element["text"]) for element in self.find("dd")]
        return dict(zip(names, numbers))

    @property
    def drawings(self):
        return self.find("div", "spans")


def make(lang, words, spans, scores=None, spaces=None):
    doc = Doc(spacy.blank(lang).vocab, words=words, spaces=spaces)
    if spans is not None:
        group = [Span(doc, start, end, label=label) for start, end, label in spans]
        doc.spans[KEY] = SpanGroup(doc, spans=group)
        if scores is not None:
            doc.spans[KEY].attrs["scores"] = scores
    return doc
