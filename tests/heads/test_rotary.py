"""Rotary position embedding against cosines and sines, pair by pair."""

import math

import pytest
import torch
from util import rotated

from spacy_globalpointer.heads import EfficientGlobalPointer, GlobalPointer
from spacy_globalpointer.heads.rotary import rotate, rotations
from spacy_globalpointer.lattice import Layout

PRECISIONS = [(torch.float64, 1e-12), (torch.float32, 1e-6)]


@pytest.mark.parametrize("dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("d", [2, 4, 64])
def test_rotations_are_points_on_the_circle(d, dtype, tolerance):
    """The angle of pair m at position p is p / 10000 ** (2m / d)."""
    positions = [0, 1, 2, 511, 100_000]
    rotation = rotations(torch.tensor(positions), d, dtype)
    assert rotation.shape == (len(positions), d // 2)
    assert rotation.dtype == dtype.to_complex()
    for p, row in zip(positions, rotation.tolist()):
        for m, got in enumerate(row):
            angle = p / 10000 ** (2 * m / d)
            expected = complex(math.cos(angle), math.sin(angle))
            # The angle itself has a rounding error that grows with p.
            assert abs(got - expected) < max(tolerance, 1e-15 * p)


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 3)])
@pytest.mark.parametrize("d", [2, 6])
def test_rotate_turns_each_pair_by_its_angle(shape, d):
    torch.manual_seed(0)
    positions = torch.tensor([0, 3, 1, 70, 2])
    x = torch.randn(*shape, 5, d, dtype=torch.float64)
    y = rotate(x, rotations(positions, d, x.dtype))
    assert y.shape == x.shape
    for vectors, turned in zip(x.reshape(-1, 5, d), y.reshape(-1, 5, d)):
        for p, vector, got in zip(positions.tolist(), vectors, turned):
            torch.testing.assert_close(got, rotated(vector, p), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype, tolerance", PRECISIONS)
def test_rotate_keeps_the_modulus(dtype, tolerance):
    torch.manual_seed(0)
    x = torch.randn(200, 64, dtype=dtype)
    y = rotate(x, rotations(torch.arange(0, 100_000, 500), 64, dtype))
    assert y.dtype == dtype
    torch.testing.assert_close(y.norm(dim=1), x.norm(dim=1), rtol=tolerance, atol=0)
    # Not by doing nothing.
    assert (y - x)[1:].norm(dim=1).min() > 0.1


def test_products_depend_on_the_distance_alone():
    torch.manual_seed(0)
    q, k = torch.randn(2, 8, dtype=torch.float64)
    rotation = rotations(torch.arange(20), 8, torch.float64)
    q, k = rotate(q.expand(20, 8), rotation), rotate(k.expand(20, 8), rotation)
    products = q @ k.T
    for distance in range(-19, 20):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(
            diagonal, diagonal[:1].expand_as(diagonal), rtol=0, atol=1e-12
        )


def test_no_tokens():
    rotation = rotations(torch.zeros(0, dtype=torch.long), 6, torch.float32)
    assert rotation.shape == (0, 3)
    assert rotation.dtype == torch.complex64
    assert rotate(torch.zeros(2, 0, 6), rotation).shape == (2, 0, 6)


@pytest.mark.parametrize("head_class", [GlobalPointer, EfficientGlobalPointer])
def test_scores_do_not_drift_over_a_long_document(head_class):
    """All tokens alike: the score follows from the distance, at token 100,000 as
    at the first, in float32. Angles taken in float32 are off by 4e-3 there."""
    torch.manual_seed(0)
    n_tokens, far, max_length = 100_200, 100_000, 6
    head = head_class(8, 1)
    with torch.no_grad():
        head.projection.bias.normal_()
        hidden = torch.randn(8).expand(n_tokens, 8)
        (scores,) = head(hidden, Layout([n_tokens], max_length)).scores
    assert scores[0].std() > 0.01
    torch.testing.assert_close(scores[far], scores[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(
        scores[: far + 1], scores[0].expand(far + 1, max_length), rtol=0, atol=1e-4
    )
