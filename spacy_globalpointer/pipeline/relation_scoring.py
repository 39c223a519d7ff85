"""Scores of relations and of discontinuous entities, and the registered scorer."""

from collections import Counter
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple

from spacy.scorer import PRFScore
from spacy.tokens import Span, SpanGroup
from spacy.training import Example

from ..linked_spans import fragment_rows, relation_rows
from .relation_gold import annotated_group

# Start and end character, and label.
PlaceT = Tuple[int, int, str]
RelationT = Tuple[PlaceT, PlaceT, str]


def relation_score(
    examples: Iterable[Example],
    *,
    spans_key: str,
    symmetric: Sequence[str] = (),
    pieces: bool = False,
    **cfg: Any,
) -> Dict[str, Any]:
    """Scores of relations.

    examples (Iterable[Example]): The examples. References without relations, not even
        an empty list, are left out.
    spans_key (str): Key of doc.spans.
    symmetric (Sequence[str]): Labels that have no direction.
    pieces (bool): Whether discontinuous entities are scored too.
    cfg (Any): Other settings of the component.
    RETURNS (Dict[str, Any]): `relations_p`, `_r`, `_f` (micro) and `_per_type`, strict:
        offsets and labels of both spans, and the relation's label, must agree;
        `relations_boundaries_p`, `_r` and `_f`: the labels of the spans need not;
        `relations_unusable`: how many of the gold and the predicted relations are not
        scored, by reason; the scores of `discontinuous_score` if `pieces`. None where
        there is neither gold nor prediction.
    """
    strict, boundaries = PRFScore(), PRFScore()
    per_type: Dict[str, PRFScore] = {}
    unusable: Counter = Counter()
    is_annotated = False
    examples = list(examples)
    for example in examples:
        group = annotated_group(example.reference, spans_key)
        if group is None:
            continue
        is_annotated = True
        sides = [
            read_group(x, symmetric, unusable, side)
            for x, side in (
                (example.predicted.spans.get(spans_key), "predicted"),
                (group, "gold"),
            )
        ]
        strict.score_set(*sides)
        boundaries.score_set(*({_without_labels(x) for x in side} for side in sides))
        for label in {x[2] for side in sides for x in side}:
            own = ({x for x in side if x[2] == label} for side in sides)
            per_type.setdefault(label, PRFScore()).score_set(*own)
    scores: Dict[str, Any] = {
        **_named("relations", strict, is_annotated),
        **_named("relations_boundaries", boundaries, is_annotated),
        "relations_per_type": None,
        "relations_unusable": dict(unusable),
    }
    if per_type:
        scores["relations_per_type"] = {
            label: per_type[label].to_dict() for label in sorted(per_type)
        }
    if pieces:
        scores.update(discontinuous_score(examples, spans_key=spans_key))
    return scores


def discontinuous_score(
    examples: Iterable[Example], *, spans_key: str, **cfg: Any
) -> Dict[str, Any]:
    """Strict scores of discontinuous entities: all pieces and the label must agree.

    examples (Iterable[Example]): The examples. References without the group are left
        out.
    spans_key (str): Key of doc.spans.
    cfg (Any): Other settings of the component.
    RETURNS (Dict[str, Any]): `discontinuous_p`, `_r` and `_f`; None where there is
        neither gold nor prediction.
    """
    score = PRFScore()
    for example in examples:
        group = example.reference.spans.get(spans_key)
        if group is not None:
            predicted = example.predicted.spans.get(spans_key)
            score.score_set(_discontinuous(predicted), _discontinuous(group))
    return _named("discontinuous", score, True)


def _named(name: str, score: PRFScore, is_annotated: bool) -> Dict[str, Any]:
    values = (score.precision, score.recall, score.fscore)
    there = is_annotated and score.tp + score.fp + score.fn > 0
    return {f"{name}_{x}": v if there else None for x, v in zip("prf", values)}


def read_group(
    group: Optional[SpanGroup], symmetric: Sequence[str], unusable: Counter, side: str
) -> Set[RelationT]:
    """The different relations of a group; what is none is counted.

    group (Optional[SpanGroup]): The group. None: it has none.
    symmetric (Sequence[str]): Labels that have no direction: their ends are sorted.
    unusable (Counter): Counts what is no relation, by reason.
    side (str): "gold" or "predicted", for the reasons.
    RETURNS (Set[RelationT]): Head, tail and label, the ends by their characters and
        label.
    """
    if group is None:
        return set()
    places = [*map(place_of, group)]
    found: Set[RelationT] = set()
    for head, tail, label in relation_rows(group):
        if not (0 <= head < len(places) and 0 <= tail < len(places)):
            unusable[f"{side}: of a span that is not there"] += 1
            continue
        ends: List[PlaceT] = [places[head], places[tail]]
        if label in symmetric:
            ends.sort()
        row = (ends[0], ends[1], label)
        if ends[0] == ends[1]:
            unusable[f"{side}: of a span with itself"] += 1
        elif row in found:
            unusable[f"{side}: the same relation twice"] += 1
        else:
            found.add(row)
    return found


def place_of(span: Span) -> PlaceT:
    return span.start_char, span.end_char, span.label_


def _without_labels(row: RelationT) -> Tuple[Tuple[int, int], Tuple[int, int], str]:
    head, tail, label = row
    return head[:2], tail[:2], label


def _discontinuous(group: Optional[SpanGroup]) -> Set[Tuple[PlaceT, ...]]:
    if group is None:
        return set()
    places = [*map(place_of, group)]
    rows = [row for row in fragment_rows(group) if max(row) < len(places)]
    return {tuple(sorted(places[i] for i in row)) for row in rows}


def make_relation_scorer() -> Callable[..., Dict[str, Any]]:
    return relation_score
