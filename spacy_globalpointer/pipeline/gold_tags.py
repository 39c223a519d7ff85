"""From annotated examples to gold tags."""

from typing import Dict, Sequence, Tuple

import numpy
from spacy.training import Example

from ..core.arrays import Ints
from ..core.span_table import longest_flat
from ..core.tags import GoldTags, TagScheme
from .gold import AlignedGold, DropReport, GoldReader


def flat_gold(
    golds: Sequence[AlignedGold],
    offsets: Sequence[int],
    label_ids: Dict[int, int],
    dropped: DropReport,
) -> Tuple[Ints, Ints, Ints]:
    """The gold spans of a batch that a sequence of tags has room for: of those that
    overlap, the outermost, as `spacy.util.filter_spans` has them.

    golds (Sequence[AlignedGold]): The gold spans of each example.
    offsets (Sequence[int]): The first token of each example in the batch.
    label_ids (Dict[int, int]): Number of each label, by the hash of its name.
    dropped (DropReport): Counts the others.
    RETURNS (Tuple[Ints, Ints, Ints]): Starts, ends, counted over the batch, and
        labels.
    """
    rows, spans = [], []
    for gold, offset in zip(golds, offsets):
        for start, end, span in gold.spans:
            if span.label in label_ids:
                rows.append((start + offset, end + offset, label_ids[span.label]))
                spans.append(span)
            else:
                dropped.add("unknown label", span)
    table = numpy.array(rows, dtype=numpy.int64).reshape(-1, 3)
    table, first = numpy.unique(table, axis=0, return_index=True)
    starts, ends, labels = table.T
    kept = longest_flat(starts, ends, numpy.zeros(len(starts)))
    for i in first[~kept].tolist():
        dropped.add("overlaps another gold span", spans[i])
    return starts[kept], ends[kept], labels[kept]


def batch_tags(
    examples: Sequence[Example],
    reader: GoldReader,
    label_ids: Dict[int, int],
    scheme: TagScheme,
    dropped: DropReport,
) -> GoldTags:
    """The gold tags of a batch. The other arguments are those of `flat_gold`."""
    lengths = [len(example.predicted) for example in examples]
    golds = [reader.read(example, dropped) for example in examples]
    offsets = numpy.cumsum([0, *lengths])
    unknown = [
        numpy.zeros(n_tokens, dtype=bool) if gold.unknown is None else gold.unknown
        for gold, n_tokens in zip(golds, lengths)
    ]
    spans = flat_gold(golds, offsets[:-1].tolist(), label_ids, dropped)
    tags = scheme.encode(*spans, int(offsets[-1]))
    return GoldTags(tags, numpy.concatenate([*unknown, numpy.zeros(0, dtype=bool)]))
