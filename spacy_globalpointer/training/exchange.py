"""The exchange of gradients and losses between workers.

The rule: gradients are summed over workers, as spaCy sums those of the parts of a batch
with `accumulate_gradient`. The components of this package, and spaCy's own but for
`spancat_singlelabel`, sum gradients over annotated documents, so what the optimizer
gets does not depend on how many workers share a batch, nor on which of them has the
documents. A component that takes the mean over documents gets the sum of the workers'
means, as it gets that of the parts with `accumulate_gradient`.
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from torch import Tensor

from .group import Group
from .weights import TorchWeight, Weight

# For each component, its loss on this worker's share of a part of a batch, and what it
# is the mean over: None where it is a sum.
LossesT = Dict[str, Tuple[float, Optional[int]]]
# Numbers for which there is room after the gradients.
N_MORE = 4096


class Exchange:
    """Sums gradients and losses over the workers of a group, in one message a step.

    group (Group): The workers.
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        # From the first exchange on, the gradients themselves, end to end.
        self._buffer = torch.zeros(0)
        self._layout: List[Any] = []

    def sum(
        self, weights: List[Weight], parts: List[LossesT], names: List[str]
    ) -> Dict[str, float]:
        """Replace the gradients of this worker by the sum of all workers'. A weight has
        a gradient afterwards if it has one on any worker.

        weights (List[Weight]): The weights, the same and in the same order on all
            workers.
        parts (List[LossesT]): The losses of this worker's share of each part of the
            batch.
        names (List[str]): The components that may have a loss, the same on all workers.
        RETURNS (Dict[str, float]): The losses of the batch as one worker would report
            them: for each component the sum over parts.
        """
        table = _loss_table(parts, names)
        if self.group.size > 1:
            scalers = gradient_scalers(weights)
            overflows = [bool(scaler.found_inf) for scaler in scalers]
            present = [weight.gradient is not None for weight in weights]
            more = torch.cat(
                (
                    table.flatten(),
                    torch.tensor([*present, *overflows], dtype=torch.float),
                )
            )
            summed = self._sum_with(weights, more)
            table = summed[: table.numel()].view(table.shape)
            found = [flag > 0 for flag in summed[table.numel() :].tolist()]
            for weight, slot, is_present in zip(weights, self._slots(weights), found):
                if is_present:
                    _give_gradient(weight, slot)
            for scaler, overflow in zip(scalers, found[len(weights) :]):
                # All workers leave the step out, or none.
                scaler._found_inf = overflow
        means = table[..., 0] / table[..., 1].clamp(min=1)
        totals, counts = means.sum(0).tolist(), table[..., 2].sum(0).tolist()
        return {name: x for name, x, n in zip(names, totals, counts) if n}

    def _sum_with(self, weights: List[Weight], more: Tensor) -> Tensor:
        """Sum the gradients and some more numbers.

        RETURNS (Tensor): The sums of the latter.
        """
        layout = [(weight.key, weight.value.numel()) for weight in weights]
        n = sum(size for _, size in layout)
        if layout != self._layout or n + len(more) > len(self._buffer):
            device = weights[0].value.device if weights else torch.device("cpu")
            self._buffer = torch.zeros(n + len(more) + N_MORE, device=device)
            self._layout = layout
        for weight, slot in zip(weights, self._slots(weights)):
            gradient = weight.gradient
            if gradient is None:
                slot.zero_()
            elif gradient.data_ptr() != slot.data_ptr():
                slot.copy_(gradient.reshape(-1))
        used = self._buffer[: n + len(more)]
        used[n:] = more
        self.group.sum(used)
        return used[n:].cpu()

    def _slots(self, weights: List[Weight]) -> Sequence[Tensor]:
        """The places of the gradients in the buffer. *Shapes:* (size,)"""
        sizes = [size for _, size in self._layout]
        return self._buffer[: sum(sizes)].split(sizes)


def _loss_table(parts: List[LossesT], names: List[str]) -> Tensor:
    """Loss times number of terms, number of terms where it is a mean, and whether there
    is a loss at all. *Shape:* (n_parts, n_names, 3)"""
    rows = [
        [_loss_row(*losses[name]) if name in losses else (0.0, 0, 0) for name in names]
        for losses in parts
    ]
    return torch.tensor(rows, dtype=torch.float64).view(len(parts), len(names), 3)


def _loss_row(loss: float, n_terms: Optional[int]) -> Tuple[float, int, int]:
    return (loss, 0, 1) if n_terms is None else (loss * n_terms, n_terms, 1)


def gradient_scalers(weights: List[Weight]) -> List[Any]:
    """Those of mixed precision, each of them once."""
    shims = {w.owner.id: w.owner for w in weights if isinstance(w, TorchWeight)}
    scalers = [shim._grad_scaler for shim in shims.values()]
    return [scaler for scaler in scalers if scaler._enabled]


def _give_gradient(weight: Weight, slot: Tensor) -> None:
    """Place the gradient of a weight in the buffer, where later ones are added to
    it, or copy it where its precision is another one."""
    gradient, value = weight.gradient, weight.value
    if value.dtype != slot.dtype:
        weight.set_gradient(slot.to(value.dtype).view_as(value))
    elif gradient is None or gradient.data_ptr() != slot.data_ptr():
        weight.set_gradient(slot.view_as(value))
