"""Reading the gold relations of examples, nothing lost in silence."""

from itertools import pairwise
from typing import Dict, List, Optional

from spacy.tokens import Doc, SpanGroup
from spacy.training import Example

from ..linked_spans import RelationRow, fragment_rows, relation_rows
from ..span_groups import RELATIONS
from ..tasks.drop_report import DropReport
from ..tasks.links import NEXT_PIECE, AlignedRelations, PlaceT
from .alignment import Alignment


def annotated_group(
    reference: Doc, key: str, pieces: bool = False
) -> Optional[SpanGroup]:
    """The group of a document if it says anything of relations. Missing is not empty;
    where pieces are joined, a group without `fragments` has no discontinuous entity."""
    group = reference.spans.get(key)
    if group is None or not (pieces or RELATIONS in group.attrs):
        return None
    return group


def read_relations(
    example: Example, key: str, dropped: DropReport, pieces: bool = False
) -> AlignedRelations:
    """The gold spans and relations of an example on its predicted tokens.

    example (Example): The example.
    key (str): Key of doc.spans.
    dropped (DropReport): Counts the relations that cannot be used.
    pieces (bool): Whether a relation joins each piece of a discontinuous entity to the
        next one.
    """
    group = annotated_group(example.reference, key, pieces)
    if group is None:
        return AlignedRelations()
    spans = list(group)
    usable = [i for i, span in enumerate(spans) if span.start < span.end]
    found = Alignment(example).find([spans[i] for i in usable])
    # Positions in the list of places, by those in the group.
    rows: Dict[int, int] = {}
    places: Dict[PlaceT, int] = {}
    for i, place in zip(usable, found):
        if place is not None:
            rows[i] = places.setdefault((*place, spans[i].label_), len(places))
    gold = AlignedRelations(list(places), is_annotated=True)
    seen = set()
    relations = relation_rows(group)
    if pieces:
        relations += next_pieces(group)
    for head, tail, label in relations:
        there = [i for i in (head, tail) if 0 <= i < len(spans)]
        source = spans[there[0]] if there else example.reference[:1]
        if len(there) < 2:
            dropped.add("relation of a span that is not there", source)
        elif head not in rows or tail not in rows:
            dropped.add("relation of a span not on token boundaries", source)
        elif rows[head] == rows[tail]:
            dropped.add("relation of a span with itself", source)
        elif not label:
            dropped.add("relation without a label", source)
        elif (rows[head], rows[tail], label) in seen:
            # Two entities may share two pieces.
            if label != NEXT_PIECE:
                dropped.add("the same relation twice", source)
        else:
            seen.add((rows[head], rows[tail], label))
            gold.relations.append((rows[head], rows[tail], label))
            gold.sources.append(source)
    return gold


def next_pieces(group: SpanGroup) -> List[RelationRow]:
    """A relation from each piece of a discontinuous entity to the next one."""
    spans = list(group)
    found: List[RelationRow] = []
    for row in fragment_rows(group):
        there = [i for i in row if 0 <= i < len(spans)]
        order = sorted(there, key=lambda i: (spans[i].start, spans[i].end))
        found += [(a, b, NEXT_PIECE) for a, b in pairwise(order)]
    return found
