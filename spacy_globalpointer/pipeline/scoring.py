"""Strict scores of spans, and the registered scorer."""

import re
import warnings
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple

from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..errors import Warnings
from ..span_groups import contiguous_spans
from .gold import GoldReader

# The name of a score, with the key of doc.spans.
KEYED_SCORE = re.compile("spans_(.+?)_(p|r|f|macro_f|per_type)")


@dataclass(frozen=True)
class SpanSource:
    """Where the spans that are compared are read from.

    reader (GoldReader): Reads the gold spans.
    get_predicted (Callable[[Doc], Iterable[Span]]): The spans of a predicted document.
    """

    reader: GoldReader
    get_predicted: Callable[[Doc], Iterable[Span]]

    def __call__(self, reference: Doc) -> Optional[List[Span]]:
        """The gold spans of a document, None if it has no annotation."""
        return self.reader.spans(reference)

    def read(self, example: Example) -> Optional[Tuple[List[Span], List[Span]]]:
        """Gold spans, and the predicted ones that can be right or wrong: tokens
        without annotation are left out, as by `spacy.scorer.get_ner_prf`. None if
        the reference has no annotation."""
        gold = self(example.reference)
        if gold is None:
            return None
        predicted = list(self.get_predicted(example.predicted))
        judged = self.reader.can_judge(example, predicted)
        return gold, [span for span, kept in zip(predicted, judged) if kept]


def spans_under(
    spans_key: str, gold: str = "spans", rejected_key: Optional[str] = None
) -> SpanSource:
    """Predicted spans under doc.spans[spans_key].

    spans_key (str): The key.
    gold (str): Where the gold spans are: "spans", under the same key; "ents", in
        doc.ents.
    rejected_key (Optional[str]): Key of rejected spans, as for `GoldReader`.
    """

    def get_predicted(doc: Doc) -> List[Span]:
        return contiguous_spans(doc.spans.get(spans_key))

    return SpanSource(GoldReader(gold, spans_key, rejected_key), get_predicted)


# Those of doc.ents, on both sides.
entities = SpanSource(GoldReader("ents", ""), lambda doc: doc.ents)


def score_spans(
    examples: Sequence[Example],
    attr: str,
    source: SpanSource,
) -> Dict[str, Any]:
    """Strict scores: offsets and label must agree.

    examples (Sequence[Example]): Examples with predictions. References without
        annotation are left out.
    attr (str): What the names of the scores begin with.
    source (SpanSource): Where the spans are read from.
    RETURNS (Dict[str, Any]): `{attr}_p`, `_r`, `_f` and `_per_type`, as those of
        `spacy.scorer.Scorer.score_spans`; None where there is nothing to score.
    """
    chosen: Dict[int, List[Span]] = {}
    annotated = []
    for example in examples:
        sides = source.read(example)
        if sides is not None:
            annotated.append(example)
            chosen[id(example.predicted)] = sides[1]
            chosen[id(example.reference)] = sides[0]
    scores: Dict[str, Any] = Scorer.score_spans(
        annotated,
        attr,
        getter=lambda doc, _: chosen[id(doc)],
        has_annotation=lambda doc: True,
        allow_overlap=True,
    )
    return scores


def span_score(examples: Iterable[Example], **cfg: Any) -> Dict[str, Any]:
    """Strict scores of spans: offsets and label must agree.

    examples (Iterable[Example]): The examples. References without annotation are
        left out, and predictions that touch tokens without it.
    cfg: The component's settings; `spans_key`, `gold` and `set_ents` are read.
    RETURNS (Dict[str, Any]): `spans_p`, `_r` and `_f` (micro), `_per_type` and
        `_macro_f`, the mean F1 of the labels that occur in the gold spans or in the
        predicted ones; the same as `spans_{key}_p` and so on; `ents_p`, `_r`, `_f`
        and `_per_type` if `set_ents`. None where there is no gold to compare with.
    """
    key = cfg["spans_key"]
    examples = list(examples)
    # Spans are compared with what they were learned from.
    source = spans_under(key, cfg.get("gold", "spans"), cfg.get("negative_spans_key"))
    found = score_spans(examples, "spans", source)
    per_type = found["spans_per_type"]
    found["spans_macro_f"] = (
        fmean(label["f"] for label in per_type.values()) if per_type else None
    )
    scores = dict(found)
    for name, value in found.items():
        scores[name.replace("spans", f"spans_{key}", 1)] = value
    if cfg.get("set_ents"):
        scores.update(score_spans(examples, "ents", entities))
    return scores


def warn_of_unscored(nlp: Language) -> None:
    """Warn of score weights for spans under keys that no component has."""
    weights = nlp.config["training"].get("score_weights", {})
    named = {
        name: match[1]
        for name, weight in weights.items()
        if weight and (match := KEYED_SCORE.fullmatch(name))
    }
    keys: Set[Any] = {"macro", "per"}  # spans_macro_f and spans_per_type have no key.
    for name, pipe in nlp.components:
        config = nlp.get_pipe_config(name)
        keys |= {getattr(pipe, "key", None), config.get("spans_key")}
    unscored = [name for name, key in named.items() if key not in keys]
    if unscored:
        found = sorted(keys - {"macro", "per", None})
        message = Warnings.W034.format(weights=", ".join(unscored), keys=found)
        warnings.warn(message, stacklevel=2)


def make_span_scorer() -> Callable[..., Dict[str, Any]]:
    return span_score
