"""The threshold of relations, chosen on held-out data."""

from collections import Counter
from typing import Any, Dict, List, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.training import Example

from ..core.arrays import Floats
from ..linked_spans import relations
from ..pipeline.relation_gold import annotated_group
from ..pipeline.relation_pointer import RelationPipe
from ..pipeline.relation_scoring import place_of, read_group
from .thresholds import Target

# Right, predicted and gold relations.
CountsT = Tuple[int, int, int]


def choose_threshold(
    nlp: Language,
    examples: Sequence[Example],
    name: str,
    target: Target,
) -> Tuple[float, CountsT, CountsT]:
    """The global threshold that is best for the strict scores of relations, with the
    spans that the pipeline predicts.

    nlp (Language): The pipeline. Its settings are the same afterwards.
    examples (Sequence[Example]): The data.
    name (str): The component that finds relations.
    target (Target): What is best.
    RETURNS (Tuple[float, CountsT, CountsT]): The threshold, halfway between two
        scores, or the present one if no other is better; the counts with the present
        settings, and with the threshold.
    """
    pipe: RelationPipe = nlp.get_pipe(name)
    scores, right, n_gold = _scored(nlp, examples, pipe, {})
    before = int(right.sum()), len(right), n_gold
    every = {"threshold": 0.0, "label_thresholds": {}}
    scores, right, _ = _scored(nlp, examples, pipe, every)
    order = numpy.argsort(-scores, kind="stable")
    scores, n_right = scores[order], numpy.cumsum(right[order])
    # After the last of equal scores.
    ends = numpy.flatnonzero(numpy.append(numpy.diff(scores) < 0, True)[: len(scores)])
    values = target.value(n_right[ends], ends + 1, n_gold)
    if not len(ends) or values.max() <= target.value(*before):
        return pipe.cfg["threshold"], before, before
    end = int(ends[values.argmax()])
    following = scores[end + 1] if end + 1 < len(scores) else 0.0
    threshold = float((scores[end] + following) / 2)
    return threshold, before, (int(n_right[end]), end + 1, n_gold)


def _scored(
    nlp: Language,
    examples: Sequence[Example],
    pipe: RelationPipe,
    settings: Dict[str, Any],
) -> Tuple[Floats, Floats, int]:
    """The scores of the predicted relations with some settings, which of them are
    right, and the number of gold ones."""
    key, symmetric = pipe.key, pipe.cfg["symmetric"]
    before = {name: pipe.cfg[name] for name in settings}
    pipe.cfg.update(settings)
    try:
        docs = [*nlp.pipe(example.predicted.copy() for example in examples)]
    finally:
        pipe.cfg.update(before)
    scores: List[float] = []
    right: List[bool] = []
    n_gold = 0
    for doc, example in zip(docs, examples):
        group = annotated_group(example.reference, key)
        if group is None:
            continue
        gold = read_group(group, symmetric, Counter(), "gold")
        n_gold += len(gold)
        for head, tail, label, score in relations(doc, key):
            ends = [place_of(head), place_of(tail)]
            if label in symmetric:
                ends.sort()
            scores.append(score or 0.0)
            right.append((ends[0], ends[1], label) in gold)
    return numpy.array(scores), numpy.array(right, dtype=bool), n_gold
