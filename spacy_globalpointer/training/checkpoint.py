"""What a training needs to go on: weights, optimizer, random numbers and progress."""

import copy
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Tuple

import torch
from spacy.language import Language
from thinc.api import Optimizer, get_current_ops

from ..errors import Errors
from .batches import RandomT, random_state, set_random_state
from .exchange import gradient_scalers
from .group import Group
from .weights import Weight, trained_components, trained_weights

FILE_NAME = "checkpoint.pt"
# What an optimizer keeps of each weight.
KEPT_OF_WEIGHTS = ("mom1", "mom2", "averages", "nr_update", "last_seen")


@dataclass
class Progress:
    """How far a training is.

    step (int): The last step that was made, -1 before the first.
    words (int): Words in the batches so far.
    seconds (float): Seconds so far.
    results (List[Tuple[float, int]]): Main score and step of each evaluation.
    losses (Dict[str, float]): Losses since the last evaluation.
    log (List[Dict[str, Any]]): What loggers were given at each evaluation.
    """

    step: int = -1
    words: int = 0
    seconds: float = 0.0
    results: List[Tuple[float, int]] = field(default_factory=list)
    losses: Dict[str, float] = field(default_factory=dict)
    log: List[Dict[str, Any]] = field(default_factory=list)


def save_checkpoint(
    folder: Path,
    nlp: Language,
    frozen: List[str],
    optimizer: Optimizer,
    progress: Progress,
    first_batch: RandomT,
    group: Group,
) -> None:
    """Save a training in one file, in one step: whenever the process ends, the file is
    the older or the newer one, and whole. All workers call it; the first one writes.

    folder (Path): The output folder.
    nlp (Language): The pipeline.
    frozen (List[str]): Names of the components that are not trained.
    optimizer (Optimizer): The optimizer.
    progress (Progress): How far the training is.
    first_batch (RandomT): The random numbers that the batches began with.
    group (Group): The workers.
    """
    states = group.gather(_random_states())
    if not group.is_first:
        return
    weights = trained_weights(nlp, frozen)
    content = {
        "n_workers": group.size,
        "progress": progress,
        "first_batch": first_batch,
        "random": states,
        "weights": [(_label(w), w.value.cpu().clone()) for w in weights],
        "optimizers": [_state_of(x, weights) for x in _optimizers(optimizer)],
        "scalers": [
            (x._scale.cpu(), x._growth_tracker.cpu()) for x in gradient_scalers(weights)
        ],
        "components": {
            name: _component_state(pipe)
            for name, pipe in trained_components(nlp, frozen)
        },
    }
    path = folder / FILE_NAME
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    os.replace(partial, path)


def load_checkpoint(folder: Path, group: Group) -> Dict[str, Any]:
    """Read a checkpoint.

    folder (Path): The output folder.
    group (Group): The workers.
    RETURNS (Dict[str, Any]): What `restore` takes; its "progress" and "first_batch".
    RAISES (ValueError): If there is none, or if it is of another number of workers.
    """
    path = folder / FILE_NAME
    if not path.exists():
        raise ValueError(Errors.E083.format(path=path))
    content: Dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
    if content["n_workers"] != group.size:
        message = Errors.E084.format(
            path=path, saved=content["n_workers"], given=group.size
        )
        raise ValueError(message)
    return content


def restore(
    content: Dict[str, Any],
    nlp: Language,
    frozen: List[str],
    optimizer: Optimizer,
    group: Group,
) -> None:
    """Give a pipeline and an optimizer the state of a checkpoint, and this process its
    random numbers.

    content (Dict[str, Any]): From `load_checkpoint`.
    nlp (Language): The pipeline, initialized.
    frozen (List[str]): Names of the components that are not trained.
    optimizer (Optimizer): The optimizer, new, with its schedules stepped.
    group (Group): The workers.
    RAISES (ValueError): If the weights are those of another pipeline.
    """
    weights = trained_weights(nlp, frozen)
    saved = [(label, tuple(value.shape)) for label, value in content["weights"]]
    here = [(_label(weight), tuple(weight.value.shape)) for weight in weights]
    if saved != here:
        raise ValueError(Errors.E085.format(different=_first_difference(saved, here)))
    for name, pipe in trained_components(nlp, frozen):
        _restore_component(pipe, content["components"][name])
    for weight, (_, value) in zip(weights, content["weights"]):
        weight.value.copy_(value)
    for one, state in zip(_optimizers(optimizer), content["optimizers"]):
        _restore_optimizer(one, weights, state)
    scalers = gradient_scalers(weights)
    for scaler, (scale, tracker) in zip(scalers, content["scalers"]):
        scaler._scale.copy_(scale)
        scaler._growth_tracker.copy_(tracker)
    for weight, n_updates in zip(weights, _n_updates(content, len(weights))):
        if n_updates and weight.gradient is None:
            # Thinc goes on updating it, with a gradient of zero.
            weight.set_gradient(torch.zeros_like(weight.value))
    _set_random_states(content["random"][group.rank])


def _label(weight: Weight) -> str:
    owner = getattr(weight.owner, "name", type(weight.owner).__name__)
    return f"{weight.component}: {owner} {weight.name}"


def _first_difference(saved: List[Any], here: List[Any]) -> str:
    for a, b in zip(saved, here):
        if a != b:
            return f"{a[0]} {a[1]} there, {b[0]} {b[1]} here"
    return f"{len(saved)} arrays there, {len(here)} here"


def _optimizers(optimizer: Optimizer) -> List[Optimizer]:
    """An optimizer, and the one that it has for span heads, if any."""
    head = getattr(optimizer, "head", None)
    return [optimizer] if head is None else [optimizer, head]


def _state_of(optimizer: Optimizer, weights: List[Weight]) -> Dict[str, List[Any]]:
    ops = get_current_ops()
    state: Dict[str, List[Any]] = {}
    for name in KEPT_OF_WEIGHTS:
        values = [(getattr(optimizer, name) or {}).get(w.key) for w in weights]
        arrays = [hasattr(x, "shape") for x in values]
        state[name] = [ops.to_numpy(x) if a else x for a, x in zip(arrays, values)]
    return state


def _restore_optimizer(
    optimizer: Optimizer, weights: List[Weight], state: Dict[str, List[Any]]
) -> None:
    ops = get_current_ops()
    for name, values in state.items():
        for weight, value in zip(weights, values):
            if value is not None:
                value = ops.asarray(value) if hasattr(value, "shape") else value
                getattr(optimizer, name)[weight.key] = value


def _n_updates(content: Dict[str, Any], n: int) -> List[int]:
    counts = [state["nr_update"] for state in content["optimizers"]]
    return [sum(row[i] or 0 for row in counts) for i in range(n)]


def _component_state(pipe: Any) -> Dict[str, Any]:
    """What a component changes in training beside its weights."""
    cfg, objective = (
        getattr(pipe, "cfg", None),
        getattr(getattr(pipe, "task", None), "objective", None),
    )
    return {
        "cfg": copy.deepcopy(dict(cfg)) if isinstance(cfg, dict) else None,
        # The random numbers of those that draw some.
        "objective": copy.deepcopy(getattr(objective, "__dict__", None)),
    }


def _restore_component(pipe: Any, state: Dict[str, Any]) -> None:
    if state["cfg"] is not None:
        pipe.cfg.update(state["cfg"])
    if state["objective"] is not None:
        vars(pipe.task.objective).update(state["objective"])


def _random_states() -> Dict[str, Any]:
    states = {"host": random_state(), "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_random_states(states: Dict[str, Any]) -> None:
    set_random_state(states["host"])
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
