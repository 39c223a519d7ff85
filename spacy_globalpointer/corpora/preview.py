"""The beginning of a file or folder, by which its format is found."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from .arrow import is_table
from .conversion_report import ConversionReport
from .fields import are_spans
from .record import CorpusError
from .source import Source

SIZE = 1 << 16
N_ROWS = 50
# Lists that look like spans and are none.
NO_SPANS = {"tokens", "relations", "fragments", "sents"}


@dataclass
class Preview:
    """What a file begins with.

    path (Path): The file.
    content (bytes): Its first bytes, unpacked.
    encoding (Optional[str]): Its encoding; None: UTF-8.
    tolerant (bool): Whether it is enough that most rows are as a format has them. The
        others are errors when they are read.
    """

    path: Path
    content: bytes = field(repr=False)
    encoding: Optional[str] = None
    tolerant: bool = False

    @classmethod
    def of(cls, path: Path, encoding: Optional[str] = None) -> "Preview":
        """RAISES (CorpusError): If the file cannot be read or unpacked."""
        with Source(path) as source, source.open() as file:
            return cls(path, file.read(SIZE), encoding)

    @cached_property
    def text(self) -> str:
        """The first bytes as text; what is not of the encoding is replaced."""
        return self.content.decode(self.encoding or "utf-8-sig", errors="replace")

    @cached_property
    def lines(self) -> List[str]:
        """The first lines, without their ends. The last may be cut, so it is left
        out if there is more than one."""
        lines = self.text.split("\n")
        whole = len(self.content) < SIZE or len(lines) == 1
        return [line.rstrip("\r") for line in (lines if whole else lines[:-1])]

    @property
    def is_json(self) -> bool:
        """Whether there are values as those of JSON; Parquet has them too."""
        return is_table(self.content) or self.text.lstrip()[:1] in ("{", "[")

    @cached_property
    def rows(self) -> List[Dict[str, Any]]:
        """The first objects of a JSON file, or the first behind what is damaged."""
        rows = [value for value in self.values if isinstance(value, dict)]
        return rows or [v for v in self._read("skip") if isinstance(v, dict)]

    @cached_property
    def values(self) -> List[Any]:
        """The first values of a JSON file, objects or others."""
        self.error: Optional[CorpusError] = None
        return self._read("error")

    def _read(self, on_error: str) -> List[Any]:
        values: List[Any] = []
        if not self.is_json:
            return values
        read = 0

        def count(n: int) -> None:
            nonlocal read
            read += n

        source = Source(
            self.path, ConversionReport(None, count, on_error, self.encoding)
        )
        try:
            with source:
                for value in source.json_values():
                    values.append(value)
                    # Long rows take memory.
                    if len(values) == N_ROWS or read > 16 * SIZE:
                        break
        except CorpusError as error:
            self.error = self.error or error
        return values

    def has_no_spans_besides(self, *keys: str) -> bool:
        """Whether the spans of a format are under these keys. Where those are empty
        but others look like spans, it is another layout."""
        return any(row.get(key) for row in self.rows for key in keys) or not any(
            key not in NO_SPANS and are_spans(value)
            for row in self.rows
            for key, value in row.items()
        )

    def has_rows(self, fits: Callable[[Dict[str, Any]], bool]) -> bool:
        """Whether there are objects, and all, or most, are as they are to be."""
        if not self.tolerant:
            return bool(self.rows) and all(fits(row) for row in self.rows)
        return 2 * sum(map(fits, self.rows)) > len(self.rows)
