"""How many threads torch and numpy use.

`torch.set_num_threads` is three settings: the number of threads of OpenMP and that of
MKL, which each thread has for itself, and a number that threads take over when they
first use torch. The first two are what counts here, so no thread sees what another
one does for a while.
"""

import contextlib
import ctypes
import os
from functools import lru_cache
from typing import Any, Iterator, Optional

import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

# Variables with which a user chooses the number of threads of a BLAS library.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_is_fork = False


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread on the CPU, as spaCy's own layers do, in the calling
    thread alone. Also a decorator.

    What heads, losses and decoding do at a time is small. On several threads they gain
    little, and where another process is busy on one of the processors, each operation
    waits for its turn there: training took five times as long.
    """
    # Asked for the first time, a thread takes over torch's number.
    if torch.get_num_threads() == 1:
        yield
        return
    set_mkl = _mkl_setter()
    with _openmp().limit(limits=1):
        before = set_mkl(1) if set_mkl else 0
        try:
            yield
        finally:
            if set_mkl:
                set_mkl(before)


@contextlib.contextmanager
def one_thread_in_fork() -> Iterator[None]:
    """The same in a process made by a fork, as workers of `nlp.pipe(n_process=2)` are;
    in others nothing. Threads do not survive a fork: torch would wait for those that
    the process had before forever."""
    with one_thread() if _is_fork else contextlib.nullcontext():
        yield


def limit_blas_threads() -> threadpool_limits:
    """Let numpy's BLAS library use one thread from now on, or, as a context, for its
    duration.

    A number of threads that the user has chosen, by one of the variables
    `OMP_NUM_THREADS`, `OPENBLAS_NUM_THREADS` and `MKL_NUM_THREADS`, is left as it is.
    """
    chosen = any(os.environ.get(name) for name in VARIABLES)
    return threadpool_limits(None if chosen else 1, user_api="blas")


def _note_fork() -> None:
    global _is_fork
    _is_fork = True


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_note_fork)


@lru_cache(maxsize=1)
def _openmp() -> Any:
    return ThreadpoolController().select(user_api="openmp")


@lru_cache(maxsize=1)
def _mkl_setter() -> Optional[Any]:
    """Sets MKL's number of threads of the calling thread, 0 for that of OpenMP, and
    returns the one before. None where torch has no MKL to be found."""
    # A symbol is looked for in the libraries that this one needs, too.
    library = ctypes.CDLL(torch._C.__file__)
    return getattr(library, "MKL_Set_Num_Threads_Local", None)
