"""Decoded spans written to documents: nested to doc.spans, flat to doc.ents."""

from typing import Any, List, Sequence

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc, Span, SpanGroup

from ..core.arrays import Floats, Mask
from ..core.span_table import FLAT_ENTS, SpanTable, choose_flat, flat_choice
from ..tasks.task import Settings, Task


def write_predictions(
    docs: Sequence[Doc], spans: SpanTable, task: Task, settings: Settings
) -> None:
    """Write decoded spans to doc.spans, with their probabilities, and to doc.ents if
    `set_ents`.

    docs (Sequence[Doc]): The documents of a batch.
    spans (SpanTable): Their spans, in the order in which they are written.
    task (Task): The task that decoded them.
    settings (Mapping[str, Any]): The settings of the component.
    """
    written = write_spans(
        docs,
        spans,
        spans_key=settings["spans_key"],
        labels=settings["labels"],
        probabilities=task.link(spans.scores),
    )
    if settings["set_ents"]:
        write_ents(
            docs,
            spans,
            written,
            task.margins(spans, settings),
            overwrite=settings["overwrite_ents"],
            flat=flat_choice(settings.get("flat", "auto"), FLAT_ENTS),
        )


def write_spans(
    docs: Sequence[Doc],
    spans: SpanTable,
    *,
    spans_key: str,
    labels: Sequence[str],
    probabilities: NDArray[numpy.floating[Any]],
) -> List[List[Span]]:
    """Write a group to each document's doc.spans, with the probabilities in its
    attribute "scores".

    docs (Sequence[Doc]): The documents of a batch.
    spans (SpanTable): Their spans, in the order in which they are written.
    spans_key (str): Key of doc.spans.
    labels (Sequence[str]): The labels, in the order of the lattice.
    probabilities (NDArray): One a span.
    RETURNS (List[List[Span]]): The spans of each document.
    """
    firsts = numpy.cumsum([0, *map(len, docs)])[spans.docs]
    starts, ends = (spans.starts - firsts).tolist(), (spans.ends - firsts).tolist()
    names = [labels[row] for row in spans.labels.tolist()]
    borders = numpy.searchsorted(spans.docs, range(len(docs) + 1)).tolist()
    written = []
    for doc, first, last in zip(docs, borders, borders[1:]):
        own = slice(first, last)
        found = [
            Span(doc, start, end, label=name)
            for start, end, name in zip(starts[own], ends[own], names[own])
        ]
        attrs = {"scores": probabilities[own]}
        doc.spans[spans_key] = SpanGroup(doc, name=spans_key, attrs=attrs, spans=found)
        written.append(found)
    return written


def write_ents(
    docs: Sequence[Doc],
    spans: SpanTable,
    written: List[List[Span]],
    weights: Floats,
    *,
    overwrite: bool,
    flat: str,
) -> None:
    """Write spans that do not overlap to doc.ents.

    docs (Sequence[Doc]): The documents of a batch.
    spans (SpanTable): Their spans.
    written (List[List[Span]]): The same, from `write_spans`.
    weights (Floats): What each weighs against others, as for `resolve`.
    overwrite (bool): Whether to replace the entities that are there, or to keep
        them, and tokens blocked from being in one, and fill around them.
    flat (str): Which spans, as for `choose_flat`.
    """
    if overwrite:
        free = numpy.ones(len(spans), dtype=bool)
    else:
        taken = numpy.concatenate([_taken(doc) for doc in docs])
        before = numpy.concatenate(([0], numpy.cumsum(taken)))
        free = before[spans.starts] == before[spans.ends]
    candidates = numpy.flatnonzero(free)
    free[candidates] = choose_flat(spans[candidates], weights[candidates], flat)
    flags = iter(free.tolist())
    for doc, found in zip(docs, written):
        ents = [span for span in found if next(flags)]
        if overwrite or not doc.has_annotation("ENT_IOB"):
            doc.set_ents(ents)
        else:
            doc.set_ents([*doc.ents, *ents], blocked=_blocked(doc))


def _taken(doc: Doc) -> Mask:
    """Tokens that are in an entity, or blocked from being in one."""
    iob = doc.to_array("ENT_IOB")
    taken: Mask = (iob == 1) | (iob == 3)
    return taken


def _blocked(doc: Doc) -> List[Span]:
    """Tokens blocked from being in an entity: they begin one that has no type."""
    iob, ent_type = doc.to_array(["ENT_IOB", "ENT_TYPE"]).T
    return [doc[i : i + 1] for i in numpy.flatnonzero((iob == 3) & (ent_type == 0))]
