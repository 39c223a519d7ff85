"""The relations and discontinuous entities of a document as a list."""

from collections.abc import Collection, Mapping
from html import escape
from typing import NamedTuple

from spacy.tokens import Doc, Span

from ..linked_spans import entities, relations
from .comparison import Mention
from .drawing import label_badge, language


class Link(NamedTuple):
    """Spans that belong together.

    mentions (Tuple[Mention, ...]): The spans.
    relation (Optional[str]): The label of a relation from the first span to the
        second. None: the spans are the pieces of one entity.
    """

    mentions: tuple[Mention, ...]
    relation: str | None = None


def read_links(doc: Doc, spans_key: str) -> dict[Link, float | None]:
    """Read the discontinuous entities and the relations of a document.

    doc (Doc): The document.
    spans_key (str): Key of `doc.spans`.
    RETURNS (dict[Link, float | None]): The links, each with its score if it has one.
    """
    found: dict[Link, float | None] = {}
    for entity in entities(doc, spans_key):
        if len(entity.pieces) > 1:
            found[Link(tuple(map(_mention, entity.pieces)))] = None
    for head, tail, label, score in relations(doc, spans_key):
        found[Link((_mention(head), _mention(tail)), label)] = score
    return found


def draw_links(
    doc: Doc,
    links: Mapping[Link, float | None],
    colors: Mapping[str, str],
    others: Collection[Link] | None = None,
    sign: str = "",
) -> str:
    """List what links the spans of a document.

    doc (Doc): The document.
    links (Mapping[Link, float | None]): From `read_links`.
    colors (Mapping[str, str]): Color of each label of spans.
    others (Optional[Collection[Link]]): Those of the document that it is compared
        with. None: there is none.
    sign (str): The mark of links that `others` lacks.
    RETURNS (str): The markup, empty if there is nothing.
    """
    if not links:
        return ""
    rows = "\n".join(
        _row(doc, link, score, colors, _mark(link, others, sign))
        for link, score in links.items()
    )
    return f'<ul class="links">\n{rows}\n</ul>'


def _mark(link: Link, others: Collection[Link] | None, sign: str) -> str:
    return sign if others is not None and link not in others else ""


def _row(
    doc: Doc, link: Link, score: float | None, colors: Mapping[str, str], mark: str
) -> str:
    def show(*mentions: Mention, mark: str = "") -> str:
        texts = (escape(doc.text[x.start : x.end]) for x in mentions)
        text = " … ".join(f"<bdi {language(doc)}>{text}</bdi>" for text in texts)
        label = mentions[0].label
        return f"{text} {label_badge(label, colors[label], mark)}"

    if link.relation is None:
        return f"<li>{show(*link.mentions, mark=mark)}</li>"
    head, tail = link.mentions
    title = "" if score is None else f' title="score {score:.3f}"'
    wrong = ' class="wrong"' if mark else ""
    name = escape(f"{mark} {link.relation}".strip())
    return f"<li>{show(head)} <b{wrong}{title}>{name} →</b> {show(tail)}</li>"


def _mention(span: Span) -> Mention:
    return Mention(span.start_char, span.end_char, span.label_)
