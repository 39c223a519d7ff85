"""Training by several workers: spaCy's training loop, with an exchange of gradients
before each update."""

import shutil
import sys
from pathlib import Path
from time import perf_counter
from typing import IO, Any, Callable, Dict, Iterator, List, Optional, Tuple

from spacy import util
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.loop import (
    DIR_MODEL_BEST,
    DIR_MODEL_LAST,
    clean_output_dir,
    create_before_to_disk_callback,
    create_evaluation_callback,
    create_train_batches,
    subdivide_batch,
    update_meta,
)
from thinc.api import Optimizer, constant, fix_random_seed, set_gpu_allocator
from wasabi import Printer

from ..errors import Errors
from ..folders import replaced_folder
from .batches import BatchT, SharedBatches, random_state
from .checkpoint import FILE_NAME, Progress, load_checkpoint, restore, save_checkpoint
from .exchange import Exchange, LossesT
from .group import Group
from .weights import Weight, hash_weights, trained_components, trained_weights

EvaluateT = Callable[[], Tuple[float, Dict[str, float]]]


def train(
    nlp: Language,
    output: Path,
    group: Group,
    *,
    resume: bool = False,
    use_gpu: int = -1,
    stdout: Optional[IO] = None,
    stderr: Optional[IO] = None,
) -> None:
    """Train a pipeline as `spacy train` does. Each worker calls it, with the pipeline
    that it has initialized from the same config; the first one evaluates, logs and
    saves.

    nlp (Language): The initialized pipeline with the full config.
    output (Path): Folder for the pipelines `model-best` and `model-last`, and for the
        checkpoint. An error or an interruption leaves them as they were saved last.
    group (Group): The workers.
    resume (bool): Whether to go on from the checkpoint in `output`.
    use_gpu (int): The GPU of this worker, -1 for the CPU.
    stdout (Optional[IO]): Where messages and logs go. None: `sys.stdout`.
    stderr (Optional[IO]): Where progress goes. None: `sys.stderr`.
    RAISES (ValueError): If there are several workers and no seed, or no checkpoint to
        go on from.
    RAISES (RuntimeError): If weights or batches of workers differ.
    """
    stdout, stderr = stdout or sys.stdout, stderr or sys.stderr
    msg = Printer(no_print=True)
    config = nlp.config.interpolate()
    seed = config["training"]["seed"]
    if seed is not None:
        fix_random_seed(seed)
    elif group.size > 1:
        raise ValueError(Errors.E082)
    if use_gpu >= 0 and config["training"]["gpu_allocator"]:
        set_gpu_allocator(config["training"]["gpu_allocator"])
    content = load_checkpoint(output, group) if resume else None
    if group.is_first and resume:
        _remove_log(config)
    settings = util.registry.resolve(config["training"], schema=ConfigSchemaTraining)
    names = [settings["train_corpus"], settings["dev_corpus"]]
    train_corpus, dev_corpus = util.resolve_dot_names(config, names)
    frozen = settings["frozen_components"]
    batches = SharedBatches(
        create_train_batches(
            nlp, train_corpus, settings["batcher"], settings["max_epochs"]
        ),
        content["first_batch"] if content else random_state(),
    )
    first_batch = batches.state
    progress = content["progress"] if content else Progress()
    # It goes on below, and so does the log; these are printed again.
    past, progress.log = progress.log, list(progress.log)
    steps = train_steps(
        nlp,
        settings,
        batches,
        create_evaluation_callback(nlp, dev_corpus, settings["score_weights"]),
        group,
        progress,
        content,
    )
    log_step, finalize = _ignore, _nothing
    if group.is_first:
        if not resume:
            clean_output_dir(output)
            (output / FILE_NAME).unlink(missing_ok=True)
        stdout.write(msg.info(f"Pipeline: {nlp.pipe_names}") + "\n")
        if frozen:
            stdout.write(msg.info(f"Frozen components: {frozen}") + "\n")
        with nlp.select_pipes(disable=frozen):
            log_step, finalize = settings["logger"](nlp, stdout, stderr)
    try:
        for info in past:
            log_step(info)
        for info, is_best in steps:
            if is_best is not None:
                if group.is_first:
                    with nlp.select_pipes(disable=frozen):
                        update_meta(settings, nlp, info)
                    _save_pipeline(nlp, settings, output, is_best)
                    info["output_path"] = str(output / DIR_MODEL_LAST)
                optimizer = settings["optimizer"]
                save_checkpoint(
                    output, nlp, frozen, optimizer, progress, first_batch, group
                )
            log_step(info if is_best is not None else None)
    finally:
        finalize()
    if group.is_first:
        _save_pipeline(nlp, settings, output, False)
        path = output / DIR_MODEL_LAST
        stdout.write(msg.good("Saved pipeline to output directory", path) + "\n")


def train_steps(
    nlp: Language,
    settings: Dict[str, Any],
    batches: Iterator[BatchT],
    evaluate: EvaluateT,
    group: Group,
    progress: Progress,
    content: Optional[Dict[str, Any]] = None,
) -> Iterator[Tuple[Dict[str, Any], Optional[bool]]]:
    """Make training steps until the training ends, as `train_while_improving` of
    spaCy, which has no place for an exchange between workers and no way to go on.

    nlp (Language): The pipeline.
    settings (Dict[str, Any]): The section `training` of the config, resolved.
    batches (Iterator[Tuple[int, List[Example]]]): Epochs and batches, from the first
        step of the training on, the same on all workers.
    evaluate (Callable): Gives the main score and the others; called by the first
        worker.
    group (Group): The workers.
    progress (Progress): How far the training is. It is brought up to date.
    content (Optional[Dict[str, Any]]): The checkpoint to go on from. The steps before
        are passed over.
    YIELDS (Tuple[Dict[str, Any], Optional[bool]]): What loggers read, and whether the
        score is the best so far, None where there was no evaluation.
    """
    optimizer: Optimizer = settings["optimizer"]
    frozen, max_steps = settings["frozen_components"], settings["max_steps"]
    dropouts = settings["dropout"]
    if isinstance(dropouts, (int, float)):
        dropouts = constant(float(dropouts))
    exchange = Exchange(group)
    weights: List[Weight] = []
    start = perf_counter() - progress.seconds
    done = progress.step
    for step, (epoch, batch) in enumerate(batches):
        dropout = next(dropouts)
        if step > done:
            if content is not None:
                restore(content, nlp, frozen, optimizer, group)
                content = None
                start = perf_counter() - progress.seconds
            if settings["before_update"]:
                settings["before_update"](nlp, {"step": step, "epoch": epoch})
            # Not before the weights of a checkpoint are there.
            weights = weights or trained_weights(nlp, frozen)
            _update(nlp, batch, dropout, settings, exchange, weights, progress.losses)
        optimizer.step_schedules()
        if step <= done:
            continue
        score, other_scores, is_best = None, None, None
        if step % settings["eval_frequency"] == 0:
            check_equality(nlp, frozen, batches, group)
            score, other_scores = _evaluate(nlp, optimizer, evaluate, group)
            progress.results.append((score, step))
            is_best = score == max(progress.results)[0]
        progress.step = step
        progress.words += sum(len(example) for example in batch)
        progress.seconds = perf_counter() - start
        info = {
            "epoch": epoch,
            "step": step,
            "score": score,
            "other_scores": other_scores,
            "losses": progress.losses,
            "checkpoints": progress.results,
            "seconds": int(progress.seconds),
            "words": progress.words,
        }
        if is_best is not None:
            # The next step begins new ones.
            progress.losses = {}
            progress.log.append({**info, "checkpoints": list(progress.results)})
        yield info, is_best
        best = max((score, -step) for score, step in progress.results)
        if settings["patience"] and step + best[1] >= settings["patience"]:
            break
        if max_steps and step >= max_steps:
            break


def _update(
    nlp: Language,
    batch: List[Example],
    dropout: float,
    settings: Dict[str, Any],
    exchange: Exchange,
    weights: List[Weight],
    losses: Dict[str, float],
) -> None:
    """One step, with this worker's share of a batch."""
    group, frozen = exchange.group, settings["frozen_components"]
    parts = []
    for part in subdivide_batch(batch, settings["accumulate_gradient"]):
        found: Dict[str, float] = {}
        # The documents of a part are in order of length: shares take about as long.
        nlp.update(
            part[group.rank :: group.size],
            drop=dropout,
            losses=found,
            sgd=False,
            exclude=frozen,
            annotates=settings["annotating_components"],
        )
        parts.append(_with_terms(nlp, found))
    summed = exchange.sum(weights, parts, nlp.pipe_names)
    for name, loss in summed.items():
        losses[name] = losses.get(name, 0.0) + loss
    for _, pipe in trained_components(nlp, frozen):
        pipe.finish_update(settings["optimizer"])


def _with_terms(nlp: Language, losses: Dict[str, float]) -> LossesT:
    pipes = dict(nlp.pipeline)
    return {
        name: (loss, getattr(pipes[name], "n_loss_terms", None))
        for name, loss in losses.items()
        if name in pipes
    }


def _evaluate(
    nlp: Language, optimizer: Optimizer, evaluate: EvaluateT, group: Group
) -> Tuple[float, Dict[str, float]]:
    result = None
    if group.is_first:
        with nlp.use_params(optimizer.averages or {}):
            result = evaluate()
    scores: Tuple[float, Dict[str, float]] = group.broadcast(result)
    return scores


def check_equality(
    nlp: Language, frozen: List[str], batches: Any, group: Group
) -> None:
    """Raise a RuntimeError if weights or batches of the workers differ.

    nlp (Language): The pipeline.
    frozen (List[str]): Names of the components that are not trained.
    batches (SharedBatches): The batches.
    group (Group): The workers.
    """
    if group.size == 1:
        return
    hashes = hash_weights(trained_weights(nlp, frozen))
    hashes["the batches"] = repr(batches.state)
    every = group.gather(hashes)
    for rank, other in enumerate(every):
        different = [name for name in hashes if other.get(name) != every[0][name]]
        if different:
            raise RuntimeError(
                Errors.E086.format(rank=rank, different=", ".join(different))
            )


def _save_pipeline(
    nlp: Language, settings: Dict[str, Any], output: Path, is_best: bool
) -> None:
    """Save `model-last`, and `model-best` if it is the best, each in one step."""
    before_to_disk = create_before_to_disk_callback(settings["before_to_disk"])
    averages = settings["optimizer"].averages or {}
    last = output / DIR_MODEL_LAST
    with replaced_folder(last, ["**/*"]) as folder, nlp.use_params(averages):
        before_to_disk(nlp).to_disk(folder)
    if is_best:
        with replaced_folder(output / DIR_MODEL_BEST, ["**/*"]) as folder:
            shutil.copytree(last, folder, dirs_exist_ok=True)


def _remove_log(config: Dict[str, Any]) -> None:
    """spaCy does not write a log over an older one. All of it is written again."""
    path = config["training"]["logger"].get("output_file")
    if path:
        Path(path).unlink(missing_ok=True)


def _ignore(info: Optional[Dict[str, Any]]) -> None:
    """Log nothing."""


def _nothing() -> None:
    """Finish nothing."""
