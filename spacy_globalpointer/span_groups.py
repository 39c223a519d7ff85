"""What the attributes of a span group say of its spans.

    group.attrs = {
        "scores": [0.9, 0.8, 0.7],
        "relations": [[0, 1, "Live_In"]],    head, tail and label
        "relation_scores": [0.6],
        "fragments": [[1, 2]],               one list an entity in several pieces
    }

Numbers are positions in the group. The pieces of a discontinuous entity are spans
of the group with the label of the entity. They are no entities by themselves.
"""

from typing import Any, Dict, Hashable, List, Mapping, Optional, Set

import numpy
from spacy.tokens import Span, SpanGroup

RELATIONS, RELATION_SCORES, FRAGMENTS = "relations", "relation_scores", "fragments"


def negative_key(spans_key: str) -> str:
    """The key of doc.spans under which `convert` writes rejected spans.

    spans_key (str): That of the others.
    """
    return f"{spans_key}.negative"


def piece_positions(attrs: Mapping[str, Any]) -> Set[int]:
    """The positions of spans that are only pieces of discontinuous entities.

    attrs (Mapping[str, Any]): The attributes of a group.
    RETURNS (Set[int]): Positions in the group.
    """
    return {place for places in attrs.get(FRAGMENTS) or () for place in places}


def contiguous_spans(group: Optional[SpanGroup]) -> List[Span]:
    """The spans of a group that are entities by themselves.

    group (Optional[SpanGroup]): The group. None: there is none.
    RETURNS (List[Span]): Its spans without the pieces of discontinuous entities.
    """
    if group is None:
        return []
    if not group.attrs.get(FRAGMENTS):
        return list(group)
    pieces = piece_positions(group.attrs)
    return [span for i, span in enumerate(group) if i not in pieces]


def select_positions(
    attrs: Mapping[str, Any], positions: Mapping[int, int], n_spans: int
) -> Dict[str, Any]:
    """The attributes of a group of which only some spans are kept.

    A relation or a discontinuous entity is kept if all of its spans are, and once if
    the new positions make it equal to another. A list or an array of one value a
    span, such as "scores", keeps the values of the spans that are kept. All other
    attributes stay as they are.

    attrs (Mapping[str, Any]): The attributes of the group.
    positions (Mapping[int, int]): New position of each span that is kept, by its
        old one. Of spans with the same new position the first gives the values.
    n_spans (int): Length of the group.
    RETURNS (Dict[str, Any]): The attributes of the new group.
    """
    first: Dict[int, int] = {}
    for old, new in positions.items():
        first.setdefault(new, old)
    order = [first[new] for new in sorted(first)]
    selected: Dict[str, Any] = {}
    for key, value in attrs.items():
        if key == RELATIONS:
            rows = _unique(
                (positions[head], positions[tail], label)
                if head in positions and tail in positions
                else None
                for head, tail, label in value
            )
            selected[key] = [list(row) for row in rows]
            scores = attrs.get(RELATION_SCORES)
            if scores is not None:
                selected[RELATION_SCORES] = [scores[i] for i in rows.values()]
        elif key == FRAGMENTS:
            rows = _unique(
                tuple(positions[place] for place in places)
                if all(place in positions for place in places)
                else None
                for places in value
            )
            if rows:
                selected[key] = [list(row) for row in rows]
        elif key == RELATION_SCORES:
            selected.setdefault(key, value)
        elif isinstance(value, (list, tuple)) and len(value) == n_spans:
            selected[key] = [value[i] for i in order]
        elif isinstance(value, numpy.ndarray) and value.shape[:1] == (n_spans,):
            selected[key] = value[order]
        else:
            selected[key] = value
    return selected


def _unique(rows: Any) -> Dict[Any, int]:
    """The different rows, without None, each with its first position."""
    found: Dict[Hashable, int] = {}
    for i, row in enumerate(rows):
        if row is not None:
            found.setdefault(row, i)
    return found
