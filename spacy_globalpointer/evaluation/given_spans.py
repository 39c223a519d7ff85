"""Relations between the gold spans: what a component finds if the spans are right."""

from typing import Any, Dict, Iterable, List

from spacy.language import Language
from spacy.tokens import Span, SpanGroup
from spacy.training import Example

from ..pipeline.head_pipe import HeadPipe
from ..pipeline.relation_gold import read_relations
from ..pipeline.relation_pointer import RelationPipe
from ..pipeline.relation_scoring import relation_score
from ..tasks.drop_report import DropReport


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
    finders: List[str] = [
        other
        for other, component in nlp.pipeline
        if other != name and isinstance(component, HeadPipe)
    ]
    with nlp.select_pipes(disable=finders):
        found = [*nlp.pipe(docs)]
    pairs = [Example(doc, reference) for doc, reference in zip(found, golds)]
    return relation_score(pairs, **pipe.cfg)
