"""Train systems on one corpus and encoder with several seeds, and write one table.

Each run is a `spacy train` in a process of its own, then thresholds are chosen on dev,
where a system has any, and it is scored on test. A bundle is scored by each of its
components, cut out. Runs that are finished are not repeated: their files under METRICS
have the hash of all that a run depends on.
"""

import hashlib
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import spacy
import srsly
import typer
from spacy.cli._util import parse_config_overrides
from thinc.api import Config
from tqdm import tqdm

from .. import __version__
from ..comparison.given import end_to_end
from ..comparison.run import PARTS, Run, finish
from ..comparison.speed import measure_all
from ..comparison.table import markdown, tabulate
from ..files import write_whole
from ..training.configs import assemble, enable_static_vectors, save_vectors
from .common import CODE, GPU_ID, use_gpu
from .messages import QUIET, msg

# What a run depends on beside its config and corpus.
VERSIONS = (spacy.__version__, __version__)

# Settings of the configs, as `spacy train` takes them.
CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def compare_cli(
    ctx: typer.Context,
    corpus: Path = typer.Argument(
        ..., help="Folder with train.spacy, dev.spacy and test.spacy", exists=True
    ),
    encoder: str = typer.Argument(..., help="Name of the config of the encoder"),
    systems: str = typer.Option(..., help="Names of systems, separated by spaces"),
    seeds: str = typer.Option("0 1 2", help="Random seeds, separated by spaces"),
    reference: str = typer.Option(
        "sequence_crf", help="Row of the table that the others are compared with"
    ),
    folder: Path = typer.Option(
        Path("configs"),
        "--configs",
        help="Directory with ENCODER.cfg and systems/SYSTEM.cfg",
        exists=True,
    ),
    training: Path = typer.Option(Path("training"), help="Directory for pipelines"),
    metrics: Path = typer.Option(Path("metrics"), help="Directory for figures"),
    vectors: str = typer.Option("", help="Static vectors, a word2vec text file"),
    rounds: int = typer.Option(5, help="Timed rounds of the speed", min=1),
    gpu_id: int = GPU_ID,
    code: Optional[Path] = CODE,
    quiet: bool = QUIET,
) -> None:
    """Train SYSTEMS with SEEDS, score them on test, and write one table. Interrupted,
    it goes on where it stopped. All other arguments are settings of the configs, as
    for `spacy train`: --training.max_epochs 20"""
    use_gpu(gpu_id)
    # Ended from outside, end the training too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    names = _split(systems, "systems")
    numbers = _split(seeds, "seeds")
    if not all(seed.isdecimal() for seed in numbers):
        msg.fail(f"Seeds are numbers, 0 or more, not {numbers}", exits=1)
    name = f"compare-{corpus.resolve().name}-{encoder}"
    overrides = parse_config_overrides(ctx.args)
    configs = _configs(folder, encoder, names, vectors, overrides)
    files = [corpus / f"{part}.spacy" for part in PARTS]
    files += [Path(vectors)] if vectors else []
    depends = [*VERSIONS, *(_hash(file.read_bytes()) for file in files)]
    runs = {}
    # All systems with one seed, then with the next: what there is can be compared.
    for seed in numbers:
        for system in names:
            config = configs[system].copy()
            config["system"]["seed"] = int(seed)
            text = "\n".join([*depends, config.to_str(interpolate=False)])
            runs[system, seed] = Run(
                system,
                config,
                _hash(text.encode("utf8")),
                training / name / f"{system}-{seed}",
                metrics / name / f"{system}-{seed}.json",
            )
    rows = [row for name in names for row in runs[name, numbers[0]].rows]
    if reference not in rows:
        msg.fail(f"The reference {reference!r} is none of the rows {rows}", exits=1)
    given = [name for name in names if _is_given(configs[name])]
    if reference in given:
        msg.fail(
            f"The reference {reference!r} labels given spans and finds none: no other "
            "system can be compared with it",
            exits=1,
        )
    unfinished = {key: run for key, run in runs.items() if run.result() is None}
    msg.info(f"{len(runs) - len(unfinished)} of {len(runs)} runs are finished")
    test = corpus / "test.spacy"
    progress = tqdm(unfinished.items(), unit="run")
    for (_, seed), run in progress:
        progress.set_description(run.folder.name)
        finish(run, corpus, gpu_id, keep=seed == numbers[0], code=code)
    results = {key: run.result() or {} for key, run in runs.items()}
    # What needs pipelines is measured with the first seed.
    firsts = [runs[system, numbers[0]] for system in names]
    rates = _cached(
        metrics / name / "speed.json",
        firsts,
        [str(rounds), str(gpu_id)],
        lambda: _speed(firsts, test, rounds, gpu_id),
    )
    (finder,) = (run for run in firsts if reference in run.rows)
    table = {
        "corpus": corpus.resolve().name,
        "encoder": encoder,
        "given_mentions": {
            run.system: _cached(
                metrics / name / f"{run.system}-end-to-end.json",
                [run, finder],
                [reference],
                partial(_end_to_end, run, finder.pipelines[reference], test, gpu_id),
            )
            for run in firsts
            if run.system in given
        },
        **tabulate(results, names, numbers, rates, reference),
    }
    text = markdown(table)
    write_whole(metrics / f"{name}.json", srsly.json_dumps(table, indent=1).encode())
    write_whole(metrics / f"{name}.md", text.encode("utf8"))
    typer.echo(text)
    msg.good(f"Wrote {metrics / name}.json and .md")


def _split(text: str, what: str) -> List[str]:
    parts = list(dict.fromkeys(text.replace(",", " ").split()))
    if not parts:
        msg.fail(f"There are no {what}", exits=1)
    return parts


def _configs(
    folder: Path,
    encoder: str,
    systems: List[str],
    vectors: str,
    overrides: Dict[str, Any],
) -> Dict[str, Config]:
    """The configs of the systems, with static vectors and other settings."""
    configs = {}
    if vectors:
        lang = overrides.get("nlp.lang", "en")
        saved = save_vectors(Path(vectors), lang, Path("vectors"))
        overrides = {**overrides, "paths.vectors": str(saved)}
    for system in systems:
        config = assemble(folder, f"{encoder}-{system}")
        if vectors:
            enable_static_vectors(config, f"{encoder}-{system}")
        configs[system] = Config().from_str(
            config.to_str(interpolate=False), overrides=overrides, interpolate=False
        )
    return configs


def _is_given(config: Config) -> bool:
    """Whether a system labels given spans and finds none."""
    components = config["components"].values()
    return any(component.get("candidates_key") for component in components)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _cached(
    path: Path, runs: List[Run], depends: List[str], measure: Callable[[], Any]
) -> Dict[str, Any]:
    """What was measured with the pipelines of finished runs, if that file is of these
    very runs; else measure it."""
    hashes = [run.hash for run in runs]
    wanted = _hash("\n".join([*hashes, *depends]).encode("utf8"))
    found: Dict[str, Any] = srsly.read_json(path) if path.exists() else {}
    if found.get("hash") != wanted:
        for run in runs:
            there = run.folder / "model-best"
            if not there.exists():
                msg.fail(
                    f"{there} is gone, so nothing can be measured with it. Delete "
                    f"{run.metrics} to train it again",
                    exits=1,
                )
        found = {**measure(), "hash": wanted}
        write_whole(path, srsly.json_dumps(found).encode("utf8"))
    return found


def _speed(runs: List[Run], test: Path, rounds: int, gpu_id: int) -> Dict[str, Any]:
    trained = {run.system: run.folder / "model-best" for run in runs}
    rows = {row: path for run in runs for row, path in run.pipelines.items()}
    return measure_all(trained, rows, test, rounds, gpu_id)


def _end_to_end(run: Run, finder: Path, test: Path, gpu_id: int) -> Dict[str, Any]:
    (labeler,) = run.pipelines.values()
    return end_to_end(labeler, finder, test, gpu_id)
