"""`annotate` and a bare loop of `nlp.pipe`; one process, two, and two Ray workers:
words per second, and peak memory.

On a machine that others use, words per second of the processor say what the work costs:
twice as many processes get twice as much of a busy machine. With two processes that are
as efficient as one, two free cores do twice the work.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, Dict, Iterator, List, Tuple

from measure import write_results

from spacy_globalpointer.annotate import Options, Run
from spacy_globalpointer.annotate.annotator import Annotator
from spacy_globalpointer.annotate.job import Job, annotate
from spacy_globalpointer.annotate.loading import load_pipeline
from spacy_globalpointer.annotate.workers import annotate_blocks


def bare(nlp: Any, path: Path) -> Tuple[int, float, float]:
    """Words, seconds and seconds of the processor of a loop over `nlp.pipe`."""
    texts = [json.loads(line)["text"] for line in path.open()]
    start, cpu = time.perf_counter(), time.process_time()
    n_words = sum(len(doc) for doc in nlp.pipe(texts))
    return n_words, time.perf_counter() - start, time.process_time() - cpu


def one_process(job: Job, annotator: Annotator) -> Tuple[int, float, float]:
    """The same of `annotate` with the pipeline loaded: reading, annotation, parts on
    the disk, the finished file."""
    start, cpu = time.perf_counter(), time.process_time()
    run = Run(job.output, annotator.output)
    n_words = 0
    run.begin({}, True)
    for part in annotate_blocks(job.blocks(), annotator, job.options, 1):
        run.add(part)
        n_words += part.summary.words
    run.finish({})
    return n_words, time.perf_counter() - start, time.process_time() - cpu


def rate(job: Job, n_warm: int) -> Tuple[float, float]:
    """Words per second of the whole command once so many blocks are finished, and words
    per second of the processor, of all its processes together."""
    times: List[Tuple[float, float, int]] = []
    is_done = threading.Event()

    def watch() -> None:
        # A cluster reports blocks later than it writes them.
        while not is_done.wait(0.05):
            n = len(list(Path(f"{job.output}.parts").glob("*.summary")))
            if n and (not times or n > times[-1][2]):
                times.append((time.perf_counter(), processor_time(), n))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        report = annotate(job, lambda *args: None)
    finally:
        is_done.set()
        watching.join()
    first, last = next(x for x in times if x[2] >= n_warm), times[-1]
    n_words = report.words * (last[2] - first[2]) / last[2]
    return n_words / (last[0] - first[0]), n_words / (last[1] - first[1])


def processor_time() -> float:
    """Seconds of the processor of this process and of all that descend from it."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            values = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid] = int(values[1])
            ticks[pid] = int(values[11]) + int(values[12])

    def is_own(pid: int) -> bool:
        while pid in parents and pid != os.getpid():
            pid = parents[pid]
        return pid == os.getpid()

    return sum(ticks[pid] for pid in ticks if is_own(pid)) / os.sysconf("SC_CLK_TCK")


def memory(model: str, paths: List[Path], args: List[str]) -> Iterator[Dict[str, Any]]:
    """Peak memory of the command, in megabytes."""
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "spacy", "global-pointer", "annotate"]
            target = os.path.join(folder, "out.jsonl")
            subprocess.run([*command, model, str(path), target, *args], check=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        size = path.stat().st_size / 1e6
        yield {"system": "memory", "input_mb": round(size), "peak_mb": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="trained pipeline")
    parser.add_argument("input", type=Path, help="JSONL with the field text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--block-size", type=float, default=0.25)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ray", default=None, help="address of a cluster, or local")
    parser.add_argument("--memory", type=Path, nargs="*", default=[])
    parser.add_argument("--spans-key", default="sc")
    parser.add_argument("--name", default="annotate")
    args = parser.parse_args()
    options = Options(args.model, spans_key=args.spans_key)
    rows: List[Dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:

        def job(**settings: Any) -> Job:
            size = int(args.block_size * (1 << 20))
            target = os.path.join(folder, "out.jsonl")
            return Job([str(args.input)], target, options, block_size=size, **settings)

        annotator = Annotator(options)
        nlp = load_pipeline(args.model, annotator.backend)
        systems: Dict[str, List[Tuple[float, float]]] = {"nlp.pipe": [], "annotate": []}
        for turn in range(args.rounds):
            # Whoever comes second has warm caches.
            order = list(systems) if turn % 2 else list(systems)[::-1]
            for name in order:
                if name == "annotate":
                    words, wall, cpu = one_process(job(), annotator)
                else:
                    words, wall, cpu = bare(nlp, args.input)
                systems[name].append((words / wall, words / cpu))
        for name, found in systems.items():
            rows.append(
                {
                    "system": name,
                    "words_per_second": round(median(w for w, _ in found)),
                    "words_per_cpu_second": round(median(c for _, c in found)),
                }
            )
        pairs = list(zip(systems["annotate"], systems["nlp.pipe"]))
        rows.append(
            {
                "system": "annotate / nlp.pipe",
                "wall": round(median(a[0] / b[0] for a, b in pairs), 3),
                "cpu": round(median(a[1] / b[1] for a, b in pairs), 3),
            }
        )
        rates: Dict[str, List[Tuple[float, float]]] = {}
        for _ in range(args.rounds if args.workers > 1 else 0):
            n = args.workers
            for name, settings in (
                ("1 process", {}),
                (f"{n} processes", {"n_process": n}),
                (f"{n} Ray workers", {"ray": args.ray}),
            ):
                if "ray" in settings and args.ray is None:
                    continue
                now = job(overwrite=True, **settings)
                rates.setdefault(name, []).append(rate(now, 2 * n if settings else 1))
        for name, values in rates.items():
            ratios = [
                (wall / one_wall, cpu / one_cpu)
                for (wall, cpu), (one_wall, one_cpu) in zip(values, rates["1 process"])
            ]
            rows.append(
                {
                    "system": name,
                    "words_per_second": round(median(wall for wall, _ in values)),
                    "words_per_cpu_second": round(median(cpu for _, cpu in values)),
                    "times_one_process": round(median(wall for wall, _ in ratios), 2),
                    "efficiency": round(median(cpu for _, cpu in ratios), 3),
                }
            )
    rows += memory(args.model, args.memory, ["--spans-key", args.spans_key])
    for row in rows:
        sys.stdout.write(f"{row}\n")
    settings = {key: str(value) for key, value in vars(args).items()}
    write_results(args.name, {**settings, "load": os.getloadavg()}, rows)


if __name__ == "__main__":
    main()
