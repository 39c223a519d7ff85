"""Losses of partial annotation: gold spans and rejected candidates, all else unknown,
against the probability of what is known, written out."""

import math

import pytest
import torch

from spacy_globalpointer.core.lattice import GoldSpans, Lattice, Layout
from spacy_globalpointer.core.objectives import (
    BinaryCrossEntropy,
    ClassImbalanceLoss,
    NestedCRF,
    SampledSoftmax,
    SemiMarkovCRF,
)
from tests.util.lattices import candidates
from tests.util.whole_answers import answers

N_LABELS = 2
OBJECTIVES = {
    "imbalance": ClassImbalanceLoss(),
    "bce": BinaryCrossEntropy(),
    "softmax": SampledSoftmax(negatives=None),
    "flat": SemiMarkovCRF(),
    "nested": NestedCRF(),
}
every_objective = pytest.mark.parametrize("kind", OBJECTIVES)
# Lengths, longest candidate, gold and rejected (label, head, width), unknown tokens,
# labels without annotation, documents with annotation.
ALL = [0, 1, 2]
CASES = {
    "rejected": ([3], 2, [], [(0, 0, 1), (1, 2, 0)], ALL, [], 1),
    "confirmed": ([3], 3, [(1, 1, 0)], [], ALL, [], 1),
    "both": ([3], 3, [(0, 0, 1)], [(1, 2, 0), (0, 1, 1)], ALL, [], 1),
    "a label of a gold span": ([3], 2, [(0, 0, 1)], [(1, 0, 1)], ALL, [], 1),
    "all labels of a span": ([3], 2, [], [(0, 1, 0), (1, 1, 0)], ALL, [], 1),
    "beside whole documents": (
        [2, 0, 3],
        2,
        [(0, 0, 0), (1, 3, 1)],
        [(0, 2, 0), (1, 2, 0)],
        [2, 3, 4],
        [],
        2,
    ),
    "known tokens": ([4], 2, [(0, 0, 0)], [(0, 2, 1), (0, 1, 0)], [3], [], 1),
    "labels without annotation": ([3], 2, [(0, 0, 0)], [(1, 1, 1)], [], [1], 1),
    "both without annotation": ([3], 2, [(0, 0, 0)], [(1, 1, 1)], [2], [1], 1),
}
every_case = pytest.mark.parametrize("case", CASES)


def make(kind, case, seed=0, scale=2.0):
    lengths, max_length, gold, rejected, unknown, labels, n_docs = CASES[case]
    layout = Layout(lengths, max_length)
    generator = torch.Generator().manual_seed(seed)
    n_classes = N_LABELS + (kind == "softmax")
    shape = n_classes, layout.n_tokens, layout.width
    values = torch.randn(shape, generator=generator, dtype=torch.float64) * scale
    mask = torch.zeros(layout.n_tokens, dtype=torch.bool)
    mask[unknown] = True
    annotation = GoldSpans(
        *torch.tensor(gold, dtype=torch.long).view(-1, 3).T,
        unknown=mask if unknown else None,
        n_docs=n_docs,
        unknown_labels=labels,
        rejected=tuple(torch.tensor(rejected, dtype=torch.long).view(-1, 3).T),
    )
    return Lattice(torch.where(layout.valid, values, -math.inf), layout), annotation


def status(case, cell):
    """Whether a candidate (label, first, last) is right; None if it is not known."""
    _, _, gold, rejected, unknown, labels, _ = CASES[case]
    label, i, j = cell
    if (label, i, j - i) in gold:
        return True
    if (label, i, j - i) in rejected:
        return False
    if label in labels or set(unknown) & set(range(i, j + 1)):
        return None
    return False


def of_cells(kind, case, scores):
    """Objectives that look at one label and document after the other."""
    lengths, *_ = CASES[case]
    terms = []
    for label in range(N_LABELS):
        for doc in range(len(lengths)):
            exp = {True: [], False: [], None: []}
            for own, i, j in candidates(lengths, scores.shape[2]):
                if own == doc:
                    known = status(case, (label, i, j))
                    s = scores[label, i, j - i]
                    exp[known].append((-s if known else s).exp())
            for known in (True, False):
                if kind == "bce":
                    terms += [(1 + x).log() for x in exp[known]]
                elif exp[known]:
                    terms.append((1 + sum(exp[known])).log())
    return sum(terms)


def of_classes(case, scores):
    """A softmax: the sum of the probabilities that each candidate may have."""
    lengths, *_ = CASES[case]
    terms = []
    for _, i, j in candidates(lengths, scores.shape[2]):
        values = scores[:, i, j - i]
        known = [status(case, (label, i, j)) for label in range(N_LABELS)]
        right = [a for a in range(N_LABELS) if known[a]]
        if not right:
            right = [a for a in range(N_LABELS) if known[a] is None] + [N_LABELS]
        if len(right) <= N_LABELS:
            terms.append(values.logsumexp(0) - values[right].logsumexp(0))
    return sum(terms)


def of_answers(kind, case, scores, layout):
    """The share of the answers that have all gold spans and nothing known wrong."""
    _, _, gold, *_ = CASES[case]
    loss = torch.zeros((), dtype=torch.float64)
    for doc, found in enumerate(answers(kind, Lattice(scores.detach(), layout))):
        own = {(a, i, i + w) for a, i, w in gold if layout.doc_ids[i] == doc}
        totals = {True: [], False: []}
        for answer, _ in found:
            total = sum((scores[a, i, j - i] for a, i, j in answer), 0 * loss)
            agrees = own <= {*answer} and all(
                status(case, cell) is not False for cell in answer
            )
            totals[agrees].append(total)
        every = torch.stack(totals[True] + totals[False]).logsumexp(0)
        loss = loss + every - torch.stack(totals[True]).logsumexp(0)
    return loss


def expected(kind, case, lattice):
    scores = lattice.scores.clone().requires_grad_()
    if kind in ("flat", "nested"):
        loss = of_answers(kind, case, scores, lattice.layout)
    elif kind == "softmax":
        loss = of_classes(case, scores)
    else:
        loss = of_cells(kind, case, scores)
    return loss.detach(), torch.autograd.grad(loss, scores)[0].nan_to_num(0.0)


@every_objective
@every_case
@pytest.mark.parametrize("seed", range(2))
def test_loss_and_gradient_are_those_of_what_is_known(kind, case, seed):
    lattice, annotation = make(kind, case, seed)
    before = lattice.scores.clone()
    loss, d_scores, _ = OBJECTIVES[kind].sums(lattice, annotation)
    wanted, d_wanted = expected(kind, case, lattice)
    assert torch.equal(lattice.scores, before)
    torch.testing.assert_close(loss, wanted, rtol=1e-9, atol=1e-9, check_dtype=False)
    torch.testing.assert_close(d_scores.double(), d_wanted, rtol=0, atol=1e-9)
    assert loss > 0 and d_scores.any()


@every_objective
@every_case
def test_gradient_is_the_difference_of_losses(kind, case):
    lattice, annotation = make(kind, case)
    _, d_scores, _ = OBJECTIVES[kind].sums(lattice, annotation)
    step = 1e-5
    for cell in lattice.scores.isfinite().nonzero().tolist():
        losses = []
        for shift in (step, -step):
            moved = lattice.scores.clone()
            moved[tuple(cell)] += shift
            moved = Lattice(moved, lattice.layout)
            losses.append(OBJECTIVES[kind].sums(moved, annotation)[0].item())
        slope = (losses[0] - losses[1]) / (2 * step)
        assert d_scores[tuple(cell)].item() == pytest.approx(slope, abs=1e-8)


@every_objective
def test_descent_finds_confirmed_spans_and_avoids_rejected_ones(kind):
    """What is confirmed ends above a probability of one half, what is rejected
    below."""
    lattice, annotation = make(kind, "both", seed=3)
    objective, scores = OBJECTIVES[kind], lattice.scores
    for _ in range(200):
        _, d_scores, _ = objective.sums(Lattice(scores, lattice.layout), annotation)
        scores = scores - 0.5 * d_scores
    odds = objective.log_odds(Lattice(scores, lattice.layout)).scores
    p = objective.probability(odds)
    assert (p[annotation.index] > 0.9).all()
    assert (p[annotation.rejected] < 0.1).all()


def test_rejected_candidates_are_always_drawn():
    """The random choice is of the other candidates."""
    lattice, annotation = make("softmax", "known tokens")
    for seed in range(10):
        _, d_scores, n = SampledSoftmax(1, seed).sums(lattice, annotation)
        assert d_scores[0, 2, 1] > 0 and d_scores[0, 1, 0] > 0
        # A gold span, two that are rejected, and one that is drawn.
        assert n == 4


@every_objective
def test_a_rejected_label_of_a_long_document(kind):
    """float32 scores of 90, whose exponentials are none."""
    layout = Layout([300], 5)
    n_classes = N_LABELS + (kind == "softmax")
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(n_classes, 300, 5, generator=generator) * 90
    lattice = Lattice(torch.where(layout.valid, values, -math.inf), layout)
    none = torch.zeros(0, dtype=torch.long)
    rejected = tuple(torch.tensor([[0, 7, 2], [1, 250, 0]]).T)
    unknown = torch.ones(300, dtype=torch.bool)
    gold = GoldSpans(none, none, none, unknown, 1, rejected=rejected)
    loss, d_scores, _ = OBJECTIVES[kind].sums(lattice, gold)
    assert loss.isfinite() and loss >= 0 and d_scores.isfinite().all()
    if kind in ("imbalance", "bce"):
        assert d_scores.count_nonzero() <= 2
