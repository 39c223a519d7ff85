"""What the benchmarks share: timing, memory, the record of the machine, results."""

import gc
import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, List, Sequence

import matplotlib
import torch

matplotlib.use("agg")
from matplotlib import pyplot as plt

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("spacy-globalpointer", "spacy", "thinc", "torch", "numpy")


@dataclass
class Time:
    """Seconds of one run.

    wall (float): On the clock.
    cpu (float): Of all of the process's threads together.
    """

    wall: float
    cpu: float


class Stopwatch:
    """Adds up the time between `start` and `stop`."""

    def __init__(self) -> None:
        self.total = Time(0.0, 0.0)

    def __enter__(self) -> "Stopwatch":
        synchronize()
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *args: Any) -> None:
        synchronize()
        self.total.wall += time.perf_counter() - self._wall
        self.total.cpu += time.process_time() - self._cpu


def synchronize() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def medians(times: Sequence[Time]) -> Time:
    return Time(median(t.wall for t in times), median(t.cpu for t in times))


def ratio(times: Sequence[Time], others: Sequence[Time]) -> float:
    """Median over rounds of how many times as long the others take, in wall time."""
    return median(b.wall / a.wall for a, b in zip(times, others))


def peak_memory(run: Callable[[], Any]) -> int:
    """The most memory, in bytes, that a function takes beyond what is there before
    it. Of the GPU where torch uses one; else of this process, as Linux counts it."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    run()
    return _status("VmHWM") - before


def resident_peak() -> int:
    """The most memory that this process has had, in bytes."""
    return _status("VmHWM")


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {key} in /proc/self/status: memory is measured on Linux only")


# Settings of glibc's malloc: large arrays go back to the system when they are freed,
# at once, so that peaks can be measured; or nothing goes back, so that the kernel need
# not clear the same pages again for each large array.
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536"}
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}


def in_process(
    function: Callable[..., Any], *args: Any, malloc: Dict[str, str] = GIVE_BACK
) -> Any:
    """Call a function of a benchmark module in a fresh process, where no memory
    that others have freed hides what it takes.

    malloc (Dict[str, str]): Settings of malloc, environment variables.
    RETURNS (Any): What it returns, as JSON has it.
    """
    env = {**os.environ, **malloc}
    code = (
        "import json, sys; from importlib import import_module; "
        "name, function, args = json.loads(sys.argv[1]); "
        "print(json.dumps(getattr(import_module(name), function)(*args)))"
    )
    module = Path(function.__code__.co_filename)
    call = json.dumps([module.stem, function.__name__, args])
    command = [os.sys.executable, "-c", code, call]  # type: ignore[attr-defined]
    done = subprocess.run(
        command, cwd=module.parent, env=env, check=True, stdout=subprocess.PIPE
    )
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> Dict[str, Any]:
    """What the figures depend on."""
    found = {
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "processor": _processor(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "date": time.strftime("%Y-%m-%d"),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def write_results(
    name: str, settings: Dict[str, Any], rows: List[Dict[str, Any]]
) -> Path:
    """Write results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"machine": machine(), "settings": settings, "rows": rows}
    path.write_text(json.dumps(content, indent=1, default=_plain) + "\n")
    return path


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Time) else str(value)


def save_figure(figure: Any, name: str) -> None:
    """Write results/NAME.svg."""
    figure.tight_layout()
    figure.savefig(RESULTS / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)
