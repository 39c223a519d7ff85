"""Candidates of held-out documents, from which thresholds are chosen."""

from dataclasses import dataclass, replace
from typing import Any, Callable, Iterator, List, Mapping, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch

from ..core.arrays import Floats, Ints, Mask
from ..core.decoding import margins_over
from ..core.span_table import (
    FLAT_SPANS,
    SpanTable,
    concatenate,
    flat_choice,
    overlap_of,
    resolve,
    touches_any,
)
from ..pipeline.component import TaskPipe
from ..tasks import SpanTask
from ..tasks.drop_report import DropReport
from .table import number_rows

# A candidate that is less probable is never predicted, whatever the thresholds.
LOWEST_PROBABILITY = 0.001


@dataclass
class Candidates:
    """The candidates of documents that are probable enough to be predicted with some
    threshold.

    spans (SpanTable): The candidates.
    floor (float): The lowest log odds of a candidate.
    right (Mask): Whether each is a gold span. *Shape:* (n,)
    n_gold (NDArray): Gold spans of each label, found or not. *Shape:* (n_labels,)
    overlap (str): The strictest setting of `overlap` that the gold spans obey.
    flat (str): Which disjoint spans the component keeps in doc.spans.
    """

    spans: SpanTable
    floor: float
    right: Mask
    n_gold: NDArray[numpy.int64]
    overlap: str
    flat: str = FLAT_SPANS

    def __getitem__(self, kept: "Ints | Mask") -> "Candidates":
        return replace(self, spans=self.spans[kept], right=self.right[kept])

    def scaled(self, temperatures: Floats) -> "Candidates":
        """The same with log odds divided by temperatures.

        temperatures (Floats): *Shape:* (n_labels,)
        """
        scores = self.spans.scores / temperatures[self.spans.labels]
        # No log odds may be lower.
        floor = min(self.floor, float(scores.min(initial=0.0)))
        return replace(self, spans=replace(self.spans, scores=scores), floor=floor)

    def kept(self, thresholds: Floats, overlap: str) -> Ints:
        """The candidates that would be predicted with other thresholds.

        thresholds (Floats): Lowest log odds of each label. *Shape:* (n_labels,)
        overlap (str): The component's setting.
        RETURNS (Ints): Their rows.
        """
        lowest = thresholds[self.spans.labels]
        rows = numpy.flatnonzero(self.spans.scores >= lowest)
        weights = margins_over(self.spans.scores, lowest)[rows]
        return rows[resolve(self.spans[rows], weights, overlap, self.flat)]

    def count(self, thresholds: Floats, overlap: str) -> Tuple[int, int, int]:
        """Counts of what would be predicted. Arguments as for `kept`.

        RETURNS (Tuple[int, int, int]): Right spans, predicted spans, gold spans.
        """
        kept = self.kept(thresholds, overlap)
        return int(self.right[kept].sum()), len(kept), int(self.n_gold.sum())


def read_candidates(
    pipe: TaskPipe[SpanTask], examples: Sequence[Example], batch_size: int = 128
) -> Tuple[Candidates, Mask]:
    """Read the candidates of documents off the lattice, with their log odds before any
    temperature.

    pipe (TaskPipe): The component.
    examples (Sequence[Example]): Examples. The components before `pipe` have run over
        their predicted documents.
    batch_size (int): Documents that are scored together.
    RETURNS (Tuple[Candidates, Mask]): The candidates, with tokens counted over all
        documents; and which of them can be right or wrong, because they touch no token
        without annotation. *Shape:* (n,)
    """
    settings = {**pipe.cfg, "label_temperatures": {}}
    tables: List[SpanTable] = []
    gold_tables: List[SpanTable] = []
    judged = [numpy.zeros(0, dtype=bool)]
    n_docs = n_tokens = 0
    for batch in score_batches(
        pipe, examples, settings, LOWEST_PROBABILITY, batch_size, every=True
    ):
        tables.append(batch.spans.shifted(n_docs, n_tokens))
        gold_tables.append(batch.gold.shifted(n_docs, n_tokens))
        judged.append(batch.judged)
        n_docs += len(batch.lengths)
        n_tokens += sum(batch.lengths)
    spans, gold_spans = map(concatenate, (tables, gold_tables))
    candidates = Candidates(
        spans=spans,
        floor=pipe.task.objective.to_logit(LOWEST_PROBABILITY),
        right=is_in(spans, gold_spans),
        n_gold=numpy.bincount(gold_spans.labels, minlength=len(pipe.labels)),
        overlap=overlap_of(gold_spans.starts, gold_spans.ends),
        flat=flat_choice(pipe.cfg["flat"], FLAT_SPANS),
    )
    return candidates, numpy.concatenate(judged)


@dataclass
class ScoredBatch:
    """The scores of a batch, its gold spans and its candidates. Tokens are counted
    over the batch.

    examples (List[Example]): The batch.
    scores (Any): The scores that the component's task reads.
    gold (SpanTable): The gold spans.
    spans (SpanTable): The candidates.
    judged (Mask): Which candidates can be right or wrong, because they touch no token
        without annotation. *Shape:* (n,)
    """

    examples: List[Example]
    scores: Any
    gold: SpanTable
    spans: SpanTable
    judged: Mask

    @property
    def lengths(self) -> List[int]:
        """RETURNS (List[int]): Tokens of each document."""
        return [len(example.predicted) for example in self.examples]


def score_batches(
    pipe: TaskPipe,
    examples: Sequence[Example],
    settings: Mapping[str, Any],
    lowest: float,
    batch_size: int,
    *,
    every: bool = False,
    prepare: Callable[[List[Doc]], List[Doc]] = list,
) -> Iterator[ScoredBatch]:
    """Score documents and read their gold spans and candidates.

    pipe (TaskPipe): The component.
    examples (Sequence[Example]): Examples. The components before `pipe` have run over
        their predicted documents.
    settings (Mapping[str, Any]): Settings of the component, or others in their place.
    lowest (float): The lowest probability of a candidate.
    batch_size (int): Documents that are scored together.
    every (bool): Whether to read also the gold spans that the component cannot find.
    prepare (Callable[[List[Doc]], List[Doc]]): Gives the documents that are scored,
        from those of a batch.
    YIELDS (ScoredBatch): The batches.
    """
    for batch in map(list, minibatch(examples, batch_size)):
        docs = [example.predicted for example in batch]
        scores = pipe.score_candidates(prepare(docs))
        targets = pipe.read_targets(batch, DropReport(), every=every)
        gold = pipe.task.gold_table(targets, [len(doc) for doc in docs], settings)
        spans = pipe.task.candidates(scores, settings, lowest)
        judged = ~touches_any(spans.starts, spans.ends, gold.unknown)
        judged |= is_in(spans, gold.spans)
        if gold.rejected is not None:
            judged |= is_in(spans, gold.rejected)
        yield ScoredBatch(batch, scores, gold.spans, spans, judged)


def is_in(spans: SpanTable, others: SpanTable) -> Mask:
    """Which spans are also in another table, with the same tokens and label.
    *Shape:* (n,)"""
    first, second = number_rows(
        *((table.labels, table.starts, table.ends) for table in (spans, others))
    )
    return numpy.isin(first, second)
