"""Time and peak memory of a whole pipeline on ever longer documents."""

import random
from typing import Any, Dict, List

import measure
import numpy
import spacy
import typer
from measure import Stopwatch
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import fix_random_seed
from systems import KEY, build
from tqdm import tqdm
from wasabi import msg

SYSTEMS = ("encoder alone", "GlobalPointer", "EfficientGlobalPointer")
LENGTHS = [2**i for i in range(6, 18)]
N_WORDS = 5000
# Predicted spans a token, as in GENIA.
DENSITY = 0.1
# Tokens of a timed round, at least.
ROUND = 2**12


def make_doc(nlp: Language, n_tokens: int, seed: int = 0) -> Doc:
    generator = random.Random(seed)
    words = [f"w{generator.randrange(N_WORDS)}" for _ in range(n_tokens)]
    return Doc(nlp.vocab, words=words)


def make_pipeline(system: str, n_labels: int, max_length: int) -> Language:
    """A pipeline with random weights that finds as many spans as a trained one."""
    nlp = build(system, "en", spacy.blank("en").vocab)
    if nlp.has_pipe("global_pointer"):
        nlp.get_pipe("global_pointer").cfg["max_length"] = max_length
    gold = make_doc(nlp, 64)
    gold.spans[KEY] = [Span(gold, i, i + 1, label=f"L{i}") for i in range(n_labels)]
    fix_random_seed(0)
    nlp.initialize(lambda: [Example(gold.copy(), gold)])
    if nlp.has_pipe("global_pointer"):
        _set_threshold(nlp)
    return nlp


def _set_threshold(nlp: Language) -> None:
    component = nlp.get_pipe("global_pointer")
    with nlp.select_pipes(enable="tok2vec"):
        doc = nlp(make_doc(nlp, 4096, seed=1))
    scores = component.predict([doc]).scores.numpy()
    lowest = numpy.partition(scores, -int(DENSITY * len(doc)), axis=None)
    score = float(lowest[-int(DENSITY * len(doc))])
    component.cfg["threshold"] = float(1 / (1 + numpy.exp(-score)))
    component.cfg["max_spans"] = 2**30


def memory(system: str, n_labels: int, max_length: int, n_tokens: int) -> List[int]:
    """Peak memory, in bytes: above the loaded pipeline, and of the whole process."""
    nlp = make_pipeline(system, n_labels, max_length)
    doc = make_doc(nlp, n_tokens)
    nlp(make_doc(nlp, 16))
    above = measure.peak_memory(lambda: nlp(doc))
    return [above, measure.resident_peak()]


def times(
    lengths: List[int], n_labels: int, max_length: int, rounds: int
) -> List[Dict[str, Any]]:
    """Microseconds a token, of each system and length: on the clock, and of
    processors."""
    pipelines = {x: make_pipeline(x, n_labels, max_length) for x in SYSTEMS}
    cells = [(length, system) for length in lengths for system in SYSTEMS]
    timed: Dict[Any, List[measure.Time]] = {cell: [] for cell in cells}
    for i in range(rounds + 1):
        for length, system in cells:
            nlp = pipelines[system]
            n_docs = max(ROUND // length, 1)
            docs = [make_doc(nlp, length, seed) for seed in range(n_docs)]
            watch = Stopwatch()
            with watch:
                for doc in docs:
                    nlp(doc)
            if i:
                timed[length, system].append(watch.total)
    rows = []
    for (length, system), found in timed.items():
        n_tokens = length * max(ROUND // length, 1)
        time = measure.medians(found)
        wall, cpu = time.wall / n_tokens * 1e6, time.cpu / n_tokens * 1e6
        rows.append({"system": system, "length": length, "us": wall, "cpu_us": cpu})
    return rows


def main(
    lengths: str = typer.Option(
        ",".join(map(str, LENGTHS)), help="Tokens of a document"
    ),
    labels: int = typer.Option(5, help="Number of labels"),
    max_length: int = typer.Option(32, help="Longest span"),
    rounds: int = typer.Option(5, help="Timed rounds; medians are reported"),
    name: str = typer.Option("growth", help="Name of the files under results/"),
) -> None:
    """Time and peak memory per token of prediction, one document at a time.

    Time is measured twice: with the system's defaults, where the kernel has to clear
    the pages of each large array, and in a process that keeps its memory
    (MALLOC_MMAP_MAX_=0, MALLOC_TRIM_THRESHOLD_=1099511627776).
    """
    args = [list(map(int, lengths.split(","))), labels, max_length, rounds]
    rows = measure.in_process(times, *args, malloc={})
    kept = measure.in_process(times, *args, malloc=measure.KEEP)
    for row, other in zip(rows, kept):
        row["us_memory_kept"], row["cpu_us_memory_kept"] = other["us"], other["cpu_us"]
    for row in tqdm(rows, desc="memory", leave=False):
        above, whole = measure.in_process(
            memory, row["system"], labels, max_length, row["length"]
        )
        row["bytes_per_token"], row["peak_bytes"] = above / row["length"], whole
    settings = {"labels": labels, "max_length": max_length, "rounds": rounds}
    path = measure.write_results(name, settings, rows)
    header = (
        "System", "Tokens", "us a token", "CPU us", "us, memory kept", "CPU us",
        "KB a token", "Process MB",
    )  # fmt: skip
    timings = ("us", "cpu_us", "us_memory_kept", "cpu_us_memory_kept")
    table = [
        (
            row["system"],
            row["length"],
            *(f"{row[key]:.1f}" for key in timings),
            f"{row['bytes_per_token'] / 1e3:.1f}",
            f"{row['peak_bytes'] / 1e6:.0f}",
        )
        for row in rows
    ]
    msg.table(table, header=header, divider=True, aligns=tuple("l" + "r" * 7))
    _plot(rows, name)
    msg.good(f"Wrote {path} and {path.with_suffix('.svg')}")


def _plot(rows: List[Dict[str, Any]], name: str) -> None:
    figure, axes = measure.plt.subplots(1, 3, figsize=(12, 3.5))
    panels = {
        "us": "microseconds a token",
        "us_memory_kept": "the same, memory kept",
        "bytes_per_token": "bytes a token",
    }
    for system in SYSTEMS:
        own = [row for row in rows if row["system"] == system]
        for axis, (key, title) in zip(axes, panels.items()):
            x, y = [row["length"] for row in own], [row[key] for row in own]
            axis.plot(x, y, marker="o", label=system)
            axis.set(xscale="log", title=title, xlabel="tokens a document")
    for axis in axes:
        axis.set_ylim(bottom=0)
    axes[0].legend()
    measure.save_figure(figure, name)


if __name__ == "__main__":
    typer.run(main)
