"""How much faster several workers train: words per second of one and of several.

On a quiet machine the clock says it. On a busy one, processes wait for others on the
cores; there the processor time of each step says it, that of the worker that needs
most, because all others wait for that one.
"""

import pickle
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, List

import measure
import typer
from spacy import util
from spacy.schemas import ConfigSchemaTraining
from spacy.training.initialize import init_nlp
from spacy.training.loop import create_train_batches
from thinc.api import fix_random_seed
from wasabi import msg

from spacy_globalpointer.training.batches import SharedBatches, random_state
from spacy_globalpointer.training.checkpoint import Progress
from spacy_globalpointer.training.group import Group, launch
from spacy_globalpointer.training.loop import train_steps

# Steps at the beginning that are not timed.
N_WARM_UP = 10


def work(
    group: Group,
    config_path: Path,
    corpus: Path,
    batch_size: int,
    n_steps: int,
    path: Path,
) -> None:
    """What a worker does: it trains, and the first one writes the times."""
    overrides = {
        "paths.train": str(corpus / "train.spacy"),
        "paths.dev": str(corpus / "dev.spacy"),
        "corpora.train.limit": 2000,
        "training.batcher.size": batch_size,
        "training.max_steps": n_steps + N_WARM_UP,
        "training.eval_frequency": 10**6,
    }
    config = util.load_config(config_path, overrides=overrides)
    nlp = init_nlp(config)
    fix_random_seed(0)
    section = nlp.config.interpolate()["training"]
    settings = util.registry.resolve(section, schema=ConfigSchemaTraining)
    (reader,) = util.resolve_dot_names(nlp.config.interpolate(), ["corpora.train"])
    batches = create_train_batches(nlp, reader, settings["batcher"], 0)
    shared = SharedBatches(batches, random_state())
    steps = train_steps(nlp, settings, shared, lambda: (0.0, {}), group, Progress())
    seconds: List[Any] = []
    words: List[int] = []
    before = time.perf_counter(), time.process_time()
    for info, _ in steps:
        now = time.perf_counter(), time.process_time()
        seconds.append((now[0] - before[0], now[1] - before[1]))
        words.append(info["words"])
        before = now
    every = group.gather(seconds[N_WARM_UP:])
    if group.is_first:
        cpu = [max(step[1] for step in steps) for steps in zip(*every)]
        row = {
            "workers": group.size,
            "words": words[-1] - words[N_WARM_UP - 1],
            "wall": sum(step[0] for step in every[0]),
            "cpu": sum(cpu),
        }
        path.write_bytes(pickle.dumps(row))


def main(
    corpus: Path = typer.Argument(..., help="Folder that `convert` wrote"),
    config: Path = typer.Option("project/configs/tok2vec.cfg", help="Config"),
    workers: int = typer.Option(2, help="Number of workers that one is compared with"),
    batch_size: int = typer.Option(16, help="Documents of a batch"),
    n_steps: int = typer.Option(200, "--steps", help="Timed training steps"),
    rounds: int = typer.Option(3, help="Rounds, in each of them both"),
    name: str = typer.Option("workers", help="Name of the file under results/"),
) -> None:
    """Compare several workers with one, in turns."""
    rows: List[Dict[str, Any]] = []
    for _ in range(rounds):
        for n in (1, workers):
            with TemporaryDirectory() as folder:
                path = Path(folder) / "row.pickle"
                launch(work, n, config, corpus, batch_size, n_steps, path)
                row = pickle.loads(path.read_bytes())
            rows.append(row)
            msg.text(
                f"{n} workers: {row['words'] / row['wall']:,.0f} words a second, "
                f"{row['words'] / row['cpu']:,.0f} by processor time"
            )
    settings = {
        "config": config.name,
        "batch_size": batch_size,
        "steps": n_steps,
        "rounds": rounds,
    }
    msg.good(f"Wrote {measure.write_results(name, settings, rows)}")


if __name__ == "__main__":
    typer.run(main)
