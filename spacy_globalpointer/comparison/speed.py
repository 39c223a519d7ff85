"""Words per second of pipelines, measured side by side."""

import gc
import random
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, Iterator, List

import torch
from spacy import util
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry, resolve_dot_names
from tqdm import tqdm

from ..environment import use_gpu
from .predict import read

# Batches of a round of training, documents of a round of prediction.
BATCHES = 20
DOCS = 2000

# A round: prepares what it needs, then gives back what is to be timed.
Round = Callable[[], Callable[[], Any]]
Seconds = Dict[str, float]


def training_rounds(pipeline: Path) -> tuple[Round, int]:
    """Rounds that train a trained pipeline further, on the same documents each time.

    RETURNS (Tuple[Round, int]): The round, and its number of words.
    """
    nlp = util.load_model(pipeline)
    config = nlp.config.interpolate()
    T = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    (corpus,) = resolve_dot_names(config, [T["train_corpus"]])
    examples = list(corpus(nlp))
    random.Random(0).shuffle(examples)
    batches = [batch for batch, _ in zip(T["batcher"](examples), range(BATCHES))]
    n_words = sum(len(eg.predicted) for batch in batches for eg in batch)

    def prepare() -> Callable[[], Any]:
        fresh = [
            [Example(eg.predicted.copy(), eg.reference) for eg in batch]
            for batch in batches
        ]
        return lambda: [
            nlp.update(batch, sgd=T["optimizer"], drop=T["dropout"]) for batch in fresh
        ]

    return prepare, n_words


def prediction_rounds(pipeline: Path, data: Path) -> tuple[Round, int]:
    """Rounds that predict test documents.

    RETURNS (Tuple[Round, int]): The round, and its number of words.
    """
    nlp: Language = util.load_model(pipeline)
    examples = read(nlp, data, limit=DOCS)
    docs: List[Doc] = [example.predicted for example in examples]

    def prepare() -> Callable[[], Any]:
        fresh = [doc.copy() for doc in docs]
        return lambda: list(nlp.pipe(fresh))

    return prepare, sum(map(len, docs))


def measure(runs: Dict[str, tuple[Round, int]], rounds: int, title: str) -> Any:
    """Time rounds of each in turn, so that a busy machine slows all of them.

    runs (Dict[str, Tuple[Round, int]]): Round and number of words, by name.
    rounds (int): How often each is timed, after one round that is not.
    title (str): What the progress bar says.
    RETURNS (Dict[str, Dict[str, Any]]): By name, "words_per_second", the median,
        and "seconds", by the clock ("wall") and of all of the process's threads
        ("cpu"), of each round.
    """
    times: Dict[str, List[Seconds]] = {name: [] for name in runs}
    for i in tqdm(range(rounds + 1), desc=title, leave=False, unit="round"):
        for name, (prepare, _) in runs.items():
            run = prepare()
            with stopwatch() as seconds:
                run()
            if i:
                times[name].append(seconds)
    return {
        name: {
            "words_per_second": round(n_words / median(t["wall"] for t in times[name])),
            "seconds": times[name],
        }
        for name, (_, n_words) in runs.items()
    }


def ratio(seconds: List[Seconds], reference: List[Seconds]) -> Seconds:
    """Median over rounds of how many times as long the reference takes."""
    return {
        clock: median(b[clock] / a[clock] for a, b in zip(seconds, reference))
        for clock in ("wall", "cpu")
    }


@contextmanager
def stopwatch() -> Iterator[Seconds]:
    """RETURNS (Dict[str, float]): Filled when the time is over."""
    seconds: Seconds = {}
    gc.collect()
    _synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    yield seconds
    _synchronize()
    seconds["wall"] = time.perf_counter() - wall
    seconds["cpu"] = time.process_time() - cpu


def _synchronize() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def measure_all(
    pipelines: Dict[str, Path],
    parts: Dict[str, Path],
    data: Path,
    rounds: int,
    gpu_id: int,
) -> Dict[str, Any]:
    """Training and prediction.

    pipelines (Dict[str, Path]): Pipelines as they were trained, by system.
    parts (Dict[str, Path]): Pipelines that predict, by row of the table.
    data (Path): Test documents.
    rounds (int): How often each is timed.
    gpu_id (int): GPU, -1 for the CPU.
    RETURNS (Dict[str, Any]): "train" and "predict", as from `measure`, and what
        they depend on.
    """
    use_gpu(gpu_id)
    train = {name: training_rounds(path) for name, path in pipelines.items()}
    predict = {name: prediction_rounds(path, data) for name, path in parts.items()}
    return {
        "rounds": rounds,
        "torch_threads": torch.get_num_threads(),
        "train": measure(train, rounds, "timing training"),
        "predict": measure(predict, rounds, "timing prediction"),
    }
