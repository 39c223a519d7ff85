"""One document with its spans, in displaCy's span style."""

from collections import defaultdict
from collections.abc import Mapping
from html import escape
from itertools import count
from typing import Any

from spacy.displacy.render import SpanRenderer
from spacy.tokens import Doc

from .comparison import Annotation, Mention

# Width of a character of a label, and of what is around it, in characters of the text.
BADGE_WIDTH, BADGE_PADDING = 0.9, 4


class NestedSpanRenderer(SpanRenderer):
    """displaCy's span style, legible at any depth.

    displaCy draws bars and labels over the page at fixed distances, and takes the
    height of a token from the number of its spans, not from the lowest of their slots:
    a long label covers the next one, a deep stack runs into the line below. Here a
    token is a small grid, its text in the first row and a row for each slot below it,
    so that the browser makes the room; a word is widened only where a label is longer
    than the text of its span. The rest that differs: labels are escaped, and
    two that differ in case alone keep two colors; the text keeps its own spaces; a
    slot is used again once it is free; and time grows with what is drawn, not with
    tokens times spans.

    colors (Mapping[str, str]): Label to color.
    """

    def __init__(self, colors: Mapping[str, str]) -> None:
        super().__init__()
        self.colors = dict(colors)

    @staticmethod
    def _assemble_per_token_info(
        tokens: list[str], spans: list[dict[str, Any]]
    ) -> list[dict[str, list[dict[str, Any]]]]:
        starting = defaultdict(list)
        for span in spans:
            starting[span["start_token"]].append(span)
        infos: list[dict[str, Any]] = []
        running: list[dict[str, Any]] = []
        for index, text in enumerate(tokens):
            running = [entity for entity in running if entity["end_token"] > index]
            taken = {entity["render_slot"] for entity in running}
            free = (slot for slot in count(1) if slot not in taken)
            # Longer spans first, so that what is nested lies below what holds it.
            for span in sorted(
                starting[index], key=lambda s: (-s["end_token"], s["label"])
            ):
                if span["end_token"] > index:
                    n = sum(map(len, tokens[index : span["end_token"]]))
                    fits = BADGE_WIDTH * len(span["label"]) + BADGE_PADDING <= n
                    running.append({**span, "render_slot": next(free), "fits": fits})
            entities = [
                {
                    **entity,
                    "is_start": entity["start_token"] == index,
                    "is_end": entity["end_token"] == index + 1,
                }
                for entity in running
            ]
            infos.append({"text": text, "entities": entities})
        return infos

    def _render_markup(self, per_token_info: list[dict[str, Any]]) -> str:
        parts = []
        for token in per_token_info:
            text = token["text"]
            if token["entities"]:
                # White space in a span has to show, or there is nothing to draw on.
                if not text.strip():
                    text = "⏎" if "\n" in text else "␣"
                bars = self._get_span_slices(token["entities"])
                text = f'<span class="word">{escape(text)}</span>{bars}'
                parts.append(f'<span class="token">{text}</span>')
            else:
                parts.append(escape(text))
        return "".join(parts)

    def _get_span_slices(self, entities: list[dict[str, Any]]) -> str:
        return "".join(map(self._bar, entities))

    def _bar(self, entity: dict[str, Any]) -> str:
        label, sign = entity["label"], entity["sign"]
        states = {
            "start": entity["is_start"],
            "end": entity["is_end"],
            "wrong": bool(sign),
            "fits": entity["is_start"] and entity["fits"],
        }
        classes = " ".join(["bar", *(name for name, holds in states.items() if holds)])
        color = self.colors[label]
        style = f"grid-row: {entity['render_slot'] + 1}; background-color: {color}"
        inside = label_badge(label, color, sign) if entity["is_start"] else ""
        return (
            f'<span class="{classes}" style="{style}"'
            f' title="{escape(entity["title"])}">{inside}</span>'
        )


def label_badge(label: str, color: str, sign: str = "") -> str:
    """Draw a label on its color.

    label (str): The label, unescaped.
    color (str): Its color.
    sign (str): Sign before the label of a wrong span: the color says which
        label it is, the sign and a broken outline that it is wrong.
    RETURNS (str): The markup.
    """
    classes = "badge wrong" if sign else "badge"
    text = escape(f"{sign} {label or '(no label)'}".strip())
    return f'<span class="{classes}" style="background-color: {color}">{text}</span>'


def language(doc: Doc) -> str:
    """Write the language of a document as HTML attributes.

    doc (Doc): The document.
    RETURNS (str): The attributes `lang` and `dir`.
    """
    # spaCy's "xx", many languages, is no language of HTML's, where "" is: unknown.
    lang = "" if doc.lang_ == "xx" else doc.lang_
    return f'lang="{escape(lang)}" dir="{_direction(doc)}"'


def _direction(doc: Doc) -> str:
    return str(doc.vocab.writing_system.get("direction", "ltr"))


def describe_mention(mention: Mention, annotation: Annotation) -> str:
    """Describe the offsets of a mention and its score.

    mention (Mention): The mention.
    annotation (Annotation): What it belongs to.
    RETURNS (str): Its characters, and its score if it has one.
    """
    where = f"{mention.start}–{mention.end}"
    if mention in annotation.scores:
        return f"{where}, score {annotation.scores[mention]:.3f}"
    return where


def draw(
    annotation: Annotation,
    renderer: NestedSpanRenderer,
    wrong: set[Mention],
    sign: str,
) -> str:
    """Draw a document with its spans.

    annotation (Annotation): The document and its spans.
    renderer (NestedSpanRenderer): What draws.
    wrong (set[Mention]): The mentions to mark as wrong.
    sign (str): The mark.
    RETURNS (str): The markup.
    """
    spans = [
        {
            "start_token": span.start,
            "end_token": span.end,
            "label": mention.label,
            "title": f"{mention.label}, {describe_mention(mention, annotation)}",
            "sign": sign if mention in wrong else "",
        }
        for mention, span in annotation.spans.items()
    ]
    tokens = [token.text_with_ws for token in annotation.doc]
    settings = {"direction": _direction(annotation.doc)}
    drawn = renderer.render([{"tokens": tokens, "spans": spans, "settings": settings}])
    return f"<div {language(annotation.doc)}>{drawn.strip()}</div>"
