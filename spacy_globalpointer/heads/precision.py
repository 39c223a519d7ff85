"""Heads compute in float32 or wider, whatever the types of hidden states and weights.

A score is a product of long sums, and the loss is a sum of exponentials of scores:
in bfloat16 the third digit would be wrong. What is half as wide, or autocast, saves
its time in the encoder, where the matrices are large.
"""

from functools import reduce, wraps
from typing import Any, Callable, List, TypeVar, cast

import torch
from torch import Tensor

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def without_autocast(function: FunctionT) -> FunctionT:
    """Run a function with `torch.autocast` off on the device of its first tensor."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        device = next(x.device for x in args if isinstance(x, Tensor))
        with torch.autocast(device.type, enabled=False):
            return function(*args, **kwargs)

    return cast(FunctionT, run)


def promote(*tensors: Tensor) -> List[Tensor]:
    """Tensors in one type: the widest of theirs, and at least float32."""
    types = (x.dtype for x in tensors)
    dtype = reduce(torch.promote_types, types, torch.float32)
    return [x.to(dtype) for x in tensors]
