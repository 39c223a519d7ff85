"""The thinc layer around the sequence tagger."""

import numpy
import pytest
import torch
from thinc.api import fix_random_seed, noop, set_dropout_rate

from spacy_globalpointer.core.crf import crf_loss, softmax_loss
from spacy_globalpointer.core.tags import GoldTags
from spacy_globalpointer.heads import SequenceTagger
from spacy_globalpointer.models.sequence_scorer import (
    build_sequence_model,
    sequence_scorer,
    set_tag_scheme,
)
from spacy_globalpointer.models.span_scorer import (
    build_head,
    get_head_layer,
    resize_head,
)

WIDTH = 4
LENGTHS = [3, 0, 1, 5]
every_kind = pytest.mark.parametrize(
    "scheme, crf",
    [(scheme, crf) for scheme in ("BIO", "BILUO") for crf in (True, False)],
)


def make_scorer(scheme="BIO", crf=True, n_labels=2):
    fix_random_seed(0)
    scorer = sequence_scorer()
    scorer.attrs["build"] = lambda width, n: SequenceTagger(
        width, n, scheme=scheme, crf=crf
    )
    build_head(scorer, WIDTH, n_labels)
    head = scorer.shims[0]._model.double()
    if crf:
        # As if they were trained.
        with torch.no_grad():
            head.transitions.normal_()
            head.borders.normal_()
    return scorer


def vectors():
    rng = numpy.random.default_rng(0)
    return [rng.normal(size=(n, WIDTH)) for n in LENGTHS]


@every_kind
def test_gradients_are_those_of_finite_differences(scheme, crf):
    """Of the token vectors and of all weights, through layer and loss."""
    scorer = make_scorer(scheme, crf)
    head = scorer.shims[0]._model
    starts, ends, labels = numpy.array([(0, 2, 1), (3, 4, 0), (5, 8, 0)]).T
    tags = head.scheme.encode(starts, ends, labels, sum(LENGTHS))
    gold = GoldTags(tags, numpy.arange(sum(LENGTHS)) == 8)
    X = vectors()

    def loss_of(scores):
        if crf:
            return crf_loss(scores, gold, head.scheme)
        return softmax_loss(scores, gold, head.scheme)

    scores, backprop = scorer(X, is_train=True)
    dX = backprop(loss_of(scores)[1])
    assert [len(dx) for dx in dX] == LENGTHS
    step = 1e-6

    def slope(array, index):
        value, losses = array[index].item(), []
        for change in (-step, step):
            array[index] = value + change
            losses.append(loss_of(scorer.predict(X))[0].item())
        array[index] = value
        return (losses[1] - losses[0]) / (2 * step)

    for x, dx in zip(X, dX):
        for index in numpy.ndindex(x.shape):
            assert dx[index] == pytest.approx(slope(x, index), abs=1e-7)
    parameters = dict(head.named_parameters())
    assert ("transitions" in parameters) == crf
    for parameter in parameters.values():
        for index in numpy.ndindex(*parameter.shape):
            expected = slope(parameter.data, index)
            assert parameter.grad[index].item() == pytest.approx(expected, abs=1e-7)


@every_kind
def test_another_label_leaves_the_scores_of_the_others(scheme, crf):
    scorer = make_scorer(scheme, crf)
    before = scorer.predict(vectors())
    resize_head(scorer, 3)
    after = scorer.predict(vectors())
    n = before.emissions.shape[1]
    torch.testing.assert_close(after.emissions[:, :n], before.emissions)
    assert (after.transitions[:n, :n] == before.transitions).all()
    assert (after.borders[:, :n] == before.borders).all()
    assert after.emissions.shape[1] > n


@every_kind
def test_only_legal_transitions_have_a_score(scheme, crf):
    scorer = make_scorer(scheme, crf)
    scores = scorer.predict(vectors())
    legal = torch.from_numpy(scorer.shims[0]._model.scheme.legal)
    assert (scores.transitions.isfinite() == legal).all()
    assert (scores.transitions[~legal] == -torch.inf).all()
    assert scores.transitions[legal].any() == crf


def test_dropout_is_for_training_alone():
    scorer = make_scorer()
    X = vectors()
    expected = scorer.predict(X).emissions
    set_dropout_rate(scorer, 0.5)
    assert (scorer.predict(X).emissions == expected).all()
    assert (scorer(X, is_train=True)[0].emissions != expected).any()


def test_the_tags_can_be_set_before_a_head_is_built():
    model = build_sequence_model(noop())
    set_tag_scheme(model, "BILUO", False)
    build_head(get_head_layer(model), WIDTH, 2)
    head = get_head_layer(model).shims[0]._model
    assert (head.scheme.name, head.crf, head.scheme.n_tags) == ("BILUO", False, 9)
