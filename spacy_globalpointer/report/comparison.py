"""Gold beside predicted: which spans are right, missed and spurious."""

from dataclasses import dataclass
from typing import NamedTuple

from spacy.tokens import Doc, Span


class Mention(NamedTuple):
    """A span as it is compared: by characters, since the two documents may be split
    into tokens differently."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Annotation:
    """The spans of one document under one key, each mention once.

    doc (Doc): The document.
    present (bool): Whether the document has the key: missing is not empty.
    spans (dict[Mention, Span]): The spans, in the order of the mentions.
    scores (dict[Mention, float]): Their scores, empty where none are stored.
    """

    doc: Doc
    present: bool
    spans: dict[Mention, Span]
    scores: dict[Mention, float]

    @classmethod
    def read(cls, doc: Doc, spans_key: str) -> "Annotation":
        """Read the spans off a document.

        doc (Doc): The document.
        spans_key (str): Key of `doc.spans`.
        RETURNS (Annotation): Its spans.
        """
        if spans_key not in doc.spans:
            return cls(doc, False, {}, {})
        group = doc.spans[spans_key]
        spans = list(group)
        mentions = [Mention(s.start_char, s.end_char, s.label_) for s in spans]
        stored = group.attrs.get("scores")
        scored = stored is not None and len(stored) == len(spans)
        return cls(
            doc,
            True,
            dict(sorted(zip(mentions, spans), key=lambda item: item[0])),
            dict(zip(mentions, map(float, stored))) if scored else {},
        )


@dataclass(frozen=True)
class Comparison:
    """The gold and the predicted spans of one text.

    Without gold annotation nothing can be judged: no prediction is spurious.
    """

    gold: Annotation
    predicted: Annotation

    @property
    def right(self) -> set[Mention]:
        """RETURNS (set[Mention]): Predicted, and in gold."""
        return self.gold.spans.keys() & self.predicted.spans.keys()

    @property
    def missed(self) -> set[Mention]:
        """RETURNS (set[Mention]): In gold, but not predicted."""
        return self.gold.spans.keys() - self.predicted.spans.keys()

    @property
    def spurious(self) -> set[Mention]:
        """RETURNS (set[Mention]): Predicted, but not in gold."""
        return self.predicted.spans.keys() - self.gold.spans.keys() - self.unjudged

    @property
    def unjudged(self) -> set[Mention]:
        """RETURNS (set[Mention]): Predicted, where gold has no annotation."""
        return set() if self.gold.present else set(self.predicted.spans)
