"""Rotary position embedding (arXiv 2104.09864)."""

import torch
from torch import Tensor

from ..lattice import Layout

BASE = 10000.0


def rotations(layout: Layout, d: int, dtype: torch.dtype) -> Tensor:
    """The rotation of each token, as complex numbers of modulus 1.

    The angles are taken in float64: at position 100,000 a float32 angle is off
    by 4e-3, and so would be every score there.

    layout (Layout): Where the tokens stand in their documents.
    d (int): Width of the vectors to rotate, an even number.
    dtype (torch.dtype): Type of the vectors to rotate.
    RETURNS (Tensor): exp(1j * p * BASE ** (-2m / d)) for pair m of a token at
        position p. *Shape:* (n_tokens, d / 2)
    """
    longest = max(layout.lengths, default=0)
    positions = torch.arange(longest, dtype=torch.float64, device=layout.device)
    steps = torch.arange(0, d, 2, dtype=torch.float64, device=layout.device)
    angles = positions.unsqueeze(1) * BASE ** (-steps / d)
    table = torch.complex(angles.cos(), angles.sin()).to(dtype.to_complex())
    return table[layout.positions]
