"""The relations and discontinuous entities of a document as a list."""

from html import escape

from spacy.tokens import Doc, Span

from ..linked_spans import entities, relations
from .drawing import label_badge


def draw_links(doc: Doc, spans_key: str, colors: dict[str, str]) -> str:
    """List what links the spans of a document.

    doc (Doc): The document.
    spans_key (str): Key of doc.spans.
    colors (dict[str, str]): Color of each label of spans.
    RETURNS (str): The markup, empty if there is nothing.
    """

    def show(*spans: Span) -> str:
        label = spans[0].label_
        text = " … ".join(escape(span.text) for span in spans)
        return f"{text} {label_badge(label, colors[label])}"

    items = [
        show(*entity.pieces)
        for entity in entities(doc, spans_key)
        if len(entity.pieces) > 1
    ]
    for head, tail, label, score in relations(doc, spans_key):
        title = "" if score is None else f' title="score {score:.3f}"'
        arrow = f"<b{title}>{escape(label)} →</b>"
        items.append(f"{show(head)} {arrow} {show(tail)}")
    if not items:
        return ""
    rows = "\n".join(f"<li>{item}</li>" for item in items)
    return f'<ul class="links">\n{rows}\n</ul>'
