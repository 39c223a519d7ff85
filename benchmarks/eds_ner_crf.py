"""`eds.ner_crf` of EDS-NLP on the encoder, the budget and the corpus of `compare`.

It runs in an environment of its own, as EDS-NLP and this package need not agree on
versions, and reads what `spacy global-pointer convert CORPUS FOLDER` has written:

    python -m venv eds && eds/bin/pip install "edsnlp[ml]" typer
    eds/bin/python benchmarks/eds_ner_crf.py corpus/conll04 ENCODER --epochs 8 \\
        --encoder-rate 1e-4 --seeds "0 1 2"

The optimizer is that of the transformer config: Adam with decoupled weight decay,
rates that rise for a tenth of the steps and fall to zero, gradients clipped to a norm
of 1 each array. As in `spacy train`, the epoch that is best on dev is scored on test.
EDS-NLP has no hash embeddings, so `tok2vec` cannot be compared.
"""

import copy
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set, Tuple

import edsnlp
import edsnlp.pipes as eds
import numpy
import srsly
import torch
import typer
from spacy.tokens import Doc, DocBin

GOLD, PREDICTED = "sc", "predicted"
Spans = Set[Tuple[int, int, str]]


def main(
    corpus: Path = typer.Argument(..., help="Folder with train, dev and test.spacy"),
    encoder: str = typer.Argument(..., help="Name or folder of the transformer"),
    epochs: int = typer.Option(30, help="Passes over the training data"),
    batch_size: int = typer.Option(32, help="Documents in a batch"),
    encoder_rate: float = typer.Option(2e-5, help="Highest rate of the encoder"),
    head_rate: float = typer.Option(1e-3, help="Highest rate of the head"),
    dropout: float = typer.Option(0.1, help="Dropout of the head's input"),
    mode: str = typer.Option("joint", help="joint, marginal or independent"),
    seeds: str = typer.Option("0 1 2", help="Random seeds, a space between"),
    output: Path = typer.Option(None, help="JSON file for the figures"),
) -> None:
    """Train with each seed, and print scores of test and words per second."""
    rows = []
    for seed in map(int, seeds.split()):
        random.seed(seed)
        numpy.random.seed(seed)
        torch.manual_seed(seed)
        nlp, parts = build(corpus, encoder, mode)
        rates = (encoder_rate, head_rate)
        row = train(nlp, parts, epochs, batch_size, rates, dropout, seed)
        start = time.perf_counter()
        row["test"] = score(nlp, parts["test"])
        n_words = sum(map(len, parts["test"]))
        row["prediction_words_per_second"] = n_words / (time.perf_counter() - start)
        rows.append({"seed": seed, **row})
        typer.echo(srsly.json_dumps(rows[-1]))
    for average in ("micro", "macro"):
        values = [100 * row["test"][average]["f"] for row in rows]
        typer.echo(f"{average} F1 {numpy.mean(values):.2f} ± {numpy.std(values):.2f}")
    if output is not None:
        srsly.write_json(output, rows)


def build(corpus: Path, encoder: str, mode: str) -> Tuple[Any, Dict[str, List[Doc]]]:
    """A pipeline that knows the labels of the training data, and the documents."""
    nlp = edsnlp.blank("eds")
    nlp.add_pipe(
        eds.ner_crf(
            embedding=eds.transformer(model=encoder, window=128, stride=96),
            mode=mode,
            target_span_getter=GOLD,
            span_setter=PREDICTED,
        ),
        name="ner",
    )
    parts = {
        part: list(DocBin().from_disk(corpus / f"{part}.spacy").get_docs(nlp.vocab))
        for part in ("train", "dev", "test")
    }
    nlp.post_init(parts["train"])
    return nlp, parts


def train(
    nlp: Any,
    parts: Dict[str, List[Doc]],
    epochs: int,
    batch_size: int,
    rates: Tuple[float, float],
    dropout: float,
    seed: int,
) -> Dict[str, Any]:
    """Train, and put the weights back that were best on dev."""
    pipe = nlp.get_pipe("ner")
    pipe.linear.register_forward_pre_hook(
        lambda linear, x: torch.nn.functional.dropout(x[0], dropout, linear.training)
    )
    encoder = list(pipe.embedding.parameters())
    ours = {id(weights) for weights in encoder}
    head = [weights for weights in pipe.parameters() if id(weights) not in ours]
    optimizer = torch.optim.AdamW(
        [{"params": p, "lr": rate} for p, rate in zip((encoder, head), rates)],
        weight_decay=0.01,
    )
    n_steps = epochs * -(-len(parts["train"]) // batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: min((i + 1) / (0.1 * n_steps), (n_steps - i) / (0.9 * n_steps)),
    )
    best, kept, seconds = -1.0, {}, 0.0
    for _ in range(epochs):
        start = time.perf_counter()
        nlp.train(True)
        for batch in batches(parts["train"], batch_size, seed):
            prepared = [nlp.preprocess(doc, supervision=True) for doc in batch]
            collated = nlp.collate(prepared)
            with nlp.cache():
                loss = pipe(collated["ner"])["loss"]
            optimizer.zero_grad()
            loss.backward()
            for weights in pipe.parameters():
                if weights.grad is not None:
                    torch.nn.utils.clip_grad_norm_([weights], 1.0)
            optimizer.step()
            schedule.step()
        seconds += time.perf_counter() - start
        seed += 1000
        f1 = score(nlp, parts["dev"])["micro"]["f"]
        if f1 > best:
            best, kept = f1, copy.deepcopy(pipe.state_dict())
    pipe.load_state_dict(kept)
    n_words = epochs * sum(map(len, parts["train"]))
    return {"dev": best, "training_words_per_second": n_words / seconds}


def batches(docs: List[Doc], size: int, seed: int) -> Iterator[List[Doc]]:
    order = random.Random(seed).sample(docs, len(docs))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def score(nlp: Any, docs: List[Doc]) -> Dict[str, Any]:
    """Precision, recall and F1 of spans, micro, and the mean of the labels."""
    right: Counter = Counter()
    predicted: Counter = Counter()
    wanted: Counter = Counter()
    nlp.train(False)
    copies = [doc.copy() for doc in docs]
    for copied in copies:
        copied.spans.clear()
    for doc, answer in zip(docs, nlp.pipe(copies)):
        found, gold = spans(answer, PREDICTED), spans(doc, GOLD)
        for counter, chosen in (
            (right, found & gold),
            (predicted, found),
            (wanted, gold),
        ):
            counter.update(label for *_, label in chosen)
    labels = sorted({*predicted, *wanted})
    per_label = [prf(right[x], predicted[x], wanted[x]) for x in labels]
    return {
        "micro": prf(right.total(), predicted.total(), wanted.total()),
        "macro": {x: float(numpy.mean([row[x] for row in per_label])) for x in "prf"},
    }


def spans(doc: Doc, key: str) -> Spans:
    return {(span.start, span.end, span.label_) for span in doc.spans.get(key, [])}


def prf(n_right: int, n_predicted: int, n_gold: int) -> Dict[str, float]:
    return {
        "p": n_right / max(n_predicted, 1),
        "r": n_right / max(n_gold, 1),
        "f": 2 * n_right / max(n_predicted + n_gold, 1),
    }


if __name__ == "__main__":
    typer.run(main)
