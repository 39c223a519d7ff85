"""The batches of a training, the same on all workers."""

import random
from contextlib import contextmanager
from typing import Any, Iterable, Iterator, List, Tuple

import numpy
from spacy.training import Example

RandomT = Tuple[Any, Any]
BatchT = Tuple[int, List[Example]]


class SharedBatches:
    """Draws batches with its own random numbers, those of Python and of numpy, so
    that what else a worker draws, for dropout or in the evaluation, does not change
    which documents come next.

    batches (Iterable[Tuple[int, List[Example]]]): Epochs and batches, from spaCy's
        `create_train_batches`.
    state (RandomT): The random numbers to begin with, from `random_state`.
    """

    def __init__(self, batches: Iterable[BatchT], state: RandomT) -> None:
        self._batches = iter(batches)
        self.state = state

    def __iter__(self) -> Iterator[BatchT]:
        return self

    def __next__(self) -> BatchT:
        with same_randomness():
            set_random_state(self.state)
            try:
                epoch, batch = next(self._batches)
            finally:
                self.state = random_state()
        return epoch, list(batch)


def random_state() -> RandomT:
    """RETURNS (RandomT): The random numbers of Python and of numpy, as they are."""
    return random.getstate(), numpy.random.get_state()


def set_random_state(state: RandomT) -> None:
    """Go on with the random numbers of a state from `random_state`."""
    random.setstate(state[0])
    numpy.random.set_state(state[1])


@contextmanager
def same_randomness() -> Iterator[None]:
    """Leave random numbers as they would be without the block."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)
