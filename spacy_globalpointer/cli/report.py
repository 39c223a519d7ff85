"""A page, numbers and plots that show what pipelines do."""

from pathlib import Path
from typing import List, Optional

import typer
from spacy.training import Corpus
from spacy.training.corpus import FILE_TYPE, walk_corpus

from ..errors import Warnings
from ..evaluation import Result, TrainingSet, compare, read_training_log
from ..folders import require_replaceable
from .common import (
    CODE,
    COMPONENT,
    DATA,
    GPU_ID,
    MODEL,
    fail_without_gold,
    load,
    predict,
    read,
)
from .messages import QUIET, msg


def report_cli(
    model: str = MODEL,
    data: Path = DATA,
    output: Path = typer.Argument(
        ..., help="Folder for report.html, metrics.json and plots"
    ),
    others: Optional[List[str]] = typer.Option(
        None,
        "--compare",
        help="Another trained pipeline, to compare with the first; can be given several times",
    ),
    train: Optional[Path] = typer.Option(
        None,
        "--train",
        help="Training documents, a .spacy file, used for the buckets of unknown words and label consistency",
        exists=True,
    ),
    log: Optional[Path] = typer.Option(
        None,
        "--log",
        help="Log of the training, the output_file of spaCy's ConsoleLogger",
    ),
    limit: int = typer.Option(
        500,
        "--limit",
        "-n",
        help="Maximum number of documents to render (0: no limit)",
        min=0,
    ),
    bootstrap: int = typer.Option(
        1000, "--bootstrap", help="Resamples for the intervals, 0 for none", min=0
    ),
    seed: int = typer.Option(0, "--seed", help="Seed of the resamples"),
    component: Optional[str] = COMPONENT,
    gpu_id: int = GPU_ID,
    code: Optional[Path] = CODE,
    quiet: bool = QUIET,
) -> None:
    """Show what a pipeline does on annotated documents: scores with intervals, scores
    by kind of span and text, errors, reliability of the probabilities, and the
    documents with gold spans beside predicted ones."""
    # matplotlib takes a second to import, which --help would wait for.
    from ..report.write import write_report

    try:
        require_replaceable(output)
    except ValueError as error:
        msg.fail("Cannot write the report", str(error), exits=1)
    curves = []
    if log is not None and not log.exists():
        msg.warn(Warnings.W036.format(path=log))
    elif log is not None:
        try:
            curves = read_training_log(log)
        except ValueError as error:
            msg.fail("Cannot read the log of the training", str(error), exits=1)
    results = []
    known = None
    for name in (model, *(others or ())):
        nlp, pipe = load(name, component, gpu_id)
        examples = read(nlp, pipe, data)
        predict(nlp, pipe, examples, f"Predicting with {name}")
        results.append(Result.of(name, pipe, examples, nlp.batch_size, nlp=nlp))
        if not results[-1].spans.has_spans:
            fail_without_gold(pipe, examples, data)
        if train is not None and known is None:
            parts = walk_corpus(train, FILE_TYPE)
            docs = Corpus(train).read_docbin(nlp.vocab, parts)
            known = TrainingSet.read(docs, pipe.annotation_reader.spans)
    metrics = {
        "data": str(data),
        **compare(results, training=known, n_bootstrap=bootstrap, seed=seed),
        "training": curves,
    }
    title = f"{' and '.join([model, *(others or ())])} on {data}"
    try:
        page = write_report(output, results, metrics, title=title, limit=limit)
    except OSError as error:
        msg.fail("Cannot write the report", str(error), exits=1)
    f1 = metrics["models"][0]["summary"]["micro"]["f"]
    msg.good(f"Micro F1 {100 * f1:.2f} on {metrics['documents']:,} documents: {page}")
