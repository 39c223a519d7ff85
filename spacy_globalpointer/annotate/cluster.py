"""Annotation on a Ray cluster.

Each row of the data set is a section of the input, which an actor reads, annotates and
writes as parts. So no text goes through the object store, and the parts are those of a
single process. Ray Data hands out the sections, restarts actors that are lost, and runs
their sections again.
"""

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator

import numpy

from ..errors import Errors
from .annotator import Annotator, Options, Summary
from .blocks import Section, block_key, read_section, sections
from .files import STDIN, InputFile
from .runs import Run

if TYPE_CHECKING:
    from .job import Job

COLUMN = "section"
# Sections that are handed out together: few, so that all workers end at about the same
# time, and where there are many sections, not too few for the scheduler.
ROWS_PER_BLOCK = 16
BLOCKS_PER_WORKER = 8


class Worker:
    """An actor: loads the pipeline once.

    options (Options): The options.
    output (str): The output.
    block_size (int): Bytes of a block.
    folder (str): The folder to which paths are relative.
    """

    def __init__(
        self, options: Options, output: str, block_size: int, folder: str
    ) -> None:
        if os.path.isdir(folder):
            os.chdir(folder)
        self.annotator = Annotator(options)
        self.run = Run(output, self.annotator.output)
        self.block_size = block_size
        # A section that was lost may have finished some of its blocks.
        self.finished = {*self.run.finished()}

    def __call__(self, batch: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
        for row in batch[COLUMN]:
            section = _from_json(row)
            for block in read_section(section, self.block_size, self.finished):
                part = self.annotator.annotate(block)
                self.run.add(part)
                yield {"summary": numpy.array([part.summary.to_bytes().decode()])}


def annotate_on_ray(
    job: "Job", options: Options, finished: Iterable[str]
) -> Iterator[Summary]:
    """Annotate what is not finished.

    job (Job): What is to be annotated.
    options (Options): What the annotation depends on.
    finished (Iterable[str]): Keys of parts that are there.
    YIELDS (Summary): What is said of each part, in any order.
    RAISES (ImportError): If Ray is not installed.
    RAISES (ValueError): If the input is standard input, which one process has.
    RAISES (ConnectionError): If there is no cluster.
    """
    try:
        import ray
        from ray.data import ActorPoolStrategy, DataContext
    except ImportError:
        raise ImportError(Errors.E161.format(what="--ray", extra="ray")) from None
    if any(file.path == STDIN for file in job.files):
        raise ValueError(Errors.E170)
    done = {*finished}
    rows = [
        {COLUMN: _to_json(section)}
        for section in sections(job.files, job.kind, job.lines, job.block_size)
        if not _is_finished(section, job.block_size, done)
    ]
    if not rows:
        return
    if not ray.is_initialized():
        try:
            ray.init(address=job.ray, log_to_driver=False, logging_level="ERROR")
        except Exception as error:
            # Ray raises bare exceptions, too.
            message = Errors.E194.format(address=job.ray, reason=error)
            raise ConnectionError(message) from error
    resource = "GPU" if options.gpu_id >= 0 else "CPU"
    n_workers = int(ray.cluster_resources().get(resource, 0))
    if not n_workers:
        raise ValueError(Errors.E171.format(resource=resource))
    # Of its machine an actor sees its own GPU alone.
    options = replace(options, gpu_id=min(options.gpu_id, 0))
    context = DataContext.get_current()
    context.enable_progress_bars = False
    n_blocks = max(len(rows) // ROWS_PER_BLOCK, n_workers * BLOCKS_PER_WORKER)
    summaries = ray.data.from_items(
        rows, override_num_blocks=min(n_blocks, len(rows))
    ).map_batches(
        Worker,
        fn_constructor_args=(options, job.output, job.block_size, os.getcwd()),
        batch_size=1,
        compute=ActorPoolStrategy(min_size=1, max_size=n_workers),
        num_cpus=1,
        num_gpus=1 if resource == "GPU" else 0,
    )
    for row in summaries.iter_rows():
        yield Summary.from_bytes(row["summary"].encode("utf8"))


def _is_finished(section: Section, size: int, done: Iterable[str]) -> bool:
    """Whether a section of one block is finished; others are asked block by block."""
    if section.kind == "txt":
        return block_key(section, 0) in done
    if section.kind in ("lines", "jsonl") and section.place is not None:
        return block_key(section, section.place * size) in done
    return False


def _to_json(section: Section) -> str:
    files = [[f.path, f.name, f.size, f.modified] for f in section.files]
    return json.dumps([section.number, files, section.kind, section.place])


def _from_json(content: str) -> Section:
    number, files, kind, place = json.loads(str(content))
    return Section(number, [InputFile(*file) for file in files], kind, place)
