"""Files as streams of lines or of JSON values, with the place in them."""

import codecs
import gzip
import io
import json
import zlib
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Callable, Iterator, Optional, Type, cast

from .arrow import is_table, table_rows
from .conversion_report import ConversionReport
from .record import CorpusError, Record

GZIP = b"\x1f\x8b"
CHUNK = 1 << 16
# JSON that is not finished fails at its end: no sign of it is longer than this.
LONGEST_SIGN = 16
BLANK = " \t\r\n"


class Source:
    """A file of text, packed or not, that is being read. As a context it names
    file and line in the errors that arise inside.

    path (Path): The file.
    report (Optional[ConversionReport]): Gets how much was read and what was left out;
        has the encoding, and whether to go on after what cannot be read.
    """

    def __init__(self, path: Path, report: Optional[ConversionReport] = None) -> None:
        self.path = path
        self.line = 1
        self.report = report or ConversionReport()

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        reason = reason_of(error)
        if reason is not None:
            raise CorpusError.at(self.path, self.line, reason) from None

    @contextmanager
    def record(self) -> Iterator[None]:
        """What fails inside is an error, or with `on_error = "skip"` is counted and
        left out. Readers put what they do for one record, or one line, inside."""
        try:
            yield
        except ValueError as error:
            self._skip(error)

    def _skip(self, error: ValueError) -> None:
        """Count an error and go on. RAISES (ValueError): The error, if that is not
        wanted."""
        reason = reason_of(error)
        if self.report.on_error != "skip" or reason is None:
            raise error
        record = Record(self.path, self.line, None)
        self.report.add("record cannot be read", record, error=reason)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes of the file, unpacked."""
        advance = self.report.advance
        with io.BufferedReader(_Counted(self.path, advance), CHUNK) as raw:
            if self.path.suffix == ".gz" or raw.peek(2)[:2] == GZIP:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield cast(BinaryIO, unpacked)
            else:
                yield cast(BinaryIO, raw)

    def lines(self) -> Iterator[str]:
        """The lines, without their ends; `line` is the number of the last one."""
        self.line = 1
        with self.open() as file:
            for content in self._encoded_lines(file):
                try:
                    line = _decode(content, first=self.line == 1)
                except ValueError as error:
                    self._skip(error)
                else:
                    yield line.rstrip("\r\n")
                self.line += 1

    def _encoded_lines(self, file: BinaryIO) -> Iterator[bytes]:
        """The lines in UTF-8."""
        if self.report.encoding is None:
            yield from file
            return
        decoder = codecs.getincrementaldecoder(self.report.encoding)()
        rest = ""
        while content := file.read(CHUNK):
            *lines, rest = (rest + decoder.decode(content)).split("\n")
            for line in lines:
                yield f"{line}\n".encode("utf8", "surrogatepass")
        yield (rest + decoder.decode(b"", final=True)).encode("utf8", "surrogatepass")

    def text(self) -> str:
        """The whole file, with the ends of lines and the byte order mark as they
        are."""
        with self.open() as file:
            return file.read().decode(self.report.encoding or "utf8")

    def json_lines(self) -> Iterator[Any]:
        """The value of each line that is not blank."""
        for line in self.lines():
            if line.strip(BLANK):
                try:
                    value = json.loads(line)
                except ValueError as error:
                    self._skip(error)
                else:
                    yield value

    def json_values(self) -> Iterator[Any]:
        """The elements of an array, or values one after the other, on a line each or
        not; the rows of a Parquet or Arrow file. Only one of them is in memory."""
        with self.path.open("rb") as file:
            is_rows = is_table(file.read(8))
        if is_rows:
            self.line = 0
            for row in table_rows(self.path, self.report.advance):
                self.line += 1
                yield row
            return
        values = _Values(self._chunks())
        while values.skip_blank():
            self.line = values.line
            try:
                value = values.next()
            except ValueError as error:
                self._skip(error)
                if not values.skip_line():
                    break
            else:
                yield value
            self.line = values.line

    def _chunks(self) -> Iterator[str]:
        # Half a character that is left out with its line is found by its sign.
        errors = "surrogateescape" if self.report.on_error == "skip" else "strict"
        encoding = self.report.encoding or "utf8"
        decoder = codecs.getincrementaldecoder(encoding)(errors)
        first = self.report.encoding is None
        with self.open() as file:
            while content := file.read(CHUNK):
                yield decoder.decode(_without_mark(content) if first else content)
                first = False
            yield decoder.decode(b"", final=True)


def reason_of(error: Optional[BaseException]) -> Optional[str]:
    """The reason of an error that concerns a file; None for any other error."""
    if isinstance(error, CorpusError):
        return None
    if isinstance(error, json.JSONDecodeError):
        return f"invalid JSON ({error})"
    if isinstance(error, UnicodeEncodeError):
        character = error.object[error.start]
        return (
            f"character {error.start} of {_around(error)} is {character!r}, half of a "
            f"surrogate pair, which cannot be encoded"
        )
    if isinstance(error, UnicodeError):
        return f"not valid UTF-8 ({error}); set another encoding with --encoding"
    if isinstance(error, OSError) and error.errno is not None:
        return f"the file cannot be read ({error.strerror})"
    if isinstance(error, (EOFError, OSError, zlib.error)):
        return f"the file is damaged or truncated ({error})"
    if isinstance(error, (RecursionError, ValueError)):
        return str(error)
    return None


def _around(error: UnicodeEncodeError) -> str:
    """The text around what cannot be encoded."""
    start = max(0, error.start - 20)
    return ascii(error.object[start : error.start + 20])


class _Counted(io.FileIO):
    """A file that reports how much of it was read."""

    def __init__(self, path: Path, advance: Optional[Callable[[int], Any]]) -> None:
        super().__init__(path)
        self._advance = advance

    def readinto(self, buffer: Any) -> int:
        n = super().readinto(buffer) or 0
        if self._advance is not None:
            self._advance(n)
        return n


def _without_mark(content: bytes) -> bytes:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(
            "not valid UTF-8, the file begins like UTF-16; use --encoding utf-16"
        )
    return content[3:] if content[:3] == b"\xef\xbb\xbf" else content


def _decode(content: bytes, first: bool) -> str:
    return (_without_mark(content) if first else content).decode("utf8")


# Not ijson: it reads a third to a half more rows in a second (48,000 and 37,000 of
# GENIA's JSONL), but it knows no line, of a value or of an error, refuses NaN and
# Infinity, which json writes, and reads half of a surrogate pair as "?".
class _Values:
    """JSON values read off a stream of text."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self.line = 1
        self._chunks = chunks
        self._text = ""
        self._place = 0
        self._decoder = json.JSONDecoder()
        self._in_array: Optional[bool] = None
        self._first = True

    def skip_blank(self) -> bool:
        """Go to the next value. RETURNS (bool): Whether there is one."""
        sign = self._next_sign()
        if self._in_array is None:
            self._in_array = sign == "["
            if self._in_array:
                self._step()
                sign = self._next_sign()
        if not self._in_array:
            return sign != ""
        if sign == "]":
            self._step()
            if self._next_sign():
                raise ValueError("unexpected content after the end of the array")
            return False
        if not self._first:
            if sign != ",":
                raise ValueError(f"expected ',' or ']', got {sign!r}" if sign else _CUT)
            self._step()
            sign = self._next_sign()
        if not sign:
            raise ValueError(_CUT)
        return True

    def next(self) -> Any:
        self._first = False
        wanted = CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._place)
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated string")
                if not unfinished and error.pos < len(self._text) - LONGEST_SIGN:
                    raise
                if not self._read(wanted):
                    raise
                # Twice as much each time, so that long values take linear time.
                wanted *= 2
                continue
            # A number may go on in the next chunk.
            if end == len(self._text) and self._read(CHUNK):
                continue
            self._step(end - self._place)
            return value

    def skip_line(self) -> bool:
        """Go to the next line that begins a value, behind one that cannot be read.
        RETURNS (bool): Whether there is one; in an array there is no telling."""
        if self._in_array:
            return False
        while True:
            end = self._text.find("\n", self._place)
            if end >= 0:
                self._step(end + 1 - self._place)
                return True
            self._place = len(self._text)
            if not self._read(1):
                return False

    def _next_sign(self) -> str:
        while True:
            rest = self._text[self._place : self._place + CHUNK]
            kept = rest.lstrip(BLANK)
            self._step(len(rest) - len(kept))
            if kept:
                return kept[0]
            if not self._read(1):
                return ""

    def _step(self, n: int = 1) -> None:
        self.line += self._text.count("\n", self._place, self._place + n)
        self._place += n
        if self._place > CHUNK:
            self._text = self._text[self._place :]
            self._place = 0

    def _read(self, n: int) -> bool:
        """Read at least so many characters more, if there are any."""
        pieces = [self._text[self._place :]]
        size = 0
        for chunk in self._chunks:
            pieces.append(chunk)
            size += len(chunk)
            if size >= n:
                break
        if not size:
            return False
        self._text, self._place = "".join(pieces), 0
        return True


_CUT = "unterminated JSON array"
