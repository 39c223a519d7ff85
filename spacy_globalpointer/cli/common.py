"""What the commands share."""

import shutil
from pathlib import Path
from typing import Any, Iterable, List, Optional, Tuple

import typer
from spacy import util
from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.training.corpus import FILE_TYPE

from .. import environment
from ..errors import Errors, Warnings
from ..pipeline.candidates import give_candidates
from ..pipeline.component import TaskPipe, task_pipes
from ..pipeline.gold import annotation_found
from ..prediction import little_padding
from ..tasks.drop_report import DropReport
from .messages import msg, progress

MODEL = typer.Argument(..., help="Trained pipeline: a folder or a package")
DATA = typer.Argument(..., help="Annotated documents, a .spacy file", exists=True)
GPU_ID = typer.Option(-1, "--gpu-id", "-g", help="GPU to use, -1 for the CPU")
CODE = typer.Option(
    None,
    "--code",
    help="Python file with registered functions of the pipeline",
    exists=True,
    dir_okay=False,
    callback=lambda path: import_code(path),
)
COMPONENT = typer.Option(
    None,
    "--component",
    "-c",
    help="Name of the component, if the pipeline has more than one. Default: the last span component",
)


def import_code(path: Optional[Path]) -> Optional[Path]:
    """Import a Python file, or exit with an error that says why it cannot be."""
    if path is not None:
        try:
            util.import_file("python_code", path)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            msg.fail(Errors.E175.format(path=path, reason=reason), exits=1)
    return path


def use_gpu(gpu_id: int) -> None:
    """Use a GPU, or exit with an error that says what is missing."""
    try:
        environment.use_gpu(gpu_id)
    except ValueError as error:
        msg.fail(str(error), exits=1)


def require_spacy_files(path: Path) -> None:
    """Raise a ValueError for a path that is neither a .spacy file nor a directory with
    some."""
    files = [path] if path.is_file() else path.rglob("*")
    if not any(file.name.endswith(FILE_TYPE) for file in files):
        raise ValueError(Errors.E172.format(path=path))


def load(
    model: str, component: Optional[str], gpu_id: int
) -> Tuple[Language, TaskPipe[Any]]:
    """Load a pipeline and find its span recognizer."""
    use_gpu(gpu_id)
    try:
        nlp = util.load_model(model)
    except (OSError, ValueError) as error:
        msg.fail(f"Cannot load the pipeline {model}", str(error), exits=1)
    return nlp, find_component(nlp, component)


def find_component(nlp: Language, name: Optional[str]) -> TaskPipe[Any]:
    """The span recognizer of that name, or the last one."""
    for pipe_name, pipe in reversed(task_pipes(nlp).items()):
        if name in (None, pipe_name):
            return pipe
    wanted = f" with the name {name!r}" if name else ""
    msg.fail(Errors.E011.format(wanted=wanted, names=nlp.pipe_names), exits=1)
    raise SystemExit(1)


def read(nlp: Language, pipe: TaskPipe, path: Path, limit: int = 0) -> List[Example]:
    """Read annotated documents, with the gold spans under the component's key also
    where it learns them from doc.ents, and with the candidates, where it has to be
    given them."""
    try:
        require_spacy_files(path)
    except ValueError as error:
        msg.fail(str(error), exits=1)
    try:
        examples = list(Corpus(path, limit=limit)(nlp))
    except (KeyError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        msg.fail(Errors.E173.format(path=path, reason=reason), exits=1)
    if not examples:
        msg.fail(Errors.E176.format(path=path), exits=1)
    _report_missing(pipe, examples, path)
    if pipe.cfg["gold"] == "ents":
        for example in examples:
            if example.reference.has_annotation("ENT_IOB"):
                example.reference.spans[pipe.key] = list(example.reference.ents)
    key = pipe.cfg.get("candidates_key")
    if key is not None:
        dropped = DropReport()
        for example in examples:
            give_candidates(example, key, dropped)
        if dropped.counts:
            report = dropped.report()
            msg.warn(Warnings.W022.format(path=path, key=key, report=report))
    return examples


def _report_missing(pipe: TaskPipe, examples: List[Example], path: Path) -> None:
    """Warn of documents and tokens that have no annotation."""
    reader = pipe.annotation_reader
    n_docs = n_tokens = 0
    for example in examples:
        if not reader.is_annotated(example.reference):
            n_docs += 1
        else:
            unknown = reader.unknown(example)
            n_tokens += 0 if unknown is None else int(unknown.sum())
    if n_docs:
        msg.warn(
            Warnings.W032.format(
                n_docs=n_docs, total=len(examples), path=path, place=reader.place
            )
        )
    if n_tokens:
        msg.warn(Warnings.W033.format(n_tokens=n_tokens, path=path, place=reader.place))


def fail_without_gold(pipe: TaskPipe, examples: List[Example], path: Path) -> None:
    """Exit with an error that says where annotation is instead."""
    found = annotation_found(example.reference for example in examples)
    place = pipe.annotation_reader.place
    msg.fail(Errors.E012.format(path=path, place=place, found=found), exits=1)


def predict(
    nlp: Language, pipe: TaskPipe, examples: Iterable[Example], title: str
) -> None:
    """Run a pipeline over the predicted documents of examples, without components
    that would put their spans in the place of those of `pipe`."""
    behind = nlp.pipe_names[nlp.pipe_names.index(pipe.name) + 1 :]
    others = [
        name
        for name, other in task_pipes(nlp).items()
        if name in behind and other.key == pipe.key
    ]
    _run_without(nlp, others, examples, title)


def run_before(
    nlp: Language, pipe: TaskPipe, examples: Iterable[Example], title: str
) -> None:
    """Run the components before `pipe` over the predicted documents of examples, so
    that `pipe` can score them."""
    place = nlp.pipe_names.index(pipe.name)
    _run_without(nlp, nlp.pipe_names[place:], examples, title)


def _run_without(
    nlp: Language, disable: List[str], examples: Iterable[Example], title: str
) -> None:
    """Run a pipeline, but for some components, over the predicted documents of
    examples."""
    examples = list(examples)
    with nlp.select_pipes(disable=disable), little_padding(nlp):
        docs = nlp.pipe(example.predicted for example in examples)
        bar = progress(docs, total=len(examples), desc=title, unit="doc")
        for example, doc in zip(examples, bar):
            example.predicted = doc


def save(nlp: Language, output: Path) -> None:
    """Save a pipeline in place of another one that may be there."""
    if (output / "meta.json").exists():
        # Of another pipeline there, files would be left over or in the way.
        shutil.rmtree(output)
    output.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
