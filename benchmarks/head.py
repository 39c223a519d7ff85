"""The heads of this package against their usual dense form.

One batch of documents of equal length, gold spans drawn at random; forward (scores
and loss), backward (gradients of hidden states and weights), both, and decoding.
"""

from functools import partial
from itertools import product
from typing import Any, Callable, Dict, List, Optional, Tuple

import dense
import measure
import torch
import typer
from measure import Stopwatch, Time
from torch import Tensor, nn
from tqdm import tqdm
from wasabi import msg

from spacy_globalpointer.core.decoding import decode
from spacy_globalpointer.core.lattice import GoldSpans, Layout
from spacy_globalpointer.core.objectives import ClassImbalanceLoss
from spacy_globalpointer.heads import EfficientGlobalPointer, GlobalPointer

# (ours, dense), by name.
HEADS = {
    "plain": (GlobalPointer, dense.DenseGlobalPointer),
    "efficient": (EfficientGlobalPointer, dense.DenseEfficientGlobalPointer),
}
PHASES = ("forward", "backward", "both", "decode")
# Gold spans a token, as in GENIA.
DENSITY = 0.1
# Arrays as large as the scores that the dense form holds at once, about.
DENSE_ARRAYS = 12
OUR_ARRAYS = 4


class Batch:
    """Hidden states and gold spans.

    n_labels (int): Number of labels.
    length (int): Tokens of each document.
    n_tokens (int): Tokens of the batch.
    width (int): Width of the hidden states.
    device (str): Where.
    """

    def __init__(
        self, n_labels: int, length: int, n_tokens: int, width: int, device: str
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        self.n_labels, self.length, self.device = n_labels, length, device
        self.n_docs = n_tokens // length
        hidden = torch.randn(n_tokens, width, generator=generator)
        self.hidden = hidden.to(device).requires_grad_()
        n_gold = int(n_tokens * DENSITY)
        draw = torch.rand(4, n_gold, generator=generator)
        docs = (draw[0] * self.n_docs).long()
        labels = (draw[1] * n_labels).long()
        heads = (draw[2] * length).long()
        # Up to five tokens long.
        tails = (heads + (draw[3] * 5).long()).clamp(max=length - 1)
        cells = torch.stack((docs, labels, heads, tails), dim=1).unique(dim=0)
        self.cells = cells.tolist()


class Ours:
    """A head, its loss and its decoder, from this package."""

    def __init__(self, head: str, batch: Batch, max_length: Optional[int]) -> None:
        torch.manual_seed(0)
        self.batch, self.max_length = batch, max_length
        width = batch.hidden.shape[1]
        self.head: nn.Module = HEADS[head][0](width, batch.n_labels).to(batch.device)
        self.objective = ClassImbalanceLoss()

    def scores(self) -> Any:
        lengths = [self.batch.length] * self.batch.n_docs
        device = self.batch.hidden.device
        return self.head(self.batch.hidden, Layout(lengths, self.max_length, device))

    def forward(self) -> Callable[[], None]:
        lattice = self.scores()
        cells = torch.tensor(self.batch.cells, device=self.batch.device)
        docs, labels, heads, tails = cells.T
        offsets = docs * self.batch.length
        gold = GoldSpans(
            labels, offsets + heads, tails - heads, None, self.batch.n_docs
        )
        _, d_scores = self.objective(lattice, gold)
        return lambda: lattice.scores.backward(d_scores)

    def decode(self, lattice: Any) -> Any:
        threshold = kth(lattice.scores, len(self.batch.cells))
        return lambda: decode(lattice, [threshold] * self.batch.n_labels)


class Dense:
    """The same in the dense form."""

    def __init__(self, head: str, batch: Batch) -> None:
        torch.manual_seed(0)
        self.batch = batch
        width = batch.hidden.shape[1]
        self.head: nn.Module = HEADS[head][1](width, batch.n_labels).to(batch.device)

    def scores(self) -> Tensor:
        hidden = self.batch.hidden.view(self.batch.n_docs, self.batch.length, -1)
        mask = torch.ones(hidden.shape[:2], device=hidden.device)
        return self.head(hidden, mask)

    def forward(self) -> Callable[[], None]:
        scores = self.scores()
        target = dense.dense_target(self.batch.cells, scores.shape, scores.device)
        return dense.dense_loss(scores, target).backward

    def decode(self, scores: Tensor) -> Any:
        threshold = kth(scores, len(self.batch.cells))
        return lambda: dense.dense_decode(scores, threshold)


def kth(scores: Tensor, k: int) -> float:
    """The score that as many cells reach as there are gold spans: random weights
    give random scores, and a trained model finds about as many as there are."""
    return float(scores.flatten().topk(k).values[-1])


def step(system: Any) -> Dict[str, Time]:
    """Time one forward and backward pass."""
    system.batch.hidden.grad = None
    system.head.zero_grad()
    watches = {phase: Stopwatch() for phase in PHASES}
    with watches["both"]:
        with watches["forward"]:
            backward = system.forward()
        with watches["backward"]:
            backward()
    with torch.no_grad():
        decode_scores = system.decode(system.scores())
    with watches["decode"]:
        decode_scores()
    return {phase: watch.total for phase, watch in watches.items()}


def memory(
    head: str, form: str, n_labels: int, length: int, max_length: Optional[int],
    n_tokens: int, width: int, device: str,
) -> int:  # fmt: skip
    """Peak memory, in bytes, of a forward and backward pass."""
    small = Batch(n_labels, 8, 64, width, device)
    batch = Batch(n_labels, length, n_tokens, width, device)
    for chosen in (small, batch):
        system: Any = (
            Dense(head, chosen) if form == "dense" else Ours(head, chosen, max_length)
        )
        peak = measure.peak_memory(partial(_forward_and_backward, system))
    return peak


def _forward_and_backward(system: Any) -> None:
    system.forward()()


def _systems(
    head: str, batch: Batch, max_lengths: List[Optional[int]], limit: float
) -> Tuple[Dict[Any, Any], List[Any]]:
    """The forms that fit into the memory, and those that do not."""
    cell = 4 * batch.n_labels * batch.n_docs * batch.length
    systems: Dict[Any, Any] = {}
    left_out: List[Any] = []
    if cell * batch.length * DENSE_ARRAYS <= limit * 1e9:
        systems["dense"] = Dense(head, batch)
    else:
        left_out.append("dense")
    for max_length in max_lengths:
        longest = min(max_length or batch.length, batch.length)
        if cell * longest * OUR_ARRAYS <= limit * 1e9:
            systems[max_length] = Ours(head, batch, max_length)
        else:
            left_out.append(max_length)
    return systems, left_out


def _lengths(text: str) -> List[Optional[int]]:
    return [None if x == "none" else int(x) for x in text.split(",")]


def main(
    labels: str = typer.Option("1,5,10,50", help="Numbers of labels"),
    lengths: str = typer.Option("32,128,512,2048", help="Tokens of a document"),
    max_lengths: str = typer.Option("8,16,32,none", help="Longest spans"),
    heads: str = typer.Option("plain,efficient", help="Heads"),
    tokens: int = typer.Option(4096, help="Tokens of the batch"),
    width: int = typer.Option(96, help="Width of the hidden states"),
    rounds: int = typer.Option(5, help="Timed rounds; medians are reported"),
    limit: float = typer.Option(6.0, help="Leave out what needs more memory, in GB"),
    gpu: bool = typer.Option(False, "--gpu", help="On the GPU"),
    name: str = typer.Option("head", help="Name of the files under results/"),
) -> None:
    """Time and peak memory of our heads beside the dense form, on a grid."""
    device = "cuda" if gpu else "cpu"
    rows: List[Dict[str, Any]] = []
    grid = list(product(heads.split(","), labels.split(","), lengths.split(",")))
    for head, n_labels, length in tqdm(grid, desc="grid", leave=False):
        batch = Batch(int(n_labels), int(length), tokens, width, device)
        systems, left_out = _systems(head, batch, _lengths(max_lengths), limit)
        times: Dict[Any, List[Dict[str, Time]]] = {key: [] for key in systems}
        for i in range(rounds + 1):
            for key, system in systems.items():
                timed = step(system)
                if i:
                    times[key].append(timed)
        del batch, systems
        for key, timed_rounds in times.items():
            form = "dense" if key == "dense" else "lattice"
            row: Dict[str, Any] = {
                "head": head,
                "form": form,
                "labels": int(n_labels),
                "length": int(length),
                "max_length": None if form == "dense" else key,
            }
            for phase in PHASES:
                phase_times = [timed[phase] for timed in timed_rounds]
                row[phase] = measure.medians(phase_times)
                if form == "lattice" and "dense" in times:
                    other = [timed[phase] for timed in times["dense"]]
                    row[f"{phase}_ratio"] = measure.ratio(phase_times, other)
            args = (head, form, *list(row.values())[2:5], tokens, width, device)
            row["memory"] = memory(*args) if gpu else measure.in_process(memory, *args)
            rows.append(row)
        for key in left_out:
            rows.append(
                {
                    "head": head,
                    "form": "dense" if key == "dense" else "lattice",
                    "labels": int(n_labels),
                    "length": int(length),
                    "max_length": None if key == "dense" else key,
                    "left_out": f"needs more than {limit} GB",
                }
            )
    _add_memory_ratios(rows)
    settings = {"tokens": tokens, "width": width, "rounds": rounds, "device": device}
    path = measure.write_results(name, settings, rows)
    _print(rows)
    _plot(rows, name)
    msg.good(f"Wrote {path} and {path.with_suffix('.svg')}")


def _key(row: Dict[str, Any]) -> Tuple[Any, ...]:
    return row["head"], row["labels"], row["length"]


def _add_memory_ratios(rows: List[Dict[str, Any]]) -> None:
    other = {_key(row): row for row in rows if row["form"] == "dense"}
    for row in rows:
        if (
            row["form"] == "lattice"
            and "memory" in row
            and "memory" in other[_key(row)]
        ):
            row["memory_ratio"] = other[_key(row)]["memory"] / row["memory"]


def _print(rows: List[Dict[str, Any]]) -> None:
    header = (
        "Head", "Form", "Labels", "Tokens", "Longest", "Forward ms", "Backward ms",
        "Decode ms", "MB", "Dense / time", "Dense / memory",
    )  # fmt: skip
    table = []
    for row in rows:
        first = (
            row["head"], row["form"], row["labels"], row["length"],
            row["max_length"] or "-",
        )  # fmt: skip
        if "left_out" in row:
            table.append((*first, "-", "-", "-", row["left_out"], "-", "-"))
            continue
        ms = [f"{row[x].wall * 1e3:.1f}" for x in ("forward", "backward", "decode")]
        ratios = [
            f"{row[x]:.1f}" if x in row else "-" for x in ("both_ratio", "memory_ratio")
        ]
        table.append((*first, *ms, f"{row['memory'] / 1e6:.0f}", *ratios))
    msg.table(table, header=header, divider=True, aligns=tuple("ll" + "r" * 9))


def _plot(rows: List[Dict[str, Any]], name: str) -> None:
    """Time and memory by length, ours and dense, one column a head."""
    heads = list(dict.fromkeys(row["head"] for row in rows))
    n_labels = sorted({row["labels"] for row in rows})
    shown = 10 if 10 in n_labels else n_labels[-1]
    figure, axes = measure.plt.subplots(
        2, len(heads), figsize=(5 * len(heads), 7), squeeze=False, sharey="row"
    )
    for column, head in enumerate(heads):
        lines: Dict[str, List[Dict[str, Any]]] = {}
        for row in rows:
            if (row["head"], row["labels"]) == (head, shown) and "memory" in row:
                label = f"max_length {row['max_length'] or 'none'}"
                label = "dense" if row["form"] == "dense" else label
                lines.setdefault(label, []).append(row)
        for label, points in lines.items():
            style = {"color": "black", "ls": "--"} if label == "dense" else {}
            x = [point["length"] for point in points]
            time = [point["both"].wall * 1e3 for point in points]
            axes[0, column].plot(x, time, label=label, marker="o", **style)
            memory = [point["memory"] / 1e6 for point in points]
            axes[1, column].plot(x, memory, label=label, marker="o", **style)
        axes[0, column].set(title=f"{head}, {shown} labels", ylabel="step, ms")
        axes[1, column].set(xlabel="tokens a document", ylabel="peak memory, MB")
        for axis in axes[:, column]:
            axis.set(xscale="log", yscale="log")
    axes[0, 0].legend()
    measure.save_figure(figure, name)


if __name__ == "__main__":
    typer.run(main)
