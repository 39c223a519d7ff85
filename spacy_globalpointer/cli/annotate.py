"""Annotate texts with a trained pipeline."""

from pathlib import Path
from typing import List, Optional

import typer
from tqdm import tqdm

from ..annotate.annotator import Options, Summary
from ..annotate.blocks import KINDS
from ..annotate.files import STDIN
from ..annotate.job import Job, annotate
from ..annotate.outputs import OUTPUTS
from ..annotate.runs import Report
from ..annotate.selection import BY, Selection
from ..errors import Errors
from .common import CODE, GPU_ID, MODEL
from .messages import QUIET, msg

ON_ERROR = ("error", "skip")
FORMATS = {".spacy": "spacy", ".parquet": "parquet"}
PLACES = ("line", "document")


def annotate_cli(
    model: str = MODEL,
    source: List[str] = typer.Argument(
        ...,
        help="Files, folders, globs or URIs (.txt, .jsonl, .spacy, .parquet, packed with .gz or .zst), or - for standard input",
    ),
    target: str = typer.Argument(
        ...,
        help="A file; without a suffix a folder; a URI; or - for standard output",
    ),
    format: Optional[str] = typer.Option(
        None,
        "--format",
        "-f",
        help=f"Form of the output: {', '.join(OUTPUTS)}. Default: by the name of the output, else jsonl",
    ),
    input_format: Optional[str] = typer.Option(
        None,
        "--input-format",
        help=f"Form of the input: {', '.join(KINDS)}. Default: by names, jsonl for standard input",
    ),
    lines: bool = typer.Option(
        False, "--lines", help="A line of a file of text is a document"
    ),
    text_field: str = typer.Option(
        "text", "--text-field", help="Field or column of the text; others pass through"
    ),
    spans_key: Optional[str] = typer.Option(
        None,
        "--spans-key",
        "-sk",
        help="Key of doc.spans. Default: that of the last component that has one",
    ),
    n_process: int = typer.Option(1, "--n-process", "-n", help="Processes", min=1),
    ray: Optional[str] = typer.Option(
        None, "--ray", help="Annotate on a Ray cluster: its address, or auto"
    ),
    batch_size: int = typer.Option(
        16_000,
        "--batch-size",
        help="Maximum number of characters annotated at a time; on a GPU, take more",
        min=1,
    ),
    block_size: float = typer.Option(
        1.0,
        "--block-size",
        help="Megabytes of the input that are finished together",
        min=0.0001,
    ),
    on_error: str = typer.Option(
        "error",
        "--on-error",
        help="Documents that fail are listed and left out. Exit with status 1 if there are any (error), or 0 (skip)",
    ),
    select: Optional[int] = typer.Option(
        None,
        "--select",
        help="Write only so many documents, those most worth correcting, the most first",
        min=1,
    ),
    by: str = typer.Option(
        "margin",
        "--by",
        help=f"What --select chooses by: {', '.join(BY)}: a probability near its threshold, the entropy of the labels, the number of spans that only one of two pipelines finds, nothing",
    ),
    other: Optional[str] = typer.Option(
        None, "--other", help="The other pipeline of --by disagreement"
    ),
    seed: int = typer.Option(0, "--seed", help="Random seed of --by random", min=0),
    overwrite: bool = typer.Option(
        False, "--overwrite", help="Replace an output of another run"
    ),
    gpu_id: int = GPU_ID,
    code: Optional[Path] = CODE,
    quiet: bool = QUIET,
) -> None:
    """Annotate texts with a trained pipeline.

    Documents are written in the order of the input. A call that was interrupted is
    continued by the same call. Documents that fail are listed in OUTPUT.errors.jsonl.
    """
    if format is None:
        suffix = next((s for s in FORMATS if target.endswith(s)), "")
        format = FORMATS.get(suffix, "jsonl")
    if lines and input_format is None and "-" in source:
        input_format = "lines"
    for name, value, allowed in (
        ("--format", format, (*OUTPUTS,)),
        ("--input-format", input_format, (None, *KINDS)),
        ("--on-error", on_error, ON_ERROR),
    ):
        if value not in allowed:
            names = ", ".join(filter(None, allowed))
            error = Errors.E004.format(
                setting=name, allowed=f"one of {names}", value=value
            )
            msg.fail(error, exits=1)
    try:
        selection = None if select is None else Selection(select, by, other, seed)
    except ValueError as error:
        msg.fail(str(error), exits=1)
    job = Job(
        inputs=source,
        output=target,
        options=Options(
            model=model,
            format=format,
            spans_key=spans_key,
            text_field=text_field,
            batch_size=batch_size,
            gpu_id=gpu_id,
            selection=selection,
            code=None if code is None else str(code.resolve()),
        ),
        kind=input_format,
        lines=lines,
        block_size=max(1, int(block_size * (1 << 20))),
        n_process=n_process,
        ray=ray,
        overwrite=overwrite,
    )
    try:
        n_bytes = sum(file.size for file in job.files)
        with _Progress(n_bytes) as progress:
            report = annotate(job, progress.add)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        _say(f"Cannot annotate: {error}")
        raise typer.Exit(1) from None
    _say_report(report, format, target, select)
    if report.n_failed and on_error == "error":
        raise typer.Exit(1)


def _say_report(
    report: Report, format: str, target: str, select: Optional[int]
) -> None:
    for reason, n in report.lost.items():
        _say(f"Left out, since {format} cannot hold it: {n:,} x {reason}")
    if report.n_failed:
        _say(f"Failed: {report.n_failed:,} documents")
        for failure in report.failures[:5]:
            (place,) = (f"{key} {failure[key]}" for key in PLACES if key in failure)
            _say(f"  {failure['file']}, {place}: {failure['reason'][:200]}")
        if target != STDIN:
            _say(f"All of them: {target.rstrip('/')}.errors.jsonl")
    if select is not None:
        n = min(select, report.docs)
        msg.good(f"Wrote {target}: {n:,} of {report.docs:,} documents")
    elif target != STDIN:
        msg.good(
            f"Wrote {target}: {report.docs:,} documents, {report.words:,} words, "
            f"{report.spans:,} spans"
        )


def _say(text: str) -> None:
    # Standard output may be the output.
    typer.echo(text, err=True)


class _Progress:
    """A bar of bytes, from which the time left is known, with documents a second.

    n_bytes (int): Bytes of the input, 0 if they are not known.
    """

    def __init__(self, n_bytes: int) -> None:
        self.bar = tqdm(
            total=n_bytes or None,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=None,
            smoothing=0.05,
        )
        self.n_docs = 0

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def add(self, summary: Summary, is_old: bool) -> None:
        """Hear of a part."""
        if self.bar.disable:
            return
        if is_old:
            self.bar.initial += summary.n_bytes
            self.bar.n += summary.n_bytes
            self.bar.last_print_n = self.bar.n
            return
        if not self.n_docs:
            self.bar.unpause()
        self.n_docs += summary.docs
        seconds = self.bar.format_dict["elapsed"]
        rate = self.n_docs / seconds if seconds else 0.0
        self.bar.set_postfix_str(f"{self.n_docs:,} docs, {rate:,.0f} docs/s", False)
        self.bar.update(summary.n_bytes)
