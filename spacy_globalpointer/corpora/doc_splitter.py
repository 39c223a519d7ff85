"""Documents cut into sentences or windows, never through a span."""

from bisect import bisect_right
from itertools import pairwise
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy
from numpy.typing import NDArray
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc, Span, SpanGroup

from ..core.arrays import Mask
from ..span_groups import FRAGMENTS, RELATIONS, select_positions
from .doc_builder import UNKNOWN


class DocSplitter:
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
        """The pieces of a document, each with its spans and what is between them.
        A relation between spans of two pieces is lost."""
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
        groups = {key: _positions(group, borders) for key, group in doc.spans.items()}
        unknown = numpy.array(doc.user_data.pop(UNKNOWN, ()), dtype=int)
        for i, (start, end) in enumerate(pairwise(borders)):
            piece = doc[start:end].as_doc(
                array_head=attrs, array=array, copy_user_data=True
            )
            piece.has_unknown_spaces = doc.has_unknown_spaces
            piece.cats = dict(doc.cats)
            inside = unknown[(unknown >= start) & (unknown < end)] - start
            if len(inside):
                piece.user_data[UNKNOWN] = inside.tolist()
            for key, positions in groups.items():
                group = doc.spans[key]
                piece.spans[key] = _selected(group, positions[i], piece, start)
            yield piece


def _positions(group: SpanGroup, borders: List[int]) -> List[List[int]]:
    """The positions of the spans of a group that are in each piece."""
    found: List[List[int]] = [[] for _ in borders[1:]]
    for i, span in enumerate(group):
        found[bisect_right(borders, span.start) - 1].append(i)
    return found


def _selected(
    group: SpanGroup, positions: List[int], piece: Doc, offset: int
) -> SpanGroup:
    """The spans of a group that are in a piece, which begins at token `offset`."""
    places: Dict[int, int] = {old: new for new, old in enumerate(positions)}
    return SpanGroup(
        piece,
        name=group.name,
        attrs=select_positions(group.attrs, places, len(group)),
        spans=[
            Span(
                piece,
                span.start - offset,
                span.end - offset,
                span.label,
                kb_id=span.kb_id,
                span_id=span.id,
            )
            for span in (group[i] for i in positions)
        ],
    )


def n_relations(doc: Doc) -> int:
    """How many relations the groups of a document hold."""
    groups = doc.spans.values()
    return sum(len(group.attrs.get(RELATIONS) or ()) for group in groups)


def _free(doc: Doc) -> Mask:
    """Before which tokens, and behind the last one, no span is cut.
    *Shape:* (len(doc) + 1,)"""
    changes = numpy.zeros(len(doc) + 2, dtype=int)
    groups = (*doc.spans.values(), doc.ents)
    bounds = [(span.start, span.end) for group in groups for span in group]
    for group in doc.spans.values():
        bounds += _covers(group)
    starts, ends = numpy.array(bounds, dtype=int).reshape(-1, 2).T
    numpy.add.at(changes, starts + 1, 1)
    numpy.add.at(changes, ends, -1)
    free: Mask = numpy.cumsum(changes)[:-1] == 0
    return free


def _covers(group: SpanGroup) -> List[Tuple[int, int]]:
    """First token, and the one behind the last, of discontinuous entities."""
    covers = []
    for positions in group.attrs.get(FRAGMENTS) or ():
        pieces = [group[i] for i in positions]
        bounds = min(p.start for p in pieces), max(p.end for p in pieces)
        covers.append(bounds)
    return covers


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
