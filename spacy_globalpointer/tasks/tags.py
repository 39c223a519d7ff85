"""The task of tags: one tag a token, and so flat spans."""

from math import inf
from typing import Any, Dict, Iterable, List, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc
from torch import Tensor

from ..core.arrays import Floats, Ints
from ..core.crf import (
    crf_loss,
    divergence,
    softmax_loss,
    span_probabilities,
    tag_probabilities,
    viterbi,
)
from ..core.lattice import Layout
from ..core.span_table import SpanTable, longest_flat, make_table
from ..core.tags import GoldTags, TagScheme, TagScores
from ..core.threads import one_thread
from ..core.uncertainty import tag_entropies, tag_margins
from ..errors import Errors
from ..models.sequence_scorer import set_tag_scheme
from ..models.span_scorer import get_head_layer
from ..models.types import SequenceModelT
from .drop_report import DropReport
from .gold import AlignedGold, GoldTable
from .task import Settings, Task


class TagTask(Task[TagScores, GoldTags, TagScores]):
    """Finds flat spans as a sequence of tags. Of gold spans that overlap, the outermost
    are learned.

    The scores of tables of spans are probabilities: the sums of those of all legal
    sequences that have the span.

    name (str): Name of the component, for messages.
    """

    def configure(self, model: SequenceModelT, settings: Settings) -> None:
        set_tag_scheme(model, settings["scheme"], settings["crf"])

    def check_head(self, model: SequenceModelT, settings: Settings) -> None:
        layer = get_head_layer(model)
        head = layer.shims[0]._model if layer.shims else None
        built = {"scheme": head.scheme.name, "crf": head.crf} if head else {}
        for setting, value in built.items():
            if settings[setting] != value:
                raise ValueError(
                    Errors.E030.format(
                        setting=setting,
                        name=self.name,
                        value=settings[setting],
                        built=value,
                    )
                )

    def count_unusable(
        self,
        gold: AlignedGold,
        label_ids: Dict[int, int],
        settings: Settings,
        dropped: DropReport,
    ) -> None:
        flat_gold([gold], label_ids, dropped)

    def predict(
        self,
        model: SequenceModelT,
        docs: List[Doc],
        settings: Settings,
        closed: List[int],
    ) -> TagScores:
        if not any(map(len, docs)):
            return get_head_layer(model).predict([])
        scores = model.predict(docs)
        for row in closed:
            scores.emissions[:, _scheme(settings).tags_of(row)] = -inf
        return scores

    @one_thread()
    def decode(self, scores: TagScores, settings: Settings) -> SpanTable:
        scheme = _scheme(settings)
        tags = viterbi(scores)
        starts, ends, labels = scheme.decode(tags)
        probabilities = span_probabilities(scores, tags, scheme)
        return make_table(scores.lengths, starts, ends, labels, probabilities)

    def candidates(
        self, scores: TagScores, settings: Settings, lowest: float
    ) -> SpanTable:
        """The spans of the most probable sequence: there are no thresholds."""
        return self.decode(scores, settings)

    def link(self, scores: Floats) -> NDArray[numpy.floating[Any]]:
        return scores

    def probabilities(
        self, scores: TagScores, spans: SpanTable, settings: Settings
    ) -> Floats:
        scheme = _scheme(settings)
        n_tokens = len(scores.emissions)
        tags = scheme.encode(spans.starts, spans.ends, spans.labels, n_tokens)
        return span_probabilities(scores, tags, scheme)

    @one_thread()
    def uncertainty(self, scores: TagScores, by: str, settings: Settings) -> Floats:
        """As `Task.uncertainty`, where a margin is between the two most probable tags
        of a token."""
        p = tag_probabilities(scores, settings["crf"])
        layout = Layout([*map(int, scores.lengths)], device=p.device)
        if by == "entropy":
            return tag_entropies(p, layout).cpu().numpy()
        return (1 - tag_margins(p, layout)).clamp_(min=0).cpu().numpy()

    def logits(self, scores: TagScores, spans: SpanTable) -> Floats:
        return numpy.zeros((len(spans), 0))

    def targets(
        self,
        golds: Sequence[AlignedGold],
        label_ids: Dict[int, int],
        settings: Settings,
        dropped: DropReport,
    ) -> GoldTags:
        return batch_tags(golds, label_ids, _scheme(settings), dropped)

    def gold_table(
        self, targets: GoldTags, lengths: Sequence[int], settings: Settings
    ) -> GoldTable:
        starts, ends, labels = _scheme(settings).decode(targets.tags)
        spans = make_table(lengths, starts, ends, labels)
        return GoldTable(spans, targets.unknown)

    @one_thread()
    def loss(
        self, scores: TagScores, targets: GoldTags, settings: Settings
    ) -> Tuple[Tensor, TagScores, int]:
        loss_of = crf_loss if settings["crf"] else softmax_loss
        loss, d_scores = loss_of(scores, targets, _scheme(settings))
        n_docs = max(targets.n_annotated(scores.lengths), 1)
        return loss * n_docs, d_scores * n_docs, n_docs

    @one_thread()
    def divergence(
        self, scores: TagScores, target: TagScores, rows: List[int], settings: Settings
    ) -> Tuple[Tensor, TagScores, int]:
        scheme = _scheme(settings)
        every = range(scheme.n_tags)
        tags = [x for row in rows for x in every[scheme.tags_of(row)]]
        kept = torch.tensor([0, *tags], device=scores.emissions.device)
        loss, d_kept = divergence(scores.of(kept), target.of(kept), settings["crf"])
        return loss, d_kept.spread(kept, scores), len(scores.lengths)


def _scheme(settings: Settings) -> TagScheme:
    return TagScheme(settings["scheme"], len(settings["labels"]))


def flat_gold(
    golds: Iterable[AlignedGold], label_ids: Dict[int, int], dropped: DropReport
) -> Tuple[Ints, Ints, Ints]:
    """The gold spans of a batch that a sequence of tags has room for: of those that
    overlap, the outermost, as `spacy.util.filter_spans` has them.

    golds (Iterable[AlignedGold]): The gold spans of each example.
    label_ids (Dict[int, int]): Number of each label, by the hash of its name.
    dropped (DropReport): Counts the others.
    RETURNS (Tuple[Ints, Ints, Ints]): Starts, ends, counted over the batch, and
        labels.
    """
    rows, spans = [], []
    offset = 0
    for gold in golds:
        for start, end, span in gold.spans:
            if span.label in label_ids:
                rows.append((start + offset, end + offset, label_ids[span.label]))
                spans.append(span)
            else:
                dropped.add("unknown label", span)
        offset += gold.n_tokens
    table = numpy.array(rows, dtype=numpy.int64).reshape(-1, 3)
    table, first = numpy.unique(table, axis=0, return_index=True)
    starts, ends, labels = table.T
    kept = longest_flat(starts, ends, numpy.zeros(len(starts)))
    for i in first[~kept].tolist():
        dropped.add("overlaps another gold span", spans[i])
    return starts[kept], ends[kept], labels[kept]


def batch_tags(
    golds: Sequence[AlignedGold],
    label_ids: Dict[int, int],
    scheme: TagScheme,
    dropped: DropReport,
) -> GoldTags:
    """The gold tags of a batch. The other arguments are those of `flat_gold`.

    scheme (TagScheme): The tags.
    """
    unknown = [
        numpy.zeros(gold.n_tokens, dtype=bool) if gold.unknown is None else gold.unknown
        for gold in golds
    ]
    mask = numpy.concatenate([*unknown, numpy.zeros(0, dtype=bool)])
    tags = scheme.encode(*flat_gold(golds, label_ids, dropped), len(mask))
    return GoldTags(tags, mask)
