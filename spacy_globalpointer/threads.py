"""How many threads torch and numpy use."""

import contextlib
import os
from typing import Iterator

import torch
from threadpoolctl import threadpool_limits

# Variables with which a user chooses the number of threads of a BLAS library.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


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


def limit_blas_threads() -> threadpool_limits:
    """Let numpy's BLAS library use one thread from now on, or, as a context, for its
    duration.

    A number of threads that the user has chosen, by one of the variables
    `OMP_NUM_THREADS`, `OPENBLAS_NUM_THREADS` and `MKL_NUM_THREADS`, is left as it is.
    """
    chosen = any(os.environ.get(name) for name in VARIABLES)
    return threadpool_limits(None if chosen else 1, user_api="blas")
