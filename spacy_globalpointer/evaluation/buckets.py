"""F1 of spans by their properties and those of their texts."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

import numpy
from spacy.tokens import Doc, Span

from ..core.arrays import Floats
from .counts import count_cells
from .table import ComparedSpans, Mentions


@dataclass(frozen=True)
class Buckets:
    """A property of spans, cut into ranges.

    title (str): The property.
    names (Tuple[str, ...]): The ranges, in order.
    edges (Tuple[float, ...]): Lowest value of each range but the first.
    """

    title: str
    names: Tuple[str, ...]
    edges: Tuple[float, ...]


# "length", "text_length", "consistency" and "density" are those of Bundling Learning
# (arXiv 2207.03300), table 5, where density is the number of gold spans to a token.
# "span_length" and "entity_words" are those of Global Pointer (arXiv 2208.03054).
BUCKETS = {
    "length": Buckets("Entity length", ("1", "2", "3–4", "5+"), (2, 3, 5)),
    "text_length": Buckets("Text length", ("1–7", "8–16", "17–31", "32+"), (8, 17, 32)),
    "consistency": Buckets(
        "Label consistency", ("0–.1", ".1–.5", ".5–.9", ".9–1"), (0.1, 0.5, 0.9)
    ),
    "density": Buckets(
        "Entity density",
        ("0–.01", ".01–.025", ".025–.05", ".05+"),
        (0.01, 0.025, 0.05),
    ),
    "long_text_length": Buckets(
        "Text length, wide", ("1–19", "20–49", "50–99", "100+"), (20, 50, 100)
    ),
    "spans_in_text": Buckets(
        "Spans in the text", ("0–1", "2–3", "4–6", "7+"), (2, 4, 7)
    ),
    "span_length": Buckets("Entity length, wide", ("1–2", "3–5", "6+"), (3, 6)),
    "entity_words": Buckets(
        "Share of entity words",
        ("0–.1", ".1–.3", ".3–1"),
        # 0.1 and 0.3 themselves are in the lower range.
        (math.nextafter(0.1, 1), math.nextafter(0.3, 1)),
    ),
    "oov": Buckets("Unknown words", ("0", "0–.1", ".1–.2", ".2–1"), (1e-9, 0.1, 0.2)),
}


@dataclass
class TrainingSet:
    """Words and gold spans of the training documents, for the buckets of unknown words
    and label consistency.

    words (Set[str]): Their tokens.
    mentions (Counter): Gold spans, by (text, label).
    texts (Counter): Gold spans, by text.
    """

    words: Set[str]
    mentions: "Counter[Tuple[str, str]]"
    texts: "Counter[str]"

    @classmethod
    def read(
        cls, docs: Iterable[Doc], get_spans: Callable[[Doc], Optional[Iterable[Span]]]
    ) -> "TrainingSet":
        """Read training documents.

        docs (Iterable[Doc]): The documents.
        get_spans (Callable[[Doc], Optional[Iterable[Span]]]): The gold spans of a
            document, None if it has no annotation.
        RETURNS (TrainingSet): What is in them.
        """
        words: Set[str] = set()
        mentions: Counter[Tuple[str, str]] = Counter()
        for doc in docs:
            words.update(token.text for token in doc)
            spans = get_spans(doc) or ()
            mentions.update((span.text, span.label_) for span in spans)
        texts: Counter[str] = Counter()
        for (text, _), count in mentions.items():
            texts[text] += count
        return cls(words, mentions, texts)

    def consistency(self, mentions: Mentions, labels: Tuple[str, ...]) -> Floats:
        """Of the training spans with the same text, the share with the same label; 0
        where there is none. *Shape:* (n,)"""
        names = [labels[number] for number in mentions.labels.tolist()]
        shares = [
            self.mentions[text, name] / max(self.texts[text], 1)
            for text, name in zip(mentions.texts, names)
        ]
        return numpy.array(shares, dtype="float64")

    def unknown_share(self, docs: Iterable[Doc]) -> Floats:
        """The share of tokens that are not in the training documents.
        *Shape:* (n_docs,)"""
        shares = [
            sum(token.text not in self.words for token in doc) / max(len(doc), 1)
            for doc in docs
        ]
        return numpy.array(shares, dtype="float64")


def bucket_counts(
    table: ComparedSpans, docs: Iterable[Doc], training: Optional[TrainingSet] = None
) -> Dict[str, Floats]:
    """Spans of each document by bucket. A predicted span is in the bucket of its own
    properties, so the counts of the buckets add up to those of the table.

    table (ComparedSpans): The spans.
    docs (Iterable[Doc]): The gold documents.
    training (Optional[TrainingSet]): The training documents; without them label
        consistency and unknown words are left out.
    RETURNS (Dict[str, Floats]): By property, as named in `BUCKETS`: right, predicted
        and gold spans. *Shape:* (n_docs, n_buckets, 3)
    """
    spans_in_text = numpy.bincount(table.gold.docs, minlength=table.n_docs)
    of_docs = {
        "text_length": table.n_tokens,
        "density": spans_in_text / numpy.maximum(table.n_tokens, 1),
        "long_text_length": table.n_tokens,
        "spans_in_text": spans_in_text,
        "entity_words": table.n_entity_tokens / numpy.maximum(table.n_tokens, 1),
    }
    sides = table.gold, table.predicted
    lengths = [side.lengths for side in sides]
    values: Dict[str, List[Any]] = {"length": lengths, "span_length": lengths}
    if training is not None:
        of_docs["oov"] = training.unknown_share(docs)
        values["consistency"] = [
            training.consistency(side, table.labels) for side in sides
        ]
    for name, numbers in of_docs.items():
        values[name] = [numbers[side.docs] for side in sides]
    return {
        name: _count(buckets, table, *values[name])
        for name, buckets in BUCKETS.items()
        if name in values
    }


def _count(buckets: Buckets, table: ComparedSpans, gold: Any, predicted: Any) -> Floats:
    of_gold, of_predicted = (
        numpy.searchsorted(buckets.edges, values, side="right")
        for values in (gold, predicted)
    )
    right = table.right[0]
    columns = (
        (table.gold.docs[right], of_gold[right]),
        (table.predicted.docs, of_predicted),
        (table.gold.docs, of_gold),
    )
    return count_cells(columns, table.n_docs, len(buckets.names))
