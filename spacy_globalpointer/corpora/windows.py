"""Documents cut into sentences or windows, never through a span."""

from bisect import bisect_right
from itertools import pairwise
from typing import Any, Iterable, Iterator, List, Optional

import numpy
from numpy.typing import NDArray
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc, Span

Mask = NDArray[numpy.bool_]


class Cutter:
    """Cuts documents.

    sentences (bool): Whether to cut between sentences: those that are set, else
        those that spaCy's sentencizer finds.
    max_tokens (Optional[int]): Most tokens of a piece, if no span needs more.
    """

    def __init__(self, sentences: bool, max_tokens: Optional[int]) -> None:
        self.sentences = sentences
        self.max_tokens = max_tokens
        self._sentencizer = Sentencizer()

    def pieces(self, doc: Doc) -> Iterator[Doc]:
        """The pieces of a document, each with its spans."""
        size = self.max_tokens
        if not self.sentences and (size is None or len(doc) <= size):
            yield doc
            return
        if not doc.has_annotation("SENT_START"):
            self._sentencizer(doc)
        free = _free(doc)
        starts = (doc.to_array("SENT_START") == 1) & free[:-1]
        borders = [0, *(numpy.flatnonzero(starts[1:]) + 1).tolist(), len(doc)]
        if size is not None:
            places = numpy.flatnonzero(free)
            borders = _windows(borders, places, size, self.sentences)
        if len(borders) <= 2:
            yield doc
            return
        attrs = doc._get_array_attrs()
        array = doc.to_array(attrs)
        groups = {key: _of_pieces(group, borders) for key, group in doc.spans.items()}
        for i, (start, end) in enumerate(pairwise(borders)):
            piece = doc[start:end].as_doc(array_head=attrs, array=array)
            piece.has_unknown_spaces = doc.has_unknown_spaces
            piece.cats = dict(doc.cats)
            for key, spans in groups.items():
                piece.spans[key] = [
                    Span(piece, s.start - start, s.end - start, label=s.label)
                    for s in spans[i]
                ]
            yield piece


def _of_pieces(group: Iterable[Span], borders: List[int]) -> List[List[Span]]:
    """The spans of a group that stand in each piece."""
    found: List[List[Span]] = [[] for _ in borders[1:]]
    for span in group:
        found[bisect_right(borders, span.start) - 1].append(span)
    return found


def _free(doc: Doc) -> Mask:
    """Before which tokens, and behind the last one, no span is cut.
    *Shape:* (len(doc) + 1,)"""
    changes = numpy.zeros(len(doc) + 2, dtype=int)
    groups = (*doc.spans.values(), doc.ents)
    bounds = [(span.start, span.end) for group in groups for span in group]
    starts, ends = numpy.array(bounds, dtype=int).reshape(-1, 2).T
    numpy.add.at(changes, starts + 1, 1)
    numpy.add.at(changes, ends, -1)
    free: Mask = numpy.cumsum(changes)[:-1] == 0
    return free


def _windows(
    borders: List[int], free: NDArray[Any], size: int, sentences: bool
) -> List[int]:
    """Borders of windows: at a border of a sentence if there is one in reach, else
    at the last place that cuts no span, else at the first one beyond.

    borders (List[int]): Where sentences begin, and the end.
    free (NDArray): Where no span is cut.
    size (int): Most tokens of a window.
    sentences (bool): Whether each sentence begins a window.
    """
    sents = numpy.array(borders)
    found = [0]
    while found[-1] < borders[-1]:
        start = found[-1]
        following = int(numpy.searchsorted(sents, start, side="right"))
        last = numpy.searchsorted(sents, start + size, side="right") - 1
        if sentences:
            last = min(last, following)
        end = int(sents[last])
        if end <= start:
            place = numpy.searchsorted(free, start + size, side="right") - 1
            end = int(free[place])
            if end <= start:
                end = int(free[place + 1])
        found.append(end)
    return found
