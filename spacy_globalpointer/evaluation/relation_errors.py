"""Kinds of wrong relations."""

from collections import Counter
from typing import Dict, Iterable, Sequence, Set

from spacy.training import Example

from ..pipeline.relation_gold import annotated_group
from ..pipeline.relation_scoring import PlaceT, RelationT, read_group

WRONG_DIRECTION, WRONG_LABEL, WRONG_SPAN = (
    "wrong direction",
    "wrong label",
    "wrong span",
)
SPURIOUS, MISSED = "spurious", "missed"


def relation_errors(
    examples: Iterable[Example], spans_key: str, symmetric: Sequence[str] = ()
) -> Dict[str, int]:
    """Count the wrong relations by kind.

    A predicted relation that is no gold one has the first of these kinds that fits,
    and each gold relation explains one predicted relation at most:
    "wrong direction", the gold relation has the same spans the other way round;
    "wrong label", it has the same spans and another label; "wrong span", it has the
    same label, and its head and its tail overlap the predicted ones, which have other
    offsets or labels; "spurious". A gold relation that is not predicted and explains
    none is "missed".

    examples (Iterable[Example]): Examples with predictions. References without
        relations are left out.
    spans_key (str): Key of doc.spans.
    symmetric (Sequence[str]): Labels that have no direction.
    RETURNS (Dict[str, int]): How many of each kind.
    """
    counts = dict.fromkeys(
        (WRONG_DIRECTION, WRONG_LABEL, WRONG_SPAN, SPURIOUS, MISSED), 0
    )
    for example in examples:
        group = annotated_group(example.reference, spans_key)
        if group is not None:
            found = example.predicted.spans.get(spans_key)
            predicted = read_group(found, symmetric, Counter(), "predicted")
            gold = read_group(group, symmetric, Counter(), "gold")
            _count(predicted - gold, gold - predicted, counts)
    return counts


def _count(
    wrong: Set[RelationT], missed: Set[RelationT], counts: Dict[str, int]
) -> None:
    """Count the errors of a document."""
    rest = sorted(wrong)
    for kind, fits in (
        (WRONG_DIRECTION, _is_reversed),
        (WRONG_LABEL, _has_same_spans),
        (WRONG_SPAN, _has_other_span),
    ):
        unexplained = []
        for row in rest:
            match = next((x for x in sorted(missed) if fits(row, x)), None)
            if match is None:
                unexplained.append(row)
            else:
                missed = missed - {match}
                counts[kind] += 1
        rest = unexplained
    counts[SPURIOUS] += len(rest)
    counts[MISSED] += len(missed)


def _is_reversed(row: RelationT, gold: RelationT) -> bool:
    return row == (gold[1], gold[0], gold[2])


def _has_same_spans(row: RelationT, gold: RelationT) -> bool:
    return row[:2] == gold[:2]


def _has_other_span(row: RelationT, gold: RelationT) -> bool:
    ends = zip(row[:2], gold[:2])
    return row[2] == gold[2] and all(_touch(a, b) for a, b in ends)


def _touch(a: PlaceT, b: PlaceT) -> bool:
    return a[0] < b[1] and b[0] < a[1]
