"""What a system predicts: the components of this package, and those of spaCy."""

from pathlib import Path
from typing import List

import numpy
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.training import Corpus, Example

from ..cli import common
from ..evaluation import Target, best_threshold
from ..models.span_scorer import get_head_layer
from ..pipeline.component import TaskPipe

# Key of the gold spans, where a component of spaCy has none of its own.
KEY = "sc"
# Spans of `spancat` that are less probable are no candidates for a threshold.
LOWEST_PROBABILITY = 0.01


def component(nlp: Language) -> TrainablePipe:
    """RETURNS (TrainablePipe): The component whose predictions are scored, the last."""
    pipe = nlp.get_pipe(nlp.pipe_names[-1])
    assert isinstance(pipe, TrainablePipe)
    return pipe


def spans_key(pipe: TrainablePipe) -> str:
    """RETURNS (str): The key of the spans that a component predicts."""
    return pipe.key if hasattr(pipe, "key") else KEY


def read(nlp: Language, data: Path, limit: int = 0) -> List[Example]:
    """Read annotated documents for the last component.

    nlp (Language): A pipeline.
    data (Path): A .spacy file.
    limit (int): Most documents to read, 0 for all.
    RETURNS (List[Example]): Examples without predictions.
    """
    pipe = component(nlp)
    if isinstance(pipe, TaskPipe):
        return common.read(nlp, pipe, data, limit)
    return list(Corpus(data, limit=limit)(nlp))


def predict(nlp: Language, examples: List[Example]) -> None:
    """Run the pipeline over the predicted documents. The entities of a component
    that writes doc.ents alone become spans too.

    nlp (Language): A pipeline.
    examples (List[Example]): Changed in place.
    """
    pipe = component(nlp)
    if isinstance(pipe, TaskPipe):
        common.predict(nlp, pipe, examples, "scoring")
        return
    docs = nlp.pipe(example.predicted for example in examples)
    for example, doc in zip(examples, docs):
        example.predicted = doc
        if not hasattr(pipe, "key"):
            doc.spans[KEY] = list(doc.ents)


def choose_threshold(nlp: Language, data: Path) -> float:
    """The threshold with the highest micro F1, halfway from the last span kept to
    the first one left out.

    nlp (Language): A pipeline with a `spancat`. Its threshold is changed.
    data (Path): Held-out documents, a .spacy file.
    RETURNS (float): The threshold.
    """
    pipe, examples = component(nlp), read(nlp, data)
    pipe.cfg["threshold"] = LOWEST_PROBABILITY
    predict(nlp, examples)
    scores, right, n_gold = [], [], 0
    for example in examples:
        gold = {(s.start, s.end, s.label) for s in example.reference.spans[pipe.key]}
        group = example.predicted.spans[pipe.key]
        scores.append(group.attrs["scores"])
        right += [(s.start, s.end, s.label) in gold for s in group]
        n_gold += len(gold)
    return best_threshold(
        numpy.concatenate([*scores, numpy.zeros(0)]),
        numpy.array(right, dtype=bool),
        n_gold,
        # What a span that was left out had at most.
        floor=LOWEST_PROBABILITY,
        default=0.5,
        target=Target(),
    )


def head_parameters(pipe: TrainablePipe) -> int:
    """RETURNS (int): The number of weights behind the encoder."""
    if isinstance(pipe, TaskPipe):
        (shim,) = get_head_layer(pipe.model).shims
        return sum(weights.numel() for weights in shim._model.parameters())
    return sum(
        node.get_param(name).size
        for node in pipe.model.walk()
        for name in node.param_names
        if node.has_param(name)
    )
