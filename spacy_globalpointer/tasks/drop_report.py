"""Spans that cannot be used, counted: each once, however often it is read."""

import weakref
from typing import Any, Dict, List, Optional, Tuple

from spacy.strings import get_string_id
from spacy.tokens import Doc, Span

# How many dropped spans of each kind are shown.
N_SHOWN = 3

Reference = Optional["weakref.ref[Doc]"]


class DropReport:
    """Spans that cannot be used, by reason.

    Training reads a corpus again and again, and some readers make its documents anew
    each time. A span counts once for each document that has it: a document that comes
    again, or in the place of an equal one that is gone, adds nothing.

    one_pass (bool): Whether each document comes once, and counts. None that is equal
        to one of them counts after `end_pass`.
    counts (Dict[str, int]): How many, by reason.
    shown (Dict[str, List[str]]): The first few, by reason.
    """

    def __init__(self, one_pass: bool = False) -> None:
        self.one_pass = one_pass
        self.counts: Dict[str, int] = {}
        self.shown: Dict[str, List[str]] = {}
        self._reported: Dict[str, int] = {}
        # The documents that have a span, by its text, place and label. None: one that
        # is gone; instead of a list: all of them have been counted.
        self._docs: Dict[Tuple[Any, ...], Optional[List[Reference]]] = {}

    def add(self, reason: str, span: Span) -> None:
        """Count a span.

        reason (str): Why it cannot be used.
        span (Span): The span.
        """
        doc = span.doc
        place = span.start_char, span.end_char, span.start, span.end
        key = (reason, get_string_id(doc.text), *place, span.label)
        if self.one_pass:
            self._docs[key] = None
        else:
            docs = self._docs.setdefault(key, [])
            if docs is None:
                return
            alive = [ref() if ref else None for ref in docs]
            if any(other is doc for other in alive):
                return
            if None in alive:
                docs[alive.index(None)] = weakref.ref(doc)
                return
            docs.append(weakref.ref(doc))
        self.counts[reason] = self.counts.get(reason, 0) + 1
        shown = self.shown.setdefault(reason, [])
        if len(shown) < N_SHOWN:
            shown.append(f"{span.text!r} ({span.label_}, {len(span)} tokens)")

    def end_pass(self) -> None:
        """All documents have come once."""
        self.one_pass = False

    @property
    def has_new_reasons(self) -> bool:
        """Whether there is a reason that `report` has not given."""
        return self.counts.keys() > self._reported.keys()

    @property
    def has_grown(self) -> bool:
        """Whether there are more than `report` has given."""
        return self.counts != self._reported

    def report(self) -> str:
        """RETURNS (str): All counts, with examples."""
        self._reported = dict(self.counts)
        return " ".join(
            f"{reason.capitalize()}: {count}, for example "
            f"{', '.join(self.shown[reason])}."
            for reason, count in self.counts.items()
        )

    def __getstate__(self) -> Dict[str, Any]:
        gone = {
            key: None if docs is None else [None] * len(docs)
            for key, docs in self._docs.items()
        }
        return {**self.__dict__, "_docs": gone}
