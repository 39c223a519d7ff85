"""Columns of tags: a token a line, a blank line behind each sentence.

    EU      NNP  B-NP  B-ORG            CoNLL 2003, with columns that are no layer
    c       B-DNA  O  O  O              GENIA, LitBank: a column a layer
    # http://... [2009-10-17]           GermEval 2014: comments, and an index
    1       Schartau  B-PER  O

Columns are separated by tabs or by whitespace. Their names may be the first row, or
follow `# global.columns =`, as in CoNLL-U Plus.
"""

import re
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Tuple

from .conversion_report import ConversionReport
from .layout import Layout, Row, find_layout
from .preview import Preview
from .record import LineError, Record
from .registry import Format
from .source import Source
from .tags import TagReader

DOCUMENT = re.compile(r"#\s*newdoc(?:\s+id\s*=\s*(\S.*))?|#.*?(https?://\S+)")
START = re.compile(r"(?:\S+[ \t]+)?-DOCSTART-(?:[ \t]*\(([^()]+)\))?(?=[ \t(]|$)")
GLOBAL_COLUMNS = re.compile(r"#\s*global\.columns\s*=\s*(\S.*)")
# Ranges of words and empty nodes of CoNLL-U.
NO_TOKEN = re.compile(r"\d+[-.]\d+")


class Table:
    """How a file is cut into cells, and what its columns are.

    preview (Preview): The beginning of the file.
    columns (Optional[Mapping[str, str]]): As for `find_layout`.
    """

    def __init__(
        self, preview: Preview, columns: Optional[Mapping[str, str]] = None
    ) -> None:
        lines = [line for line in preview.lines if not START.match(line)]
        tokens = [line for line in lines if line.strip() and line[0] != "#"]
        # Where all lines begin with "#", these are tokens.
        self.has_comments = bool(tokens)
        tokens = tokens or [line for line in lines if line.strip()]
        self.layout: Optional[Layout] = None
        self.tabs = bool(tokens) and all("\t" in line for line in tokens)
        names = next(filter(None, map(GLOBAL_COLUMNS.match, preview.lines)), None)
        self.header = names and names[1].split()
        numbers = [self.split(line)[0].isdecimal() for line in tokens]
        self._has_numbers = 2 * sum(numbers) > len(numbers)
        self.layout = find_layout(self._cut(lines), columns, self.header)

    def _cut(self, lines: List[str]) -> List[List[Row]]:
        sentences: List[List[Row]] = [[]]
        for line in lines:
            cells = self.split(line)
            if not cells:
                sentences.append([])
            elif not (
                (self.has_comments and line[0] == "#") or self.is_no_token(cells)
            ):
                sentences[-1].append(cells)
        return [rows for rows in sentences if rows]

    def is_comment(self, cells: Row) -> bool:
        """A token may be "#", and may begin with it."""
        layout = self.layout
        return cells[0][:1] == "#" and not (
            layout is not None
            and len(cells) == layout.n
            and all(kind.is_tag(cells[i]) for i, kind in layout.layers.items())
        )

    def is_no_token(self, cells: Row) -> bool:
        """Whether a line is a range of words, or an empty node, of CoNLL-U."""
        return self._has_numbers and NO_TOKEN.fullmatch(cells[0]) is not None

    def split(self, line: str) -> Row:
        """The cells of a line; an empty one at the end is none, LitBank has them."""
        if self.tabs:
            line = line.rstrip("\t")
            return line.split("\t") if line.strip(" ") else []
        kept = line.strip(" \t")
        if not kept:
            return []
        cells = re.split(r"[ \t]+", kept)
        # A line that begins with whitespace may lack its word.
        layout = self.layout
        if layout and line[0] in " \t" and len(cells) == layout.n - 1:
            cells.insert(0, "")
        return cells


def read_columns(
    path: Path, report: ConversionReport, columns: Optional[Mapping[str, str]] = None
) -> Iterator[Record]:
    """Read a file, sentence by sentence. Arguments as for `read_corpus`.

    columns (Optional[Mapping[str, str]]): As for `find_layout`.
    """
    with Source(path, report) as source:
        table = Table(Preview.of(path, report.encoding), columns)
        layout = table.layout
        if layout is None:
            raise LineError("no columns of words and tags found")
        rows: List[Row] = []
        first = 1
        document = _Document(path)
        tags = TagReader(report)
        has_header = layout.in_first_row
        for line in source.lines():
            start = START.match(line)
            cells = [] if start else table.split(line)
            if cells and not table.is_comment(cells):
                if not has_header and not table.is_no_token(cells):
                    first = first if rows else source.line
                    with source.record():
                        add_token(rows, cells, layout, source)
                has_header = False
                continue
            if rows and not cells:
                yield to_record(rows, layout, path, first, document.name, tags)
                rows = []
            document.see(line, start)
        if rows:
            yield to_record(rows, layout, path, first, document.name, tags)
        tags.finish(Record(path, source.line, None))


def is_columns(preview: Preview) -> bool:
    """Whether a file is of this format."""
    if preview.is_json and preview.rows:
        return False
    try:
        return Table(preview).layout is not None
    except LineError:
        # It is, and has to be said which columns are meant.
        return True


def describe_columns(
    path: Path, report: ConversionReport, columns: Optional[Mapping[str, str]] = None
) -> List[str]:
    """Which columns of a file are read as what, and why, for people."""
    layout = Table(Preview.of(path, report.encoding), columns).layout
    return [] if layout is None else describe_layout(layout)


def describe_layout(layout: Layout) -> List[str]:
    """Which columns are read as what, and why, for people."""
    kinds = {
        "prefix": "tags with B, I and O",
        "label": "labels alone and O",
        "bare": "B, I and O alone",
    }
    return [
        f"words: column {layout.name(layout.word)} of {layout.n}",
        *(
            f"tags: column {layout.name(i)}, {kinds[kind.kind]}: "
            f"{', '.join(layout.labels[i]) or 'O alone':.60}"
            for i, kind in layout.layers.items()
        ),
        *layout.reasons,
    ]


class _Document:
    """The document to which a sentence belongs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name: Optional[str] = None
        self._n = 0

    def see(self, line: str, start: Optional["re.Match[str]"]) -> None:
        """Read what is no token."""
        found = DOCUMENT.match(line)
        if start or (found and "newdoc" in line):
            self._n += 1
            name = (start or found or ("", ""))[1]
            self.name = name or f"{self.path}:{self._n}"
        elif found:
            self.name = found.group(2)


def add_token(rows: List[Row], cells: Row, layout: Layout, source: Source) -> None:
    """Add a line to those of its sentence. One without a word is counted."""
    if len(cells) != layout.n:
        raise LineError(
            f"expected {layout.n} columns as in the lines above, got {len(cells)}: "
            f"{' '.join(cells)!r:.80}"
        )
    tags = {kind.normalized(cells[i]) for i, kind in layout.layers.items()}
    if cells[layout.word].strip():
        rows.append(cells)
    elif tags <= {"O", None}:
        record = Record(source.path, source.line, None)
        source.report.add("empty token", record)
    else:
        raise LineError("empty token")


def to_record(
    rows: List[Row],
    layout: Layout,
    path: Path,
    line: int,
    doc: Optional[str],
    tags: TagReader,
) -> Record:
    record = Record(path, line, None, tokens=[r[layout.word] for r in rows], doc_id=doc)
    columns: List[Tuple[Optional[str], ...]] = [
        tuple(kind.normalized(row[i]) for row in rows)
        for i, kind in layout.layers.items()
    ]
    tags.read(record, columns)
    return record


FORMAT = Format(
    name="columns",
    description="A token a line, with tags in columns: IOB, BIO, BIOES, BILUO, BMES.",
    matches=is_columns,
    read=read_columns,
    example={
        "train.conll": """\
EU\tNNP\tB-NP\tB-ORG
rejects\tVBZ\tB-VP\tO
"""
    },
    options=("columns",),
    describe=describe_columns,
)
