"""The registered scorer."""

from typing import Any, Callable, Dict, Iterable

from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example

from .span_groups import contiguous_spans


def span_score(examples: Iterable[Example], **cfg: Any) -> Dict[str, Any]:
    """Strict scores of spans: offsets and label must agree.

    examples (Iterable[Example]): The examples. References without annotation are
        left out.
    cfg: The component's settings; `spans_key`, `gold` and `set_ents` are read.
    RETURNS (Dict[str, Any]): `spans_{key}_p`, `_r` and `_f` (micro), `_per_type`
        and `_macro_f`, the mean F1 of the labels that occur in the gold spans or
        in the predicted ones; `ents_p`, `_r`, `_f` and `_per_type` if `set_ents`.
    """
    key = cfg["spans_key"]
    attr = f"spans_{key}"
    examples = list(examples)
    # Spans are compared with what they were learnt from.
    learns_ents = cfg.get("gold") == "ents"
    references = {id(example.reference) for example in examples}

    def get_spans(doc: Doc, _: str) -> Any:
        if learns_ents and id(doc) in references:
            return doc.ents
        return contiguous_spans(doc.spans.get(key))

    def has_annotation(doc: Doc) -> bool:
        if learns_ents and id(doc) in references:
            return doc.has_annotation("ENT_IOB")
        return key in doc.spans

    scores = Scorer.score_spans(
        examples,
        attr,
        getter=get_spans,
        has_annotation=has_annotation,
        allow_overlap=True,
    )
    per_type = scores[f"{attr}_per_type"]
    scores[f"{attr}_macro_f"] = (
        sum(label["f"] for label in per_type.values()) / len(per_type)
        if per_type
        else None
    )
    if cfg.get("set_ents"):
        scores.update(
            Scorer.score_spans(
                examples,
                "ents",
                has_annotation=lambda doc: doc.has_annotation("ENT_IOB"),
            )
        )
    return scores


def make_span_scorer() -> Callable[..., Dict[str, Any]]:
    return span_score
