"""A page to read errors on: gold beside predicted, document by document."""

import base64
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import chain

from spacy.tokens import Doc

from .colors import label_colors
from .comparison import (
    FILTERS,
    Annotation,
    Comparison,
    Mention,
    compare_documents,
    kinds_in,
)
from .drawing import NestedSpanRenderer, describe_mention, draw, label_badge, language
from .links import draw_links, read_links
from .page_js import SCRIPT
from .style import STYLE

MISSED = "−"
SPURIOUS = "+"
# Documents that are in the page as they are. All others are packed.
N_PLAIN = 50

# The attributes of a document's element, and the markup inside it.
Document = tuple[dict[str, str], str]


def span_page(
    pairs: Iterable[tuple[Doc, Doc]],
    *,
    spans_key: str,
    title: str,
    labels: Sequence[str] | None = None,
    before: str = "",
    limit: int = 0,
    gold: str = "spans",
) -> str:
    """Draw the gold and the predicted spans of documents side by side, those with the
    most errors first.

    The page is one file of HTML that refers to nothing outside it. Spans are compared
    by characters and label; a span that is stored twice counts once. A gold document
    without the key is not annotated, and its predictions are not judged.

    pairs (Iterable[tuple[Doc, Doc]]): Gold and predicted documents, each pair of one
        and the same text, the tokens may differ.
    spans_key (str): Key of `doc.spans`, in both.
    title (str): Title of the page.
    labels (Sequence[str] | None): What the legend starts with, such as the labels of
        a component; labels found in the documents follow in alphabetical order.
        Nothing is left out of the page by it.
    before (str): Markup before the documents.
    limit (int): Most documents that are drawn, 0 for all. All are counted.
    gold (str): Where annotation is looked up: "spans"; with "ents", predictions that
        touch a token of which doc.ents of the gold document says nothing are not
        judged.
    RETURNS (str): The page.
    RAISES (ValueError): If the texts of a pair differ.
    """
    comparisons = compare_documents(pairs, spans_key, gold)
    found = {
        mention.label
        for comparison in comparisons
        for mention in chain(comparison.gold.spans, comparison.predicted.spans)
    }
    colors = label_colors([*(labels or ()), *sorted(found)])
    renderer = NestedSpanRenderer(colors)
    order = sorted(enumerate(comparisons, 1), key=lambda pair: -pair[1].n_errors)
    drawn = order[: limit or None]
    documents = [
        _document(number, comparison, renderer, colors, spans_key)
        for number, comparison in drawn
    ]
    plain = "\n".join(_section(*document) for document in documents[:N_PLAIN])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{before}
<section id="documents">
<h2>Documents</h2>
<p>Spans of <code>doc.spans[{escape(repr(spans_key))}]</code>. Offsets count characters.
{MISSED} marks missed spans: in gold, but not predicted.
{SPURIOUS} marks spurious spans: predicted, but not in gold.</p>
{_totals(comparisons)}
{_legend(colors)}
{_filters([comparison for _, comparison in drawn], len(comparisons), [*colors])}
<div id="list">
{plain}
</div>
{_pack(documents[N_PLAIN:])}
</section>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _pack(documents: Sequence[Document]) -> str:
    """Documents that the script draws: compressed, since long reports repeat much."""
    if not documents:
        return ""
    content = json.dumps(documents, ensure_ascii=False, separators=(",", ":"))
    packed = base64.b64encode(zlib.compress(content.encode("utf8"), 9)).decode("ascii")
    return (
        f'<script id="packed" type="text/plain">{packed}</script>\n'
        "<noscript><p>The first documents are shown. All others need JavaScript."
        "</p></noscript>"
    )


def _filters(drawn: Sequence[Comparison], n_all: int, labels: Sequence[str]) -> str:
    """What chooses documents, and their order. Without a script nothing is left
    out."""
    counts = Counter(kind for comparison in drawn for kind in kinds_in(comparison))
    boxes = "".join(
        f'<label><input type="checkbox" value="{kind}"> {kind} '
        f"<small>{counts[kind]}</small></label>"
        for kind in FILTERS
    )
    rest = (
        f"; the {len(drawn)} with the most errors are drawn"
        if len(drawn) < n_all
        else ""
    )
    names = "".join(f"<option>{escape(label)}</option>" for label in labels)
    return f"""<form id="filters" autocomplete="off">
<fieldset><legend>Show documents with</legend>{boxes}</fieldset>
<label>Label <select id="label"><option value="">any</option>{names}</select></label>
<label>Search <input id="search" type="search" placeholder="text, or press /"></label>
<label>Order <select id="order"><option value="errors">most errors first</option>
<option value="number">as in the data</option></select></label>
<output id="shown">{len(drawn)} of {n_all} documents{rest}</output>
</form>"""


def _totals(comparisons: Sequence[Comparison]) -> str:
    totals = {
        "Documents": len(comparisons),
        "Gold spans": sum(len(c.gold.spans) for c in comparisons),
        "Predicted spans": sum(len(c.predicted.spans) for c in comparisons),
        "Right": sum(len(c.right) for c in comparisons),
        "Missed": sum(len(c.missed) for c in comparisons),
        "Spurious": sum(len(c.spurious) for c in comparisons),
    }
    unannotated = sum(not c.gold.present for c in comparisons)
    if unannotated:
        totals["Not annotated documents"] = unannotated
        totals["Predicted in these, not judged"] = sum(
            len(c.unjudged) for c in comparisons if not c.gold.present
        )
    unknown = sum(len(c.unjudged) for c in comparisons if c.gold.present)
    if unknown:
        totals["Predicted on tokens without annotation, not judged"] = unknown
    items = "".join(
        f"<div><dt>{name}</dt><dd>{total}</dd></div>" for name, total in totals.items()
    )
    return f'<dl class="totals">{items}</dl>'


def _legend(colors: Mapping[str, str]) -> str:
    items = "".join(
        f"<li>{label_badge(label, color)}</li>" for label, color in colors.items()
    )
    return f'<ul class="legend">{items}</ul>' if items else ""


def _document(
    number: int,
    comparison: Comparison,
    renderer: NestedSpanRenderer,
    colors: dict[str, str],
    spans_key: str,
) -> Document:
    gold, predicted = comparison.gold, comparison.predicted
    gold_links = read_links(gold.doc, spans_key)
    links = read_links(predicted.doc, spans_key)
    judged = gold_links if gold.present else None
    missed, spurious = comparison.missed, comparison.spurious
    if gold.present:
        counts = (
            f"{len(comparison.right)} right, {len(missed)} missed, "
            f"{len(spurious)} spurious"
        )
    else:
        counts = f"not annotated; predicted and not judged: {len(predicted.spans)}"
    classes = "document faulty" if missed or spurious else "document"
    labels = sorted({x.label for x in (*gold.spans, *predicted.spans)})
    attributes = {
        "class": classes,
        "id": f"document-{number}",
        "tabindex": "-1",
        "data-kinds": " ".join(kinds_in(comparison)),
        "data-number": str(number),
        "data-errors": str(comparison.n_errors),
        "data-labels": json.dumps(labels, ensure_ascii=False),
        "data-text": gold.doc.text,
    }
    markup = f"""<h3>Document {number}</h3>
<p class="counts">{counts}</p>
<div class="panels">
<section class="panel">
<h4>Gold</h4>
{_notes(gold, "not annotated")}
{draw(gold, renderer, missed, MISSED)}
{_errors("Missed", gold, missed, MISSED, comparison, colors)}
{draw_links(gold.doc, gold_links, colors, links, MISSED)}
</section>
<section class="panel">
<h4>Predicted</h4>
{_notes(predicted, "nothing predicted: the document has no spans under this key")}
{draw(predicted, renderer, spurious, SPURIOUS)}
{_errors("Spurious", predicted, spurious, SPURIOUS, comparison, colors)}
{draw_links(predicted.doc, links, colors, judged, SPURIOUS)}
</section>
</div>"""
    return attributes, markup


def _section(attributes: Mapping[str, str], markup: str) -> str:
    shown = " ".join(f'{name}="{escape(x)}"' for name, x in attributes.items())
    return f"<section {shown}>\n{markup}\n</section>"


def _notes(annotation: Annotation, missing: str) -> str:
    notes: list[str] = []
    if not annotation.doc.text.strip():
        notes.append("no text")
    if not annotation.present:
        notes.append(missing)
    elif not annotation.spans:
        notes.append("no spans")
    return f'<p class="note">{"; ".join(notes)}</p>' if notes else ""


def _errors(
    name: str,
    annotation: Annotation,
    wrong: set[Mention],
    sign: str,
    comparison: Comparison,
    colors: dict[str, str],
) -> str:
    if not wrong:
        return ""
    attributes = language(annotation.doc)
    items = "\n".join(
        f"<li>{label_badge(mention.label, colors[mention.label], sign)} "
        f"<bdi {attributes}>{escape(annotation.spans[mention].text)}</bdi> "
        f'<span class="where">{describe_mention(mention, annotation)}</span>'
        f"{_kind(comparison.kinds.get(mention, ''))}</li>"
        for mention in sorted(wrong)
    )
    return (
        f'<details class="errors" open><summary>{name}: {len(wrong)}</summary>'
        f"<ul>{items}</ul></details>"
    )


def _kind(kind: str) -> str:
    """The kind of an error, where it says more than the sign does."""
    shown = kind in ("type", "boundary", "nesting")
    return f' <span class="kind">{kind}</span>' if shown else ""
