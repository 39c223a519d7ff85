"""One run of a comparison: a system, trained with one seed and scored on test."""

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional

import srsly
from spacy import util
from spacy.language import Language
from thinc.api import Config

from ..cli.common import save as save_pipeline
from ..cli.messages import msg
from ..cli.unbundle import unbundle
from ..environment import use_gpu
from ..evaluation import entities, label_counts, read_table, spans_under, table_metrics
from ..files import write_whole
from ..pipeline.component import task_pipes
from .predict import (
    choose_threshold,
    component,
    head_parameters,
    predict,
    read,
    spans_key,
)

PARTS = ("train", "dev", "test")
# Settings that are chosen on dev.
CHOSEN_SETTINGS = ("threshold", "label_thresholds", "overlap")


@dataclass
class Run:
    """A system with a seed.

    system (str): Its name.
    config (Config): What is trained.
    hash (str): Of all that the result depends on.
    folder (Path): For its pipelines.
    metrics (Path): The file that says that it is finished.
    """

    system: str
    config: Config
    hash: str
    folder: Path
    metrics: Path

    @property
    def rows(self) -> Dict[str, str]:
        """RETURNS (Dict[str, str]): The component behind each row of the table."""
        _, *components = self.config["nlp"]["pipeline"]
        if len(components) == 1:
            return {self.system: components[0]}
        return {f"{self.system}/{component}": component for component in components}

    @property
    def pipelines(self) -> Dict[str, Path]:
        """RETURNS (Dict[str, Path]): The pipeline of each row, its component alone."""
        return {row: self.folder / component for row, component in self.rows.items()}

    def result(self) -> Optional[Dict[str, Any]]:
        """RETURNS (Optional[Dict[str, Any]]): What the file says, if it is of this
        very run."""
        found = srsly.read_json(self.metrics) if self.metrics.exists() else {}
        return found if found.get("hash") == self.hash else None


def finish(
    run: Run, corpus: Path, gpu_id: int, keep: bool, code: Optional[Path] = None
) -> None:
    """Train and score from the beginning, whatever an earlier try left.

    run (Run): The run.
    corpus (Path): Folder with train.spacy, dev.spacy and test.spacy.
    gpu_id (int): GPU, -1 for the CPU.
    keep (bool): Whether to keep the pipelines.
    code (Optional[Path]): Python file with registered functions.
    """
    shutil.rmtree(run.folder, ignore_errors=True)
    run.folder.mkdir(parents=True)
    config = run.folder / "config.cfg"
    run.config.to_disk(config, interpolate=False)
    train, dev, test = (corpus / f"{part}.spacy" for part in PARTS)
    paths = ["--paths.train", train, "--paths.dev", dev]
    more = ["-g", gpu_id, *(["--code", code] if code else [])]
    start = time.perf_counter()
    _spacy(run, "train", config, "--output", run.folder, *paths, *more)
    seconds = time.perf_counter() - start
    shutil.rmtree(run.folder / "model-last")
    use_gpu(gpu_id)
    best = run.folder / "model-best"
    rows = {}
    for row, name in run.rows.items():
        path = run.pipelines[row]
        nlp = util.load_model(best)
        own = task_pipes(nlp).get(name)
        if own is not None:
            unbundle(nlp, name)
        save_pipeline(nlp, path)
        if own is not None and "threshold" in own.cfg:
            _spacy(run, "global-pointer", "calibrate", path, dev, path, *more)
        elif nlp.get_pipe_meta(name).factory == "spancat":
            threshold = choose_threshold(nlp, dev)
            nlp.config["components"][name]["threshold"] = threshold
            nlp.get_pipe(name).cfg["threshold"] = threshold
            save_pipeline(nlp, path)
        rows[row] = score(util.load_model(path), test)
    if not keep:
        for folder in ("model-best", *run.rows.values()):
            shutil.rmtree(run.folder / folder)
    result = {"hash": run.hash, "training_seconds": round(seconds), "rows": rows}
    write_whole(run.metrics, srsly.json_dumps(result).encode("utf8"))


def _spacy(run: Run, *command: Any) -> None:
    """Run a command of spaCy in a process of its own, whose memory is then free."""
    log = run.folder / "log.txt"
    with log.open("a", encoding="utf8") as file:
        done = subprocess.run(
            [sys.executable, "-m", "spacy", *map(str, command)],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        last = "\n".join(log.read_text(encoding="utf8").splitlines()[-20:])
        msg.fail(f"{command[0]} failed, see {log}", last, exits=1)


def score(nlp: Language, data: Path) -> Dict[str, Any]:
    """Metrics of a pipeline with one component, and the counts they come from."""
    pipe = component(nlp)
    key, examples = spans_key(pipe), read(nlp, data)
    predict(nlp, examples)
    pairs = [(example.reference, example.predicted) for example in examples]
    table = read_table(pairs, spans_under(key))
    return {
        "head_parameters": head_parameters(nlp),
        "settings": {x: pipe.cfg[x] for x in CHOSEN_SETTINGS if x in pipe.cfg},
        "metrics": table_metrics(table, read_table(pairs, entities)),
        "labels": table.labels,
        "counts": label_counts(table).astype(int).tolist(),
    }
