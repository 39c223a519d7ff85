"""The weights of a pipeline, those of thinc and those of torch, in one order."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Collection, Dict, Iterator, List, Optional, Tuple, Union, cast

import torch
from spacy.language import Language
from thinc.api import Model, PyTorchShim, torch2xp, xp2torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Weight(ABC):
    """An array of weights.

    component (str): Name of the component.
    owner (Union[Model, PyTorchShim]): The layer of thinc, or the shim that holds a
        module of torch.
    name (str): Its name there.
    """

    component: str
    owner: Any
    name: str

    @property
    def key(self) -> Tuple[int, str]:
        """RETURNS (Tuple[int, str]): What optimizers know it by."""
        return self.owner.id, self.name

    @property
    @abstractmethod
    def value(self) -> Tensor:
        """RETURNS (Tensor): The weights. Changes in place act."""

    @property
    @abstractmethod
    def gradient(self) -> Optional[Tensor]:
        """RETURNS (Optional[Tensor]): The gradient, if there is one. Changes in place
        act. *Shape:* that of the weights"""

    @abstractmethod
    def set_gradient(self, gradient: Tensor) -> None:
        """Set the gradient, where there is none."""


class ThincWeight(Weight):
    """An array of a layer of thinc."""

    owner: Model

    @property
    def value(self) -> Tensor:
        return cast(Tensor, xp2torch(self.owner.get_param(self.name)))

    @property
    def gradient(self) -> Optional[Tensor]:
        if not self.owner.has_grad(self.name):
            return None
        return cast(Tensor, xp2torch(self.owner.get_grad(self.name)))

    def set_gradient(self, gradient: Tensor) -> None:
        self.owner.set_grad(self.name, torch2xp(gradient))


@dataclass(frozen=True)
class TorchWeight(Weight):
    """A parameter of a module of torch."""

    owner: PyTorchShim
    parameter: nn.Parameter

    @property
    def value(self) -> Tensor:
        return self.parameter.data

    @property
    def gradient(self) -> Optional[Tensor]:
        return self.parameter.grad

    def set_gradient(self, gradient: Tensor) -> None:
        self.parameter.grad = gradient


def trained_components(
    nlp: Language, frozen: Collection[str]
) -> Iterator[Tuple[str, Any]]:
    """The components that training changes, by spaCy's rule.

    nlp (Language): The pipeline.
    frozen (Collection[str]): Names of components that it leaves as they are.
    YIELDS (Tuple[str, Any]): Name and component.
    """
    for name, pipe in nlp.pipeline:
        if (
            name not in frozen
            and getattr(pipe, "is_trainable", False)
            and pipe.model not in (True, False, None)
        ):
            yield name, pipe


def trained_weights(nlp: Language, frozen: Collection[str]) -> List[Weight]:
    """All weights that training changes, each of them once. The order depends on the
    pipeline alone.

    nlp (Language): The pipeline.
    frozen (Collection[str]): Names of components that training leaves as they are.
    """
    found: Dict[Tuple[type, int, str], Weight] = {}
    for component, pipe in trained_components(nlp, frozen):
        for node in pipe.model.walk():
            for weight in _weights_of(component, node):
                found.setdefault((type(weight), *weight.key), weight)
    return list(found.values())


def _weights_of(
    component: str, node: Model
) -> Iterator[Union[ThincWeight, TorchWeight]]:
    for name in node.param_names:
        if node.has_param(name):
            yield ThincWeight(component, node, name)
    for shim in node.shims:
        if isinstance(getattr(shim, "_model", None), nn.Module):
            for name, parameter in shim._model.named_parameters():
                yield TorchWeight(component, shim, name, parameter)


def hash_weights(weights: List[Weight]) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): A hash of the weights of each component."""
    hashes: Dict[str, Any] = {}
    for weight in weights:
        value = weight.value.detach().cpu().contiguous()
        data = value.view(-1).view(torch.uint8).numpy()
        hashes.setdefault(weight.component, blake2b(digest_size=16)).update(data)
    return {component: found.hexdigest() for component, found in hashes.items()}
