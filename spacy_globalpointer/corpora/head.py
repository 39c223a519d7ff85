"""The beginning of a file or folder, by which its format is found."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from .record import CorpusError
from .source import Source

SIZE = 1 << 16
N_ROWS = 50


@dataclass
class Head:
    """What a file begins with.

    path (Path): The file.
    content (bytes): Its first bytes, unpacked.
    """

    path: Path
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, path: Path) -> "Head":
        """RAISES (CorpusError): If the file cannot be read or unpacked."""
        with Source(path) as source, source.open() as file:
            return cls(path, file.read(SIZE))

    @cached_property
    def text(self) -> str:
        """The first bytes as text; what is no UTF-8 is replaced."""
        return self.content.decode("utf-8-sig", errors="replace")

    @cached_property
    def lines(self) -> List[str]:
        """The first lines, without their ends. The last may be cut, so it is left
        out if there is more than one."""
        lines = self.text.split("\n")
        whole = len(self.content) < SIZE or len(lines) == 1
        return [line.rstrip("\r") for line in (lines if whole else lines[:-1])]

    @property
    def is_json(self) -> bool:
        return self.text.lstrip()[:1] in ("{", "[")

    @cached_property
    def rows(self) -> List[Dict[str, Any]]:
        """The first objects of a JSON file."""
        rows: List[Dict[str, Any]] = []
        self.error: Optional[CorpusError] = None
        if self.is_json:
            read = 0

            def count(n: int) -> None:
                nonlocal read
                read += n

            source = Source(self.path, count)
            try:
                with source:
                    for row in source.json_values():
                        if isinstance(row, dict):
                            rows.append(row)
                        # Long rows take memory.
                        if len(rows) == N_ROWS or read > 16 * SIZE:
                            break
            except CorpusError as error:
                self.error = error
        return rows

    def has_rows(self, fits: Callable[[Dict[str, Any]], bool]) -> bool:
        """Whether there are objects, and all are as they are to be."""
        return bool(self.rows) and all(fits(row) for row in self.rows)
