"""The task of links: each pair of spans is linked or not, for each label."""

import warnings
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, isqrt
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from torch import Tensor, from_numpy

from ..core.arrays import Floats, Ints, Mask
from ..core.lattice import GoldSpans, Lattice
from ..core.links import (
    Links,
    LinkTable,
    decode_links,
    find_pairs,
    make_links,
    maximal_paths,
)
from ..core.objectives import Objective
from ..core.span_table import SpanTable, make_table
from ..core.threads import one_thread
from ..errors import Warnings
from ..models.link_scorer import predict_links
from ..models.types import SpanModelT
from .drop_report import DropReport
from .task import Settings
from .thresholds import label_temperatures, logit_thresholds

# Most pairs of documents that are predicted together.
MAX_BATCH_PAIRS = 2**16
# Start (inclusive) and end (exclusive) token, and label.
PlaceT = Tuple[int, int, str]
ANY = "any"
# The label that joins a piece of a discontinuous entity to the next one.
NEXT_PIECE = "NEXT-PIECE"
# Most discontinuous entities of a document.
MAX_ENTITIES = 1000


@dataclass
class AlignedRelations:
    """The gold relations of one example on the tokens of its predicted document.

    spans (List[PlaceT]): The gold spans, each once.
    relations (List[Tuple[int, int, str]]): Head and tail, as positions in `spans`, and
        the label; none twice.
    sources (List[Span]): The head of each, for messages.
    is_annotated (bool): Whether the reference says anything of relations.
    """

    spans: List[PlaceT] = field(default_factory=list)
    relations: List[Tuple[int, int, str]] = field(default_factory=list)
    sources: List[Span] = field(default_factory=list)
    is_annotated: bool = False


@dataclass
class Candidates:
    """The spans of a batch that may be linked, and their pairs.

    lengths (List[int]): Tokens of each document.
    spans (SpanTable): The spans. Row 0 of labels is that of all labels that the
        component does not know.
    positions (Ints): Where each stands among the spans given. *Shape:* (n_spans,)
    links (Links): The pairs.
    """

    lengths: List[int]
    spans: SpanTable
    positions: Ints
    links: Links

    @cached_property
    def rows(self) -> Dict[Tuple[int, int, int], int]:
        """The row of each span, by its start, end and label; of equal ones the
        first."""
        columns = (self.spans.starts, self.spans.ends, self.spans.labels)
        found: Dict[Tuple[int, int, int], int] = {}
        for row, place in enumerate(zip(*(x.tolist() for x in columns))):
            found.setdefault(place, row)
        return found


@dataclass
class LinkScores:
    """The scores of a batch.

    lattice (Lattice): *Shape of its scores:* (n_labels, n_pairs, 1)
    candidates (Candidates): The spans and the pairs.
    """

    lattice: Lattice
    candidates: Candidates


class LinkTask:
    """Links spans that are there to one another, and labels the links.

    name (str): Name of the component, for messages.
    objective (Objective): The loss, and the link from scores to probabilities.
    seed (int): Seed of the spans that are drawn in training.
    """

    def __init__(self, name: str, objective: Objective, seed: int = 0) -> None:
        self.name = name
        self.objective = objective
        self._random = numpy.random.default_rng(seed)
        self._warned_of_cut = False

    def split(self, docs: List[Doc], settings: Settings) -> Iterator[List[Doc]]:
        """Split a batch into parts whose pairs fit into memory.

        docs (List[Doc]): The documents.
        settings (Mapping[str, Any]): The settings.
        YIELDS (List[Doc]): Documents that are predicted together, in order.
        """
        part: List[Doc] = []
        total = 0
        for doc in docs:
            n = len(doc.spans.get(settings["spans_key"], ()))
            n_pairs = min(n * (n - 1), max(settings["max_pairs"], 2 * n))
            if part and total + n_pairs > MAX_BATCH_PAIRS:
                yield part
                part, total = [], 0
            part.append(doc)
            total += n_pairs
        yield part

    def candidates(
        self,
        spans: Sequence[Sequence[PlaceT]],
        lengths: Sequence[int],
        settings: Settings,
    ) -> Candidates:
        """The spans of a batch and their pairs. Empty spans are none.

        spans (Sequence[Sequence[PlaceT]]): The spans of each document.
        lengths (Sequence[int]): Tokens of each document.
        settings (Mapping[str, Any]): With "span_labels", "max_distance" and
            "max_pairs".
        """
        ids = {label: i for i, label in enumerate(settings["span_labels"], 1)}
        offsets = numpy.cumsum([0, *lengths]).tolist()
        rows = [
            (offset + start, offset + end, ids.get(label, 0), position)
            for offset, own in zip(offsets, spans)
            for position, (start, end, label) in enumerate(own)
            if start < end
        ]
        columns = numpy.array(rows, dtype="int64").reshape(-1, 4).T
        table = make_table(lengths, *columns[:3])
        links, cut = make_links(
            table,
            lengths,
            max_distance=settings["max_distance"],
            max_pairs=settings["max_pairs"],
        )
        # More spans than tokens are what a component finds before it has learned.
        counts = numpy.bincount(table.docs, minlength=len(lengths))
        cut = cut[(counts <= numpy.array(lengths))[cut]]
        if len(cut) and not self._warned_of_cut:
            self._warned_of_cut = True
            most = settings["max_pairs"]
            message = Warnings.W050.format(
                name=self.name, n_docs=len(cut), max_pairs=most
            )
            warnings.warn(message, stacklevel=2)
        return Candidates(list(lengths), table, columns[3], links)

    def training_candidates(
        self,
        golds: Sequence[AlignedRelations],
        predicted: Sequence[Iterable[PlaceT]],
        lengths: Sequence[int],
        settings: Settings,
    ) -> Candidates:
        """The spans that are linked in training: the gold ones, some at random, and
        those that a component before has predicted, each once. Of these, the first
        are taken, as long as there are no more than `max_pairs` pairs: before it has
        learned, a component finds many. A document without annotation has none.

        golds (Sequence[AlignedRelations]): The gold annotation.
        predicted (Sequence[Iterable[PlaceT]]): The spans predicted.
        lengths (Sequence[int]): Tokens of each document.
        settings (Mapping[str, Any]): The settings.
        """
        # n spans have n (n - 1) pairs.
        most = (1 + isqrt(1 + 4 * settings["max_pairs"])) // 2
        every: List[List[PlaceT]] = []
        for gold, found, n_tokens in zip(golds, predicted, lengths):
            if not gold.is_annotated:
                every.append([])
                continue
            given = [*dict.fromkeys((*gold.spans, *found))]
            drawn = draw_spans(given, n_tokens, settings, self._random)
            spans = [*dict.fromkeys((*gold.spans, *drawn, *given))]
            every.append(spans[: max(most, len(gold.spans))])
        return self.candidates(every, lengths, settings)

    def predict(
        self,
        model: SpanModelT,
        docs: List[Doc],
        candidates: Candidates,
        closed: List[int],
    ) -> LinkScores:
        """Score a batch. Neither the documents nor the model are changed.

        model (Model): The component's model.
        docs (List[Doc]): The documents.
        candidates (Candidates): Their spans.
        closed (List[int]): Rows of labels that are not to be predicted. They score
            -inf.
        """
        lattice = predict_links(model, docs, candidates.links)
        lattice.scores[closed] = -inf
        return LinkScores(lattice, candidates)

    @one_thread()
    def decode(self, scores: LinkScores, settings: Settings) -> LinkTable:
        """Choose the links that are predicted.

        scores (LinkScores): The scores of a batch.
        settings (Mapping[str, Any]): The settings.
        RETURNS (LinkTable): The links, in the order of their pairs.
        """
        odds = self.objective.log_odds(scores.lattice, label_temperatures(settings))
        labels, symmetric = settings["labels"], settings["symmetric"]
        return decode_links(
            odds.scores.squeeze(2),
            scores.candidates.links,
            logit_thresholds(self.objective, settings),
            [i for i, label in enumerate(labels) if label in symmetric],
            allowed_types(settings),
        )

    def join(
        self, links: LinkTable, candidates: Candidates, settings: Settings
    ) -> Tuple[List[List[List[int]]], LinkTable]:
        """Join the pieces of discontinuous entities.

        links (LinkTable): What was decoded.
        candidates (Candidates): The spans of the batch.
        settings (Mapping[str, Any]): With "labels".
        RETURNS (Tuple[List[List[List[int]]], LinkTable]): For each document the
            entities, as rows of the spans: the maximal paths of links from a piece to
            one behind it; and all other links.
        """
        labels: List[str] = settings["labels"]
        row = labels.index(NEXT_PIECE) if NEXT_PIECE in labels else -1
        is_next = links.labels == row
        spans, pieces = candidates.spans, links[is_next]
        pieces = pieces[spans.ends[pieces.heads] <= spans.starts[pieces.tails]]
        found: List[List[List[int]]] = []
        docs = spans.docs[pieces.heads]
        for doc in range(len(candidates.lengths)):
            own = pieces[docs == doc]
            paths = maximal_paths(own.heads.tolist(), own.tails.tolist(), MAX_ENTITIES)
            if len(paths) > MAX_ENTITIES:
                message = Warnings.W053.format(name=self.name, most=MAX_ENTITIES)
                warnings.warn(message, stacklevel=2)
            found.append(paths[:MAX_ENTITIES])
        return found, links[~is_next]

    def link(self, scores: Floats) -> NDArray[numpy.floating[Any]]:
        """Probabilities from the scores of a table of links. *Shape:* (n,)"""
        return self.objective.probability(from_numpy(scores)).numpy()

    def targets(
        self,
        golds: Sequence[AlignedRelations],
        candidates: Candidates,
        settings: Settings,
        dropped: DropReport,
    ) -> GoldSpans:
        """The gold relations of a batch as indices into its lattice.

        golds (Sequence[AlignedRelations]): The gold annotation of each example.
        candidates (Candidates): The spans of the batch.
        settings (Mapping[str, Any]): With "labels", "span_labels" and "symmetric".
        dropped (DropReport): Counts the relations that have no pair.
        """
        ids = {label: i for i, label in enumerate(settings["labels"])}
        span_ids = {label: i for i, label in enumerate(settings["span_labels"], 1)}
        offsets = numpy.cumsum([0, *candidates.lengths]).tolist()
        rows: List[Tuple[int, int, int]] = []
        sources: List[Span] = []
        for gold, offset in zip(golds, offsets):
            places = [
                candidates.rows.get((offset + x, offset + y, span_ids.get(label, 0)))
                for x, y, label in gold.spans
            ]
            for (head, tail, label), source in zip(gold.relations, gold.sources):
                ends = places[head], places[tail]
                if label not in ids:
                    dropped.add("relation with an unknown label", source)
                elif ends[0] is None or ends[1] is None:
                    dropped.add("relation of a span that is no candidate", source)
                else:
                    rows.append((ids[label], ends[0], ends[1]))
                    sources.append(source)
                    if label in settings["symmetric"]:
                        rows.append((ids[label], ends[1], ends[0]))
                        sources.append(source)
        labels, heads, tails = numpy.array(rows, dtype="int64").reshape(-1, 3).T
        pairs = find_pairs(candidates.links, heads, tails)
        for i in numpy.flatnonzero(pairs < 0).tolist():
            dropped.add("relation beyond max_distance or max_pairs", sources[i])
        cells = numpy.unique(numpy.stack((labels, pairs))[:, pairs >= 0], axis=1)
        own_labels, own_pairs = map(from_numpy, cells)
        return GoldSpans(
            labels=own_labels,
            starts=own_pairs,
            offsets=torch.zeros_like(own_pairs),
            unknown=None,
            n_docs=sum(gold.is_annotated for gold in golds),
        )

    @one_thread()
    def loss(
        self, scores: LinkScores, targets: GoldSpans
    ) -> Tuple[Tensor, Tensor, int]:
        """As `Objective.sums`, of a batch."""
        device = scores.lattice.scores.device
        return self.objective.sums(scores.lattice, targets.to(device))


def draw_spans(
    spans: Sequence[PlaceT], n_tokens: int, settings: Settings, random: Generator
) -> List[PlaceT]:
    """Spans drawn at random, with lengths and labels of spans that are there.

    spans (Sequence[PlaceT]): The spans. None are drawn if there are none.
    n_tokens (int): Tokens of the document.
    settings (Mapping[str, Any]): With "negatives", how many are drawn, and
        "span_labels".
    random (Generator): Draws them.
    """
    n, names = settings["negatives"], settings["span_labels"]
    if not spans or not n or not names:
        return []
    starts, rows = random.integers(0, (n_tokens, len(names)), (n, 2)).T
    widths = random.choice([end - start for start, end, _ in spans], n)
    ends = numpy.minimum(starts + widths, n_tokens)
    drawn = zip(starts.tolist(), ends.tolist(), rows.tolist())
    return [(start, end, names[row]) for start, end, row in drawn]


def measure_types(
    golds: Iterable[AlignedRelations], symmetric: Sequence[str]
) -> Dict[str, List[List[str]]]:
    """Which labels of spans each label links, by the labels of relations.

    golds (Iterable[AlignedRelations]): The gold annotation of the training data.
    symmetric (Sequence[str]): Labels that have no direction.
    RETURNS (Dict[str, List[List[str]]]): Pairs of the labels of head and tail.
    """
    found: Dict[str, Dict[Tuple[str, str], None]] = {}
    for gold in golds:
        for head, tail, label in gold.relations:
            ends = gold.spans[head][2], gold.spans[tail][2]
            own = found.setdefault(label, {})
            own[ends] = None
            if label in symmetric:
                own[ends[::-1]] = None
    return {label: sorted(map(list, found[label])) for label in sorted(found)}


def allowed_types(settings: Settings) -> Optional[Mask]:
    """Which labels may link spans of which labels.

    settings (Mapping[str, Any]): With "types", "measured_types", "labels" and
        "span_labels".
    RETURNS (Optional[Mask]): None: all. *Shape:* (n_labels, n_span_labels + 1,
        n_span_labels + 1)
    """
    types = settings["types"]
    if types == ANY:
        return None
    if types is None:
        types = settings["measured_types"]
    ids = {label: i for i, label in enumerate(settings["span_labels"], 1)}
    n = len(ids) + 1
    allowed: Mask = numpy.zeros((len(settings["labels"]), n, n), dtype=bool)
    for row, label in enumerate(settings["labels"]):
        for head, tail in types.get(label, ()):
            if head in ids and tail in ids:
                allowed[row, ids[head], ids[tail]] = True
                if label in settings["symmetric"]:
                    allowed[row, ids[tail], ids[head]] = True
    return allowed
