"""The processes that train one pipeline together."""

import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Iterator, List, Optional, Tuple

import torch
import torch.distributed as dist
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException
from torch.multiprocessing.spawn import ProcessContext, start_processes

from ..errors import Errors

# One worker evaluates while the others wait for it. That a worker has ended is noticed
# by its closed connections, not by this.
TIMEOUT = timedelta(days=1)
# Seconds that workers have to end by themselves when another one has failed.
GRACE_PERIOD = 5.0


@dataclass(frozen=True)
class Group:
    """The workers of a training, as one of them sees them.

    rank (int): The number of this worker.
    size (int): How many workers there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """RETURNS (bool): Whether this worker evaluates, logs and saves."""
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> None:
        """Replace a tensor, of the same shape on all workers, by the sum of theirs. All
        workers get the same bits."""
        if self.size > 1:
            dist.all_reduce(values)

    def broadcast(self, value: Any) -> Any:
        """RETURNS (Any): What the first worker gave as `value`."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    def gather(self, value: Any) -> List[Any]:
        """RETURNS (List[Any]): What all workers gave as `value`, by rank."""
        values = [value]
        if self.size > 1:
            values *= self.size
            dist.all_gather_object(values, value)
        return values


@contextmanager
def join_group(rank: int, size: int, address: str = "env://") -> Iterator[Group]:
    """Meet the other workers.

    rank (int): The number of this worker.
    size (int): How many workers there are.
    address (str): Where they meet, as torch's `init_process_group` takes it. By
        default, environment variables name it, which `torchrun` sets.
    YIELDS (Group): The workers.
    """
    if size == 1:
        yield Group()
        return
    backend = "gloo"
    if torch.cuda.is_available() and dist.is_nccl_available():
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(
        backend, init_method=address, rank=rank, world_size=size, timeout=TIMEOUT
    )
    yield Group(rank, size)
    # After an error, it would wait for the others.
    dist.destroy_process_group()


def torchrun_rank() -> Optional[Tuple[int, int, int]]:
    """What `torchrun` says of this process.

    RETURNS (Optional[Tuple[int, int, int]]): Its rank, the number of workers, and its
        rank on this machine. None if `torchrun` has not started it.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if any(name not in os.environ for name in names):
        return None
    rank, size, local_rank = (int(os.environ[name]) for name in names)
    return rank, size, local_rank


def launch(work: Callable[..., None], size: int, *args: Any) -> None:
    """Start workers on this machine and wait for them.

    work (Callable[..., None]): What a worker does, a function of a module. It is
        called with the group and `args`.
    size (int): How many workers to start.
    args (Any): More arguments, which can be pickled.
    RAISES (RuntimeError): If a worker fails or is killed. The others are ended.
    """
    with TemporaryDirectory() as folder:
        address = (Path(folder) / "store").as_uri()
        arguments = (work, size, address, args)
        context = start_processes(_start, arguments, nprocs=size, join=False)
        try:
            while not context.join(grace_period=GRACE_PERIOD):
                pass
        except (ProcessExitedException, ProcessRaisedException) as error:
            raise RuntimeError(_describe(context, error)) from None
        finally:
            _end(context)


def _start(
    rank: int, work: Callable[..., None], size: int, address: str, args: Tuple[Any, ...]
) -> None:
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max((os.cpu_count() or 1) // size, 1))
    with join_group(rank, size, address) as group:
        work(group, *args)


def _describe(context: ProcessContext, error: Exception) -> str:
    """What has happened. Where a worker was killed, others fail because of that."""
    for rank, process in enumerate(context.processes):
        code = process.exitcode or 0
        if code < 0 and code != -signal.SIGTERM:
            name = signal.Signals(-code).name
            return Errors.E080.format(rank=rank, signal=name)
    return Errors.E081.format(reason=str(error).strip())


def _end(context: ProcessContext) -> None:
    """End all workers, of which some may have ended."""
    for process in context.processes:
        process.terminate()
    for process in context.processes:
        process.join(GRACE_PERIOD)
        if process.is_alive():
            process.kill()
            process.join()
