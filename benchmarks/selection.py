"""Documents chosen by `annotate --select` and at random: F1 by the number of annotated
ones.

Each round trains a pipeline on what has been annotated so far and chooses the next
documents from the rest with the command itself. All start with the same random ones.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any, Dict, List

import numpy
import spacy
from measure import plt, save_figure, write_results
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch
from thinc.api import Adam
from tqdm import tqdm

from spacy_globalpointer.annotate import Options
from spacy_globalpointer.annotate.job import Job, annotate
from spacy_globalpointer.annotate.selection import Selection
from spacy_globalpointer.corpora import Conversion
from spacy_globalpointer.corpora import Options as ConvertOptions

KEY = "sc"


def read(corpus: Path, nlp: Language) -> Dict[str, List[Doc]]:
    """The documents of train and test."""
    with TemporaryDirectory() as target:
        options = ConvertOptions(lang=nlp.lang, spans_key=KEY)
        Conversion(corpus, Path(target), options).run()
        return {
            part: list(DocBin().from_disk(f"{target}/{part}.spacy").get_docs(nlp.vocab))
            for part in ("train", "test")
        }


def plain(doc: Doc) -> Doc:
    """The same tokens without annotation."""
    spaces = [bool(token.whitespace_) for token in doc]
    return Doc(doc.vocab, words=[token.text for token in doc], spaces=spaces)


def train(docs: List[Doc], labels: List[str], steps: int, seed: int) -> Language:
    """A pipeline with the defaults of `global_pointer`."""
    nlp = spacy.blank("en", vocab=docs[0].vocab)
    nlp.add_pipe("global_pointer", config={"spans_key": KEY})
    examples = [Example(plain(doc), doc) for doc in docs]
    fix_random_seed(seed)
    nlp.config["initialize"]["components"] = {"global_pointer": {"labels": labels}}
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.001, L2=0.01, grad_clip=1.0)
    order = [docs[i] for i in shuffled(len(docs), seed)]
    done = 0
    while done < steps:
        for batch in minibatch(order, 16):
            golds = [Example(plain(doc), doc) for doc in batch]
            nlp.update(golds, sgd=optimizer, drop=0.2)
            done += 1
            if done == steps:
                break
    return nlp


def shuffled(n: int, seed: int) -> List[int]:
    found: List[int] = numpy.random.default_rng(seed).permutation(n).tolist()
    return found


def choose(nlp: Language, pool: List[Doc], n: int, by: str, seed: int) -> List[int]:
    """The places in the pool of the documents that the command chooses."""
    with TemporaryDirectory() as folder:
        nlp.to_disk(f"{folder}/model")
        DocBin(docs=map(plain, pool)).to_disk(f"{folder}/pool.spacy")
        target = f"{folder}/chosen.jsonl"
        options = Options(f"{folder}/model", selection=Selection(n, by, seed=seed))
        annotate(Job([f"{folder}/pool.spacy"], target, options), lambda *args: None)
        rows = [json.loads(line) for line in Path(target).read_text().splitlines()]
    places = defaultdict(list)
    for i, doc in enumerate(pool):
        places[doc.text].append(i)
    # Some sentences are there twice.
    return [places[row["text"]].pop(0) for row in rows]


def f1(nlp: Language, docs: List[Doc]) -> float:
    scores = nlp.evaluate([Example(plain(doc), doc) for doc in docs])
    return float(scores[f"spans_{KEY}_f"])


def plot(rows: List[Dict[str, Any]]) -> None:
    """F1 by the number of sentences, and by that of tokens: mean, lowest and highest
    of the seeds."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for axis, unit in zip(axes, ("sentences", "tokens")):
        for by in dict.fromkeys(row["by"] for row in rows):
            points = defaultdict(list)
            for row in rows:
                if row["by"] == by:
                    points[row["sentences"]].append(row)
            xs = [mean(row[unit] for row in group) for group in points.values()]
            values = [[row["f1"] for row in group] for group in points.values()]
            (line,) = axis.plot(xs, [*map(mean, values)], marker="o", label=by)
            lows, highs = [*map(min, values)], [*map(max, values)]
            axis.fill_between(xs, lows, highs, color=line.get_color(), alpha=0.15)
        axis.set_xlabel(f"annotated {unit}")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("F1 on test")
    axes[0].legend()
    save_figure(figure, "selection")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="corpus with train and test")
    parser.add_argument("--by", nargs="+", default=["random", "entropy"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200, 300])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300)
    args = parser.parse_args()
    docs = read(args.corpus, spacy.blank("en"))
    labels = sorted({s.label_ for doc in docs["train"] for s in doc.spans[KEY]})
    rows: List[Dict[str, Any]] = []
    total = len(args.seeds) * (1 + len(args.by) * (len(args.sizes) - 1))
    with tqdm(total=total, disable=None) as bar:

        def add(by: str, seed: int, annotated: List[Doc], nlp: Language) -> None:
            n_spans = sum(len(doc.spans[KEY]) for doc in annotated)
            row = {"by": by, "seed": seed, "sentences": len(annotated)}
            row.update(tokens=sum(map(len, annotated)), spans=n_spans)
            row["f1"] = round(f1(nlp, docs["test"]), 4)
            rows.append(row)
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()

        for seed in args.seeds:
            order = shuffled(len(docs["train"]), seed)
            first = [docs["train"][i] for i in order[: args.sizes[0]]]
            start = train(first, labels, args.steps, seed)
            bar.update()
            for by in args.by:
                nlp, annotated = start, list(first)
                pool = [docs["train"][i] for i in order[args.sizes[0] :]]
                add(by, seed, annotated, nlp)
                for size in args.sizes[1:]:
                    n = size - len(annotated)
                    chosen = choose(nlp, pool, n, by, seed)
                    annotated += [pool[i] for i in chosen]
                    pool = [doc for i, doc in enumerate(pool) if i not in {*chosen}]
                    nlp = train(annotated, labels, args.steps, seed)
                    add(by, seed, annotated, nlp)
                    bar.update()
    settings = {key: str(value) for key, value in vars(args).items() if key != "corpus"}
    write_results("selection", {**settings, "corpus": args.corpus.name}, rows)
    plot(rows)


if __name__ == "__main__":
    main()
