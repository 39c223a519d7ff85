"""The losses against their formulas, cell by cell in decimals of 50 digits, which
know no overflow."""

import math
from decimal import Decimal, getcontext

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_globalpointer.core.lattice import GoldSpans, Lattice, Layout
from spacy_globalpointer.core.objectives import BinaryCrossEntropy, ClassImbalanceLoss
from tests.util.lattices import candidates, few_examples, lattice_width, ragged_batches

getcontext().prec = 50

every_objective = pytest.mark.parametrize(
    "objective", [ClassImbalanceLoss(), BinaryCrossEntropy()], ids=["imbalance", "bce"]
)
N_LABELS = 2

# Documents' lengths, max_length, gold (label, head, width), tokens without
# annotation, annotated documents.
CASES = {
    "plain": ([3, 5, 2], 3, [(0, 0, 1), (1, 4, 0), (1, 9, 0)], [], 3),
    "nested": ([4, 4], 4, [(0, 0, 3), (0, 0, 1), (0, 2, 1), (1, 0, 3)], [], 2),
    "first and last cells": ([2, 3], 2, [(0, 0, 0), (1, 4, 0), (0, 3, 1)], [], 2),
    "empty documents": ([0, 3, 0, 0, 2, 0], 3, [(0, 3, 1), (1, 0, 2)], [], 2),
    "unknown tokens": ([5, 4], 3, [(0, 0, 1), (1, 7, 1)], [2, 6], 2),
    "missing documents": ([3, 4, 2], 4, [(1, 3, 1)], [0, 1, 2, 7, 8], 1),
    "nothing annotated": ([2, 1], 2, [], [0, 1, 2], 0),
    "no gold": ([3, 1], 2, [], [], 2),
    "all gold, one token": (
        [2, 1],
        1,
        [(label, head, 0) for label in (0, 1) for head in (0, 1, 2)],
        [],
        2,
    ),
    "all gold of one label": ([2, 1], 2, [(0, 0, 0), (0, 0, 1), (0, 1, 0)], [], 2),
}
every_case = pytest.mark.parametrize("case", CASES)


def brute_force(objective, scores, lengths, gold, unknown, n_docs):
    """Loss and gradient as the docstrings have them (arXiv 2208.03054, eq. 13)."""
    n_labels, _, width = scores.shape
    d_scores = torch.zeros(scores.shape, dtype=torch.float64)
    sums = Decimal(0)
    cells = [
        (doc, i, j)
        for doc, i, j in candidates(lengths, width)
        if not any(token in unknown for token in range(i, j + 1))
    ]
    n_terms = max(n_docs, 1) * n_labels
    for label in range(n_labels):
        for doc in range(len(lengths)):
            # exp(-s) of gold spans, exp(s) of all others.
            exp = {True: {}, False: {}}
            for _, i, j in (cell for cell in cells if cell[0] == doc):
                cell = label, i, j - i
                is_gold = cell in gold
                score = Decimal(scores[cell].item())
                exp[is_gold][cell] = (-score if is_gold else score).exp()
            for is_gold, terms in exp.items():
                total = Decimal(1) + sum(terms.values())
                if isinstance(objective, ClassImbalanceLoss):
                    sums += total.ln()
                else:
                    sums += sum((1 + x).ln() for x in terms.values())
                for cell, x in terms.items():
                    if isinstance(objective, BinaryCrossEntropy):
                        total = 1 + x
                    d_scores[cell] = float((-x if is_gold else x) / total / n_terms)
    return float(sums / n_terms), d_scores


def inside(values, layout):
    """Scores with -inf outside of documents."""
    return torch.where(layout.valid, values, -math.inf)


def gold_spans(gold, unknown, n_tokens, n_docs):
    labels, starts, offsets = torch.tensor(gold, dtype=torch.long).view(-1, 3).T
    is_unknown = None
    if unknown:
        is_unknown = torch.zeros(n_tokens, dtype=torch.bool)
        is_unknown[list(unknown)] = True
    return GoldSpans(labels, starts, offsets, is_unknown, n_docs)


def check(objective, values, lengths, max_length, gold, unknown, n_docs, tolerance):
    layout = Layout(lengths, max_length)
    scores = inside(values, layout)
    annotation = gold_spans(gold, unknown, layout.n_tokens, n_docs)
    loss, d_scores = objective(Lattice(scores, layout), annotation)
    expected, d_expected = brute_force(
        objective, scores, lengths, gold, unknown, n_docs
    )
    assert loss.shape == ()
    assert math.isclose(loss.item(), expected, rel_tol=tolerance, abs_tol=tolerance)
    torch.testing.assert_close(
        d_scores.double(), d_expected, rtol=tolerance, atol=tolerance / 10
    )
    return loss, d_scores


def random_values(lengths, max_length, dtype=torch.float64, scale=1.0, seed=0):
    shape = N_LABELS, sum(lengths), lattice_width(lengths, max_length)
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, dtype=torch.float64, generator=generator) * scale).to(
        dtype
    )


@every_objective
@every_case
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_loss_and_gradient_follow_the_formula(objective, case, scale):
    lengths, max_length, *rest = CASES[case]
    values = random_values(lengths, max_length, scale=scale)
    check(objective, values, lengths, max_length, *rest, tolerance=1e-12)


@every_objective
@few_examples
@given(ragged_batches, st.integers(0, 99), st.data())
def test_any_annotation_of_any_batch(objective, batch, seed, data):
    lengths, max_length = batch
    tokens = st.integers(0, sum(lengths) - 1)
    unknown = data.draw(st.sets(tokens, max_size=3))
    cells = [
        (label, i, j - i)
        for label in range(N_LABELS)
        for _, i, j in candidates(lengths, lattice_width(lengths, max_length))
        if unknown.isdisjoint(range(i, j + 1))
    ]
    gold = data.draw(st.lists(st.sampled_from(cells), unique=True)) if cells else []
    n_docs = data.draw(st.integers(1, len(lengths)))
    values = random_values(lengths, max_length, scale=3.0, seed=seed)
    check(objective, values, lengths, max_length, gold, unknown, n_docs, 1e-12)


@every_objective
@every_case
@pytest.mark.parametrize("sign", [-1, 1])
def test_float32_bears_logits_of_200(objective, case, sign):
    """exp(200) is no float32: all scores at 200 of either sign, then mixed."""
    lengths, max_length, *rest = CASES[case]
    values = random_values(lengths, max_length, torch.float32)
    for extreme in (torch.full_like(values, 200.0), values.sign() * 200, values * 90):
        extreme *= sign
        check(objective, extreme, lengths, max_length, *rest, tolerance=1e-5)


@every_objective
def test_a_sure_gold_span_does_not_disturb_the_others(objective):
    """Gold cells are taken out of the negative sum as cells. Taken out of it by a
    subtraction, exp(80) would swallow all else."""
    values = random_values([4], None, torch.float32)
    gold = [(0, 1, 1), (1, 0, 0)]
    annotation = gold_spans(gold, [], 4, 1)
    layout = Layout([4])
    results = []
    for sure in (30.0, 80.0, 3e38):
        values[0, 1, 1] = sure
        results.append(objective(Lattice(inside(values, layout), layout), annotation))
        if sure < 1e38:
            check(objective, values, [4], None, gold, [], 1, tolerance=1e-6)
    for loss, d_scores in results:
        assert torch.isclose(loss, results[0][0])
        d_scores[0, 1, 1] = 0.0
        torch.testing.assert_close(d_scores, results[1][1], rtol=1e-6, atol=1e-9)


@every_objective
def test_small_gradients_stay_in_float32(objective):
    """What is almost learnt still pulls: its gradient is not rounded away."""
    values = torch.full((N_LABELS, 3, 3), -30.0)
    values[0, 1, 1] = 30.0
    _, d_scores = check(objective, values, [3], 3, [(0, 1, 1)], [], 1, 1e-6)
    expected = math.exp(-30) / N_LABELS
    assert math.isclose(d_scores[0, 1, 1], -expected, rel_tol=1e-5)
    assert math.isclose(d_scores[1, 0, 0], expected, rel_tol=1e-5)


@every_objective
@every_case
def test_gradient_is_the_difference_of_losses(objective, case):
    lengths, max_length, gold, unknown, n_docs = CASES[case]
    layout = Layout(lengths, max_length)
    scores = inside(random_values(lengths, max_length), layout)
    annotation = gold_spans(gold, unknown, layout.n_tokens, n_docs)
    _, d_scores = objective(Lattice(scores, layout), annotation)
    step = 1e-5
    for cell in layout.valid.expand_as(scores).nonzero().tolist():
        losses = []
        for shift in (step, -step):
            moved = scores.clone()
            moved[tuple(cell)] += shift
            losses.append(objective(Lattice(moved, layout), annotation)[0].item())
        slope = (losses[0] - losses[1]) / (2 * step)
        assert math.isclose(d_scores[tuple(cell)], slope, abs_tol=1e-9)
    assert (d_scores[:, ~layout.valid] == 0).all()


@every_objective
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_give_a_float32_loss(objective, dtype):
    """Also where the exponential of a score is no float16 any more."""
    lengths, max_length, *rest = CASES["unknown tokens"]
    values = random_values(lengths, max_length, dtype, scale=9.0)
    loss, d_scores = check(
        objective, values, lengths, max_length, *rest, tolerance=1e-5
    )
    assert loss.dtype == d_scores.dtype == torch.float32


@every_objective
@every_case
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_scores_are_not_changed(objective, case, dtype):
    lengths, max_length, gold, unknown, n_docs = CASES[case]
    layout = Layout(lengths, max_length)
    scores = inside(random_values(lengths, max_length, dtype), layout)
    before = scores.clone()
    annotation = gold_spans(gold, unknown, layout.n_tokens, n_docs)
    _, d_scores = objective(Lattice(scores, layout), annotation)
    d_scores.fill_(7.0)
    assert torch.equal(scores, before)


@every_objective
@pytest.mark.parametrize("unknown", [None, torch.zeros(0, dtype=torch.bool)])
def test_a_batch_without_tokens_costs_nothing(objective, unknown):
    none = torch.zeros(0, dtype=torch.long)
    lattice = Lattice(torch.zeros(N_LABELS, 0, 1), Layout([0, 0], 3))
    loss, d_scores = objective(lattice, GoldSpans(none, none, none, unknown, 0))
    assert loss.item() == 0
    assert d_scores.shape == (N_LABELS, 0, 1)


@every_objective
def test_descent_along_the_gradient_finds_the_gold(objective):
    """The right candidates, and they alone, end above a probability of 0.5."""
    lengths, max_length, gold, unknown, n_docs = CASES["nested"]
    layout = Layout(lengths, max_length)
    scores = inside(random_values(lengths, max_length, scale=3.0), layout)
    annotation = gold_spans(gold, unknown, layout.n_tokens, n_docs)
    losses = []
    for _ in range(300):
        loss, d_scores = objective(Lattice(scores, layout), annotation)
        losses.append(loss.item())
        scores -= d_scores
    assert losses == sorted(losses, reverse=True)
    found = (objective.probability(scores) > 0.5).nonzero().tolist()
    assert sorted(map(tuple, found)) == sorted(gold)


@every_objective
def test_probability_is_the_sigmoid(objective):
    scores = [-800.0, -200.0, -3.5, -1e-9, 0.0, 0.25, 30.0, 36.0, 800.0]
    expected = [float(1 / (1 + (-Decimal(s)).exp())) for s in scores]
    got = objective.probability(torch.tensor(scores, dtype=torch.float64))
    torch.testing.assert_close(
        got, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0
    )
    outside = torch.tensor([-math.inf, math.inf])
    assert objective.probability(outside).tolist() == [0.0, 1.0]


@every_objective
@pytest.mark.parametrize(
    "probability", [1e-300, 1e-17, 0.001, 0.3, 0.5, 0.7, 0.999, 1 - 2**-53]
)
def test_score_is_the_inverse_of_the_link(objective, probability):
    p = Decimal(probability)
    expected = float((p / (1 - p)).ln())
    got = objective.to_logit(probability)
    assert math.isclose(got, expected, rel_tol=1e-12, abs_tol=1e-15)
    back = objective.probability(torch.tensor(got, dtype=torch.float64)).item()
    assert math.isclose(back, probability, rel_tol=1e-12)


@every_objective
@pytest.mark.parametrize("certain", [0, 1, 0.0, 1.0])
def test_certainty_is_an_infinite_score(objective, certain):
    assert objective.to_logit(certain) == (math.inf if certain else -math.inf)


@every_objective
@every_case
def test_a_label_without_annotation_is_as_if_it_were_not_there(objective, case):
    lengths, max_length, gold, unknown, n_docs = CASES[case]
    layout = Layout(lengths, max_length)
    scores = inside(random_values(lengths, max_length, scale=3.0), layout)
    last = N_LABELS - 1
    gold = [cell for cell in gold if cell[0] != last]
    annotation = gold_spans(gold, unknown, layout.n_tokens, n_docs)
    wanted, d_wanted = objective(Lattice(scores[:last], layout), annotation)
    annotation.unknown_labels = [last]
    loss, d_scores = objective(Lattice(scores, layout), annotation)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(d_scores[:last], d_wanted)
    assert not d_scores[last].any()
