"""Train on all cores of a machine, on several GPUs or on several machines."""

import io
import warnings
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any, Dict, Optional

import typer
from spacy import util
from spacy.cli._util import (
    import_code,
    parse_config_overrides,
    show_validation_error,
)
from spacy.training.initialize import init_nlp

from ..environment import use_gpu
from ..errors import Errors
from ..training.checkpoint import FILE_NAME
from ..training.group import Group, join_group, launch, torchrun_rank
from ..training.loop import train
from .messages import QUIET, msg

# Overrides of settings are read from what is left of the arguments.
CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def train_cli(
    context: typer.Context,
    config: Path = typer.Argument(..., help="Config file", exists=True, dir_okay=False),
    output: Path = typer.Option(
        ...,
        "--output",
        "-o",
        help="Folder for the pipelines model-best and model-last, and for the checkpoint",
    ),
    workers: int = typer.Option(
        1,
        "--workers",
        "-w",
        min=1,
        help="Processes that share each batch; on GPUs, one a GPU",
    ),
    resume: bool = typer.Option(
        False, "--resume", help="Go on from the last checkpoint in the output folder"
    ),
    code: Optional[Path] = typer.Option(
        None,
        "--code",
        "-c",
        help="Python file with registered functions, imported before training",
    ),
    gpu_id: int = typer.Option(
        -1,
        "--gpu-id",
        "-g",
        help="GPU of the first worker, -1 for the CPU. The others use the GPUs after it",
    ),
    quiet: bool = QUIET,
) -> None:
    """Train a pipeline as `spacy train` does, with several processes that share the
    documents of each batch. Settings of the config are overridden in the same way, such
    as --paths.train corpus/train.spacy. For several machines, start it with `torchrun`
    and without --workers."""
    overrides = parse_config_overrides(context.args)
    arguments = config, output, resume, code, gpu_id, overrides
    started = torchrun_rank()
    if started is not None and workers > 1:
        msg.fail(Errors.E087.format(size=started[1], workers=workers), exits=1)
    try:
        if started is not None:
            rank, size, local_rank = started
            with join_group(rank, size) as group:
                _work(group, *arguments, gpu_offset=local_rank)
        elif workers > 1:
            output.mkdir(parents=True, exist_ok=True)
            launch(_work, workers, *arguments)
        else:
            _work(Group(), *arguments)
    except KeyboardInterrupt:
        has_checkpoint = (output / FILE_NAME).exists()
        hint = "Go on with --resume." if has_checkpoint else None
        msg.fail("Training was interrupted", hint, exits=130)
    except (RuntimeError, ValueError) as error:
        if started is not None:
            raise
        # Of a worker, its traceback too.
        *trace, reason = str(error).splitlines()
        typer.echo("\n".join(trace), err=True)
        msg.fail("Training failed", reason, exits=1)


def _work(
    group: Group,
    config_path: Path,
    output: Path,
    resume: bool,
    code: Optional[Path],
    gpu_id: int,
    overrides: Dict[str, Any],
    gpu_offset: Optional[int] = None,
) -> None:
    """What one worker does."""
    with ExitStack() as stack:
        if not group.is_first:
            # The first one says it all.
            stack.enter_context(redirect_stdout(io.StringIO()))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        if gpu_id >= 0:
            gpu_id += group.rank if gpu_offset is None else gpu_offset
        output.mkdir(parents=True, exist_ok=True)
        msg.info(f"Saving to output directory: {output}")
        use_gpu(gpu_id, silent=False)
        import_code(code)
        with show_validation_error(config_path):
            config = util.load_config(config_path, overrides=overrides)
        msg.divider("Initializing pipeline")
        with show_validation_error(config_path, hint_fill=False):
            nlp = init_nlp(config, use_gpu=gpu_id)
        msg.good("Initialized pipeline")
        noun = "worker" if group.size == 1 else "workers"
        msg.divider(f"Training pipeline with {group.size} {noun}")
        train(nlp, output, group, resume=resume, use_gpu=gpu_id)
