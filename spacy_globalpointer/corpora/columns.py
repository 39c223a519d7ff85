"""Columns of tags: a token a line, a blank line behind each sentence.

    EU      NNP  B-NP  B-ORG            CoNLL 2003, with columns that are no layer
    c       B-DNA  O  O  O              GENIA, LitBank: a column a layer
    # http://... [2009-10-17]           GermEval 2014: comments, and an index
    1       Schartau  B-PER  O

Columns stand apart by tabs, or by white space. The schemes IOB, BIO (IOB2), BILUO,
BIOES and BMES are read alike. The last columns that hold only tags are layers.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple

from .head import Head
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source
from .tally import Tally

TAG = re.compile(r"O|[BIESLUM]-\S.*")
# Kinds of phrases, tagged in CoNLL 2000 and 2003 in a column like that of entities.
CHUNKS = {
    *("NP", "VP", "PP", "ADVP", "SBAR", "ADJP"),
    *("PRT", "CONJP", "INTJ", "LST", "UCP"),
}
DOCUMENT = re.compile(r"#\s*newdoc(?:\s+id\s*=\s*(\S.*))?|#.*?(https?://\S+)")
START = "-DOCSTART-"


@dataclass
class Layout:
    """Which columns there are.

    tabs (bool): Whether tabs stand between them, else white space.
    n (int): How many.
    token (int): The column of the token.
    layers (Sequence[int]): The columns of tags.
    """

    tabs: bool
    n: int
    token: int
    layers: Sequence[int]

    def split(self, line: str) -> List[str]:
        return _split(line, self.tabs)

    def is_comment(self, cells: List[str]) -> bool:
        """A token may be "#", and may begin with it."""
        return cells[0][:1] == "#" and not (
            len(cells) == self.n and all(TAG.fullmatch(cells[i]) for i in self.layers)
        )


def read_columns(path: Path, tally: Tally) -> Iterator[Record]:
    """Read a file, sentence by sentence. Arguments as for `read_corpus`."""
    layout = find_layout(Head.of(path))
    with Source(path, tally) as source:
        if layout is None:
            raise LineError("there are no columns of a token and of tags")
        rows: List[List[str]] = []
        first = 1
        document = _Document(path)
        for line in source.lines():
            cells = layout.split(line)
            if cells and not layout.is_comment(cells) and cells[0] != START:
                if len(cells) != layout.n:
                    raise LineError(
                        f"{layout.n} columns are needed as above, not {len(cells)}: "
                        f"{line!r:.80}"
                    )
                _check(cells, layout)
                first = first if rows else source.line
                rows.append(cells)
                continue
            if rows and (not cells or cells[0] == START):
                yield _to_record(rows, layout, path, first, document.name, tally)
                rows = []
            document.see(line, cells)
        if rows:
            yield _to_record(rows, layout, path, first, document.name, tally)


def is_columns(head: Head) -> bool:
    """Whether a file is of this format."""
    return not head.is_json and find_layout(head) is not None


def find_layout(head: Head) -> Optional[Layout]:
    """The columns of a file, from its first lines; None if there are none."""
    lines = [line for line in head.lines if line.strip()]
    tokens = [line for line in lines if line[0] != "#" and not line.startswith(START)]
    # Where all lines begin with "#", these are tokens.
    tokens = tokens or lines
    if not tokens:
        return None
    tabs = all("\t" in line for line in tokens)
    rows = [_split(line, tabs) for line in tokens]
    n = len(rows[0])
    # A line that is damaged is an error when it is read, not another format.
    rows = [row for row in rows if len(row) == n]
    if n < 2 or 2 * len(rows) < len(tokens):
        return None
    columns = list(zip(*rows))
    layers: List[int] = []
    for i in range(n - 1, 0, -1):
        n_tags = sum(TAG.fullmatch(cell) is not None for cell in columns[i])
        labels = {cell[2:] for cell in columns[i]} - {""}
        if 2 * n_tags < len(rows) or (layers and labels and labels <= CHUNKS):
            break
        layers.insert(0, i)
    if not layers:
        return None
    indexed = layers[0] > 1 and all(cell.isdecimal() for cell in columns[0])
    return Layout(tabs, n, int(indexed), layers)


def tags_to_spans(tags: Sequence[str]) -> Tuple[List[Tuple[int, int, str]], int]:
    """The spans of a column.

    tags (Sequence[str]): "O", or a sign and a label: B begins a span, I and M
        continue one, E and L end one, S and U are one.
    RETURNS (Tuple[List[Tuple[int, int, str]], int]): (start, end, label) of each,
        and how many are begun by a tag that is to continue one. In IOB that is as
        it should be.
    """
    spans = []
    n_begun = 0
    start, label = 0, ""
    for i, tag in enumerate([*tags, "O"]):
        sign, kind = tag[0], tag[2:]
        continues = sign in "IMEL" and kind == label
        if label and not continues:
            spans.append((start, i, label))
            label = ""
        if sign != "O" and not continues:
            n_begun += sign in "IMEL"
            start, label = i, kind
        if label and sign in "ELSU":
            spans.append((start, i + 1, label))
            label = ""
    return spans, n_begun


class _Document:
    """The document in which a sentence stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name: Optional[str] = None
        self._n = 0

    def see(self, line: str, cells: List[str]) -> None:
        """Read what is no token."""
        found = DOCUMENT.match(line)
        if cells[:1] == [START] or (found and "newdoc" in line):
            self._n += 1
            name = found and found.group(1)
            self.name = name or f"{self.path}:{self._n}"
        elif found:
            self.name = found.group(2)


def _split(line: str, tabs: bool) -> List[str]:
    """The cells of a line; an empty one at the end is none, LitBank has them."""
    if tabs:
        line = line.rstrip("\t")
        return line.split("\t") if line.strip(" ") else []
    line = line.strip(" \t")
    return re.split(r"[ \t]+", line) if line else []


def _check(cells: List[str], layout: Layout) -> None:
    for i in layout.layers:
        if not TAG.fullmatch(cells[i]):
            raise LineError(f"{cells[i]!r:.80} is no tag such as 'B-ORG'")
    if not cells[layout.token]:
        raise LineError("the token is empty")


def _to_record(
    rows: List[List[str]],
    layout: Layout,
    path: Path,
    line: int,
    doc: Optional[str],
    tally: Tally,
) -> Record:
    mentions: List[Mention] = []
    record = Record(
        path, line, mentions, tokens=[r[layout.token] for r in rows], doc=doc
    )
    for i in layout.layers:
        spans, n_begun = tags_to_spans([row[i] for row in rows])
        mentions += [Mention(*span) for span in spans]
        tally.add("continues nothing, read as a beginning", record, n=n_begun)
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
)
