"""Reading the gold spans of examples, nothing lost in silence."""

from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

import numpy
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..core.arrays import Mask
from ..core.span_table import touches_any
from ..errors import Errors
from ..span_groups import contiguous_spans, negative_key
from ..tasks.drop_report import DropReport
from ..tasks.gold import AlignedGold
from .alignment import Alignment

SOURCES = ("spans", "ents")
# How many documents the widths of the model are found with.
N_SAMPLE = 10


class GoldReader:
    """Reads the gold spans of examples.

    source (str): "spans" for doc.spans[spans_key], "ents" for doc.ents.
    spans_key (str): The key.
    rejected_key (Optional[str]): Key of doc.spans of rejected spans. A document with
        this group is annotated in part: its gold spans are right, the spans of the
        group are wrong, and nothing is known of all others. With "ents", tokens whose
        entity status is known stay known. None: there is no such key.
    pieces (bool): Whether the pieces of discontinuous entities are gold spans too.
    RAISES (ValueError): If it is the key of the gold spans.
    """

    # Whether only given spans are scored.
    has_candidates = False

    def __init__(
        self,
        source: str,
        spans_key: str,
        rejected_key: Optional[str] = None,
        pieces: bool = False,
    ) -> None:
        if source == "spans" and rejected_key == spans_key:
            raise ValueError(Errors.E193.format(key=spans_key))
        self.source = source
        self.spans_key = spans_key
        self.rejected_key = rejected_key
        self.pieces = pieces

    @property
    def place(self) -> str:
        """RETURNS (str): Where the gold spans are, for messages."""
        return "doc.ents" if self.source == "ents" else f"doc.spans[{self.spans_key!r}]"

    def is_annotated(self, reference: Doc) -> bool:
        """Missing is not empty: whether the document says anything of spans."""
        if self.is_partial(reference):
            return True
        if self.source == "ents":
            return reference.has_annotation("ENT_IOB")
        return self.spans_key in reference.spans

    def is_partial(self, reference: Doc) -> bool:
        """Whether the document has a group of rejected spans, perhaps an empty one."""
        return self.rejected_key is not None and self.rejected_key in reference.spans

    def spans(self, reference: Doc) -> Optional[List[Span]]:
        """The gold spans of a document, None if it has no annotation."""
        if not self.is_annotated(reference):
            return None
        if self.source == "ents":
            return list(reference.ents)
        group = reference.spans.get(self.spans_key)
        return list(group or ()) if self.pieces else contiguous_spans(group)

    def candidates(self, example: Example, dropped: DropReport) -> Optional[List[Span]]:
        """The spans that are scored, on the predicted tokens. None: all are."""
        return None

    def read(self, example: Example, dropped: DropReport) -> AlignedGold:
        """Align the gold spans of an example with its predicted document. What
        begins or ends inside a token there is dropped, and what has no label."""
        reference = example.reference
        n_tokens = len(example.predicted)
        gold = self.spans(reference)
        if gold is None:
            return AlignedGold(n_tokens, [], numpy.ones(n_tokens, dtype=bool))
        usable = []
        for span in gold:
            if span.start == span.end:
                dropped.add("empty", span)
            elif not span.label:
                dropped.add("without a label", span)
            else:
                usable.append(span)
        spans = []
        for span, place in zip(usable, Alignment(example).find(usable)):
            if place is None:
                dropped.add("not on token boundaries", span)
            else:
                spans.append((*place, span))
        rejected = self._rejected(example)
        return AlignedGold(n_tokens, spans, self.unknown(example), rejected)

    def _rejected(self, example: Example) -> List[Tuple[int, int, Span]]:
        """The rejected spans. What begins or ends inside a token of the predicted
        document cannot be predicted there, and is no loss."""
        if not self.is_partial(example.reference):
            return []
        assert self.rejected_key is not None
        group = example.reference.spans[self.rejected_key]
        spans = [span for span in group if span.start < span.end]
        places = Alignment(example).find(spans)
        return [(*place, x) for place, x in zip(places, spans) if place is not None]

    def unknown(self, example: Example) -> Optional[Mask]:
        """The tokens of the predicted document that have no annotation, which
        training and evaluation leave out. *Shape:* (n_tokens,). None: all have it."""
        reference = example.reference
        if not self.is_annotated(reference):
            return numpy.ones(len(example.predicted), dtype=bool)
        if self.source == "spans":
            if self.is_partial(reference):
                return numpy.ones(len(example.predicted), dtype=bool)
            return None
        missing = reference.to_array("ENT_IOB") == 0
        if not missing.any():
            return None
        return Alignment(example).spread(missing)

    def can_judge(self, example: Example, spans: Sequence[Span]) -> Mask:
        """Which spans of the predicted document can be right or wrong: those that
        touch no token without annotation, as for `spacy.scorer.get_ner_prf`, and in a
        document that is annotated in part, gold spans and rejected ones.
        *Shape:* (n_spans,)"""
        unknown = self.unknown(example)
        if unknown is None:
            return numpy.ones(len(spans), dtype=bool)
        places = [(span.start, span.end) for span in spans]
        starts, ends = numpy.array(places, dtype="int64").reshape(-1, 2).T
        is_judged = ~touches_any(starts, ends, unknown)
        if self.is_partial(example.reference):
            gold = self.read(example, DropReport())
            known = {(i, j, x.label) for i, j, x in (*gold.spans, *gold.rejected)}
            for n, span in enumerate(spans):
                place = span.start, span.end
                is_judged[n] |= (*place, span.label) in known or (*place, 0) in known
        return is_judged


@dataclass
class TrainingData:
    """What a component finds out in a pass over the training data.

    labels (Set[str]): The labels of the gold spans.
    longest (int): Tokens of the longest gold span or candidate.
    n_docs (int): Documents that have tokens.
    n_annotated (int): Those of them with annotation.
    n_with_candidates (int): Those of them with candidates.
    n_with_unread (int): Those of them with rejected spans under the usual key, if none
        are read.
    sample (List[Doc]): The first few predicted documents.
    """

    labels: Set[str] = field(default_factory=set)
    longest: int = 0
    n_docs: int = 0
    n_annotated: int = 0
    n_with_candidates: int = 0
    n_with_unread: int = 0
    sample: List[Doc] = field(default_factory=list)

    def add(self, example: Example, gold: AlignedGold, reader: GoldReader) -> None:
        """Take an example into account."""
        if not len(example.predicted):
            return
        self.n_docs += 1
        self.n_annotated += reader.is_annotated(example.reference)
        if reader.rejected_key is None:
            key = negative_key(reader.spans_key)
            self.n_with_unread += key in example.reference.spans
        if len(self.sample) < N_SAMPLE:
            self.sample.append(example.predicted)
        for start, end, span in gold.spans:
            self.labels.add(span.label_)
            self.longest = max(self.longest, end - start)
        candidates = reader.candidates(example, DropReport())
        if candidates is not None:
            self.n_with_candidates += 1
            self.longest = max(self.longest, *map(len, candidates), 0)


def annotation_found(docs: Iterable[Doc]) -> str:
    """A sentence that says under which keys of doc.spans, and in doc.ents, there
    is annotation, and with which labels; empty if there is none."""
    found: Dict[str, Dict[str, None]] = {}
    for doc in docs:
        for key, group in doc.spans.items():
            for span in group:
                found.setdefault(f"doc.spans[{key!r}]", {})[span.label_] = None
        for ent in doc.ents:
            found.setdefault("doc.ents", {})[ent.label_] = None
    places = (
        f"{place} with the labels {', '.join(sorted(labels))}"
        for place, labels in found.items()
    )
    return f"There is {'; '.join(places)}." if found else ""
