"""Rotary position embedding (arXiv 2104.09864)."""

from functools import lru_cache
from typing import Optional

import torch
from torch import Tensor

from ..core.lattice import Layout

BASE = 10000.0
# Tables of positions are kept for documents of up to so many tokens: 1 MB for d = 64.
KEPT = 4096


def rotations(layout: Layout, d: int, dtype: torch.dtype) -> Tensor:
    """The rotation of each token, as complex numbers of modulus 1.

    layout (Layout): The layout of the tokens.
    d (int): Width of the vectors to rotate, an even number.
    dtype (torch.dtype): Type of the vectors to rotate.
    RETURNS (Tensor): exp(1j * p * BASE ** (-2m / d)) for pair m of a token at
        position p. *Shape:* (n_tokens, d / 2)
    """
    longest = max(layout.lengths, default=0)
    if longest <= KEPT:
        table = _kept_table(d, dtype, layout.device)
    else:
        table = _table(longest, d, dtype, layout.device)
    return table[layout.positions]


def _table(
    n: int, d: int, dtype: torch.dtype, device: Optional[torch.device]
) -> Tensor:
    """The rotations of positions 0 to n - 1. *Shape:* (n, d / 2)

    The angles are taken in float64: at position 100,000 a float32 angle is off
    by 4e-3, and so would be every score there.
    """
    positions = torch.arange(n, dtype=torch.float64, device=device)
    steps = torch.arange(0, d, 2, dtype=torch.float64, device=device)
    angles = positions.unsqueeze(1) * BASE ** (-steps / d)
    return torch.complex(angles.cos(), angles.sin()).to(dtype.to_complex())


@lru_cache(maxsize=8)
def _kept_table(d: int, dtype: torch.dtype, device: Optional[torch.device]) -> Tensor:
    # A table made where gradients are off for good could not be used elsewhere.
    with torch.inference_mode(False):
        return _table(KEPT, d, dtype, device)
