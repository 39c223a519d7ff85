"""Flat spans as one tag a token, in the scheme BIO or BILUO.

    token       the  Bank   of     England  in   Cork
    BIO         O    B-ORG  I-ORG  I-ORG    O    B-GPE
    BILUO       O    B-ORG  I-ORG  L-ORG    O    U-GPE

Tag 0 is O, followed by the tags of the first label, those of the second, ..., so
another label adds tags at the end.
"""

from dataclasses import dataclass, field
from typing import List, Sequence, Tuple, Union

import numpy
from torch import Tensor, zeros_like

from .arrays import Ints, Mask

Lengths = Union[Sequence[int], Ints]

# The tags of one label, in their order.
SCHEMES = {"BIO": "BI", "BILUO": "BILU"}


class TagScheme:
    """The tags of a number of labels, and which may follow which.

    name (str): "BIO" or "BILUO".
    n_labels (int): Number of labels.
    """

    def __init__(self, name: str, n_labels: int) -> None:
        self.name = name
        self.parts = SCHEMES[name]
        self.n_labels = n_labels
        self.n_tags = 1 + n_labels * len(self.parts)
        letters = numpy.array(["O", *self.parts * n_labels])
        # The tag of a token inside a span that began before it.
        self.inside: Mask = numpy.isin(letters, ["I", "L"])
        self._is_open = numpy.isin(letters, ["B", "I"])

    def tags_of(self, label: int) -> slice:
        """The tags of a label."""
        first = 1 + label * len(self.parts)
        return slice(first, first + len(self.parts))

    @property
    def legal(self) -> Mask:
        """Whether a tag (row) may be followed by another (column).
        *Shape:* (n_tags, n_tags)"""
        labels = (numpy.arange(self.n_tags) - 1) // len(self.parts)
        continues = self._is_open[:, None] & self.inside
        continues &= labels[:, None] == labels
        others = numpy.broadcast_to(~self.inside, continues.shape)
        if self.name == "BILUO":
            # What is open must go on.
            others = others & ~self._is_open[:, None]
        return continues | others

    @property
    def legal_first(self) -> Mask:
        """Tags that may begin a document. *Shape:* (n_tags,)"""
        return ~self.inside

    @property
    def legal_last(self) -> Mask:
        """Tags that may end a document. *Shape:* (n_tags,)"""
        if self.name == "BILUO":
            return ~self._is_open
        return numpy.ones(self.n_tags, dtype=bool)

    def encode(self, starts: Ints, ends: Ints, labels: Ints, n_tokens: int) -> Ints:
        """Spans to tags.

        starts, ends (Ints): Start (inclusive) and end (exclusive) token, of spans
            that do not overlap. *Shape:* (n,)
        labels (Ints): *Shape:* (n,)
        n_tokens (int): How many tokens there are.
        RETURNS (Ints): *Shape:* (n_tokens,)
        """
        lengths = ends - starts
        places = numpy.arange(lengths.sum()) - numpy.repeat(
            numpy.cumsum(lengths) - lengths, lengths
        )
        first = 1 + labels * len(self.parts)
        tags = numpy.zeros(n_tokens, dtype=numpy.int64)
        inner = first + self.parts.index("I")
        tags[numpy.repeat(starts, lengths) + places] = numpy.repeat(inner, lengths)
        if self.name == "BILUO":
            tags[ends - 1] = first + self.parts.index("L")
        tags[starts] = first
        if self.name == "BILUO":
            single = lengths == 1
            tags[starts[single]] = first[single] + self.parts.index("U")
        return tags

    def decode(self, tags: Ints) -> Tuple[Ints, Ints, Ints]:
        """Tags to spans. The inverse of `encode` for legal tags.

        tags (Ints): *Shape:* (n_tokens,)
        RETURNS (Tuple[Ints, Ints, Ints]): Starts, ends and labels, in order.
        """
        in_span = tags > 0
        # A span ends where the next token is not inside one that began before it.
        goes_on = numpy.append(self.inside[tags[1:]], False)[: len(tags)]
        starts = numpy.flatnonzero(in_span & ~self.inside[tags])
        ends = numpy.flatnonzero(in_span & ~goes_on) + 1
        return starts, ends, (tags[starts] - 1) // len(self.parts)


@dataclass
class TagScores:
    """The scores of a linear chain of tags, or the gradient with regard to them.

    emissions (Tensor): Score of each tag at each token.
        *Shape:* (n_tokens, n_tags)
    transitions (Tensor): Score of a tag (row) being followed by another (column),
        -inf where it may not. *Shape:* (n_tags, n_tags)
    borders (Tensor): Score of a tag at the first and at the last token of a
        document, -inf where it is not allowed. *Shape:* (2, n_tags)
    lengths (Lengths): Tokens of each document.
    """

    emissions: Tensor
    transitions: Tensor
    borders: Tensor
    lengths: Lengths

    @property
    def parts(self) -> Tuple[Tensor, Tensor, Tensor]:
        return self.emissions, self.transitions, self.borders

    def of(self, tags: Tensor) -> "TagScores":
        """The scores of some tags alone.

        tags (Tensor): Their numbers. *Shape:* (n,)
        RETURNS (TagScores): Of n tags.
        """
        return TagScores(
            self.emissions[:, tags],
            self.transitions[tags][:, tags],
            self.borders[:, tags],
            self.lengths,
        )

    def zeros(self) -> "TagScores":
        """RETURNS (TagScores): A gradient of 0."""
        emissions, transitions, borders = map(zeros_like, self.parts)
        return TagScores(emissions, transitions, borders, self.lengths)

    def spread(self, tags: Tensor, scores: "TagScores") -> "TagScores":
        """The gradient of scores of more tags, 0 for the others.

        tags (Tensor): The number of each tag there. *Shape:* (n,)
        scores (TagScores): These scores.
        """
        parts = scores.zeros()
        own = (part.to(other.dtype) for part, other in zip(self.parts, parts.parts))
        emissions, transitions, borders = own
        parts.emissions.index_add_(1, tags, emissions)
        parts.borders.index_add_(1, tags, borders)
        parts.transitions[tags.unsqueeze(1), tags] = transitions
        return parts

    def __mul__(self, factor: float) -> "TagScores":
        emissions, transitions, borders = (part * factor for part in self.parts)
        return TagScores(emissions, transitions, borders, self.lengths)


@dataclass
class GoldTags:
    """Annotation of a batch.

    tags (Ints): The tag of each token. *Shape:* (n_tokens,)
    unknown (Mask): Tokens without annotation, whose tags say nothing.
        *Shape:* (n_tokens,)
    unknown_labels (List[int]): Labels without annotation: a token that is O may have
        one of their tags.
    """

    tags: Ints
    unknown: Mask
    unknown_labels: List[int] = field(default_factory=list)

    def n_annotated(self, lengths: Lengths) -> int:
        """The number of documents with at least one annotated token.

        lengths (Lengths): Tokens of each document.
        """
        docs = numpy.repeat(numpy.arange(len(lengths)), lengths)
        return len(numpy.unique(docs[~self.unknown]))

    def allowed(self, scheme: TagScheme) -> Mask:
        """The tags that the annotation allows: one at annotated tokens, or where it is
        O also those of labels without annotation, and all at the others; but a gold
        span does not reach into a token that is not annotated.
        *Shape:* (n_tokens, n_tags), bool"""
        allowed = self.tags[:, None] == numpy.arange(scheme.n_tags)
        for label in self.unknown_labels:
            allowed[:, scheme.tags_of(label)] |= self.tags[:, None] == 0
        allowed[self.unknown] = True
        after_known = self.unknown.copy()
        after_known[1:] &= ~self.unknown[:-1]
        # Where the token before is of another document, they are illegal anyway.
        allowed[numpy.ix_(after_known, scheme.inside)] = False
        return allowed
