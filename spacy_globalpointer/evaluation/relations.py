"""Scores of relations, also of those between the gold spans."""

from typing import Any, Dict, Iterable, Sequence

from spacy.language import Language
from spacy.tokens import Span, SpanGroup
from spacy.training import Example

from ..pipeline.head_pipe import head_pipes
from ..pipeline.relation_gold import read_relations
from ..pipeline.relation_pointer import RelationPipe, relation_pipes
from ..pipeline.relation_scoring import relation_score
from ..tasks.drop_report import DropReport
from .relation_errors import relation_errors


def relation_metrics(nlp: Language, examples: Sequence[Example]) -> Dict[str, Any]:
    """Scores of the relations of a pipeline.

    nlp (Language): The pipeline.
    examples (Sequence[Example]): Examples with its predictions.
    RETURNS (Dict[str, Any]): For each component that finds relations, by name:
        "strict", "boundaries" and "given_spans", between the gold spans, each with p, r
        and f from 0 to 1, None where there is neither gold nor prediction;
        "discontinuous", the same, if the component finds such entities; "per_label",
        strict, by label; "errors", see `relation_errors`; "unusable", how many
        relations are not scored, by reason.
    """
    found = {}
    for name, pipe in relation_pipes(nlp).items():
        scores = relation_score(examples, **pipe.cfg)
        given = score_given_spans(nlp, examples, name)
        rows = {
            "strict": _prf(scores, "relations"),
            "boundaries": _prf(scores, "relations_boundaries"),
            "given_spans": _prf(given, "relations"),
        }
        if pipe.cfg["pieces"]:
            rows["discontinuous"] = _prf(scores, "discontinuous")
        found[name] = {
            **rows,
            "per_label": scores["relations_per_type"] or {},
            "errors": relation_errors(examples, pipe.key, pipe.cfg["symmetric"]),
            "unusable": scores["relations_unusable"],
        }
    return found


def _prf(scores: Dict[str, Any], name: str) -> Dict[str, Any]:
    return {x: scores[f"{name}_{x}"] for x in "prf"}


def score_given_spans(
    nlp: Language, examples: Iterable[Example], name: str = "relation_pointer"
) -> Dict[str, Any]:
    """Score the relations that a component finds between the gold spans.

    nlp (Language): The pipeline.
    examples (Iterable[Example]): The examples. Their predicted documents are not
        changed.
    name (str): The component.
    RETURNS (Dict[str, Any]): As `relation_score`.
    """
    pipe: RelationPipe = nlp.get_pipe(name)
    key, dropped = pipe.key, DropReport()
    golds, docs = [], []
    for example in examples:
        doc = example.predicted.copy()
        gold = read_relations(example, key, dropped, pipe.cfg["pieces"])
        spans = [Span(doc, start, end, label) for start, end, label in gold.spans]
        doc.spans[key] = SpanGroup(doc, name=key, spans=spans)
        golds.append(example.reference)
        docs.append(doc)
    finders = [other for other in head_pipes(nlp) if other != name]
    with nlp.select_pipes(disable=finders):
        found = [*nlp.pipe(docs)]
    pairs = [Example(doc, reference) for doc, reference in zip(found, golds)]
    return relation_score(pairs, **pipe.cfg)
