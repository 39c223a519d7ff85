"""Figures of several systems and seeds: means, intervals of differences, a table."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Dict, List, Optional, Sequence

import numpy
from numpy.typing import NDArray

from ..core.arrays import Floats
from ..evaluation import interval, macro, prf, resample
from .speed import ratio

AVERAGES = ("micro", "macro")
DRAWS = 10_000


@dataclass
class Scored:
    """A system on the test part.

    metrics (Sequence[Dict[str, Any]]): Its metrics of each seed.
    counts (NDArray): Right, predicted and gold spans of each seed, document and
        label. *Shape:* (n_seeds, n_docs, n_labels, 3)
    """

    metrics: Sequence[Dict[str, Any]]
    counts: NDArray[numpy.int64]


def mean_and_deviation(values: Sequence[float]) -> Dict[str, Optional[float]]:
    """The mean, and the standard deviation of a sample, of which one value has none."""
    deviation = float(numpy.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(numpy.mean(values)), "std": deviation}


def summary(scored: Scored) -> Dict[str, Dict[str, Any]]:
    """Mean and standard deviation over seeds of P, R and F, micro and macro."""
    return {
        average: {
            x: mean_and_deviation([m[average][x] for m in scored.metrics])
            for x in "prf"
        }
        for average in AVERAGES
    }


def f1(counts: Floats) -> Dict[str, Floats]:
    """Micro F1, and macro F1, the mean of the labels in gold or prediction.

    counts (Floats): Right, predicted and gold spans by label.
        *Shape:* (..., n_labels, 3)
    RETURNS (Dict[str, Floats]): F1 by kind of average. *Shape:* (...)
    """
    return {"micro": prf(counts.sum(-2))[..., 2], "macro": macro(counts)[..., 2]}


def draw(systems: Dict[str, Scored], seed: int = 0) -> Dict[str, Dict[str, Any]]:
    """F1 in a bootstrap. In each draw all systems have the same test documents, drawn
    with replacement, and each the mean over seeds of its own, drawn too: there is
    nothing in common between the same seed of two systems.

    systems (Dict[str, Scored]): The systems, by name.
    seed (int): Of the draws.
    RETURNS (Dict[str, Dict[str, NDArray]]): F1 by system and kind of average.
        *Shape:* (DRAWS,)
    """
    generator = numpy.random.default_rng(seed)
    found = {}
    for name, scored in systems.items():
        n_seeds, n_docs = scored.counts.shape[:2]
        every = numpy.ones(n_docs, dtype=bool)
        # With the same seed, the same documents for each system.
        drawn = resample([*scored.counts], every, n=DRAWS, seed=seed)
        seeds = generator.integers(n_seeds, size=(DRAWS, n_seeds))
        of_seeds = [f1(counts) for counts in drawn]
        found[name] = {
            average: numpy.take_along_axis(
                numpy.stack([f[average] for f in of_seeds], axis=1), seeds, axis=1
            ).mean(1)
            for average in AVERAGES
        }
    return found


def differences(systems: Dict[str, Scored]) -> Dict[str, Dict[str, Any]]:
    """How much higher F1 of one system is than that of another, with the 95% interval
    of a bootstrap over seeds and test documents.

    systems (Dict[str, Scored]): The systems, by name.
    RETURNS (Dict[str, Dict[str, Any]]): "difference", "low" and "high" by kind of
        average, by "A - B" for each pair, in both directions.
    """
    drawn = draw(systems)
    means = {name: summary(scored) for name, scored in systems.items()}
    found: Dict[str, Dict[str, Any]] = {}
    for a, b in combinations(systems, 2):
        for x, y in ((a, b), (b, a)):
            found[f"{x} - {y}"] = {
                average: _interval(
                    means[x][average]["f"]["mean"] - means[y][average]["f"]["mean"],
                    drawn[x][average] - drawn[y][average],
                )
                for average in AVERAGES
            }
    return found


def _interval(difference: float, draws: NDArray[Any]) -> Dict[str, float]:
    low, high = interval(draws)
    return {"difference": difference, "low": float(low), "high": float(high)}


def tabulate(
    results: Dict[Any, Dict[str, Any]],
    systems: List[str],
    seeds: List[str],
    speed: Dict[str, Any],
    reference: str,
) -> Dict[str, Any]:
    """The table.

    results (Dict[Tuple[str, str], Dict[str, Any]]): What the files of the runs say, by
        system and seed.
    systems (List[str]): The order of the systems.
    seeds (List[str]): The seeds.
    speed (Dict[str, Any]): What was measured.
    reference (str): Row that the others are compared with.
    """
    labels = sorted(
        {
            label
            for result in results.values()
            for row in result["rows"].values()
            for label in row["labels"]
        }
    )
    scored, rows = {}, {}
    for system in systems:
        of_seeds = [results[system, seed]["rows"] for seed in seeds]
        for name, first in of_seeds[0].items():
            counts = [_aligned(row[name], labels) for row in of_seeds]
            all_metrics = [row[name]["metrics"] for row in of_seeds]
            scored[name] = Scored(all_metrics, numpy.stack(counts))
            rows[name] = {
                **summary(scored[name]),
                "head_parameters": first["head_parameters"],
                "train": _pace(speed["train"], system, reference.partition("/")[0]),
                "predict": _pace(speed["predict"], name, reference),
            }
    return {
        "seeds": seeds,
        "reference": reference,
        "speed": {key: speed[key] for key in ("rounds", "torch_threads")},
        "rows": rows,
        "differences": differences(scored),
    }


def _aligned(row: Dict[str, Any], labels: List[str]) -> NDArray[Any]:
    """Counts with a column for each of the labels of all runs."""
    own = numpy.array(row["counts"]).reshape(-1, len(row["labels"]), 3)
    counts = numpy.zeros((len(own), len(labels), 3), dtype=int)
    counts[:, [labels.index(label) for label in row["labels"]]] = own
    return counts


def _pace(speed: Dict[str, Any], name: str, reference: str) -> Dict[str, Any]:
    pace = {"words_per_second": speed[name]["words_per_second"]}
    pace["times_as_fast"] = ratio(*(speed[x]["seconds"] for x in (name, reference)))
    return pace


def markdown(result: Dict[str, Any]) -> str:
    """The table, and what has to be known to read it."""
    reference, pace = result["reference"], result["speed"]
    seeds = " ".join(map(str, result["seeds"]))
    header = ["system", *(f"{a} {x}" for a in AVERAGES for x in ("P", "R", "F1"))]
    header += [f"{average} F1 - {reference}" for average in AVERAGES]
    header += ["parameters of the head"]
    header += ["training words/s", "times as fast", "prediction words/s"]
    header += ["times as fast"]
    lines = [header, ["---"] * len(header)]
    for name, row in result["rows"].items():
        given = name in result["given_mentions"]
        cells = [f"{name} (given mentions)" if given else name]
        cells += [_spread(row[a][x]) for a in AVERAGES for x in "prf"]
        pair = None if given else result["differences"].get(f"{name} - {reference}")
        cells += [_difference(pair[a]) if pair else "" for a in AVERAGES]
        cells += [f"{row['head_parameters']:,}"]
        for phase in ("train", "predict"):
            cells += [f"{row[phase]['words_per_second']:,}"]
            times = row[phase]["times_as_fast"]
            cells += [f"{times['wall']:.2f} ({times['cpu']:.2f})"]
        lines.append(cells)
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    for name, metrics in result["given_mentions"].items():
        f = " / ".join(f"{100 * metrics[average]['f']:.2f}" for average in AVERAGES)
        table += (
            f"\n\nThe scores of {name} are those of labels on gold spans, not of "
            "finding spans: they cannot be compared with the others. End to end, with "
            f"the spans that {reference} finds (seed {result['seeds'][0]}), it has "
            f"micro / macro F1 {f}."
        )
    return (
        f"Test part of {result['corpus']}, encoder {result['encoder']}, seeds {seeds}. "
        "Mean ± standard deviation over seeds, in percent. Differences with the 95% "
        f"interval of {DRAWS:,} draws of seeds and test documents. Speed: median of "
        f"{pace['rounds']} rounds in which the systems take turns, and how many times "
        f"as fast as {reference}, by the clock (by process time).\n\n{table}\n"
    )


def _spread(value: Dict[str, Optional[float]]) -> str:
    mean, deviation = value["mean"], value["std"]
    spread = "" if deviation is None else f" ± {100 * deviation:.2f}"
    return f"{100 * (mean or 0.0):.2f}{spread}"


def _difference(value: Dict[str, float]) -> str:
    middle, low, high = (100 * value[x] for x in ("difference", "low", "high"))
    return f"{middle:+.2f} [{low:+.2f}, {high:+.2f}]"
