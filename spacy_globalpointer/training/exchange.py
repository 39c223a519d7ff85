"""The exchange of gradients and losses between workers.

The rule: gradients are summed over workers, as spaCy sums those of the parts of a batch
with `accumulate_gradient`. The components of this package, and spaCy's own but for
`spancat_singlelabel`, sum gradients over annotated documents, so what the optimizer
gets does not depend on how many workers share a batch, nor on which of them has the
documents. A component that takes the mean over documents gets the sum of the workers'
means, as it gets that of the parts with `accumulate_gradient`.
"""

from typing import Any, Dict, List, Tuple

import torch
from torch import Tensor

from .group import Group
from .weights import TorchWeight, Weight

# For each component, its loss on this worker's share of a part of a batch, and what it
# is the mean over: None where it is a sum.
LossesT = Dict[str, Tuple[float, Any]]


class Exchange:
    """Sums gradients and losses over the workers of a group.

    group (Group): The workers.
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        self._buffer = torch.zeros(0)

    def sum_gradients(self, weights: List[Weight]) -> None:
        """Replace the gradients of this worker by the sum of all workers', in one
        message. A weight has a gradient afterwards if it has one on any worker.

        weights (List[Weight]): The weights, the same and in the same order on all
            workers.
        """
        if self.group.size == 1 or not weights:
            return
        scalers = gradient_scalers(weights)
        sizes = [weight.value.numel() for weight in weights]
        buffer = self._sized_buffer(
            sum(sizes) + len(weights) + len(scalers), weights[0].value.device
        )
        *slices, flags = buffer.split([*sizes, len(weights) + len(scalers)])
        present = []
        for weight, place in zip(weights, slices):
            gradient = weight.gradient
            present.append(gradient is not None)
            if gradient is None:
                place.zero_()
            else:
                place.copy_(gradient.reshape(-1))
        overflows = [bool(scaler.found_inf) for scaler in scalers]
        flags.copy_(torch.tensor([*present, *overflows], dtype=buffer.dtype))
        self.group.sum(buffer)
        found = [flag > 0 for flag in flags.tolist()]
        for weight, place, is_present in zip(weights, slices, found):
            if is_present:
                _set_gradient(weight, place)
        for scaler, overflow in zip(scalers, found[len(weights) :]):
            # All workers leave the step out, or none.
            scaler._found_inf = overflow

    def _sized_buffer(self, size: int, device: torch.device) -> Tensor:
        if self._buffer.numel() != size or self._buffer.device != device:
            self._buffer = torch.empty(size, device=device)
        return self._buffer

    def sum_losses(self, parts: List[LossesT], names: List[str]) -> Dict[str, float]:
        """The losses of a batch, as one worker would report them.

        parts (List[LossesT]): The losses of this worker's share of each part of it.
        names (List[str]): The components that may have a loss, the same on all workers.
        RETURNS (Dict[str, float]): The loss of each component, summed over parts.
        """
        # Loss, number of terms where it is a mean, whether there is one at all.
        rows = torch.zeros(len(parts), len(names), 3, dtype=torch.float64)
        for i, losses in enumerate(parts):
            for j, name in enumerate(names):
                if name in losses:
                    loss, n_terms = losses[name]
                    n = 1 if n_terms is None else n_terms
                    rows[i, j] = torch.tensor([loss * n, n_terms or 0, 1])
        self.group.sum(rows)
        means = rows[..., 0] / rows[..., 1].clamp(min=1)
        total, found = means.sum(0).tolist(), rows[..., 2].sum(0).tolist()
        return {name: x for name, x, n in zip(names, total, found) if n}


def gradient_scalers(weights: List[Weight]) -> List[Any]:
    """Those of mixed precision, each of them once."""
    shims = {w.owner.id: w.owner for w in weights if isinstance(w, TorchWeight)}
    scalers = [shim._grad_scaler for shim in shims.values()]
    return [scaler for scaler in scalers if scaler._enabled]


def _set_gradient(weight: Weight, flat: Tensor) -> None:
    gradient = weight.gradient
    if gradient is None:
        weight.set_gradient(flat.clone().to(weight.value.dtype).view_as(weight.value))
    else:
        gradient.copy_(flat.view_as(gradient))
