"""Spans of a reference on the tokens of the predicted document.

One rule for gold spans and for candidates. Where both documents have the same text,
up to white space, characters decide: a span is found if tokens of the predicted
document begin and end at its first and last character that is no white space. So
"Bob" is the token "Bob\\n", and " Bob" is "Bob". Where texts differ, spaCy's alignment
decides, and the strings must agree, as for `Example.get_aligned_spans_y2x`.
"""

from functools import cached_property
from typing import Any, List, Optional, Sequence, Tuple

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..core.arrays import Ints, Mask


class Alignment:
    """How the tokens of a reference and of a predicted document belong together.

    example (Example): The two documents.
    """

    def __init__(self, example: Example) -> None:
        self.example = example

    @cached_property
    def _is_same(self) -> bool:
        """Whether the tokens are the same."""
        predicted, reference = self.example.predicted, self.example.reference
        return len(predicted) == len(reference) and bool(
            (predicted.to_array(ORTH) == reference.to_array(ORTH)).all()
        )

    @cached_property
    def _tokens(self) -> Optional[Tuple[Ints, Ints]]:
        """First character of each token and the one after its last, counted without
        white space, of the predicted document and of the reference.
        *Shapes:* (2, n_predicted), (2, n_reference). None: their texts differ."""
        docs = self.example.predicted, self.example.reference
        characters, tokens = zip(*map(_characters, docs))
        return tokens if numpy.array_equal(*characters) else None

    def find(self, spans: Sequence[Span]) -> List[Optional[Tuple[int, int]]]:
        """Find spans of the reference.

        spans (Sequence[Span]): The spans, none of them empty.
        RETURNS (List[Optional[Tuple[int, int]]]): The first token of each in the
            predicted document and the one after its last; None where no tokens have
            just its characters.
        """
        if self._is_same:
            return [(span.start, span.end) for span in spans]
        if self._tokens is None:
            found = (
                self.example.get_aligned_spans_y2x([span], allow_overlap=True)
                for span in spans
            )
            return [(x[0].start, x[0].end) if x else None for x in found]
        (begins, ends), (reference_begins, reference_ends) = self._tokens
        # Tokens of white space have no characters.
        tokens = numpy.flatnonzero(ends > begins)
        offsets = numpy.array([(x.start, x.end - 1) for x in spans], dtype=int)
        starts, lasts = offsets.reshape(-1, 2).T
        first_characters, stops = reference_begins[starts], reference_ends[lasts]
        first = _positions(begins[tokens], first_characters)
        last = _positions(ends[tokens], stops)
        is_found = (first >= 0) & (last >= 0) & (first_characters < stops)
        return [
            (int(tokens[a]), int(tokens[b]) + 1) if ok else None
            for a, b, ok in zip(first, last, is_found)
        ]

    def spread(self, marked: Mask) -> Mask:
        """Tokens of the predicted document that share characters with marked tokens of
        the reference.

        marked (Mask): *Shape:* (n_reference,)
        RETURNS (Mask): *Shape:* (n_predicted,). A token of white space counts as
            marked if all others are.
        """
        if self._is_same:
            return marked
        if self._tokens is None:
            alignment = self.example.alignment.x2y
            lengths = numpy.asarray(alignment.lengths)
            data = marked[numpy.asarray(alignment.data, dtype=int)]
            counts = numpy.concatenate(([0], numpy.cumsum(data)))
            after = numpy.cumsum(lengths)
            found, has_characters = (
                counts[after] > counts[after - lengths],
                lengths > 0,
            )
        else:
            (begins, ends), (reference_begins, reference_ends) = self._tokens
            by_character = numpy.repeat(marked, reference_ends - reference_begins)
            counts = numpy.concatenate(([0], numpy.cumsum(by_character)))
            found, has_characters = counts[ends] > counts[begins], ends > begins
        return found | (~has_characters & found[has_characters].all())


def _characters(doc: Doc) -> Tuple[Any, Ints]:
    """The characters of a document that are no white space, and where its tokens
    begin and end among them. *Shapes:* (n_characters,), (2, n_tokens)"""
    text = numpy.array([doc.text + "."]).view("U1")[:-1]
    is_text = ~numpy.char.isspace(text)
    before = numpy.concatenate(([0], numpy.cumsum(is_text)))
    begins, lengths = doc.to_array(["IDX", "LENGTH"]).astype(int).reshape(-1, 2).T
    return text[is_text], numpy.stack((before[begins], before[begins + lengths]))


def _positions(values: Ints, wanted: Ints) -> Ints:
    """The position of each wanted number in a sorted array, -1 where it is not."""
    if not len(values):
        return numpy.full(len(wanted), -1)
    places = numpy.searchsorted(values, wanted).clip(max=len(values) - 1)
    return numpy.where(values[places] == wanted, places, -1)
