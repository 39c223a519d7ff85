"""Whole pipelines side by side: training and prediction words per second, and F1.

All systems have the same encoder and see the same words in the same order. They
take turns: each trains on some batches, then the next one trains on the same.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, List

import measure
import spacy
import typer
from measure import Stopwatch, Time
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch
from systems import DEFAULT, ENCODER, KEY, SYSTEMS, build
from thinc.api import Adam
from tqdm import tqdm
from wasabi import msg

from spacy_globalpointer.corpora import Conversion, Options
from spacy_globalpointer.matmul import use_fast_matmul

# Batches that a system trains on before it is the next one's turn.
TURN = 20


def read(folder: Path, nlp: Language, limit: int) -> Dict[str, List[Doc]]:
    """The documents of each part, the outermost spans in doc.ents too."""
    with TemporaryDirectory() as target:
        options = Options(lang=nlp.lang, spans_key=KEY, ents=True)
        Conversion(folder, Path(target), options).run()
        docs = {
            part: list(DocBin().from_disk(f"{target}/{part}.spacy").get_docs(nlp.vocab))
            for part in ("train", "test")
        }
    return {part: found[: limit or None] for part, found in docs.items()}


def plain(doc: Doc) -> Doc:
    """The same tokens without annotation."""
    spaces = [bool(token.whitespace_) for token in doc]
    return Doc(doc.vocab, words=[token.text for token in doc], spaces=spaces)


class System:
    """A pipeline in training.

    name (str): One of SYSTEMS; ":blis" or ":numpy" behind it fixes the matrix
        products, which are the faster ones otherwise.
    lang (str): Language code.
    gold (List[Doc]): The training documents.
    """

    def __init__(self, name: str, lang: str, gold: List[Doc], seed: int) -> None:
        system, _, backend = name.partition(":")
        self.name, self.matmul = name, use_fast_matmul(backend or "auto")
        self.nlp = nlp = build(system, lang, gold[0].vocab)
        examples = [Example(plain(doc), doc) for doc in gold]
        fix_random_seed(seed)
        nlp.initialize(lambda: examples)
        self.optimizer = Adam(0.001, L2=0.01, grad_clip=1.0)
        self.annotates = [name for name in nlp.pipe_names if name == "span_finder"]

    def train(self, batches: List[List[Doc]], dropout: float) -> Time:
        examples = [[Example(plain(doc), doc) for doc in batch] for batch in batches]
        watch = Stopwatch()
        with watch:
            for batch in examples:
                self.nlp.update(
                    batch, sgd=self.optimizer, drop=dropout, annotates=self.annotates
                )
        return watch.total

    def predict(self, gold: List[Doc], batch_size: int) -> Time:
        docs = [plain(doc) for doc in gold]
        watch = Stopwatch()
        with watch:
            for _ in self.nlp.pipe(docs, batch_size=batch_size):
                pass
        return watch.total

    def score(self, gold: List[Doc]) -> Dict[str, float]:
        """Strict scores against all gold spans, nested ones too."""
        docs = self.nlp.pipe(map(plain, gold))
        examples = [Example(doc, wanted) for doc, wanted in zip(docs, gold)]
        if KEY not in examples[0].predicted.spans:
            for example in examples:
                example.predicted.spans[KEY] = list(example.predicted.ents)
        scores = Scorer.score_spans(
            examples,
            KEY,
            getter=lambda doc, key: doc.spans[key],
            allow_overlap=True,
            labeled=True,
        )
        labels = scores[f"{KEY}_per_type"].values()
        macro = sum(label["f"] for label in labels) / max(len(labels), 1)
        micro = {x: scores[f"{KEY}_{x}"] for x in "prf"}
        return {**micro, "macro_f": macro}


def main(
    corpus: Path = typer.Argument(
        ..., help="Folder with train, dev and test, as for `convert`", exists=True
    ),
    systems: str = typer.Option(
        ",".join(DEFAULT),
        help=f"Which of {', '.join(SYSTEMS)}. NAME:blis or NAME:numpy fixes the "
        "matrix products, which are the faster ones otherwise",
    ),
    lang: str = typer.Option("en", help="Language code"),
    epochs: float = typer.Option(4.0, help="Passes over the training part"),
    dropout: float = typer.Option(0.2, help="Dropout rate"),
    batch_size: int = typer.Option(32, help="Training documents of a batch"),
    predict_batch_size: int = typer.Option(128, help="The same at prediction"),
    rounds: int = typer.Option(5, help="Timed rounds of prediction on test"),
    limit: int = typer.Option(0, help="First documents of each part; 0 for all"),
    seed: int = typer.Option(0, help="Random seed"),
    name: str = typer.Option("pipeline", help="Name of the files under results/"),
) -> None:
    """Train systems on one corpus in turns, predict its test part in turns."""
    nlp = spacy.blank(lang)
    docs = read(corpus, nlp, limit)
    train, test = docs["train"], docs["test"]
    names = systems.split(",")
    unknown = sorted({x.partition(":")[0] for x in names} - set(SYSTEMS))
    if unknown:
        msg.fail(f"Unknown: {unknown}. There are {list(SYSTEMS)}", exits=1)
    running = [System(x, lang, train, seed) for x in names]
    times: Dict[str, Dict[str, List[Time]]] = {
        phase: {x: [] for x in names} for phase in ("train", "predict")
    }
    words: List[int] = []
    turns = list(minibatch(_batches(train, batch_size, epochs, seed), TURN))
    for batches in tqdm(turns, desc="training", leave=False):
        words.append(sum(len(doc) for batch in batches for doc in batch))
        for system in running:
            times["train"][system.name].append(system.train(batches, dropout))
    for i in tqdm(range(rounds + 1), desc="prediction", leave=False):
        for system in running:
            timed = system.predict(test, predict_batch_size)
            if i:
                times["predict"][system.name].append(timed)
    rows = []
    for system in running:
        row: Dict[str, Any] = {"system": system.name, "matmul": system.matmul}
        if not system.name.startswith(ENCODER):
            row.update(system.score(test))
        trained = times["train"][system.name]
        row["train_words_per_second"] = sum(words) / sum(t.wall for t in trained)
        row["train_words_per_cpu_second"] = sum(words) / sum(t.cpu for t in trained)
        predicted = measure.medians(times["predict"][system.name])
        n_words = sum(map(len, test))
        row["predict_words_per_second"] = n_words / predicted.wall
        row["predict_words_per_cpu_second"] = n_words / predicted.cpu
        for phase, by_name in times.items():
            for other in names:
                if by_name[system.name] and by_name[other]:
                    speed = measure.ratio(by_name[system.name], by_name[other])
                    row.setdefault(f"{phase}_times_as_fast_as", {})[other] = speed
        rows.append(row)
    settings = {
        "corpus": corpus.name,
        "epochs": epochs,
        "dropout": dropout,
        "batch_size": batch_size,
        "predict_batch_size": predict_batch_size,
        "train_words": sum(words),
        "test_words": sum(map(len, test)),
        "rounds": rounds,
        "seed": seed,
    }
    path = measure.write_results(name, settings, rows)
    _print(rows)
    _plot(rows, name)
    msg.good(f"Wrote {path} and {path.with_suffix('.svg')}")


def _batches(docs: List[Doc], size: int, epochs: float, seed: int) -> List[List[Doc]]:
    """Batches of documents in random order, for so many epochs."""
    import random

    generator = random.Random(seed)
    order: List[Doc] = []
    while len(order) < epochs * len(docs):
        order.extend(generator.sample(docs, len(docs)))
    return list(minibatch(order[: round(epochs * len(docs))], size))


def _print(rows: List[Dict[str, Any]]) -> None:
    def number(row: Dict[str, Any], key: str, factor: float = 1.0) -> str:
        return (
            f"{row[key] * factor:,.{0 if factor == 1 else 1}f}" if key in row else "-"
        )

    def times(row: Dict[str, Any], phase: str, other: str) -> str:
        ratios = row.get(f"{phase}_times_as_fast_as", {})
        return f"{ratios[other]:.2f}" if other in ratios else "-"

    header = (
        "System", "Products", "P", "R", "Micro F1", "Macro F1", "Train words/s",
        "/ ner", "/ spancat", "Predict words/s", "/ encoder", "/ ner", "/ spancat",
    )  # fmt: skip
    table = [
        (
            row["system"],
            row["matmul"],
            *(number(row, key, 100) for key in ("p", "r", "f", "macro_f")),
            number(row, "train_words_per_second"),
            *(times(row, "train", other) for other in ("ner", "spancat")),
            number(row, "predict_words_per_second"),
            *(times(row, "predict", other) for other in (ENCODER, "ner", "spancat")),
        )
        for row in rows
    ]
    msg.table(table, header=header, divider=True, aligns=tuple("ll" + "r" * 11))


def _plot(rows: List[Dict[str, Any]], name: str) -> None:
    panels = {
        "train_words_per_second": "training, words/s",
        "predict_words_per_second": "prediction, words/s",
        "f": "micro F1 on test",
    }
    figure, axes = measure.plt.subplots(1, 3, figsize=(12, 3.2), sharey=True)
    names = [row["system"] for row in rows]
    for axis, (key, title) in zip(axes, panels.items()):
        values = [row.get(key, 0.0) for row in rows]
        bars = axis.barh(names, values, color="#0072b2")
        texts = [f"{100 * v:.1f}" if key == "f" else f"{v:,.0f}" for v in values]
        axis.bar_label(bars, [t if v else "" for t, v in zip(texts, values)], padding=2)
        axis.set(title=title, xlim=(0, max(values) * 1.25))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    measure.save_figure(figure, name)


if __name__ == "__main__":
    typer.run(main)
