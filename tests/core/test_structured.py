"""Losses of whole answers, against all answers there are."""

import math

import pytest
import torch

from spacy_globalpointer.core.lattice import GoldSpans, Lattice, Layout
from spacy_globalpointer.core.objectives import NestedCRF, SemiMarkovCRF
from tests.util.whole_answers import answers

OBJECTIVES = {"flat": SemiMarkovCRF, "nested": NestedCRF}
every_kind = pytest.mark.parametrize("kind", OBJECTIVES)
# Lengths, longest candidate, labels, gold (label, head, width), unknown tokens.
CASES = {
    "plain": ([3, 0, 4, 1], 3, 1, [(0, 0, 0), (0, 3, 2)], []),
    "two labels": ([3, 1], 2, 2, [(1, 0, 1), (0, 3, 0)], []),
    "no limit": ([4], None, 1, [(0, 0, 1)], []),
    "no gold": ([2, 3], 2, 1, [], []),
    "unknown inside": ([5], 3, 1, [(0, 0, 1), (0, 4, 0)], [3]),
    "unknown at the ends": ([4, 2], 3, 1, [(0, 1, 1)], [0, 3]),
    "unknown document": ([3, 2], 2, 2, [(0, 3, 0)], [0, 1, 2]),
}
NESTED_CASES = {
    "nested gold": ([5], 5, 1, [(0, 0, 3), (0, 1, 0), (0, 2, 1)], []),
    "two labels of a span": ([3], 2, 2, [(0, 0, 1), (1, 0, 1), (1, 1, 0)], []),
    "nested gold and unknown": ([5], 5, 1, [(0, 0, 2), (0, 1, 1)], [4]),
    "gold inside of what may be": ([3], 3, 2, [(0, 1, 1)], [0]),
    "gold twice inside": ([5], 5, 1, [(0, 1, 0), (0, 2, 0), (0, 1, 1)], [0]),
}
KINDS_AND_CASES = [(kind, case) for kind in OBJECTIVES for case in CASES]
KINDS_AND_CASES += [("nested", case) for case in NESTED_CASES]
every_case = pytest.mark.parametrize("kind, case", KINDS_AND_CASES)


def make(case, scale=1.5, seed=0, dtype=torch.float64):
    lengths, max_length, n_labels, gold, unknown = {**CASES, **NESTED_CASES}[case]
    layout = Layout(lengths, max_length)
    generator = torch.Generator().manual_seed(seed)
    shape = n_labels, layout.n_tokens, layout.width
    values = torch.randn(shape, generator=generator, dtype=torch.float64) * scale
    lattice = Lattice(torch.where(layout.valid, values, -math.inf).to(dtype), layout)
    labels, starts, offsets = torch.tensor(gold, dtype=torch.long).view(-1, 3).T
    mask = torch.zeros(layout.n_tokens, dtype=torch.bool)
    mask[unknown] = True
    n_docs = len(layout.doc_ids[~mask].unique())
    annotation = GoldSpans(labels, starts, offsets, mask if unknown else None, n_docs)
    return lattice, annotation


def log_sum(totals):
    return torch.tensor(totals, dtype=torch.float64).logsumexp(0).item()


def agrees(answer, gold, unknown):
    """Whether an answer has all gold, and beside it spans with unknown tokens only."""
    rest = set(answer) - gold
    return gold <= set(answer) and all(
        not unknown.isdisjoint(range(i, j + 1)) for _, i, j in rest
    )


def brute_force(kind, lattice, annotation):
    """Loss and log probabilities by enumeration."""
    gold = {(a, i, i + w) for a, i, w in zip(*(x.tolist() for x in annotation.index))}
    unknown = set()
    if annotation.unknown is not None:
        unknown = set(annotation.unknown.nonzero().flatten().tolist())
    loss, p = 0.0, torch.zeros(lattice.scores.shape, dtype=torch.float64)
    d_scores = torch.zeros_like(p)
    for doc, found in enumerate(answers(kind, lattice)):
        own = {x for x in gold if lattice.layout.doc_ids[x[1]] == doc}
        total = log_sum([score for _, score in found])
        right = [(y, score) for y, score in found if agrees(y, own, unknown)]
        total_right = log_sum([score for _, score in right])
        loss += total - total_right
        for answer, score in found:
            for a, i, j in answer:
                p[a, i, j - i] += math.exp(score - total)
        for answer, score in right:
            for a, i, j in answer:
                d_scores[a, i, j - i] -= math.exp(score - total_right)
    return loss, p, d_scores + p


@every_case
@pytest.mark.parametrize("scale", [1.5, 6.0])
def test_loss_and_gradient_are_those_of_all_answers(kind, case, scale):
    lattice, gold = make(case, scale)
    loss, d_scores, n_docs = OBJECTIVES[kind]().sums(lattice, gold)
    expected, _, d_expected = brute_force(kind, lattice, gold)
    assert loss.item() == pytest.approx(expected, abs=1e-9)
    torch.testing.assert_close(d_scores, d_expected, rtol=0, atol=1e-9)
    assert n_docs == max(gold.n_docs, 1)


@every_case
def test_gradient_is_the_difference_of_losses(kind, case):
    lattice, gold = make(case)
    objective = OBJECTIVES[kind]()
    _, d_scores, _ = objective.sums(lattice, gold)
    step = 1e-5
    for cell in lattice.layout.valid.expand_as(d_scores).nonzero().tolist():
        losses = []
        for shift in (step, -step):
            scores = lattice.scores.clone()
            scores[tuple(cell)] += shift
            losses.append(objective.sums(Lattice(scores, lattice.layout), gold)[0])
        slope = (losses[0] - losses[1]).item() / (2 * step)
        assert d_scores[tuple(cell)].item() == pytest.approx(slope, abs=1e-8)


@every_case
def test_probabilities_are_sums_over_answers(kind, case):
    lattice, _ = make(case)
    objective = OBJECTIVES[kind](best_answer=False)
    _, p, _ = brute_force(kind, lattice, make(case)[1])
    odds = objective.log_odds(lattice).scores
    torch.testing.assert_close(objective.probability(odds), p, rtol=0, atol=1e-10)


@every_case
@pytest.mark.parametrize("seed", range(2))
def test_a_threshold_of_one_half_gives_the_best_answer(kind, case, seed):
    lattice, _ = make(case, seed=seed)
    objective = OBJECTIVES[kind]()
    odds = objective.log_odds(lattice).scores
    chosen = {
        (a, i, i + w)
        for a, i, w in (odds >= objective.to_logit(0.5)).nonzero().tolist()
    }
    best = set()
    for found_ in answers(kind, lattice):
        best |= set(max(found_, key=lambda x: x[1])[0])
    assert chosen == best


@every_kind
def test_each_document_is_on_its_own(kind):
    lattice, gold = make("plain", dtype=torch.float32)
    objective = OBJECTIVES[kind]()
    loss, d_scores, _ = objective.sums(lattice, gold)
    total = 0.0
    for offset, length in zip([0, 3, 3, 7], lattice.layout.lengths):
        own = slice(offset, offset + length)
        layout = Layout([length], 3)
        alone = Lattice(lattice.scores[:, own, : layout.width], layout)
        mine = (gold.starts >= offset) & (gold.starts < offset + length)
        part = GoldSpans(
            gold.labels[mine], gold.starts[mine] - offset, gold.offsets[mine], None, 1
        )
        one, d_one, _ = objective.sums(alone, part)
        total += one.item()
        torch.testing.assert_close(
            d_scores[:, own, : layout.width], d_one, rtol=0, atol=1e-6
        )
    assert total == pytest.approx(loss.item(), abs=1e-5)


@every_kind
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_float32_scores_of_2000_tokens(kind, scale):
    """The sums run in float64, whatever the scores are in."""
    layout = Layout([2000, 3], 8)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 2003, 8, generator=generator) * scale
    scores = torch.where(layout.valid, values, -math.inf)
    none = torch.zeros(0, dtype=torch.long)
    gold = GoldSpans(none, none, none, None, 2)
    objective = OBJECTIVES[kind](best_answer=False)
    loss, d_scores, _ = objective.sums(Lattice(scores, layout), gold)
    exact, d_exact, _ = objective.sums(Lattice(scores.double(), layout), gold)
    assert loss.dtype == d_scores.dtype == torch.float32 and loss > 0
    assert loss.item() == pytest.approx(exact.item(), rel=1e-6)
    torch.testing.assert_close(d_scores.double(), d_exact, rtol=0, atol=1e-6)
    assert d_scores.min() >= 0 and d_scores.max() <= 1 + 1e-9
    odds = objective.log_odds(Lattice(scores, layout)).scores
    assert not odds.isnan().any() and (odds[:, ~layout.valid] == -math.inf).all()


@every_kind
def test_a_batch_without_tokens_costs_nothing(kind):
    none = torch.zeros(0, dtype=torch.long)
    lattice = Lattice(torch.zeros(2, 0, 1), Layout([0, 0], 3))
    objective = OBJECTIVES[kind]()
    loss, d_scores, n = objective.sums(lattice, GoldSpans(none, none, none, None, 0))
    assert loss.item() == 0 and d_scores.shape == (2, 0, 1) and n == 1
    assert objective.log_odds(lattice).scores.shape == (2, 0, 1)


@pytest.mark.parametrize("kind, index", [("flat", 0), ("nested", 1)])
def test_gold_without_room_is_reduced(kind, index):
    """Flat: the outermost; nested: the longer of two that cross."""
    cells = [[(0, 0, 3), (0, 1, 0), (1, 0, 3)], [(0, 0, 3), (0, 2, 2), (1, 1, 0)]][
        index
    ]
    kept = [[(0, 0, 3)], [(0, 0, 3), (1, 1, 0)]][index]
    layout = Layout([5], 4)
    values = torch.randn(2, 5, 4, dtype=torch.float64)
    lattice = Lattice(torch.where(layout.valid, values, -math.inf), layout)
    losses = []
    for gold in (cells, kept):
        labels, starts, offsets = torch.tensor(gold).T
        annotation = GoldSpans(labels, starts, offsets, None, 1)
        losses.append(OBJECTIVES[kind]().sums(lattice, annotation)[0].item())
    assert losses[0] == losses[1]


@every_kind
@pytest.mark.parametrize("gold", [[], [(0, 1, 1)], [(0, 0, 0), (0, 3, 0)]])
@pytest.mark.parametrize("unknown", [[], [2, 3]])
def test_a_label_without_annotation_may_be_anywhere(kind, gold, unknown):
    gold = [x for x in gold if not {*range(x[1], x[1] + x[2] + 1)} & {*unknown}]
    layout = Layout([4], 3)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    scores = torch.where(layout.valid, values, -math.inf).requires_grad_()
    labels, starts, offsets = torch.tensor(gold, dtype=torch.long).view(-1, 3).T
    mask = torch.zeros(4, dtype=torch.bool)
    mask[unknown] = True
    annotation = GoldSpans(labels, starts, offsets, mask if unknown else None, 1, [1])
    wanted = {(label, i, i + w) for label, i, w in gold}
    every, right = [], []
    for answer, _ in next(answers(kind, Lattice(scores.detach(), layout))):
        total = (
            sum(scores[label, i, j - i] for label, i, j in answer) + 0 * values.sum()
        )
        every.append(total)
        known = {x for x in answer if not {*range(x[1], x[2] + 1)} & {*unknown}}
        own = {x for x in known if x[0] == 0}
        if own == wanted:
            right.append(total)
    expected = torch.stack(every).logsumexp(0) - torch.stack(right).logsumexp(0)
    loss, d_scores, _ = OBJECTIVES[kind]().sums(
        Lattice(scores.detach(), layout), annotation
    )
    assert loss.item() == pytest.approx(expected.item())
    gradient = torch.autograd.grad(expected, scores)[0]
    torch.testing.assert_close(d_scores, gradient, rtol=0, atol=1e-9)
