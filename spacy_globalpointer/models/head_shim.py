"""Adapter between a torch head and thinc's optimizer."""

import contextlib
from typing import Any, Callable, Dict, Iterator, Tuple, Type, Union

import torch
from thinc.api import ArgsKwargs, Model, PyTorchShim, Shim, xp2torch
from thinc.backends import ParamServer

from ..core.threads import one_thread


def renew_ids(model: Model) -> None:
    """Give the layers and shims of a model, a copy of another one, identities of their
    own. Optimizers keep moments and averages of weights by them."""
    for layer in model.walk():
        params = {
            x: layer.get_param(x) for x in layer.param_names if layer.has_param(x)
        }
        gradients = {x: layer.get_grad(x) for x in layer.grad_names}
        layer.id = _new_id(Model)
        # What a layer has is kept by its identity too.
        layer._params = ParamServer(
            {(layer.id, name): x for name, x in params.items()},
            {(layer.id, name): x for name, x in gradients.items()},
            proxy=layer._params.proxy,
        )
        for shim in layer.shims:
            shim.id = _new_id(Shim)


def _new_id(kind: Union[Type[Model], Type[Shim]]) -> int:
    with kind.global_id_lock:
        kind.global_id += 1
        return kind.global_id


class HeadShim(PyTorchShim):
    """Holds a torch head. A copy, also by pickle, is another one to optimizers."""

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.id = _new_id(Shim)

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
        """Update the weights. An optimizer with its own rate for heads has
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
