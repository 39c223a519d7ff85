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
    "discontinuous (covering span kept)": "changed",
    "discontinuous (parts kept as spans)": "changed",
    "empty": "dropped",
    "outside the text": "dropped",
    "surface text does not match offsets": "dropped",
    "surface text does not match offsets (UTF-16 offsets used)": "changed",
    "without a label": "dropped",
    "boundary inside a token": "dropped",
    "boundary inside a token (expanded)": "changed",
    "boundary inside a token (contracted)": "changed",
    "only whitespace": "dropped",
    "whitespace at span boundary (trimmed)": "changed",
    "document rejected or skipped": "dropped",
    "span rejected or skipped": "dropped",
    "span rejected (kept as rejected)": "kept",
    "another annotator of the same text": "dropped",
    "unsupported annotation (relation, event)": "dropped",
    "relation between concepts (linked to the nearest mentions)": "changed",
    "longer than --max-tokens": "kept",
    "I- tag without B- (treated as B-)": "changed",
    "end offset is inclusive": "kept",
    "crosses another span": "kept",
    "same offsets as another span": "kept",
    "empty token": "skipped",
    "line is not an annotation": "skipped",
    "document without annotation": "kept",
    "document without annotation (treated as negative)": "kept",
    "answer about one span (merged by text)": "changed",
    "token with unknown entity status": "changed",
    "file without documents": "kept",
    "record cannot be read": "skipped",
}
# These are many and no loss: they are counted, not listed.
UNLISTED = {
    "end offset is inclusive",
    "crosses another span",
    "same offsets as another span",
    "I- tag without B- (treated as B-)",
    "unsupported annotation (relation, event)",
    "answer about one span (merged by text)",
    "span rejected (kept as rejected)",
    "token with unknown entity status",
    "relation between concepts (linked to the nearest mentions)",
}


class ConversionReport:
    """Counts what happens to annotation, and lists it in a file.

    path (Optional[Path]): Where to list it, one JSON object a line. There is no
        file if there is nothing to list.
    advance (Optional[Callable]): Called with the number of bytes that were read of
        a file.
    on_error (str): What becomes of a record or line that cannot be read: "error"
        raises, "skip" leaves it out and counts it.
    encoding (Optional[str]): That of the files; None: UTF-8.
    """

    def __init__(
        self,
        path: Optional[Path] = None,
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
        self.path = path
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
        if self.path is None or reason in UNLISTED:
            return
        entry: Dict[str, Any] = {
            "outcome": OUTCOMES[reason],
            "reason": reason,
            "file": str(record.path),
            "line": record.line,
        }
        if record.doc_id is not None:
            entry["doc"] = record.doc_id
        if n > 1:
            entry["n"] = n
        if mention is not None:
            entry.update(_describe(mention), unit=record.unit)
        if self._file is None:
            self._file = self.path.open("w", encoding="utf8", newline="\n")
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
