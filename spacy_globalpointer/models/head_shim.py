"""The border between a torch head and thinc's optimizer."""

import contextlib
from typing import Any, Callable, Dict, Iterator, Tuple

import torch
from thinc.api import ArgsKwargs, PyTorchShim, xp2torch

from ..threads import one_thread


class HeadShim(PyTorchShim):
    """Holds a torch head."""

    @one_thread()
    def predict(self, inputs: ArgsKwargs) -> Any:
        """Score without gradients. Nothing of the head is changed, so threads can
        predict with it at the same time: PyTorchShim switches the module from
        training to evaluation and back, which a head has no use for."""
        with torch.no_grad():
            return self._model(*inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: ArgsKwargs) -> Tuple[Any, Callable[[Any], None]]:
        """Score with gradients, which `backprop` adds to the inputs and weights."""
        with one_thread():
            outputs = self._model(*inputs.args, **inputs.kwargs)

        @one_thread()
        def backprop(gradients: ArgsKwargs) -> None:
            with torch.autocast(self.device.type, enabled=False):
                torch.autograd.backward(*gradients.args, **gradients.kwargs)

        return outputs, backprop

    @one_thread()
    def finish_update(self, optimizer: Any) -> None:
        """Update the weights. An optimizer with a rate of its own for heads has
        it under `head`."""
        super().finish_update(getattr(optimizer, "head", optimizer))

    @contextlib.contextmanager
    def use_params(self, params: Dict[Any, Any]) -> Iterator[None]:
        """Use other weights for a while, averaged ones for instance.

        An optimizer keeps averages by (id, name). PyTorchShim looks them up under
        another key, so with it averages of torch weights have no effect.
        """
        state = self._model.state_dict()
        swapped = {name: params.get((self.id, name)) for name in state}
        swapped = {name: x for name, x in swapped.items() if x is not None}
        backup = {name: state[name].clone() for name in swapped}
        for name, value in swapped.items():
            state[name].copy_(xp2torch(value, device=self.device))
        try:
            yield
        finally:
            for name, value in backup.items():
                state[name].copy_(value)
