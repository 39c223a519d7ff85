"""How many threads torch uses."""

import contextlib
from typing import Iterator

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread on the CPU, as spaCy's own layers do. Also a decorator.

    What heads, losses and decoding do at a time is small. On several threads they gain
    little, and where another process is busy on one of the processors, each operation
    waits for its turn there: training took five times as long.
    """
    n_threads = torch.get_num_threads()
    if n_threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
