"""Where the time of a training step goes: the stages of `global_pointer`, beside the
step of the encoder alone and the matrix products of the head's projection, which no
head with queries and keys can do without.

All is time of the processor, in milliseconds a step.
"""

import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any, Callable, DefaultDict, Dict, List

import measure
import spacy
import torch
import typer
from pipeline import TURN, System, read
from spacy.util import minibatch
from systems import ENCODER
from tqdm import tqdm
from wasabi import msg

from spacy_globalpointer.models.span_scorer import get_head_layer

ARCHITECTURES = ["GlobalPointer", "EfficientGlobalPointer"]
STAGES = ["forward", "loss with gold", "backward", "optimizer"]
PRODUCTS = "products of the projection"


class Stages:
    """Adds up the time of the stages of a component.

    pipe (SpanRecognizer): The component, initialised.
    """

    def __init__(self, pipe: Any) -> None:
        self.seconds: DefaultDict[str, float] = defaultdict(float)
        layer = get_head_layer(pipe.model)
        (shim,) = layer.shims
        forward = self.timed("forward", layer._func)

        def both(model: Any, X: Any, is_train: bool) -> Any:
            lattice, backprop = forward(model, X, is_train)
            return lattice, self.timed("backward", backprop)

        layer._func = both
        pipe.get_loss = self.timed("loss with gold", pipe.get_loss)
        shim.finish_update = self.timed("optimizer", shim.finish_update)

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[stage] += time.process_time() - start

        return run


def projection(system: System, n_tokens: int) -> float:
    """Seconds of the three products of the projection, forward and backward."""
    (shim,) = get_head_layer(system.nlp.get_pipe("global_pointer").model).shims
    weight = shim._model.projection.weight.detach()
    hidden = torch.randn(n_tokens, weight.shape[1])
    gradient = torch.randn(n_tokens, len(weight))
    times = []
    for _ in range(50):
        start = time.process_time()
        torch.mm(hidden, weight.T)
        torch.mm(gradient, weight)
        torch.mm(gradient.T, hidden)
        times.append(time.process_time() - start)
    return median(times)


def main(
    corpus: Path = typer.Argument(
        ..., help="Folder with train, dev and test, as for `convert`", exists=True
    ),
    lang: str = typer.Option("en", help="Language code"),
    steps: int = typer.Option(200, help="Training steps", min=1),
    dropout: float = typer.Option(0.2, help="Dropout rate"),
    batch_size: int = typer.Option(32, help="Training documents of a batch"),
    matmul: str = typer.Option("auto", help="Matrix products: auto, blis, numpy"),
    name: str = typer.Option("stages", help="Name of the file under results/"),
) -> None:
    """Train the encoder alone and Global Pointer in turns; time each stage."""
    # As the component itself does; and the products are to be compared with it.
    torch.set_num_threads(1)
    nlp = spacy.blank(lang)
    docs = read(corpus, nlp, steps * batch_size)["train"]
    batches = list(minibatch(docs, batch_size))
    names = [ENCODER, *ARCHITECTURES]
    systems = {x: System(f"{x}:{matmul}", lang, docs, seed=0) for x in names}
    for system in systems.values():
        system.train(batches[:1], dropout)
    stages = {
        x: Stages(systems[x].nlp.get_pipe("global_pointer")) for x in ARCHITECTURES
    }
    total: Dict[str, float] = dict.fromkeys(names, 0.0)
    for turn in tqdm(list(minibatch(batches, TURN)), desc="training", leave=False):
        for x, system in systems.items():
            total[x] += system.train(turn, dropout).cpu
    n_tokens = sum(map(len, docs)) // len(batches)
    rows: List[Dict[str, Any]] = []
    for x in names:
        seconds = {"step": total[x] / len(batches)}
        if x in stages:
            seconds.update({k: stages[x].seconds[k] / len(batches) for k in STAGES})
            seconds[PRODUCTS] = projection(systems[x], n_tokens)
        rows.append({"system": x, **{k: 1000 * v for k, v in seconds.items()}})
    settings = {
        "corpus": corpus.name,
        "steps": len(batches),
        "batch_size": batch_size,
        "tokens_per_step": n_tokens,
        "dropout": dropout,
        "matmul": systems[ENCODER].matmul,
    }
    path = measure.write_results(name, settings, rows)
    columns = ["step", *STAGES, PRODUCTS]
    table = [
        (row["system"], *(f"{row[k]:.1f}" if k in row else "-" for k in columns))
        for row in rows
    ]
    aligns = ("l", *"r" * len(columns))
    msg.table(table, header=("ms a step", *columns), divider=True, aligns=aligns)
    msg.info(f"Matrix products: {settings['matmul']}")
    msg.good(f"Wrote {path}")


if __name__ == "__main__":
    typer.run(main)
