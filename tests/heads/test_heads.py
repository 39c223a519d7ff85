"""The heads against the equations, one label, head and tail at a time."""

import math

import pytest
import torch
import torch.nn.functional as F

from spacy_globalpointer.core.lattice import GoldSpans, Layout
from spacy_globalpointer.core.objectives import ClassImbalanceLoss
from spacy_globalpointer.heads import EfficientGlobalPointer, GlobalPointer
from spacy_globalpointer.heads.global_pointer import FIRST_SCORE
from tests.util.lattices import head_scores

WIDTH = 5
HEADS = [
    pytest.param(GlobalPointer, {}, id="global"),
    pytest.param(GlobalPointer, {"rope": False}, id="global-norope"),
    pytest.param(EfficientGlobalPointer, {}, id="efficient"),
    pytest.param(EfficientGlobalPointer, {"rope": False}, id="efficient-norope"),
    pytest.param(EfficientGlobalPointer, {"features": "hidden"}, id="hidden"),
    pytest.param(
        EfficientGlobalPointer,
        {"features": "hidden", "rope": False},
        id="hidden-norope",
    ),
]
BATCHES = [([3, 0, 5, 1], 3), ([4], None), ([3, 2], 1), ([1, 0, 1], 4)]

every_head = pytest.mark.parametrize("head_class, settings", HEADS)


def make_head(head_class, settings, n_labels=3, head_width=4, width=WIDTH):
    """A head in float64. Its weights are larger than at first, so that scores
    differ by more than rounding."""
    torch.manual_seed(0)
    head = head_class(width, n_labels, head_width=head_width, **settings).double()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_()
    return head


def hidden_states(n_tokens, width=WIDTH):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n_tokens, width, dtype=torch.float64, generator=generator)


def close(got, wanted):
    torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


@every_head
@pytest.mark.parametrize("lengths, max_length", BATCHES)
def test_scores_and_gradients_follow_the_equations(
    head_class, settings, lengths, max_length
):
    head = make_head(head_class, settings)
    hidden = hidden_states(sum(lengths)).requires_grad_()
    layout = Layout(lengths, max_length)
    inputs = [hidden, *head.parameters()]
    expected = head_scores(head, hidden, lengths, max_length)
    lattice = head(hidden, layout)
    close(lattice.scores, expected)
    assert lattice.layout is layout
    # An objective answers in the memory order that it was given.
    d_scores = torch.empty_like(lattice.scores).copy_(torch.randn(expected.shape))
    d_scores[:, ~layout.valid] = 0.0
    wanted = torch.autograd.grad(
        torch.where(layout.valid, expected, 0.0), inputs, d_scores, allow_unused=True
    )
    got = torch.autograd.grad(lattice.scores, inputs, d_scores)
    for x, y in zip(got, wanted):
        close(x, torch.zeros_like(x) if y is None else y)


@every_head
@pytest.mark.parametrize("n_labels, head_width", [(1, 2), (2, 10)])
def test_other_widths(head_class, settings, n_labels, head_width):
    head = make_head(head_class, settings, n_labels, head_width, width=3)
    hidden = hidden_states(6, width=3)
    scores = head(hidden, Layout([4, 2], 3)).scores
    close(scores, head_scores(head, hidden, [4, 2], 3))


@every_head
@pytest.mark.parametrize("max_length", [1, 3])
def test_an_objective_reaches_the_hidden_states(head_class, settings, max_length):
    """The gradient of a loss, written down by the objective and carried on by the
    head, is that of autograd through loss and equations."""
    lengths = [3, 2]
    head = make_head(head_class, settings)
    hidden = hidden_states(5).requires_grad_()
    layout = Layout(lengths, max_length)
    labels, starts, offsets = torch.tensor([[0, 2, 2], [1, 0, 4], [0, 0, 0]])
    lattice = head(hidden, layout)
    gold = GoldSpans(labels, starts, offsets, None, 2)
    _, d_scores = ClassImbalanceLoss()(lattice, gold)
    (got,) = torch.autograd.grad(lattice.scores, hidden, d_scores)

    scores = head_scores(head, hidden, lengths, max_length)
    is_gold = torch.zeros(scores.shape, dtype=torch.bool)
    is_gold[labels, starts, offsets] = True
    # log(1 + sum exp) as the logsumexp with a 0 among the scores.
    parts = (
        F.pad(part.flatten(1), (1, 0)).logsumexp(1).sum()
        for tokens in (slice(0, 3), slice(3, 5))
        for part in (
            scores.masked_fill(is_gold, -math.inf)[:, tokens],
            (-scores).masked_fill(~is_gold, -math.inf)[:, tokens],
        )
    )
    loss = sum(parts) / (2 * len(scores))
    close(got, torch.autograd.grad(loss, hidden)[0])


@every_head
@pytest.mark.parametrize("lengths", [[], [0, 0]])
def test_a_batch_without_tokens(head_class, settings, lengths):
    head = make_head(head_class, settings)
    hidden = torch.zeros(0, WIDTH, dtype=torch.float64, requires_grad=True)
    scores = head(hidden, Layout(lengths, 4)).scores
    assert scores.shape == (3, 0, 1)
    scores.sum().backward()
    assert hidden.grad.shape == (0, WIDTH)


@every_head
@pytest.mark.parametrize("max_length", [None, 4])
def test_a_document_scores_alone_as_in_any_batch(head_class, settings, max_length):
    head = make_head(head_class, settings)
    docs = [hidden_states(n)[:n] * (n + 1) / 9 for n in (7, 0, 40, 1, 3)]
    alone = [head(x, Layout([len(x)], max_length)).scores for x in docs if len(x)]
    for order in ([0, 1, 2, 3, 4], [4, 2, 1, 0, 3], [3, 2, 1, 4, 0]):
        batch = [docs[i] for i in order]
        lengths = [len(x) for x in batch]
        together = head(torch.cat(batch), Layout(lengths, max_length)).scores
        parts = dict(zip(order, together.split(lengths, dim=1)))
        found = (parts[i] for i in (0, 2, 3, 4))
        for own, part in zip(alone, found):
            here, beyond = part.split((own.shape[2], part.shape[2] - own.shape[2]), 2)
            torch.testing.assert_close(here, own, rtol=1e-12, atol=1e-12)
            assert (beyond == -math.inf).all()


@every_head
@pytest.mark.parametrize("n_labels", [4, 9])
def test_more_labels_leave_the_present_ones_as_they_are(head_class, settings, n_labels):
    head = make_head(head_class, settings)
    old = {name: x.clone() for name, x in head.state_dict().items()}
    resized = head.resized(n_labels)
    new = resized.state_dict()
    assert old.keys() == new.keys()
    for name, weights in old.items():
        assert torch.equal(new[name][: len(weights)], weights)
        assert torch.equal(head.state_dict()[name], weights)
        assert new[name].dtype == weights.dtype
    hidden, layout = hidden_states(9), Layout([5, 4], 3)
    scores = resized(hidden, layout).scores
    assert scores.shape == (n_labels, 9, 3)
    # The weights are the same bits. The sums are not always: a matrix product may
    # add up in another order when it has more rows.
    torch.testing.assert_close(
        scores[:3], head(hidden, layout).scores, rtol=1e-12, atol=1e-12
    )
    close(scores, head_scores(resized, hidden, [5, 4], 3))


@every_head
def test_a_resized_head_has_weights_of_its_own_that_learn(head_class, settings):
    head = make_head(head_class, settings)
    before = [x.detach().clone() for x in head.parameters()]
    resized = head.resized(4)
    assert all(x.requires_grad and x.is_leaf for x in resized.parameters())
    with torch.no_grad():
        for parameter in resized.parameters():
            parameter.zero_()
    assert all(map(torch.equal, head.parameters(), before))


@every_head
def test_a_head_scores_the_same_in_training_and_evaluation(head_class, settings):
    head = head_class(WIDTH, 2, **settings)
    hidden, layout = hidden_states(6).float(), Layout([6])
    scores = head.train()(hidden, layout).scores
    assert torch.equal(head.eval()(hidden, layout).scores, scores)


@every_head
@pytest.mark.parametrize("head_width", [4, 64])
@pytest.mark.parametrize("more", [False, True])
def test_scores_start_low(head_class, settings, head_width, more):
    """Whatever the tokens and the distance, also those of labels that are added."""
    torch.manual_seed(0)
    width = 96
    head = head_class(width, 4, head_width=head_width, **settings)
    if more:
        head = head_class(width, 1, head_width=head_width, **settings).resized(4)
    hidden, layout = torch.randn(120, width), Layout([120], 30)
    scores = head(hidden, layout).scores[more:, layout.valid]
    assert scores.median().item() == pytest.approx(FIRST_SCORE, abs=1)
    assert (scores > 0).float().mean() < 0.02


@pytest.mark.parametrize("rope, head_width", [(True, 16), (True, 64), (False, 2)])
def test_the_first_score_does_not_depend_on_the_distance(rope, head_width):
    torch.manual_seed(0)
    head = GlobalPointer(8, 2, head_width=head_width, rope=rope)
    with torch.no_grad():
        head.projection.weight.zero_()
    layout = Layout([200], 200)
    scores = head(torch.zeros(200, 8), layout).scores[:, layout.valid]
    # What is left is the product of the random biases.
    expected = torch.full_like(scores, FIRST_SCORE)
    torch.testing.assert_close(scores, expected, rtol=0, atol=1.0)


def test_a_single_pair_that_turns_has_no_first_score():
    """Its sign would change every three tokens."""
    torch.manual_seed(0)
    head = GlobalPointer(8, 2, head_width=2)
    layout = Layout([20], 20)
    scores = head(torch.zeros(20, 8), layout).scores[:, layout.valid]
    assert scores.abs().max() < 0.5


def test_weights_of_version_0_1_0_are_read():
    head = EfficientGlobalPointer(WIDTH, 3, head_width=4)
    old = {
        name.replace("labeler", "labeller"): weights
        for name, weights in head.state_dict().items()
    }
    assert old.keys() != head.state_dict().keys()
    other = EfficientGlobalPointer(WIDTH, 3, head_width=4)
    other.load_state_dict(old)
    for name, weights in other.state_dict().items():
        assert torch.equal(weights, head.state_dict()[name])
