"""Rotary position embedding against cosines and sines, pair by pair."""

import math

import pytest
import torch

from spacy_globalpointer.core.lattice import Layout
from spacy_globalpointer.heads import EfficientGlobalPointer, GlobalPointer
from spacy_globalpointer.heads.rotary import KEPT, rotations

PRECISIONS = [(torch.float64, 1e-12), (torch.float32, 1e-6)]


@pytest.mark.parametrize("dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("d", [2, 4, 64])
@pytest.mark.parametrize("n", [1, KEPT, KEPT + 1, 100_001])
def test_rotations_are_points_on_the_circle(n, d, dtype, tolerance):
    """The angle of pair m at position p is p / 10000 ** (2m / d)."""
    positions = [p for p in (0, 1, 2, 511, KEPT - 1, KEPT, 100_000) if p < n]
    rotation = rotations(Layout([n]), d, dtype)
    assert rotation.shape == (n, d // 2)
    assert rotation.dtype == dtype.to_complex()
    for p, row in zip(positions, rotation[positions].tolist()):
        for m, got in enumerate(row):
            angle = p / 10000 ** (2 * m / d)
            expected = complex(math.cos(angle), math.sin(angle))
            # The angle itself has a rounding error that grows with p.
            assert abs(got - expected) < max(tolerance, 1e-15 * p)


def test_positions_begin_anew_in_each_document():
    rotation = rotations(Layout([3, 0, 2]), 4, torch.float64)
    alone = rotations(Layout([3]), 4, torch.float64)
    assert torch.equal(rotation, torch.cat((alone, alone[:2])))


def test_no_tokens():
    rotation = rotations(Layout([0, 0]), 6, torch.float32)
    assert rotation.shape == (0, 3)
    assert rotation.dtype == torch.complex64


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
