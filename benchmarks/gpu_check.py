"""One full check on a GPU, within ten minutes.

1. Scores, losses, gradients and decoded spans, on the GPU against the CPU.
2. The whole pipeline, on the GPU against the CPU, after the same training steps.
3. The heads against the dense form (`head.py --gpu`), timed with CUDA events.
4. Training steps with a transformer the size of BERT base, with and without mixed
   precision, and the share of head and loss in them.
"""

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Callable, Dict, List, Tuple

import measure
import spacy
import torch
import typer
from bert import save_bert
from growth import make_doc
from spacy.cli._util import setup_gpu
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from spacy.util import fix_random_seed
from systems import KEY, TOK2VEC
from thinc.api import Adam
from wasabi import msg

from spacy_globalpointer.core.decoding import decode
from spacy_globalpointer.core.lattice import GoldSpans, Layout
from spacy_globalpointer.core.objectives import BinaryCrossEntropy, ClassImbalanceLoss
from spacy_globalpointer.heads import EfficientGlobalPointer, GlobalPointer

HEADS = {
    "GlobalPointer": GlobalPointer,
    "EfficientGlobalPointer": EfficientGlobalPointer,
}
OBJECTIVES = (ClassImbalanceLoss, BinaryCrossEntropy)
BATCHES = ([5, 0, 40, 1, 130], None), ([512, 33, 7], 16), ([1], None), ([700], 300)
TOLERANCE = 1e-4
LABELS = [f"L{i}" for i in range(5)]


def correctness(device: str) -> List[Dict[str, Any]]:
    """The largest difference of each head and objective, in single precision, from
    the CPU's results in double precision, relative to numbers over 1."""
    rows = []
    for name, head_class in HEADS.items():
        for objective_class in OBJECTIVES:
            worst = 0.0
            for lengths, max_length in BATCHES:
                case = head_class, objective_class, lengths, max_length
                exact = _one_step(*case, "cpu", torch.float64)
                for a, b in zip(exact, _one_step(*case, device, torch.float32)):
                    finite = a.isfinite()
                    same = torch.equal(finite, b.isfinite())
                    gaps, sizes = (a - b)[finite].abs(), a[finite].abs()
                    # Relative where numbers are large.
                    gap = max((gaps / sizes.clamp(min=1)).tolist(), default=0.0)
                    worst = max(worst, gap if same else float("inf"))
            rows.append(
                {"head": name, "objective": objective_class.__name__, "worst": worst}
            )
    return rows


def _one_step(
    head_class: Any,
    objective_class: Any,
    lengths: List[int],
    max_length: Any,
    device: str,
    dtype: torch.dtype,
) -> List[torch.Tensor]:
    torch.manual_seed(0)
    head = head_class(32, 3).to(device, dtype)
    hidden = torch.randn(sum(lengths), 32)
    heads = torch.arange(0, len(hidden), 7)
    gold = torch.stack((heads % 3, heads, torch.zeros_like(heads))).to(device)
    hidden = hidden.to(device, dtype).requires_grad_()
    layout = Layout(lengths, max_length, torch.device(device))
    lattice = head(hidden, layout)
    n_docs = sum(length > 0 for length in lengths)
    spans = GoldSpans(gold[0], gold[1], gold[2], None, n_docs)
    loss, d_scores = objective_class()(lattice, spans)
    lattice.scores.backward(d_scores)
    found = decode(lattice, [0.5] * 3)
    # A sum over the spans that are well above the threshold: those at it may differ.
    sure = torch.from_numpy(found.scores > 0.501)
    sums = torch.from_numpy((found.starts * 31 + found.ends) % 101)[sure].sum()
    tensors = lattice.scores, loss, hidden.grad, *(p.grad for p in head.parameters())
    return [*(x.detach().cpu().double() for x in tensors), sums.double()]


def make_pipeline(architecture: str, encoder: str, mixed: bool) -> Language:
    """A pipeline on a transformer, or on a tok2vec where `encoder` is empty."""
    nlp = spacy.blank("en")
    if encoder:
        model = {
            "@architectures": "spacy-transformers.TransformerModel.v3",
            "name": encoder,
            "mixed_precision": mixed,
        }
        nlp.add_pipe("transformer", config={"model": model})
        listener: Dict[str, Any] = {
            "@architectures": "spacy-transformers.TransformerListener.v1",
            "grad_factor": 1.0,
            "pooling": {"@layers": "reduce_mean.v1"},
        }
    else:
        nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
        listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    name = f"spacy_globalpointer.{architecture}.v1"
    config = {
        "model": {"@architectures": name, "tok2vec": listener},
        "max_length": 16,
    }
    nlp.add_pipe("global_pointer", config=config)
    return nlp


def make_examples(nlp: Language, n_docs: int, length: int) -> List[Example]:
    examples = []
    for seed in range(n_docs):
        doc = make_doc(nlp, length, seed)
        gold = doc.copy()
        gold.spans[KEY] = [
            Span(gold, i, i + i % 3 + 1, label=label)
            for label, i in zip(LABELS * length, range(0, length - 3, 7))
        ]
        examples.append(Example(doc, gold))
    return examples


def end_to_end(gpu_id: int) -> float:
    """Train a small pipeline on the CPU, predict there and on the GPU; the largest
    difference of a probability."""
    results = []
    with TemporaryDirectory() as folder:
        nlp = make_pipeline("GlobalPointer", "", False)
        examples = make_examples(nlp, 8, 40)
        fix_random_seed(0)
        nlp.initialize(lambda: examples)
        for _ in range(30):
            nlp.update(examples, sgd=Adam(0.005))
        nlp.to_disk(folder)
        for chosen in (-1, gpu_id):
            setup_gpu(chosen, silent=True)
            loaded = spacy.load(folder)
            loaded.get_pipe("global_pointer").cfg["threshold"] = 0.2
            found = {}
            docs = [make_doc(loaded, 40, seed) for seed in range(8)]
            for n, doc in enumerate(loaded.pipe(docs)):
                group = doc.spans[KEY]
                for span, p in zip(group, group.attrs["scores"]):
                    found[n, span.start, span.end, span.label_] = float(p)
            results.append(found)
    cpu, gpu = results
    # A span at the threshold may be on one side only.
    return max(
        (abs(cpu.get(key, 0.2) - gpu.get(key, 0.2)) for key in {*cpu, *gpu}),
        default=float("inf"),
    )


def steps(
    architecture: str, encoder: str, mixed: bool, n: int, length: int, tokens: int
) -> Dict[str, Any]:
    """Milliseconds of a training step, and of head and loss in it."""
    nlp = make_pipeline(architecture, encoder, mixed)
    examples = make_examples(nlp, tokens // length, length)
    fix_random_seed(0)
    nlp.initialize(lambda: examples[:4])
    component = nlp.get_pipe("global_pointer")
    optimizer = Adam(2e-5)
    parts: List[float] = []
    times: List[float] = []
    loss = 0.0
    scorer = component.model.layers[-1]
    forward, get_loss = scorer._func, component.get_loss

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            watch = measure.Stopwatch()
            with watch:
                result = call(*args, **kwargs)
            parts.append(watch.total.wall)
            return result

        return run

    def timed_forward(model: Any, X: Any, is_train: bool) -> Tuple[Any, Any]:
        result, backprop = timed(forward)(model, X, is_train)
        return result, timed(backprop)

    def one_step() -> float:
        losses = nlp.update(examples, sgd=optimizer, drop=0.1)
        return float(losses["global_pointer"])

    for i in range(n + 3):
        watch = measure.Stopwatch()
        with watch:
            loss = one_step()
        if i >= 3:
            times.append(watch.total.wall)
    # Head and loss again with the GPU waited for on both sides of each part.
    scorer._func, component.get_loss = timed_forward, timed(get_loss)
    shares = []
    for _ in range(n):
        parts.clear()
        watch = measure.Stopwatch()
        with watch:
            one_step()
        shares.append((sum(parts), sum(parts) / watch.total.wall))
    return {
        "architecture": architecture,
        "mixed_precision": mixed,
        "step_ms": median(times) * 1e3,
        "words_per_second": tokens / median(times),
        "head_and_loss_ms": median(part for part, _ in shares) * 1e3,
        "share": median(share for _, share in shares),
        "loss": loss,
    }


def main(
    gpu_id: int = typer.Option(0, "--gpu-id", "-g", help="GPU; -1 tries the script"),
    n: int = typer.Option(20, "--steps", help="Timed training steps"),
    length: int = typer.Option(64, help="Tokens of a training document"),
    tokens: int = typer.Option(4096, help="Tokens of a training batch"),
    layers: int = typer.Option(12, help="Layers of the transformer, 768 wide"),
    head_benchmark: bool = typer.Option(True, help="Run head.py --gpu too"),
    name: str = typer.Option("gpu_check", help="Name of the file under results/"),
) -> None:
    """Check and measure on a GPU; exit status 1 if a result is wrong."""
    device = "cpu" if gpu_id < 0 else f"cuda:{gpu_id}"
    rows: List[Dict[str, Any]] = []
    msg.divider("Correctness")
    for row in correctness(device):
        rows.append({"check": "correctness", **row})
        msg.text(f"{row['head']}, {row['objective']}: {row['worst']:.1e}")
    gap = end_to_end(gpu_id)
    rows.append({"check": "end to end", "worst": gap})
    msg.text(f"Whole pipeline: {gap:.1e}")
    setup_gpu(gpu_id, silent=True)
    msg.divider("Training steps")
    with TemporaryDirectory() as folder:
        words = [f"w{i}" for i in range(5000)]
        save_bert(Path(folder), words, num_hidden_layers=layers)
        for architecture in HEADS:
            for mixed in (False, True) if gpu_id >= 0 else (False,):
                row = steps(architecture, folder, mixed, n, length, tokens)
                rows.append({"check": "steps", **row})
                msg.text(
                    f"{architecture}, mixed {mixed}: {row['step_ms']:.1f} ms, "
                    f"head and loss {row['head_and_loss_ms']:.2f} ms, "
                    f"{100 * row['share']:.1f}%, loss {row['loss']:.3f}"
                )
    settings = {"steps": n, "length": length, "tokens": tokens, "layers": layers}
    path = measure.write_results(name, settings, rows)
    msg.good(f"Wrote {path}")
    if head_benchmark and gpu_id >= 0:
        script = Path(__file__).parent / "head.py"
        options = ["--gpu", "--name", "head_gpu", "--lengths", "32,128,512"]
        subprocess.run([sys.executable, str(script), *options], check=True)
    worst = max(row["worst"] for row in rows if "worst" in row)
    if not worst < TOLERANCE:
        msg.fail(f"Largest difference: {worst:.1e}", exits=1)


if __name__ == "__main__":
    typer.run(main)
