"""The scores behind the predictions of a component."""

from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Callable, Iterator, List, Optional, Sequence

import numpy
import torch
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch

from ..core.arrays import Floats, Ints, Mask
from ..core.crf import span_probabilities
from ..core.decoding import decode
from ..core.span_table import touches_any
from ..pipeline.candidates import give_candidates
from ..pipeline.component import Recognizer
from ..pipeline.gold import DropReport, batch_gold
from ..pipeline.gold_tags import batch_tags
from ..pipeline.sequence_ner import SequenceRecognizer
from ..pipeline.span_recognizer import SpanRecognizer
from ..prediction import little_padding
from .table import number_rows

# Documents to those with the vectors that a component predicted with.
ScoredT = Callable[[List[Doc]], List[Doc]]

# What is less probable is no candidate.
FLOOR = 0.01


@dataclass
class Outputs:
    """The scores of the gold spans and of the candidates of documents. Labels are
    numbered as in the component.

    gold_labels (Ints): The label of each gold span that the component could find: a
        known label, on its tokens, not longer than `max_length`.
    gold_probabilities (Floats): Its probability.
    gold_found (Mask): Whether it was predicted.
    gold_outputs (Floats): The scores of all labels, before any link to probabilities;
        of no labels, for a sequence labeller. *Shape:* (n_gold, n_outputs)
    labels (Ints): The label of each candidate, what has a probability of at least
        `FLOOR`; for a sequence labeller, of each predicted span. Those that touch
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


def as_they_came(nlp: Language, pipe: Recognizer, docs: Sequence[Doc]) -> List[Doc]:
    """Documents as they came to a component, so that it scores them as it did when
    it predicted: a later encoder puts its vectors in the place of those before.

    nlp (Language): The pipeline.
    pipe (Recognizer): One of its components.
    docs (Sequence[Doc]): Documents that the pipeline has run over.
    RETURNS (List[Doc]): Copies that the components before have run over again; the
        documents themselves where nothing behind can have changed vectors.
    """
    place = [component for _, component in nlp.pipeline].index(pipe)
    behind = nlp.pipeline[place + 1 :]
    if all(isinstance(component, Recognizer) for _, component in behind):
        return list(docs)
    copies = [doc.copy() for doc in docs]
    with little_padding(nlp):
        return list(nlp.pipe(copies, disable=nlp.pipe_names[place:]))


def read_outputs(
    pipe: Recognizer,
    examples: Sequence[Example],
    batch_size: int = 128,
    *,
    nlp: Optional[Language] = None,
) -> Outputs:
    """Read the scores off a component.

    pipe (Recognizer): The component.
    examples (Sequence[Example]): Examples with predictions of the pipeline.
        References without annotation are left out.
    batch_size (int): Documents that are scored together.
    nlp (Optional[Language]): The pipeline, from which the vectors are that the
        component predicted with. None: those that are in the documents.
    RETURNS (Outputs): The scores.
    """
    reader = pipe.gold_reader
    annotated = [eg for eg in examples if reader.is_annotated(eg.reference)]
    read: Callable[[Any, List[Example], ScoredT], Outputs] = (
        _of_sequences if isinstance(pipe, SequenceRecognizer) else _of_lattice
    )

    def scored(docs: List[Doc]) -> List[Doc]:
        return docs if nlp is None else as_they_came(nlp, pipe, docs)

    batches = map(list, minibatch(annotated, batch_size))
    parts = [read(pipe, batch, scored) for batch in batches]
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


def _of_lattice(
    pipe: SpanRecognizer, examples: List[Example], scored: ScoredT
) -> Outputs:
    docs = [example.predicted for example in examples]
    predicted_cells = _predicted_cells(pipe, docs)
    with _candidates_of(pipe, examples):
        lattice = pipe.score_candidates(scored(docs))
        gold = batch_gold(
            examples,
            pipe.gold_reader,
            pipe.label_ids,
            pipe.cfg["max_length"],
            lattice.scores.device,
            DropReport(),
        )
    outputs = lattice.scores[:, gold.heads, gold.widths].double()
    own = torch.arange(len(gold.labels), device=outputs.device)
    odds = outputs.softmax(0).logit() if pipe.objective.mutually_exclusive else outputs
    temperatures = pipe.temperatures(pipe.cfg)
    divisors = odds.new_tensor(temperatures)[gold.labels]
    chances = pipe.objective.probability(odds[gold.labels, own] / divisors)
    spans = decode(
        pipe.objective.log_odds(lattice, temperatures),
        [pipe.objective.to_logit(FLOOR)] * len(temperatures),
    )
    if gold.unknown is not None:
        unknown = gold.unknown.cpu().numpy()
        spans = spans[~touches_any(spans.starts, spans.ends, unknown)]
    labels, heads, widths = (part.cpu().numpy() for part in gold.index)
    gold_cells, cells, predicted = number_rows(
        (labels, heads, heads + widths + 1),
        (spans.labels, spans.starts, spans.ends),
        predicted_cells,
    )
    return Outputs(
        gold_labels=labels,
        # A given span that is not there has no classes, and no probability.
        gold_probabilities=chances.nan_to_num(0.0).cpu().numpy(),
        gold_found=numpy.isin(gold_cells, predicted),
        # What the objective says can never be predicted is far below all else.
        gold_outputs=outputs.clamp(-100.0, 100.0).T.cpu().numpy(),
        labels=spans.labels,
        probabilities=pipe.objective.probability(
            torch.from_numpy(spans.scores)
        ).numpy(),
        right=numpy.isin(cells, gold_cells),
    )


@contextmanager
def _candidates_of(pipe: SpanRecognizer, examples: List[Example]) -> Iterator[None]:
    """Put given candidates back, for a while, where predictions stand in their
    place."""
    key = pipe.cfg["candidates_key"]
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


def _of_sequences(
    pipe: SequenceRecognizer, examples: List[Example], scored: ScoredT
) -> Outputs:
    docs = [example.predicted for example in examples]
    scores = pipe.predict(scored(docs))
    scheme = pipe._head.scheme
    gold = batch_tags(examples, pipe.gold_reader, pipe.label_ids, scheme, DropReport())
    starts, ends, labels = scheme.decode(gold.tags)
    predicted = _predicted_cells(pipe, docs)
    gold_cells, cells = number_rows((labels, starts, ends), predicted)
    stored = [doc.spans[pipe.key].attrs["scores"] for doc in docs]
    judged = ~touches_any(predicted[1], predicted[2], gold.unknown)
    return Outputs(
        gold_labels=labels,
        gold_probabilities=span_probabilities(scores, gold.tags, scheme),
        gold_found=numpy.isin(gold_cells, cells),
        gold_outputs=numpy.zeros((len(labels), 0)),
        labels=predicted[0][judged],
        probabilities=numpy.concatenate([numpy.zeros(0), *stored])[judged],
        right=numpy.isin(cells, gold_cells)[judged],
    )


def _predicted_cells(
    pipe: Recognizer, docs: Sequence[Doc]
) -> "tuple[Ints, Ints, Ints]":
    """Label, start and end of the predicted spans, counted over the batch."""
    numbers = pipe.label_ids
    offsets = numpy.cumsum([0, *map(len, docs)]).tolist()
    rows = [
        (numbers[span.label], offset + span.start, offset + span.end)
        for doc, offset in zip(docs, offsets)
        for span in doc.spans.get(pipe.key, ())
    ]
    labels, starts, ends = numpy.array(rows, dtype="int64").reshape(-1, 3).T
    return labels, starts, ends
