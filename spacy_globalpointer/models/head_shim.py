"""The border between a torch head and thinc's optimizer."""

import contextlib
from typing import Any, Dict, Iterator

from thinc.api import PyTorchShim, xp2torch


class HeadShim(PyTorchShim):
    """Holds a torch head."""

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
