"""What a system predicts: the components of this package, and those of spaCy."""

from pathlib import Path
from typing import List, Optional, cast

import numpy
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.training import Corpus, Example

from ..cli import common
from ..evaluation import Target, best_threshold
from ..pipeline.component import TaskPipe, task_pipes
from ..training.weights import trained_weights

# Key of the gold spans, where a component of spaCy has none of its own.
KEY = "sc"
# Spans of `spancat` that are less probable are no candidates for a threshold.
LOWEST_PROBABILITY = 0.01


def component(nlp: Language) -> TrainablePipe:
    """RETURNS (TrainablePipe): The component whose predictions are scored, the last."""
    return cast(TrainablePipe, nlp.get_pipe(nlp.pipe_names[-1]))


def own_component(nlp: Language) -> Optional[TaskPipe]:
    """RETURNS (Optional[TaskPipe]): The same, if it is one of this package."""
    return task_pipes(nlp).get(nlp.pipe_names[-1])


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
    own = own_component(nlp)
    if own is not None:
        return common.read(nlp, own, data, limit)
    return list(Corpus(data, limit=limit)(nlp))


def predict(nlp: Language, examples: List[Example]) -> None:
    """Run the pipeline over the predicted documents. The entities of a component
    that writes doc.ents alone become spans too.

    nlp (Language): A pipeline.
    examples (List[Example]): Changed in place.
    """
    pipe, own = component(nlp), own_component(nlp)
    if own is not None:
        common.predict(nlp, own, examples, "scoring")
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


def head_parameters(nlp: Language) -> int:
    """RETURNS (int): The number of weights behind the encoder."""
    *before, _ = nlp.pipe_names
    return sum(weight.value.numel() for weight in trained_weights(nlp, before))
