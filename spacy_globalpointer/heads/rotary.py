"""Rotary position embedding (arXiv 2104.09864)."""

import torch
from torch import Tensor

BASE = 10000.0


def rotations(positions: Tensor, d: int, dtype: torch.dtype) -> Tensor:
    """The rotation of each position, as complex numbers of modulus 1.

    The angles are taken in float64: at position 100,000 a float32 angle is off
    by 4e-3, and so would be every score there.

    positions (Tensor): Places of tokens in their documents. *Shape:* (n_tokens,)
    d (int): Width of the vectors to rotate, an even number.
    dtype (torch.dtype): Type of the vectors to rotate.
    RETURNS (Tensor): exp(1j * p * BASE ** (-2m / d)). *Shape:* (n_tokens, d / 2)
    """
    if len(positions) == 0:
        return torch.empty(0, d // 2, dtype=dtype.to_complex(), device=positions.device)
    steps = torch.arange(0, d, 2, dtype=torch.float64, device=positions.device)
    angles = positions.double().unsqueeze(1) * BASE ** (-steps / d)
    return torch.polar(torch.ones_like(angles), angles).to(dtype.to_complex())


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotate interleaved pairs (x0, x1), (x2, x3), ... of each vector.

    x (Tensor): *Shape:* (..., n_tokens, d)
    rotation (Tensor): From `rotations`. *Shape:* (n_tokens, d / 2)
    RETURNS (Tensor): *Shape:* (..., n_tokens, d)
    """
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotation).flatten(-2)
