"""The account of a conversion: what was dropped or changed, and where."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Optional, TextIO, Tuple

from .record import Mention, Record

ON_ERROR = ("error", "skip")
# What became of an annotation, by what was the matter with it.
OUTCOMES: Dict[str, str] = {
    "duplicate": "dropped",
    "discontinuous": "dropped",
    "discontinuous, its cover kept": "changed",
    "discontinuous, its parts kept": "changed",
    "empty": "dropped",
    "outside of the text": "dropped",
    "not at its offsets": "dropped",
    "not at its offsets, moved to them in UTF-16": "changed",
    "without a label": "dropped",
    "inside a token": "dropped",
    "inside a token, expanded": "changed",
    "inside a token, contracted": "changed",
    "only white space": "dropped",
    "edged by white space, trimmed": "changed",
    "of a rejected or skipped document": "dropped",
    "rejected or skipped span": "dropped",
    "of another annotator of the same text": "dropped",
    "of a kind that is no span": "dropped",
    "relation of concepts, put on their nearest mentions": "changed",
    "longer than a window": "kept",
    "continues nothing, read as a beginning": "changed",
    "end taken as inclusive": "kept",
    "crosses another": "kept",
    "same offsets as another": "kept",
    "token without characters": "skipped",
    "line that is no annotation": "skipped",
    "document without annotation": "kept",
    "document without annotation, taken as negative": "kept",
    "answer about one span of a text": "changed",
    "token of unknown entity status": "changed",
    "file without documents": "kept",
    "cannot be read": "skipped",
}
# These are many and no loss: they are counted, not listed.
UNLISTED = {
    "end taken as inclusive",
    "crosses another",
    "same offsets as another",
    "continues nothing, read as a beginning",
    "of a kind that is no span",
    "answer about one span of a text",
    "token of unknown entity status",
    "relation of concepts, put on their nearest mentions",
}


class Tally:
    """Counts what happens to annotation, and lists it in a file.

    report (Optional[Path]): Where to list it, one JSON object a line. There is no
        file if there is nothing to list.
    advance (Optional[Callable]): Called with the number of bytes that were read of
        a file.
    on_error (str): What becomes of a record or line that cannot be read: "error"
        raises, "skip" leaves it out and counts it.
    encoding (Optional[str]): That of the files; None: UTF-8.
    """

    def __init__(
        self,
        report: Optional[Path] = None,
        advance: Optional[Callable[[int], Any]] = None,
        on_error: str = "error",
        encoding: Optional[str] = None,
    ) -> None:
        self.advance = advance
        self.on_error = on_error
        self.encoding = encoding
        self.counts: Counter[str] = Counter()
        # Details of the first case of each reason.
        self.examples: Dict[str, Dict[str, Any]] = {}
        self.report = report
        self.listed = 0
        self._file: Optional[TextIO] = None

    def add(
        self,
        reason: str,
        record: Record,
        mention: Optional[Mention] = None,
        *,
        n: int = 1,
        **details: Any,
    ) -> None:
        """Count a case, and list it with its place.

        reason (str): One of OUTCOMES.
        record (Record): The document.
        mention (Optional[Mention]): The span.
        n (int): How many cases.
        details (Any): More to list.
        """
        if not n:
            return
        self.counts[reason] += n
        self.examples.setdefault(reason, details)
        if self.report is None or reason in UNLISTED:
            return
        entry: Dict[str, Any] = {
            "outcome": OUTCOMES[reason],
            "reason": reason,
            "file": str(record.path),
            "line": record.line,
        }
        if record.doc is not None:
            entry["doc"] = record.doc
        if n > 1:
            entry["n"] = n
        if mention is not None:
            entry.update(_describe(mention), unit=record.unit)
        if self._file is None:
            self._file = self.report.open("w", encoding="utf8", newline="\n")
        # ASCII, since a broken text may hold what UTF-8 cannot.
        self._file.write(json.dumps({**entry, **details}) + "\n")
        self.listed += 1

    def rows(self) -> Tuple[Tuple[str, str, int], ...]:
        """(outcome, reason, count) of all reasons met, the losses first."""
        order = {
            outcome: i
            for i, outcome in enumerate(("dropped", "skipped", "changed", "kept"))
        }
        found = [(OUTCOMES[reason], reason, n) for reason, n in self.counts.items()]
        return tuple(sorted(found, key=lambda row: (order[row[0]], row[1])))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _describe(mention: Mention) -> Dict[str, Any]:
    found: Dict[str, Any] = {
        "start": mention.start,
        "end": mention.end,
        "label": mention.label,
    }
    if mention.surface is not None:
        found["surface"] = mention.surface
    if mention.fragments:
        found["fragments"] = mention.fragments
    return found
