"""Candidates of held-out documents, from which thresholds are chosen."""

from dataclasses import dataclass, replace
from typing import Any, List, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.training import Example
from spacy.util import minibatch

from ..core.arrays import Floats, Ints, Mask
from ..core.decoding import above, margins_over
from ..core.span_table import SpanTable, overlap_of, resolve, touches_any
from ..pipeline.gold import DropReport, GoldReader, batch_gold
from ..pipeline.span_recognizer import SpanRecognizer
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
    flat: str = "best"

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
    pipe: SpanRecognizer, examples: Sequence[Example], batch_size: int = 128
) -> Tuple[Candidates, Mask]:
    """Read the candidates of documents off the lattice, with their log odds before any
    temperature.

    pipe (SpanRecognizer): The component.
    examples (Sequence[Example]): Examples. The components before `pipe` have run over
        their predicted documents.
    batch_size (int): Documents that are scored together.
    RETURNS (Tuple[Candidates, Mask]): The candidates, with tokens counted over all
        documents; and which of them can be right or wrong, because they touch no token
        without annotation. *Shape:* (n,)
    """
    reader = GoldReader(pipe.cfg["gold"], pipe.key)
    floor = pipe.objective.to_logit(LOWEST_PROBABILITY)
    tables: List[Tuple[Ints, ...]] = []
    scores, gold_cells, judged = [], [], []
    n_docs = n_tokens = 0
    for batch in minibatch(examples, batch_size):
        lattice = pipe.score_candidates([example.predicted for example in batch])
        found = above(pipe.objective.log_odds(lattice), [floor] * len(pipe.labels))
        gold = batch_gold(
            batch,
            reader,
            pipe.label_ids,
            None,
            lattice.scores.device,
            DropReport(),
        )
        labels, starts, lengths = (part.cpu().numpy() for part in gold.index)
        starts = starts + n_tokens
        gold_cells.append((labels, starts, starts + lengths + 1))
        found = found[numpy.lexsort((found.labels, found.ends, found.starts))]
        columns = found.docs + n_docs, found.starts + n_tokens, found.ends + n_tokens
        if gold.unknown is None:
            judged.append(numpy.ones(len(found), dtype=bool))
        else:
            unknown = gold.unknown.cpu().numpy()
            judged.append(~touches_any(found.starts, found.ends, unknown))
        tables.append((*columns, found.labels))
        scores.append(found.scores)
        n_docs += len(batch)
        n_tokens += lattice.layout.n_tokens
    docs, starts, ends, labels = _concatenated(tables, 4)
    gold_labels, gold_starts, gold_ends = _concatenated(gold_cells, 3)
    cells, gold_numbers = number_rows(
        (labels, starts, ends), (gold_labels, gold_starts, gold_ends)
    )
    candidates = Candidates(
        spans=SpanTable(
            docs, starts, ends, labels, numpy.concatenate([*scores, numpy.zeros(0)])
        ),
        floor=floor,
        right=numpy.isin(cells, gold_numbers),
        n_gold=numpy.bincount(gold_labels, minlength=len(pipe.labels)),
        overlap=overlap_of(gold_starts, gold_ends),
        flat=pipe.flat_of_spans,
    )
    return candidates, numpy.concatenate([*judged, numpy.zeros(0, dtype=bool)])


def _concatenated(tables: Sequence[Tuple[Ints, ...]], n_columns: int) -> List[Ints]:
    """Columns of tables that follow one another."""
    empty = (numpy.zeros(0, dtype="int64"),) * n_columns
    columns: Any = zip(*tables, empty)
    return [numpy.concatenate(parts) for parts in columns]
