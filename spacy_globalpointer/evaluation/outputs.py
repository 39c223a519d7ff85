"""The scores behind the predictions of a component."""

from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Iterator, List, Optional, Sequence

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..core.arrays import Floats, Ints, Mask
from ..core.span_table import SpanTable, make_table
from ..pipeline.candidates import give_candidates
from ..pipeline.component import TaskPipe
from ..pipeline.head_pipe import head_pipes
from ..prediction import little_padding
from ..tasks.drop_report import DropReport
from .candidates import ScoredBatch, is_in, score_batches

# What is less probable is no candidate.
LOWEST_REPORTED = 0.01


@dataclass
class Outputs:
    """The scores of the gold spans and of the candidates of documents. Labels are
    numbered as in the component.

    gold_labels (Ints): The label of each gold span that the component could find: a
        known label, on its tokens, not longer than `max_length`.
    gold_probabilities (Floats): Its probability.
    gold_found (Mask): Whether it was predicted.
    gold_outputs (Floats): The scores of all labels, before any link to probabilities;
        of no labels, for a sequence labeler. *Shape:* (n_gold, n_outputs)
    labels (Ints): The label of each candidate, what has a probability of at least
        `LOWEST_REPORTED`; of a sequence labeler, each predicted span. Those that touch
        tokens without annotation are left out.
    probabilities (Floats): Its probability.
    right (Mask): Whether it is a gold span.
    """

    gold_labels: Ints
    gold_probabilities: Floats
    gold_found: Mask
    gold_outputs: Floats
    labels: Ints
    probabilities: Floats
    right: Mask


def as_they_came(nlp: Language, pipe: TaskPipe, docs: Sequence[Doc]) -> List[Doc]:
    """Documents as they came to a component, so that it scores them as it did when
    it predicted: a later encoder puts its vectors in the place of those before.

    nlp (Language): The pipeline.
    pipe (TaskPipe): One of its components.
    docs (Sequence[Doc]): Documents that the pipeline has run over.
    RETURNS (List[Doc]): Copies that the components before have run over again; the
        documents themselves where nothing behind can have changed vectors.
    """
    place = [component for _, component in nlp.pipeline].index(pipe)
    behind = nlp.pipeline[place + 1 :]
    if all(name in head_pipes(nlp) for name, _ in behind):
        return list(docs)
    copies = [doc.copy() for doc in docs]
    with little_padding(nlp):
        return list(nlp.pipe(copies, disable=nlp.pipe_names[place:]))


def read_outputs(
    pipe: TaskPipe,
    examples: Sequence[Example],
    batch_size: int = 128,
    *,
    nlp: Optional[Language] = None,
) -> Outputs:
    """Read the scores off a component.

    pipe (TaskPipe): The component.
    examples (Sequence[Example]): Examples with predictions of the pipeline.
        References without annotation are left out.
    batch_size (int): Documents that are scored together.
    nlp (Optional[Language]): The pipeline, from which the vectors are that the
        component predicted with. None: those that are in the documents.
    RETURNS (Outputs): The scores.
    """
    reader = pipe.gold_reader
    annotated = [eg for eg in examples if reader.is_annotated(eg.reference)]
    predicted = iter([[*eg.predicted.spans.get(pipe.key, ())] for eg in annotated])

    def prepare(docs: List[Doc]) -> List[Doc]:
        return docs if nlp is None else as_they_came(nlp, pipe, docs)

    with _candidates_of(pipe, annotated):
        parts = [
            _outputs_of(pipe, batch, [next(predicted) for _ in batch.examples])
            for batch in score_batches(
                pipe,
                annotated,
                pipe.cfg,
                LOWEST_REPORTED,
                batch_size,
                prepare=prepare,
            )
        ]
    if not parts:
        return Outputs(*_nothing())
    return Outputs(
        *(
            numpy.concatenate([getattr(part, column.name) for part in parts])
            for column in fields(Outputs)
        )
    )


def _nothing() -> List[NDArray[Any]]:
    whole, real, mask = (numpy.zeros(0, dtype=x) for x in ("int64", "float64", "bool"))
    return [whole, real, mask, numpy.zeros((0, 0)), whole, real, mask]


def _outputs_of(
    pipe: TaskPipe, batch: ScoredBatch, predicted: List[List[Span]]
) -> Outputs:
    task, spans = pipe.task, batch.spans[batch.judged]
    return Outputs(
        gold_labels=batch.gold.labels,
        gold_probabilities=task.probabilities(batch.scores, batch.gold, pipe.cfg),
        gold_found=is_in(batch.gold, _table_of(predicted, batch.lengths, pipe)),
        # What can never be predicted is far below all else.
        gold_outputs=task.logits(batch.scores, batch.gold).clip(-100.0, 100.0),
        labels=spans.labels,
        probabilities=task.link(spans.scores),
        right=is_in(spans, batch.gold),
    )


@contextmanager
def _candidates_of(pipe: TaskPipe, examples: List[Example]) -> Iterator[None]:
    """Put given candidates back, for a while, where predictions have replaced
    them."""
    key = pipe.cfg.get("candidates_key")
    if key != pipe.key:
        yield
        return
    predicted = [example.predicted.spans[key] for example in examples]
    try:
        for example in examples:
            give_candidates(example, key, DropReport())
        yield
    finally:
        for example, spans in zip(examples, predicted):
            example.predicted.spans[key] = spans


def _table_of(spans: List[List[Span]], lengths: List[int], pipe: TaskPipe) -> SpanTable:
    """The spans of a batch of documents, tokens counted over the batch."""
    numbers = pipe.label_ids
    offsets = numpy.cumsum([0, *lengths]).tolist()
    rows = [
        (offset + span.start, offset + span.end, numbers[span.label])
        for of_doc, offset in zip(spans, offsets)
        for span in of_doc
    ]
    return make_table(lengths, *numpy.array(rows, dtype="int64").reshape(-1, 3).T)
