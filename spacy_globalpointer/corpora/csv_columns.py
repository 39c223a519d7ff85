"""Comma-separated columns of tags: a token a row. A column may number the sentences, on
each row or on the first of a sentence, else blank lines separate them.

    Sentence #,Word,POS,Tag
    Sentence: 1,Thousands,NNS,O
    ,of,IN,O
"""

import csv
from itertools import pairwise
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Sequence, Tuple

from .columns import add_token, describe_layout, to_record
from .conversion_report import ConversionReport
from .layout import Layout, Row, find_layout
from .preview import Preview
from .record import LineError, Record
from .registry import Format
from .source import Source
from .tags import TagReader

DELIMITERS = ",;"
# What pandas writes for an empty cell.
EMPTY = {"", "nan"}


def read_csv(
    path: Path, report: ConversionReport, columns: Optional[Mapping[str, str]] = None
) -> Iterator[Record]:
    """Read a file, sentence by sentence. Arguments as for `read_corpus`.

    columns (Optional[Mapping[str, str]]): As for `find_layout`, and that of the
        numbers of sentences as "sentence".
    """
    with Source(path, report) as source:
        delimiter, layout, sentence = _find(Preview.of(path, report.encoding), columns)
        if layout is None:
            raise LineError("no columns of words and tags found")
        tags = TagReader(report)
        rows: List[Row] = []
        first = 1
        # The name of the columns is no row.
        skip = layout.in_first_row
        for row in _rows(source.lines(), delimiter):
            if skip and row:
                skip = False
                continue
            begins = rows and (not row or _begins(row, rows[-1], sentence))
            if begins:
                yield to_record(rows, layout, path, first, None, tags)
                rows = []
            if row:
                first = first if rows else source.line
                if sentence is not None and rows and _is_empty(row[sentence]):
                    row[sentence] = rows[-1][sentence]
                with source.record():
                    add_token(rows, row, layout, source)
        if rows:
            yield to_record(rows, layout, path, first, None, tags)
        tags.finish(Record(path, source.line, None))


def is_csv(preview: Preview) -> bool:
    """Whether a file is of this format."""
    if preview.is_json and preview.rows:
        return False
    try:
        return _find(preview)[1] is not None
    except LineError:
        # It is, and has to be said which columns are meant.
        return True


def describe_csv(
    path: Path, report: ConversionReport, columns: Optional[Mapping[str, str]] = None
) -> List[str]:
    """Which columns of a file are read as what, and why, for people."""
    _, layout, sentence = _find(Preview.of(path, report.encoding), columns)
    if layout is None:
        return []
    number = [] if sentence is None else [f"sentences: column {layout.name(sentence)}"]
    return [*describe_layout(layout), *number]


def _find(
    preview: Preview, columns: Optional[Mapping[str, str]] = None
) -> Tuple[str, Optional[Layout], Optional[int]]:
    """The delimiter, the columns, and the column of the sentence numbers."""
    lines = preview.lines
    for delimiter in DELIMITERS:
        filled = [line for line in lines if line.strip()]
        if not filled or 2 * sum(delimiter in line for line in filled) < len(filled):
            continue
        try:
            table = list(_rows(iter(lines), delimiter))
        except LineError:
            continue
        sentences: List[List[Row]] = [[]]
        for row in table:
            sentences += [] if row else [[]]
            sentences[-1] += [row] if row else []
        layout = find_layout([rows for rows in sentences if rows], columns)
        if layout is None:
            continue
        rows = [row for row in table[layout.in_first_row :] if len(row) == layout.n]
        if columns and "sentence" in columns:
            name = columns["sentence"]
            names = layout.header or []
            if name not in names and not (name.isdecimal() and int(name) <= layout.n):
                raise LineError(f"there is no column sentence={name}")
            return (
                delimiter,
                layout,
                (names.index(name) if name in names else int(name) - 1),
            )
        return delimiter, layout, _sentence_column(rows, layout)
    return ",", None, None


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[Row]:
    """The cells of each row; none for a blank line."""
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            yield row if any(row) else []
    except csv.Error as error:
        raise LineError(f"invalid CSV ({error})") from None


def _sentence_column(rows: Sequence[Row], layout: Layout) -> Optional[int]:
    """The first column beside words and tags that is the same, or empty, on rows that
    follow each other."""
    for i in range(layout.n):
        if i == layout.word or i in layout.layers:
            continue
        cells = ["" if _is_empty(row[i]) else row[i] for row in rows]
        runs = 1 + sum(a != b and b != "" for a, b in pairwise(cells))
        distinct = len(set(cells) - {""})
        if cells and cells[0] and distinct == runs and 2 * runs <= len(cells) + 1:
            return i
    return None


def _begins(row: Row, last: Row, sentence: Optional[int]) -> bool:
    if sentence is None or sentence >= len(row):
        return False
    return not _is_empty(row[sentence]) and row[sentence] != last[sentence]


def _is_empty(cell: str) -> bool:
    return cell.strip().lower() in EMPTY


FORMAT = Format(
    name="csv",
    description="Columns with commas between them and numbers of sentences.",
    matches=is_csv,
    read=read_csv,
    example={
        "train.csv": """\
Sentence #,Word,POS,Tag
Sentence: 1,Ann,NNP,B-per
,left,VBD,O
Sentence: 2,"10,000",CD,O
,people,NNS,O
"""
    },
    options=("columns",),
    describe=describe_csv,
)
