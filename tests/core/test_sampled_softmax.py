"""The softmax objective against sums written out, and what it draws."""

import copy
import math
import pickle
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_globalpointer.core.lattice import GoldSpans, Lattice, Layout
from spacy_globalpointer.core.objectives import ClassImbalanceLoss, SampledSoftmax
from tests.util.lattices import candidates, few_examples, lattice_width, ragged_batches

N_LABELS = 2
NONE = N_LABELS

# Documents' lengths, max_length, gold (label, head, width), tokens without annotation.
CASES = {
    "plain": ([3, 5, 2], 3, [(0, 0, 1), (1, 4, 0), (1, 9, 0)], []),
    "nested": ([4, 4], 4, [(0, 0, 3), (0, 0, 1), (0, 2, 1), (1, 0, 0)], []),
    "two labels of a span": ([4, 2], 3, [(0, 1, 2), (1, 1, 2), (1, 4, 0)], []),
    "empty documents": ([0, 3, 0, 2, 0], 3, [(0, 3, 1), (1, 0, 2)], []),
    "unknown tokens": ([5, 4], 3, [(0, 0, 1), (1, 7, 1)], [2, 6]),
    "nothing annotated": ([2, 1], 2, [], [0, 1, 2]),
    "no gold": ([3, 1], 2, [], []),
    "all gold": ([1, 1], 1, [(0, 0, 0), (1, 1, 0)], []),
}
every_case = pytest.mark.parametrize("case", CASES)


def lattice_and_gold(lengths, max_length, gold, unknown, seed=0, scale=1.0):
    layout = Layout(lengths, max_length)
    generator = torch.Generator().manual_seed(seed)
    shape = N_LABELS + 1, layout.n_tokens, layout.width
    values = torch.randn(shape, dtype=torch.float64, generator=generator) * scale
    labels, starts, offsets = torch.tensor(gold, dtype=torch.long).view(-1, 3).T
    is_unknown = torch.zeros(layout.n_tokens, dtype=torch.bool)
    is_unknown[unknown] = True
    lattice = Lattice(torch.where(layout.valid, values, -math.inf), layout)
    n_docs = sum(n > 0 for n in lengths)
    known = is_unknown if unknown else None
    return lattice, GoldSpans(labels, starts, offsets, known, n_docs)


def brute_force(scores, chosen):
    """The mean of -log p over (class, head, width), and its gradient by autograd."""
    scores = scores.clone().requires_grad_()
    terms = []
    for label, head, width in chosen:
        cell = scores[:, head, width]
        terms.append(cell.exp().sum().log() - cell[label])
    if not terms:
        return torch.tensor(0.0).double(), torch.zeros_like(scores)
    loss = torch.stack(terms).mean()
    return loss.detach(), torch.autograd.grad(loss, scores)[0]


def others(lengths, max_length, gold, unknown):
    """Each document's candidates that are neither gold nor unknown."""
    width = lattice_width(lengths, max_length)
    spans = {cell[1:] for cell in gold}
    free = [[] for _ in lengths]
    for doc, i, j in candidates(lengths, width):
        is_known = not set(range(i, j + 1)) & set(unknown)
        if is_known and (i, j - i) not in spans:
            free[doc].append((i, j - i))
    return free


def drawn(d_scores, gold):
    """The cells that entered as "no entity": gradient, and no gold."""
    cells = {tuple(cell) for cell in d_scores[NONE].nonzero().tolist()}
    return cells - {cell[1:] for cell in gold}


def close(got, wanted):
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-14)


@every_case
def test_all_negatives_are_the_plain_cross_entropy(case):
    lattice, annotation = lattice_and_gold(*CASES[case], scale=3.0)
    gold = CASES[case][2]
    chosen = gold + [(NONE, *cell) for cells in others(*CASES[case]) for cell in cells]
    loss, d_scores = SampledSoftmax(negatives=None)(lattice, annotation)
    expected, d_expected = brute_force(lattice.scores, chosen)
    close(loss, expected)
    close(d_scores, d_expected)
    assert loss.shape == ()


@few_examples
@given(ragged_batches, st.integers(1, 8), st.integers(0, 99), st.data())
def test_any_batch_with_the_negatives_that_were_drawn(batch, negatives, seed, data):
    lengths, max_length = batch
    width = lattice_width(lengths, max_length)
    tokens = st.integers(0, sum(lengths) - 1)
    unknown = sorted(data.draw(st.sets(tokens, max_size=2)))
    cells = [
        (label, i, j - i)
        for label in range(N_LABELS)
        for _, i, j in candidates(lengths, width)
        if not set(unknown) & set(range(i, j + 1))
    ]
    gold = data.draw(st.lists(st.sampled_from(cells), unique=True)) if cells else []
    lattice, annotation = lattice_and_gold(lengths, max_length, gold, unknown, seed)
    before = lattice.scores.clone()
    loss, d_scores = SampledSoftmax(negatives)(lattice, annotation)
    assert torch.equal(lattice.scores, before)
    picked = drawn(d_scores, gold)
    for free in others(lengths, max_length, gold, unknown):
        assert len(picked & set(free)) == min(negatives, len(free))
        picked -= set(free)
    assert not picked
    chosen = gold + [(NONE, *cell) for cell in drawn(d_scores, gold)]
    expected, d_expected = brute_force(lattice.scores, chosen)
    close(loss, expected)
    close(d_scores, d_expected)


def test_gradient_is_the_difference_of_losses():
    lattice, annotation = lattice_and_gold(*CASES["unknown tokens"])
    _, d_scores = SampledSoftmax(3, seed=5)(lattice, annotation)
    step = 1e-6
    for cell in lattice.scores.isfinite().nonzero().tolist():
        losses = []
        for shift in (step, -step):
            moved = lattice.scores.clone()
            moved[tuple(cell)] += shift
            moved = Lattice(moved, lattice.layout)
            # A new objective of the same seed draws the same.
            losses.append(SampledSoftmax(3, seed=5)(moved, annotation)[0].item())
        slope = (losses[0] - losses[1]) / (2 * step)
        assert math.isclose(d_scores[tuple(cell)], slope, abs_tol=1e-8)


def draws(objective, n, lengths=(6, 3), max_length=4):
    lattice, annotation = lattice_and_gold(lengths, max_length, [(0, 0, 1)], [])
    return [drawn(objective(lattice, annotation)[1], [(0, 0, 1)]) for _ in range(n)]


def test_the_seed_decides_what_is_drawn():
    first = draws(SampledSoftmax(5, seed=1), 4)
    assert draws(SampledSoftmax(5, seed=1), 4) == first
    assert draws(SampledSoftmax(5, seed=2), 4) != first
    # Each batch has draws of its own.
    assert first[0] != first[1]


def pickled(objective):
    return pickle.loads(pickle.dumps(objective))


@pytest.mark.parametrize("way", [copy.deepcopy, pickled])
def test_a_copy_goes_on_drawing_as_the_original(way):
    objective = SampledSoftmax(5, seed=1)
    draws(objective, 2)
    assert draws(way(objective), 3) == draws(objective, 3)


def test_every_negative_is_drawn_equally_often():
    """Of the 17 of the first document and the 6 of the second, 5 each: counts stay
    within five standard deviations."""
    n = 2000
    counts = Counter(cell for cells in draws(SampledSoftmax(5), n) for cell in cells)
    free = others((6, 3), 4, [(0, 0, 1)], [])
    assert [len(cells) for cells in free] == [17, 6]
    for cells in free:
        p = 5 / len(cells)
        for cell in cells:
            assert abs(counts[cell] - n * p) < 5 * math.sqrt(n * p * (1 - p))


def test_cells_outside_of_the_candidates_do_not_enter():
    """Scores of -inf are no candidates, inside a document too."""
    lattice, annotation = lattice_and_gold([4], 3, [(0, 1, 1)], [])
    lattice.scores[:, 2:] = -math.inf
    loss, d_scores = SampledSoftmax(100)(lattice, annotation)
    cells = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2)]
    assert drawn(d_scores, [(0, 1, 1)]) == set(cells)
    chosen = [(0, 1, 1)] + [(NONE, *cell) for cell in cells]
    finite = torch.where(lattice.scores.isfinite(), lattice.scores, 0.0)
    expected, d_expected = brute_force(finite, chosen)
    close(loss, expected)
    close(d_scores, d_expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_scores_give_a_float32_loss(dtype):
    lattice, annotation = lattice_and_gold(*CASES["plain"], scale=9.0)
    rounded = Lattice(lattice.scores.to(dtype), lattice.layout)
    loss, d_scores = SampledSoftmax(None)(rounded, annotation)
    assert loss.dtype == d_scores.dtype == torch.float32
    exact = Lattice(rounded.scores.double(), lattice.layout)
    expected, d_expected = SampledSoftmax(None)(exact, annotation)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(d_scores.double(), d_expected, rtol=1e-4, atol=1e-7)


def test_small_gradients_stay_in_float32():
    """What is almost learnt still pulls: p - 1 is not rounded to 0."""
    layout = Layout([1])
    scores = torch.tensor([30.0, 0.0, 0.0]).view(3, 1, 1)
    one = torch.zeros(1, dtype=torch.long)
    gold = GoldSpans(one, one, one, None, 1)
    _, d_scores = SampledSoftmax()(Lattice(scores, layout), gold)
    assert math.isclose(d_scores[0, 0, 0], -2 * math.exp(-30), rel_tol=1e-5)
    assert math.isclose(d_scores[2, 0, 0], math.exp(-30), rel_tol=1e-5)


def test_a_batch_without_tokens_costs_nothing():
    none = torch.zeros(0, dtype=torch.long)
    lattice = Lattice(torch.zeros(N_LABELS + 1, 0, 1), Layout([0, 0], 3))
    loss, d_scores = SampledSoftmax()(lattice, GoldSpans(none, none, none, None, 0))
    assert loss.item() == 0
    assert d_scores.shape == (N_LABELS + 1, 0, 1)
    assert SampledSoftmax().log_odds(lattice).scores.shape == (N_LABELS, 0, 1)


# From scores to log odds


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_log_odds_of_the_best_class(dtype, scale):
    lengths, max_length = [4, 0, 3], 3
    lattice, _ = lattice_and_gold(lengths, max_length, [], [], scale=scale)
    lattice = Lattice(lattice.scores.to(dtype), lattice.layout)
    odds = SampledSoftmax().log_odds(lattice)
    assert odds.layout is lattice.layout
    expected = torch.full((N_LABELS, 7, 3), -math.inf, dtype=torch.float64)
    for _, i, j in candidates(lengths, max_length):
        cell = lattice.scores[:, i, j - i].double()
        best = int(cell.argmax())
        if best != NONE:
            rest = torch.cat((cell[:best], cell[best + 1 :]))
            expected[best, i, j - i] = cell[best] - rest.exp().sum().log()
    assert (expected > -math.inf).any()
    torch.testing.assert_close(odds.scores.double(), expected, rtol=1e-5, atol=1e-5)


def test_log_odds_bear_scores_of_200_and_sure_classes():
    scores = torch.tensor(
        [[200.0, -200.0, 88.0], [-200.0, 199.0, 88.0], [0.0, 0.0, 0.0]]
    )
    lattice = Lattice(scores.unsqueeze(2), Layout([3], 1))
    odds = SampledSoftmax().log_odds(lattice).scores.squeeze(2)
    assert odds[0, 0] == 200.0
    assert odds[1, 1] == 199.0
    # Of two equal classes one is taken, with a probability of 1/2.
    assert sorted(odds[:, 2].tolist()) == [-math.inf, 0.0]


def test_probabilities_are_those_of_the_softmax():
    lattice, _ = lattice_and_gold([5, 2], 3, [], [], scale=2.0)
    objective = SampledSoftmax()
    p = objective.probability(objective.log_odds(lattice).scores)
    softmax = lattice.scores[:, lattice.layout.valid].softmax(0)
    best = softmax.max(0)
    is_label = best.indices < NONE
    got = p[:, lattice.layout.valid]
    close(got.amax(0)[is_label], best.values[is_label])
    assert torch.equal(got.argmax(0)[is_label], best.indices[is_label])
    assert (got[:, ~is_label] == 0).all()
    assert ((got > 0).sum(0) <= 1).all()


def test_labels_that_do_not_exclude_each_other_keep_their_scores():
    lattice, _ = lattice_and_gold([4], 3, [], [])
    assert ClassImbalanceLoss().log_odds(lattice) is lattice
    assert not ClassImbalanceLoss.mutually_exclusive
    assert SampledSoftmax.mutually_exclusive


@pytest.mark.parametrize("negatives", [0, -1])
def test_a_bad_number_of_negatives_is_an_error(negatives):
    with pytest.raises(ValueError, match=rf"`negatives` must be .* is {negatives}\."):
        SampledSoftmax(negatives)


@every_case
def test_what_is_no_gold_may_have_a_label_without_annotation(case):
    lengths, max_length, gold, unknown = CASES[case]
    gold = [cell for cell in gold if cell[0] != 0]
    lattice, annotation = lattice_and_gold(lengths, max_length, gold, unknown, scale=3)
    annotation.unknown_labels = [0]
    scores = lattice.scores.clone().requires_grad_()
    terms = [
        scores[:, head, width].logsumexp(0) - scores[label, head, width]
        for label, head, width in gold
    ]
    for cells in others(lengths, max_length, gold, unknown):
        for cell in cells:
            values = scores[(slice(None), *cell)]
            terms.append(values.logsumexp(0) - values[[0, NONE]].logsumexp(0))
    loss, d_scores = SampledSoftmax(negatives=None)(lattice, annotation)
    if not terms:
        assert not loss and not d_scores.any()
        return
    expected = torch.stack(terms).mean()
    close(loss, expected.detach())
    close(d_scores, torch.autograd.grad(expected, scores)[0])
