"""Precision, recall and F1 of spans, with spaCy's scorer."""

from collections import Counter
from functools import partial
from statistics import fmean
from typing import Any, Dict, Iterable, List, Sequence

from spacy.tokens import Span
from spacy.training import Example

from ..pipeline.scoring import entities, score_spans, spans_under


def span_metrics(
    examples: Sequence[Example], spans_key: str, gold: str = "spans"
) -> Dict[str, Any]:
    """Strict scores of the predicted spans: offsets and label must agree.

    examples (Sequence[Example]): Examples with predictions. References without
        annotation are left out, and predictions that touch tokens without it.
    spans_key (str): Key of doc.spans.
    gold (str): Where the gold spans stand: "spans", under the same key; "ents", in
        doc.ents.
    RETURNS (Dict[str, Any]): Each with p, r and f from 0 to 1, None where there is
        neither gold nor prediction:
        "micro", over all spans;
        "macro", the mean of the labels, those that occur in gold or prediction;
        "per_label", by label, with the counts "gold" and "predicted";
        "outermost", the spans that no other span of their document holds;
        "inner", the others;
        "flat", doc.ents, if the references have it.
    """
    source = spans_under(spans_key, gold)
    sides = [side for side in map(source.read, examples) if side is not None]
    every = score_spans(examples, "spans", source)
    per_label = every["spans_per_type"] or {}
    for number, name in enumerate(("gold", "predicted")):
        count = Counter(span.label_ for side in sides for span in side[number])
        for label, scores in per_label.items():
            scores[name] = count[label]
    outermost, inner = (
        score_spans(examples, "spans", source, partial(_by_depth, inner=x))
        for x in (False, True)
    )
    return {
        "micro": _prf(every),
        "macro": {
            name: fmean(scores[name] for scores in per_label.values())
            if per_label
            else None
            for name in "prf"
        },
        "per_label": dict(sorted(per_label.items())),
        "outermost": _prf(outermost),
        "inner": _prf(inner),
        "flat": _prf(score_spans(examples, "spans", entities)),
    }


def _prf(scores: Dict[str, Any]) -> Dict[str, Any]:
    return {name: scores[f"spans_{name}"] for name in "prf"}


def _by_depth(spans: Iterable[Span], *, inner: bool) -> List[Span]:
    """Spans that stand inside another span of the list, or those that do not. Of
    two labels on the same tokens neither is inside the other."""
    order = sorted(spans, key=lambda span: (span.start, -span.end))
    chosen = []
    reach = start = -1
    outer_reach = -1
    for span in order:
        # outer_reach: how far the spans go that begin before this one, or begin
        # with it and are longer.
        if (span.start, span.end) != (start, reach):
            outer_reach = max(outer_reach, reach)
        if (span.end <= outer_reach) == inner:
            chosen.append(span)
        start, reach = span.start, span.end
    return chosen
