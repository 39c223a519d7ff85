"""The beginning of a file or folder, by which its format is found."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from .arrow import is_table
from .conversion_report import ConversionReport
from .fields import are_spans
from .record import CorpusError
from .source import Source

SIZE = 1 << 16
# Bytes of which values are read.
MOST_READ = 8 * SIZE
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
    _beginnings: Dict[Any, Tuple[List[Any], Optional[CorpusError]]] = field(
        default_factory=dict, init=False, repr=False
    )

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
        if not self.is_json:
            return []
        values, error = self.beginning(Source.json_values, on_error, N_ROWS)
        self.error = self.error or error
        return values

    def beginning(
        self,
        read: Callable[[Source], Iterable[Any]],
        on_error: str = "error",
        most: Optional[int] = None,
    ) -> Tuple[List[Any], Optional[CorpusError]]:
        """The first values of the file, which is read once for each reader.

        read (Callable[[Source], Iterable[Any]]): The reader.
        on_error (str): What to do with values that cannot be read, "error" or "skip".
        most (Optional[int]): The most values.
        RETURNS (Tuple[List[Any], Optional[CorpusError]]): The values, and the error
            that ended them, if one did.
        """
        if (read, on_error) not in self._beginnings:
            self._beginnings[read, on_error] = self._first_values(read, on_error, most)
        return self._beginnings[read, on_error]

    def _first_values(
        self,
        read: Callable[[Source], Iterable[Any]],
        on_error: str,
        most: Optional[int],
    ) -> Tuple[List[Any], Optional[CorpusError]]:
        values: List[Any] = []
        n_read = 0

        def count(n: int) -> None:
            nonlocal n_read
            n_read += n

        report = ConversionReport(None, count, on_error, self.encoding)
        try:
            with Source(self.path, report) as source:
                for value in read(source):
                    values.append(value)
                    # Long rows take memory.
                    if len(values) == most or n_read > MOST_READ:
                        break
        except CorpusError as error:
            return values, error
        return values, None

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
