"""Relations and discontinuous entities of a document: reading, writing, joining.

They stand in the attributes of a span group, see `span_groups`.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span, SpanGroup

from .errors import Errors
from .span_groups import FRAGMENTS, RELATION_SCORES, RELATIONS, piece_positions

# Head and tail, as positions in the group, and the label.
RelationRow = Tuple[int, int, str]


class Relation(NamedTuple):
    """A relation between two spans of a document.

    head, tail (Span): The spans, from the one to the other.
    label (str): The label.
    score (Optional[float]): The probability, None if there is none.
    """

    head: Span
    tail: Span
    label: str
    score: Optional[float]


class Entity(NamedTuple):
    """An entity: one span, or several pieces.

    pieces (Tuple[Span, ...]): The spans, in their order in the text.
    label (str): The label.
    """

    pieces: Tuple[Span, ...]
    label: str


def relations(doc: Doc, key: str = "sc") -> List[Relation]:
    """The relations of a document.

    doc (Doc): The document.
    key (str): Key of doc.spans.
    RETURNS (List[Relation]): In the order in which they are stored. Empty if there is
        no such group.
    RAISES (ValueError): If a relation names a span that is not in the group.
    """
    group = doc.spans.get(key)
    if group is None:
        return []
    rows = relation_rows(group)
    scores = group.attrs.get(RELATION_SCORES)
    if scores is None or len(scores) != len(rows):
        scores = [None] * len(rows)
    spans = _spans(group, [place for *places, _ in rows for place in places])
    return [
        Relation(spans[head], spans[tail], label, None if x is None else float(x))
        for (head, tail, label), x in zip(rows, scores)
    ]


def entities(doc: Doc, key: str = "sc") -> List[Entity]:
    """The entities of a document, contiguous and discontinuous.

    doc (Doc): The document.
    key (str): Key of doc.spans.
    RETURNS (List[Entity]): In the order of their first pieces. Spans that are only
        pieces of a discontinuous entity are none. Empty if there is no such group.
    RAISES (ValueError): If an entity names a span that is not in the group.
    """
    group = doc.spans.get(key)
    if group is None:
        return []
    rows = fragment_rows(group)
    spans = _spans(group, [place for row in rows for place in row])
    pieces = piece_positions(group.attrs)
    found = [Entity((x,), x.label_) for i, x in enumerate(spans) if i not in pieces]
    for row in rows:
        own = tuple(sorted(spans[place] for place in row))
        found.append(Entity(own, own[0].label_))
    return sorted(found, key=lambda entity: [(x.start, x.end) for x in entity.pieces])


def relation_rows(group: SpanGroup) -> List[RelationRow]:
    """Head, tail and label of each relation of a group, positions in the group."""
    rows = group.attrs.get(RELATIONS) or ()
    return [(int(head), int(tail), str(label)) for head, tail, label in rows]


def fragment_rows(group: SpanGroup) -> List[Tuple[int, ...]]:
    """The positions of the pieces of each discontinuous entity of a group."""
    rows = group.attrs.get(FRAGMENTS) or ()
    return [tuple(int(place) for place in row) for row in rows if len(row)]


def write_relations(
    group: SpanGroup, rows: Sequence[RelationRow], scores: Sequence[float]
) -> None:
    """Replace the relations of a group.

    group (SpanGroup): The group.
    rows (Sequence[RelationRow]): Positions of head and tail in the group, and the
        label.
    scores (Sequence[float]): Their probabilities.
    """
    group.attrs[RELATIONS] = [list(row) for row in rows]
    group.attrs[RELATION_SCORES] = list(scores)


def write_fragments(group: SpanGroup, rows: Sequence[Sequence[int]]) -> None:
    """Replace the discontinuous entities of a group.

    group (SpanGroup): The group.
    rows (Sequence[Sequence[int]]): The positions of the pieces of each.
    """
    group.attrs.pop(FRAGMENTS, None)
    if rows:
        group.attrs[FRAGMENTS] = [list(row) for row in rows]


def from_docs(docs: Sequence[Doc], **settings: Any) -> Doc:
    """Join documents, as `Doc.from_docs`, which drops the attributes of span groups.

    docs (Sequence[Doc]): The documents.
    settings (Any): Arguments of `Doc.from_docs`.
    RETURNS (Doc): The document. Its groups have the relations, the discontinuous
        entities and the values of each span ("scores") of all. A list of values is
        left out if it is not there for all spans. None if there are no documents.
    """
    joined = Doc.from_docs(list(docs), **settings)
    if joined is None or "spans" in (settings.get("exclude") or ()):
        return joined
    for key, group in joined.spans.items():
        groups = [doc.spans.get(key) for doc in docs]
        group.attrs.update(_joined_attrs([x for x in groups if x is not None]))
    return joined


def _joined_attrs(groups: Sequence[SpanGroup]) -> Dict[str, Any]:
    """The attributes of groups that are joined in their order."""
    rows: List[List[Any]] = []
    fragments: List[List[int]] = []
    offset = 0
    for group in groups:
        found = relation_rows(group)
        rows += [[head + offset, tail + offset, label] for head, tail, label in found]
        fragments += [[x + offset for x in row] for row in fragment_rows(group)]
        offset += len(group)
    attrs: Dict[str, Any] = {}
    if any(RELATIONS in group.attrs for group in groups):
        attrs[RELATIONS] = rows
    if fragments:
        attrs[FRAGMENTS] = fragments
    for name, count in (("scores", len), (RELATION_SCORES, _n_relations)):
        lists = [group.attrs.get(name, ()) for group in groups]
        if all(len(x) == count(group) for x, group in zip(lists, groups)):
            values = [float(value) for x in lists for value in x]
            if values or any(name in group.attrs for group in groups):
                attrs[name] = values
    return attrs


def _n_relations(group: SpanGroup) -> int:
    return len(relation_rows(group))


def _spans(group: SpanGroup, places: Sequence[int]) -> List[Span]:
    """The spans of a group, which must have all of the given positions."""
    missing = [place for place in places if not 0 <= place < len(group)]
    if missing:
        raise ValueError(
            Errors.E200.format(place=missing[0], key=group.name, n_spans=len(group))
        )
    return list(group)
