"""The end-to-end scores of a system that labels given mentions."""

from pathlib import Path
from typing import Any, Dict

from spacy import util
from spacy.tokens import Span

from ..environment import use_gpu
from ..evaluation import span_metrics
from .predict import component, predict, read, spans_key


def end_to_end(labels: Path, finds: Path, data: Path, gpu_id: int) -> Dict[str, Any]:
    """Metrics of one pipeline that labels the spans of another.

    labels (Path): The pipeline that labels given spans.
    finds (Path): The pipeline whose spans it is given, without their labels.
    data (Path): Test documents.
    gpu_id (int): GPU, -1 for the CPU.
    """
    use_gpu(gpu_id)
    finder, labeler = util.load_model(finds), util.load_model(labels)
    key, target = spans_key(component(finder)), component(labeler)
    found, labeled = read(finder, data), read(labeler, data)
    predict(finder, found)
    for finding, example in zip(found, labeled):
        doc = example.predicted
        ends = {(span.start, span.end) for span in finding.predicted.spans[key]}
        doc.spans[target.cfg["candidates_key"]] = [Span(doc, *x) for x in sorted(ends)]
    predict(labeler, labeled)
    return span_metrics(labeled, spans_key(target))
