"""Blocks annotated in this process or in several ones, in their order."""

import multiprocessing
import os
import threading
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Deque, Iterable, Iterator, Optional, Tuple

import torch

from ..errors import Errors
from .annotator import Annotator, Options, Part
from .blocks import Block

_annotator: Optional[Annotator] = None


def annotate_blocks(
    blocks: Iterable[Block], annotator: Annotator, options: Options, n_process: int
) -> Iterator[Part]:
    """Annotate blocks. As many as there are processes, and as many again, are in
    memory.

    blocks (Iterable[Block]): The blocks.
    annotator (Annotator): Annotates if there is one process.
    options (Options): With which each other process makes its own.
    n_process (int): How many processes.
    YIELDS (Part): The parts, in the order of the blocks.
    RAISES (BrokenProcessPool): If a process was killed.
    """
    if n_process == 1:
        for block in blocks:
            yield annotator.annotate(block)
        return
    n_threads = max(1, torch.get_num_threads() // n_process)
    # Not forked: a GPU and the threads of torch do not survive that.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        n_process, context, initializer=_begin, initargs=(options, n_threads)
    ) as pool:
        waiting: Deque[Tuple[str, Future[Part]]] = deque()
        try:
            for block in blocks:
                waiting.append((block.key, pool.submit(_annotate, block)))
                if len(waiting) == 2 * n_process:
                    yield waiting.popleft()[1].result()
            while waiting:
                yield waiting.popleft()[1].result()
        except BrokenProcessPool:
            raise BrokenProcessPool(Errors.E168) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(options: Options, n_threads: int) -> None:
    global _annotator
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(n_threads)
    _annotator = Annotator(options)


def _end_with_parent() -> None:
    """A parent that is killed takes its processes with it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _annotate(block: Block) -> Part:
    assert _annotator is not None
    return _annotator.annotate(block)
