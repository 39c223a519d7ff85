import pytest

from spacy_globalpointer.evaluation import (
    KINDS,
    confusion,
    error_kinds,
    read_table,
    spans_under,
)
from tests.util.documents import KEY, make_doc, random_pairs, to_docs


def kinds_of(gold, predicted, n_tokens=9):
    docs = [(make_doc(n_tokens, gold), make_doc(n_tokens, predicted))]
    table = read_table(docs, spans_under(KEY))
    kinds = error_kinds(table)
    return [
        {(m[0], m[1], m[2]): KINDS[k] for m, k in zip(rows, numbers)}
        for rows, numbers in (
            (sorted(set(gold)), kinds.gold[_order(table.gold, table)]),
            (sorted(set(predicted)), kinds.predicted[_order(table.predicted, table)]),
        )
    ]


def _order(side, table):
    rows = list(zip(side.starts, side.ends, (table.labels[i] for i in side.labels)))
    return sorted(range(len(rows)), key=rows.__getitem__)


@pytest.mark.parametrize(
    "gold, predicted, of_gold, of_predicted",
    [
        ([(0, 2, "A")], [(0, 2, "A")], ["right"], ["right"]),
        ([(0, 2, "A")], [(0, 2, "B")], ["type"], ["type"]),
        ([(0, 2, "A")], [(1, 3, "A")], ["boundary"], ["boundary"]),
        ([(0, 2, "A")], [(1, 3, "B")], ["missed"], ["spurious"]),
        ([(0, 2, "A")], [(2, 3, "A")], ["missed"], ["spurious"]),
        # The label comes before the boundary.
        (
            [(0, 2, "A"), (0, 3, "B")],
            [(0, 2, "B")],
            ["type", "missed"],
            ["type"],
        ),
        # A level too few, a level too many, a second label on the same tokens.
        ([(0, 4, "A"), (0, 2, "B")], [(0, 4, "A")], ["nesting", "right"], ["right"]),
        ([(0, 2, "A")], [(0, 2, "A"), (0, 4, "A")], ["right"], ["right", "nesting"]),
        ([(0, 2, "A")], [(0, 2, "A"), (0, 2, "B")], ["right"], ["right", "nesting"]),
        # Spans that cross are not nested.
        ([(0, 3, "A")], [(0, 3, "A"), (2, 5, "B")], ["right"], ["right", "spurious"]),
        # One of two labels on the same tokens is paired.
        (
            [(0, 2, "A"), (0, 2, "B")],
            [(0, 2, "C")],
            ["type", "missed"],
            ["type"],
        ),
        ([], [(0, 1, "A")], [], ["spurious"]),
        ([(0, 1, "A")], [], ["missed"], []),
        ([], [], [], []),
    ],
)
def test_kinds(gold, predicted, of_gold, of_predicted):
    found = kinds_of(gold, predicted)
    assert list(found[0].values()) == of_gold
    assert list(found[1].values()) == of_predicted


def by_definition(span, own, others):
    """The kind of a span by its definition, but for the pairing of type errors."""
    if span in others:
        return "right"
    wrong = others - own
    if any(other[:2] == span[:2] for other in wrong):
        return "type"
    if any(
        other[2] == span[2] and other[0] < span[1] and span[0] < other[1]
        for other in wrong
        if not any(x[:2] == other[:2] for x in own - others)
    ):
        return "boundary"
    around = own & others
    if any(
        (a[0] <= b[0] and b[1] <= a[1])
        for x in around
        for a, b in ((x, span), (span, x))
    ):
        return "nesting"
    return "rest"


@pytest.mark.parametrize("seed", range(5))
def test_kinds_agree_with_their_definitions(seed):
    """With two labels there is no more than one wrong span a side and place, so all
    type errors are paired."""
    pairs = random_pairs(seed, labels="AB")
    checked = 0
    for gold, predicted in pairs:
        found = kinds_of(sorted(gold), sorted(predicted))
        for own, others, kinds in (
            (gold, predicted, found[0]),
            (predicted, gold, found[1]),
        ):
            for span, kind in kinds.items():
                expected = by_definition(span, own, others)
                rest = "missed" if own is gold else "spurious"
                assert kind == (rest if expected == "rest" else expected), span
                checked += 1
    assert checked > 100


@pytest.mark.parametrize("seed", range(3))
def test_confusion_adds_up(seed):
    table = read_table(to_docs(random_pairs(seed)), spans_under(KEY))
    kinds = error_kinds(table)
    matrix = confusion(table, kinds)
    summary = kinds.summary()
    for side, sums in ((table.gold, matrix.sum(1)), (table.predicted, matrix.sum(0))):
        counts = [(side.labels == i).sum() for i in range(len(table.labels))]
        assert sums[:-1].tolist() == counts
    inner = matrix[:-1, :-1]
    assert inner.trace() == summary["gold"]["right"] == table.right[0].sum()
    assert inner.sum() - inner.trace() == summary["gold"]["type"]
    assert sum(summary["gold"].values()) == len(table.gold)
    assert sum(summary["predicted"].values()) == len(table.predicted)
    # False positives and false negatives.
    n_errors = (~table.right[0]).sum() + (~table.right[1]).sum()
    for kind in ("boundary", "type"):
        n = summary["gold"][kind] + summary["predicted"][kind]
        assert summary[f"{kind}_error_rate"] == pytest.approx(n / n_errors) and n > 0


def test_confusion_of_labels():
    docs = [
        (
            make_doc(9, [(0, 1, "A"), (2, 3, "B"), (4, 6, "B")]),
            make_doc(9, [(0, 1, "A"), (2, 3, "A"), (4, 5, "B")]),
        )
    ]
    table = read_table(docs, spans_under(KEY))
    assert confusion(table, error_kinds(table)).tolist() == [
        [1, 0, 0],
        [1, 0, 1],
        [0, 1, 0],
    ]
