"""Precision, recall and F1 of spans."""

from typing import Any, Dict, Optional, Sequence

from spacy.training import Example

from ..pipeline.scoring import entities, spans_under
from .counts import label_counts
from .intervals import describe
from .table import ComparedSpans, read_table


def span_metrics(
    examples: Sequence[Example],
    spans_key: str,
    gold: str = "spans",
    rejected_key: Optional[str] = None,
) -> Dict[str, Any]:
    """Strict scores of the predicted spans: offsets and label must agree.

    examples (Sequence[Example]): Examples with predictions. References without
        annotation are left out, and predictions that touch tokens without it.
    spans_key (str): Key of doc.spans.
    gold (str): Where the gold spans are: "spans", under the same key; "ents", in
        doc.ents.
    rejected_key (Optional[str]): Key of rejected spans, as for `GoldReader`.
    RETURNS (Dict[str, Any]): See `table_metrics`.
    """
    pairs = [(example.reference, example.predicted) for example in examples]
    spans = read_table(pairs, spans_under(spans_key, gold, rejected_key))
    return table_metrics(spans, read_table(pairs, entities))


def table_metrics(spans: ComparedSpans, flat: ComparedSpans) -> Dict[str, Any]:
    """Strict scores of spans that have been compared.

    spans (ComparedSpans): The spans of doc.spans.
    flat (ComparedSpans): Those of doc.ents.
    RETURNS (Dict[str, Any]): Each with p, r and f from 0 to 1, None where there is
        neither gold nor prediction:
        "micro", over all spans;
        "macro", the mean of the labels, those that occur in gold or prediction;
        "per_label", by label, with the counts "gold" and "predicted";
        "outermost", the spans that are inside no other span of their document;
        "inner", the others;
        "flat", doc.ents, if the references have it.
    """
    counts = label_counts(spans).sum(0)
    names = (*"prf", "gold", "predicted")
    rows = {label: describe(counts[[i]]) for i, label in enumerate(spans.labels)}
    return {
        "micro": _scores(spans),
        "macro": _scores(spans, averaged=True),
        "per_label": {
            x: {name: row[name] for name in names} for x, row in rows.items()
        },
        "outermost": _scores(spans.by_depth(inner=False)),
        "inner": _scores(spans.by_depth(inner=True)),
        "flat": _scores(flat),
    }


def _scores(table: ComparedSpans, averaged: bool = False) -> Dict[str, Any]:
    if not table.has_spans:
        return dict.fromkeys("prf")
    scores = describe(label_counts(table).sum(0), averaged=averaged)
    return {name: scores[name] for name in "prf"}
