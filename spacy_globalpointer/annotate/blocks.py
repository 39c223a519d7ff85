"""The input in blocks: consecutive documents, read together.

A block is a function of the input and of the block size alone, so that each run of the
same input has the same blocks, wherever it begins:

    lines          those that begin in bytes [k * size, (k + 1) * size) of the file
    files of text  as many as have `size` bytes together
    rows           of one row group, about `size` bytes
    .spacy         documents of about `size` bytes together
"""

import io
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, BinaryIO, Collection, Iterator, List, Optional, Sequence, Union

from ..errors import Errors
from .files import STDIN, InputFile, open_input, packing, read_file, stem, unpack

# Forms of input; "lines" is a document a line, "txt" a document a file.
KINDS = ("txt", "lines", "jsonl", "spacy", "parquet")
SUFFIXES = {
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".spacy": "spacy",
    ".parquet": "parquet",
}
# Longer lines and files of text are never read into memory.
LONGEST = 64 << 20
NEWLINE = b"\n"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Unreadable:
    """In place of a content that cannot be read.

    reason (str): Why.
    """

    reason: str


@dataclass(frozen=True)
class Item:
    """A document as it is in the input.

    content (Union[bytes, dict, Unreadable]): A line, a file, a row, or the bytes of a
        `Doc`.
    number (int): Which line of the block, row or document of the file, from 1 on.
    name (str): A name that no other document of the input has.
    path (str): The file.
    """

    content: Union[bytes, dict, Unreadable]
    number: int
    name: str
    path: str


@dataclass
class Block:
    """Documents that are read together.

    key (str): Names the block; keys sort in the order of the input.
    kind (str): Form of the input, one of KINDS.
    path (str): The file, the first one if there are several.
    n_bytes (int): How much of the input this is, packed as it is.
    items (List[Item]): The documents.
    n_lines (int): Lines of the file, blank ones too.
    """

    key: str
    kind: str
    path: str
    n_bytes: int = 0
    items: List[Item] = field(default_factory=list)
    n_lines: int = 0


@dataclass(frozen=True)
class Section:
    """A part of the input that can be read by itself: one block of a file in which one
    can seek, all of a file in which one cannot.

    number (int): Which file.
    files (Sequence[InputFile]): The file; several ones of kind "txt".
    kind (str): Form of the input.
    place (Optional[int]): Which block of lines, or which row group. None: all.
    """

    number: int
    files: Sequence[InputFile]
    kind: str
    place: Optional[int] = None


def kind_of(file: InputFile, kind: Optional[str]) -> str:
    """The form of a file, by its name if it is not given.

    RAISES (ValueError): If the name does not say it.
    """
    if kind is not None:
        return kind
    if file.path == STDIN:
        return "jsonl"
    name = file.name[: len(file.name) - len(packing(file.name))].lower()
    for suffix, found in SUFFIXES.items():
        if name.endswith(suffix):
            return found
    raise ValueError(Errors.E162.format(path=file.path, suffixes=", ".join(SUFFIXES)))


def sections(
    files: Sequence[InputFile], kind: Optional[str], lines: bool, size: int
) -> Iterator[Section]:
    """What can be read independently, in the order of the input.

    files (Sequence[InputFile]): The input.
    kind (Optional[str]): Form of all files. None: by their names.
    lines (bool): Whether a line of a file of text is a document.
    size (int): Bytes of a block.
    """

    def form(pair: Any) -> str:
        found = kind_of(pair[1], kind)
        return "lines" if lines and found == "txt" else found

    for found, group in groupby(enumerate(files), form):
        if found == "txt":
            yield from _groups_of_files(group, size)
            continue
        for number, file in group:
            if file.path == STDIN or packing(file.name) or found == "spacy":
                yield Section(number, [file], found)
            elif found == "parquet":
                with _parquet(file.path) as table:
                    n_groups = table.num_row_groups
                for place in range(n_groups):
                    yield Section(number, [file], found, place)
            else:
                for place in range(-(-file.size // size)):
                    yield Section(number, [file], found, place)


def _groups_of_files(pairs: Any, size: int) -> Iterator[Section]:
    first, n_bytes = 0, 0
    files: List[InputFile] = []
    for number, file in pairs:
        first = number if not files else first
        files.append(file)
        n_bytes += file.size
        if n_bytes >= size or len(files) == 1000:
            yield Section(first, files, "txt")
            files, n_bytes = [], 0
    if files:
        yield Section(first, files, "txt")


def read_section(
    section: Section, size: int, done: Collection[str] = ()
) -> Iterator[Block]:
    """Read the blocks of a section, without those that are done.

    section (Section): The section.
    size (int): Bytes of a block.
    done (Collection[str]): Keys of blocks that need not be read.
    """
    read = {
        "txt": _read_files,
        "lines": _read_lines,
        "jsonl": _read_lines,
        "parquet": _read_rows,
        "spacy": _read_docs,
    }
    yield from read[section.kind](section, size, done)


def block_key(section: Section, offset: int) -> str:
    return f"{section.number:08d}-{offset:015d}"


def _read_files(section: Section, size: int, done: Collection[str]) -> Iterator[Block]:
    key = block_key(section, 0)
    if key in done:
        return
    block = Block(key, "txt", section.files[0].path)
    for file in section.files:
        content: Union[bytes, Unreadable]
        try:
            with open_input(file.path) as packed, unpack(packed, file.path) as raw:
                content = raw.read(LONGEST + 1)
            if len(content) > LONGEST:
                content = Unreadable(f"longer than {LONGEST:,} bytes")
            elif content.startswith(BYTE_ORDER_MARK):
                content = content[len(BYTE_ORDER_MARK) :]
        except (OSError, EOFError, ValueError) as error:
            content = Unreadable(f"the file cannot be read ({error})")
        block.items.append(Item(content, 1, stem(file.name), file.path))
        block.n_bytes += file.size
    yield block


def _read_lines(section: Section, size: int, done: Collection[str]) -> Iterator[Block]:
    (file,) = section.files
    if section.place is not None:
        start = section.place * size
        key = block_key(section, start)
        if key in done:
            return
        block = Block(key, section.kind, file.path)
        block.n_bytes = min(size, file.size - start)
        with open_input(file.path) as raw:
            if start:
                # A line that begins at `start` is after the end of another one.
                raw.seek(start - 1)
                start += _skip_line(raw) - 1
            for offset, line in _lines(raw, start, (section.place + 1) * size):
                _add_line(block, file, offset, line)
        yield block
        return
    with open_input(file.path) as raw, unpack(raw, file.path) as unpacked:
        n_read = 0
        for place, lines in groupby(_lines(unpacked, 0), lambda pair: pair[0] // size):
            key = block_key(section, place * size)
            block = Block(key, section.kind, file.path)
            is_done = key in done and file.path != STDIN
            for offset, line in lines:
                if not is_done:
                    _add_line(block, file, offset, line)
            if not is_done:
                if file.path != STDIN:
                    n_now = raw.tell()
                    block.n_bytes, n_read = n_now - n_read, n_now
                yield block
            elif file.path != STDIN:
                n_read = raw.tell()


def _lines(file: BinaryIO, offset: int, end: Optional[int] = None) -> Iterator[Any]:
    """The lines that begin before `end`, each with the place where it begins."""
    while end is None or offset < end:
        try:
            line: Union[bytes, Unreadable] = file.readline(LONGEST)
        except (EOFError, OSError, zlib.error) as error:
            # A packed file that is damaged has no more lines.
            yield offset, Unreadable(f"the file is damaged or truncated ({error})")
            return
        assert isinstance(line, bytes)
        if not line:
            return
        n_bytes = len(line)
        if n_bytes == LONGEST and not line.endswith(NEWLINE):
            n_bytes += _skip_line(file)
            line = Unreadable(f"the line is longer than {LONGEST:,} bytes")
        elif offset == 0 and line.startswith(BYTE_ORDER_MARK):
            line = line[len(BYTE_ORDER_MARK) :]
        yield offset, line
        offset += n_bytes


def _skip_line(file: BinaryIO) -> int:
    """Skip what is left of a line. RETURNS (int): How many bytes that was."""
    n_bytes = 0
    while content := file.readline(LONGEST):
        n_bytes += len(content)
        if content.endswith(NEWLINE):
            break
    return n_bytes


def _add_line(
    block: Block, file: InputFile, offset: int, line: Union[bytes, Unreadable]
) -> None:
    block.n_lines += 1
    if isinstance(line, bytes) and not line.strip():
        return
    name = f"{stem(file.name)}-{offset:015d}"
    block.items.append(Item(line, block.n_lines, name, file.path))


@contextmanager
def _parquet(path: str) -> Iterator[Any]:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        message = Errors.E161.format(what=path, extra="parquet")
        raise ImportError(message) from None
    # In a stream one cannot seek.
    source = io.BytesIO(read_file(path)) if path == STDIN else open_input(path)
    with source, ParquetFile(source) as table:
        yield table


def _read_rows(section: Section, size: int, done: Collection[str]) -> Iterator[Block]:
    (file,) = section.files
    with _parquet(file.path) as table:
        groups = [table.metadata.row_group(i) for i in range(table.num_row_groups)]
        places = range(len(groups)) if section.place is None else [section.place]
        for place in places:
            first = sum(group.num_rows for group in groups[:place])
            yield from _read_row_group(table, place, first, file, section, size, done)


def _read_row_group(
    table: Any,
    place: int,
    first: int,
    file: InputFile,
    section: Section,
    size: int,
    done: Collection[str],
) -> Iterator[Block]:
    group = table.metadata.row_group(place)
    n_rows = size * group.num_rows // max(group.total_byte_size, 1)
    n_rows = min(max(n_rows, 1), max(group.num_rows, 1))
    for batch in table.iter_batches(batch_size=n_rows, row_groups=[place]):
        block = Block(block_key(section, first), "parquet", file.path)
        if block.key not in done:
            block.n_bytes = file.size * batch.num_rows // table.metadata.num_rows
            for i, row in enumerate(batch.to_pylist(), first):
                name = f"{stem(file.name)}-{i:015d}"
                block.items.append(Item(row, i + 1, name, file.path))
            yield block
        first += batch.num_rows


def _read_docs(section: Section, size: int, done: Collection[str]) -> Iterator[Block]:
    import spacy
    from spacy.tokens import DocBin

    (file,) = section.files
    with open_input(file.path) as packed, unpack(packed, file.path) as raw:
        content = raw.read()
    try:
        docs = DocBin().from_bytes(content)
    except Exception as error:
        key = block_key(section, 0)
        if key not in done:
            reason = Unreadable(f"not a .spacy file, or a damaged one ({error!r:.200})")
            items = [Item(reason, 1, stem(file.name), file.path)]
            yield Block(key, "spacy", file.path, file.size, items)
        return
    vocab = spacy.blank("xx").vocab
    block: Optional[Block] = None
    n_bytes = 0
    for i, doc in enumerate(docs.get_docs(vocab)):
        if block is None:
            block = Block(block_key(section, i), "spacy", file.path)
        item = Item(doc.to_bytes(), i + 1, f"{stem(file.name)}-{i:015d}", file.path)
        block.items.append(item)
        n_bytes += len(doc.text)
        if n_bytes >= size:
            block.n_bytes = file.size * len(block.items) // len(docs)
            if block.key not in done:
                yield block
            block, n_bytes = None, 0
    if block is not None and block.key not in done:
        block.n_bytes = file.size * len(block.items) // len(docs)
        yield block
