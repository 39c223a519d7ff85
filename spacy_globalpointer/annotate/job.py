"""Annotation from the input to the finished output."""

import os
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional

from ..errors import Errors
from .annotator import Annotator, Options, Part, Summary
from .blocks import Block, read_section, sections
from .files import STDIN, InputFile, find_files
from .outputs import OUTPUTS, model_name
from .runs import (
    Report,
    Run,
    about_input,
    about_run,
    hash_folder,
    unfinished,
)
from .selection import Selection
from .workers import annotate_blocks

# Hears of each part: its summary, and whether an earlier call has made it.
Progress = Callable[[Summary, bool], Any]


@dataclass
class Job:
    """What is to be annotated, and how.

    inputs (List[str]): Paths, folders, globs, URIs, or "-".
    output (str): A file, a folder, a URI, or "-".
    options (Options): What the annotation depends on.
    kind (Optional[str]): Form of the input, one of KINDS. None: by names.
    lines (bool): Whether a line of a file of text is a document.
    block_size (int): Bytes of a block.
    n_process (int): How many processes.
    ray (Optional[str]): "auto" or the address of a Ray cluster. None: no cluster.
    overwrite (bool): Whether to replace an output of another run.
    """

    inputs: List[str]
    output: str
    options: Options
    kind: Optional[str] = None
    lines: bool = False
    block_size: int = 1 << 20
    n_process: int = 1
    ray: Optional[str] = None
    overwrite: bool = False

    @cached_property
    def files(self) -> List[InputFile]:
        """The files of the input, as they are when this is first read."""
        return find_files(self.inputs)

    def blocks(self, done: Iterable[str] = ()) -> Iterator[Block]:
        """The blocks of the input, without those that are done."""
        finished = {*done}
        for section in sections(self.files, self.kind, self.lines, self.block_size):
            yield from read_section(section, self.block_size, finished)


def annotate(job: Job, progress: Progress) -> Report:
    """Annotate all documents, or those that an earlier call has left.

    job (Job): What is to be annotated.
    progress (Callable): Called with the summary of each part.
    RETURNS (Report): What was done.
    RAISES (OSError, ValueError, ImportError): If input, output or options cannot be
        used.
    """
    if job.output == STDIN:
        return _to_stdout(job, progress)
    backend = Run(job.output, OUTPUTS["jsonl"]("", "")).recorded("matrix products")
    options = replace(job.options, backend=backend)
    annotator = Annotator(options)
    # Other processes take what this one has measured.
    options = replace(options, backend=annotator.backend)
    run = Run(job.output, annotator.output)
    if job.options.selection is not None and run.parts != run.folder:
        raise ValueError(Errors.E192.format(output=job.output))
    about = _about(job, annotator)
    with run.lock():
        report = run.begin(about, job.overwrite)
        if report is not None:
            return report
        finished = run.finished()
        for key in finished:
            progress(run.summary(key), True)
        if job.ray is not None:
            from .cluster import annotate_on_ray

            for summary in annotate_on_ray(job, options, finished):
                progress(summary, False)
        else:
            for part in _annotate_here(job, options, annotator, run, finished):
                run.add(part)
                progress(part.summary, False)
        return run.finish(about)


def _annotate_here(
    job: Job,
    options: Options,
    annotator: Annotator,
    run: Run,
    finished: List[str],
) -> Iterator[Part]:
    digests: Dict[str, str] = {}

    def todo() -> Iterator[Block]:
        blocks = job.blocks(finished)
        for block, digest in unfinished(blocks, run, finished):
            if digest:
                digests[block.key] = digest
            yield block

    for part in annotate_blocks(todo(), annotator, options, job.n_process):
        part.summary.digest = digests.pop(part.key, "")
        yield part


def _about(job: Job, annotator: Annotator) -> Dict[str, Any]:
    path = annotator.nlp.path
    assert path is not None
    return about_run(
        job.options,
        path,
        model_name(annotator.nlp),
        annotator.key,
        **{
            "matrix products": annotator.backend,
            "input": about_input(job.files),
            "input format": job.kind,
            "lines": job.lines,
            "block size": job.block_size,
            **_about_selection(job.options.selection, annotator),
        },
    )


def _about_selection(
    selection: Optional[Selection], annotator: Annotator
) -> Dict[str, Any]:
    if selection is None:
        return {}
    hashes = [hash_folder(path) for path in annotator.ranker.paths]
    return {"selection": asdict(selection), "other model hashes": hashes}


def _to_stdout(job: Job, progress: Progress) -> Report:
    """Write to standard output, of which nothing can be kept for another call."""
    annotator = Annotator(job.options)
    if job.options.selection is not None:
        raise ValueError(Errors.E192.format(output="standard output"))
    if annotator.output.suffix != ".jsonl" or annotator.output.is_folder:
        raise ValueError(Errors.E169.format(output=job.options.format))
    report = Report()
    lines: Dict[str, int] = {}
    with os.fdopen(os.dup(1), "wb") as stdout:
        for part in annotate_blocks(
            job.blocks(), annotator, job.options, job.n_process
        ):
            stdout.write(part.content)
            stdout.flush()
            report.add(part.summary, lines)
            progress(part.summary, False)
    return report
