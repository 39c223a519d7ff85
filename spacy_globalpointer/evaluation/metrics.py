"""Precision, recall and F1 of spans, with spaCy's scorer."""

from typing import Any, Callable, Dict, Iterable, List, Sequence

from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..span_groups import contiguous_spans

PRF = Dict[str, float]


def span_metrics(examples: Sequence[Example], spans_key: str) -> Dict[str, Any]:
    """Strict scores of the predicted spans: offsets and label must agree.

    examples (Sequence[Example]): Examples with predictions. References without
        the key have no annotation and are left out.
    spans_key (str): Key of doc.spans.
    RETURNS (Dict[str, Any]): Each with p, r and f from 0 to 1:
        "micro", over all spans;
        "macro", the mean of the labels, those that occur in gold or prediction;
        "per_label", by label, with the counts "gold" and "predicted";
        "outermost", the spans that no other span of their document holds;
        "inner", the others;
        "flat", doc.ents, if the references have it.
    """
    every = _score(examples, spans_key, list)
    per_label = every.pop("per_type")
    counts = {
        "gold": _count(spans_key, [eg.reference for eg in examples]),
        "predicted": _count(spans_key, [eg.predicted for eg in examples]),
    }
    for label, scores in per_label.items():
        for name, count in counts.items():
            scores[name] = count.get(label, 0)
    outermost = _score(examples, spans_key, lambda s: _by_depth(s, inner=False))
    inner = _score(examples, spans_key, lambda s: _by_depth(s, inner=True))
    flat = Scorer.score_spans(
        examples, "ents", has_annotation=lambda doc: doc.has_annotation("ENT_IOB")
    )
    return {
        "micro": every,
        "macro": {
            name: sum(scores[name] for scores in per_label.values())
            / max(len(per_label), 1)
            for name in "prf"
        },
        "per_label": dict(sorted(per_label.items())),
        "outermost": {name: outermost[name] for name in "prf"},
        "inner": {name: inner[name] for name in "prf"},
        "flat": {name: flat[f"ents_{name}"] or 0.0 for name in "prf"},
    }


def _score(
    examples: Sequence[Example],
    key: str,
    select: Callable[[Iterable[Span]], List[Span]],
) -> Dict[str, Any]:
    scores = Scorer.score_spans(
        examples,
        "spans",
        getter=lambda doc, _: select(contiguous_spans(doc.spans.get(key))),
        has_annotation=lambda doc: key in doc.spans,
        allow_overlap=True,
    )
    return {
        "p": scores["spans_p"] or 0.0,
        "r": scores["spans_r"] or 0.0,
        "f": scores["spans_f"] or 0.0,
        "per_type": scores["spans_per_type"] or {},
    }


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


def _count(key: str, docs: Iterable[Doc]) -> Dict[str, int]:
    counts: Dict[str, int] = {}
    for doc in docs:
        for span in contiguous_spans(doc.spans.get(key)):
            counts[span.label_] = counts.get(span.label_, 0) + 1
    return counts
