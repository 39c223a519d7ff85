"""Which column of a table holds words, and which hold the tags of entities."""

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ..errors import Errors
from .record import LineError
from .tags import NO_LABEL, TAG, UNKNOWN, TagColumn, tags_to_spans

Row = List[str]
# What the column of words is called where columns have names.
WORD_NAMES = ("word", "words", "token", "tokens", "form", "text")
NAMES = {
    *WORD_NAMES,
    *("id", "sentence", "sent", "lemma", "pos", "upos", "xpos", "tag", "tags"),
    *("label", "labels", "ner", "ne", "entity", "entities", "iob", "bio", "misc"),
}
# Share of tokens with a tag, and of spans that touch the one before, of which at least
# one column of chunks has more, and one of entities hardly ever.
CHUNK_DENSITY = 0.5
CHUNK_TOUCH = 0.25
# Fewer spans that two columns share say nothing, if there are more in one of them.
N_SHARED = 3
# Columns that a message lists.
MOST_LISTED = 6


@dataclass
class Layout:
    """What the columns of a table are.

    n (int): How many there are.
    word (int): That of the words.
    layers (Dict[int, TagColumn]): Those of tags.
    header (Optional[Row]): Their names, if they have some.
    in_first_row (bool): Whether the names are the first row of the file.
    labels (Dict[int, List[str]]): Labels of each column of tags, in the first rows.
    reasons (List[str]): Why, for people.
    """

    n: int
    word: int
    layers: Dict[int, TagColumn]
    header: Optional[Row] = None
    in_first_row: bool = False
    labels: Dict[int, List[str]] = field(default_factory=dict)
    reasons: List[str] = field(default_factory=list)

    def name(self, column: int) -> str:
        return _name(column, self.header)


def parse_columns(value: str) -> Dict[str, str]:
    """Columns as in "word=1,ner=4", by their keys.

    RAISES (ValueError): If they are none.
    """
    pairs = [part.partition("=") for part in value.split(",")]
    found = {key.strip(): column.strip() for key, _, column in pairs}
    if not all(found) or not all(found.values()) or len(found) < len(pairs):
        raise ValueError(Errors.E023.format(value=value))
    return found


def find_layout(
    sentences: Sequence[Sequence[Row]],
    columns: Optional[Mapping[str, str]] = None,
    header: Optional[Row] = None,
) -> Optional[Layout]:
    """What the columns of a table are, by its first sentences.

    sentences (Sequence[Sequence[Row]]): The cells of each token of each sentence.
    columns (Optional[Mapping[str, str]]): Columns that are given, by number from 1 or
        by name: that of words as "word", those of tags under any other key, which is
        the label where tags are B, I and O alone.
    header (Optional[Row]): Names of the columns; None: the first row may have them.
    RETURNS (Optional[Layout]): None if there are no columns of words and tags.
    RAISES (LineError): If there is more than one way to read it, or a column that is
        given does not exist.
    """
    widths = Counter(len(row) for rows in sentences for row in rows)
    if not widths:
        return None
    n = widths.most_common(1)[0][0]
    # A line that is damaged is an error when it is read, not another format.
    whole = [[row for row in rows if len(row) == n] for rows in sentences]
    whole = [rows for rows in whole if rows]
    if n < 2 or 2 * widths[n] < sum(widths.values()):
        return None
    if header is not None and len(header) != n:
        header = None
    in_first_row = header is None and _is_header(whole)
    if in_first_row:
        header = whole[0][0]
        whole = [rows for rows in ([*whole[0][1:]], *whole[1:]) if rows]
    layout = Layout(n, 0, {}, header, in_first_row)
    table = [row for rows in whole for row in rows]
    cells = list(zip(*table))
    given = {
        key: _number(key, value, n, header) for key, value in (columns or {}).items()
    }
    wanted = {key: i for key, i in given.items() if key not in ("word", "sentence")}
    if wanted:
        for key, i in wanted.items():
            label = NO_LABEL if key == "ner" else key
            kind = TagColumn.of(cells[i], label)
            has_signs = any(map(TAG.fullmatch, {*cells[i]} - {"O"}))
            layout.layers[i] = kind or TagColumn("prefix" if has_signs else "label")
        layout.reasons.append("tags as given by --columns")
    else:
        layout.layers = _find_layers(layout, whole, given)
    if not layout.layers:
        return None
    layout.labels = {
        i: sorted({label for *_, label in _spans(whole, i, kind)})
        for i, kind in layout.layers.items()
    }
    others = [i for i in range(n) if i not in layout.layers]
    if "word" in given:
        layout.word = given["word"]
        layout.reasons.append("words as given by --columns")
    elif not others:
        return None
    else:
        layout.word = _find_word(layout, whole, others)
    return layout


def _is_header(sentences: Sequence[Sequence[Row]]) -> bool:
    """Whether the first row has the names of the columns: they are words that name
    columns, and each is once in its column."""
    if not sentences:
        return False
    table = [row for rows in sentences for row in rows]
    first, rest = table[0], table[1:]
    known = [NAMES & set(re.split(r"[^a-z]+", cell.lower())) for cell in first]
    return (
        bool(rest)
        and sum(map(bool, known)) >= 2
        and len(set(first)) == len(first)
        and not any(map(TAG.fullmatch, first))
        and not any(cell == row[i] for row in rest for i, cell in enumerate(first))
    )


def _number(key: str, value: str, n: int, header: Optional[Row]) -> int:
    if value.isdecimal() and 1 <= int(value) <= n:
        return int(value) - 1
    if header and value in header:
        return header.index(value)
    names = f", named {', '.join(header)}" if header else ""
    raise LineError(f"there is no column {key}={value}; there are {n} columns{names}")


def _name(column: int, header: Optional[Row]) -> str:
    return f"{column + 1} ({header[column]})" if header else str(column + 1)


def _find_layers(
    layout: Layout, sentences: Sequence[Sequence[Row]], given: Mapping[str, int]
) -> Dict[int, TagColumn]:
    table = [row for rows in sentences for row in rows]
    cells = list(zip(*table))
    found: Dict[int, TagColumn] = {}
    for i in range(layout.n):
        label = NO_LABEL
        if layout.header and layout.header[i].lower() not in NAMES:
            label = layout.header[i]
        kind = TagColumn.of(cells[i], label)
        if kind is not None and i != given.get("word"):
            found[i] = kind
    # Signs are surer than labels alone, and labels than a column of O.
    has_signs = any(
        kind.kind != "label" and set(cells[i]) - UNKNOWN - {"O"}
        for i, kind in found.items()
    )
    if has_signs:
        found = {i: kind for i, kind in found.items() if kind.kind != "label"}
    elif any(kind.kind == "label" for kind in found.values()):
        found = {i: kind for i, kind in found.items() if kind.kind == "label"}
    # A word may look like a tag; a table has words.
    if len(found) == layout.n:
        found.pop(0)
    spans = {i: _spans(sentences, i, kind) for i, kind in found.items()}
    labels = {i: {label for *_, label in spans[i]} for i in found}
    for i in _chunks(sentences, found, spans, labels):
        del found[i]
        layout.reasons.append(
            f"column {layout.name(i)} not read: its tags cover most words, one behind "
            "the other, as those of chunks do"
        )
    _check_layers(layout, sentences, found, spans, labels)
    return found


def _spans(
    sentences: Sequence[Sequence[Row]], column: int, kind: TagColumn
) -> List[Tuple[int, int, int, str]]:
    """Sentence, first token, the one behind the last, and label of each span."""
    found = []
    for n, rows in enumerate(sentences):
        tags = [
            kind.normalized(row[column]) or "O" if kind.is_tag(row[column]) else "O"
            for row in rows
        ]
        found += [(n, *span) for span in tags_to_spans(tags)[0]]
    return found


def _chunks(
    sentences: Sequence[Sequence[Row]],
    layers: Mapping[int, TagColumn],
    spans: Mapping[int, List[Tuple[int, int, int, str]]],
    labels: Mapping[int, Set[str]],
) -> List[int]:
    """Columns of chunks beside one of entities. Chunks cover most of a text and
    are adjacent; their labels differ from those of entities."""
    n_tokens = sum(map(len, sentences))

    def is_dense(i: int) -> bool:
        ends = {(n, end) for n, _, end, _ in spans[i]}
        n_touching = sum((n, start) in ends for n, start, *_ in spans[i])
        n_covered = sum(end - start for _, start, end, _ in spans[i])
        return (
            n_covered >= CHUNK_DENSITY * n_tokens
            and n_touching >= CHUNK_TOUCH * len(spans[i])
            and n_touching > 0
        )

    dense = [i for i in layers if is_dense(i)]
    sparse = [i for i in layers if i not in dense]
    return [
        i for i in dense if sparse and not any(labels[i] & labels[j] for j in sparse)
    ]


def _check_layers(
    layout: Layout,
    sentences: Sequence[Sequence[Row]],
    layers: Mapping[int, TagColumn],
    spans: Mapping[int, List[Tuple[int, int, int, str]]],
    labels: Mapping[int, Set[str]],
) -> None:
    """RAISES (LineError): If columns of tags are no layers of one annotation."""
    filled = [i for i in layers if spans[i]]
    reason = ""
    between = set(range(filled[0], filled[-1])) - {*layers} if filled else set()
    columns = list(zip(*(row for rows in sentences for row in rows)))
    repeated = [i for i in between if any(columns[i] == columns[j] for j in range(i))]
    if repeated and len(filled) > 1:
        reason = f"on both sides of another column of words, {layout.name(repeated[0])}"
    for i, j in combinations(filled, 2):
        places, others = ({span[:3] for span in spans[k]} for k in (i, j))
        n_shared = len(places & others)
        # Layers of nested spans share some places, but hardly most of them.
        if places == others or (
            n_shared >= max(N_SHARED, 0.8 * min(len(places), len(others)))
        ):
            reason = "that tag the same words"
            break
    if reason:
        which = "; ".join(
            f"column {layout.name(i):.40}: {len(spans[i])} "
            f"span{'s' * (len(spans[i]) != 1)} of "
            f"{', '.join(sorted(labels[i])[:5]):.60}"
            for i in filled[:MOST_LISTED]
        )
        names = layout.header or [str(i + 1) for i in range(layout.n)]
        chosen = [names[i] for i in filled]
        raise LineError(
            f"there are columns of tags {reason} ({which}); name the one that is "
            f"meant: --columns ner={chosen[0]}, or the layers: --columns "
            f"ner={chosen[0]},more={chosen[1]}"
        )


def _find_word(
    layout: Layout, sentences: Sequence[Sequence[Row]], others: List[int]
) -> int:
    for i in others if layout.header else ():
        assert layout.header is not None
        if layout.header[i].lower() in WORD_NAMES:
            layout.reasons.append("words by the name of the column")
            return i
    words = [i for i in others if not _is_identifier(sentences, i)]
    if words and words[0] != others[0]:
        names = ", ".join(layout.name(i) for i in others[: others.index(words[0])])
        layout.reasons.append(f"words behind identifiers in column {names}")
    return words[0] if words else others[0]


def _is_identifier(sentences: Sequence[Sequence[Row]], column: int) -> bool:
    """Whether a column numbers or names tokens, sentences or documents: numbers alone,
    one value a sentence, or values that only count up."""
    cells = [[row[column] for row in rows] for rows in sentences]
    if all(not any(map(str.isalpha, cell)) for row in cells for cell in row) and all(
        any(map(str.isdecimal, cell)) for row in cells for cell in row
    ):
        return True
    longer = [row for row in cells if len(row) > 1]
    if not longer:
        return False
    if all(len(set(row)) == 1 for row in longer):
        return True
    return all(_counts_up(row) for row in longer)


def _counts_up(cells: Sequence[str]) -> bool:
    found = [re.fullmatch(r"(.*?)(\d+)\)?", cell) for cell in cells]
    if not all(found):
        return False
    numbers = [int(match[2]) for match in found if match]
    return len({match[1] for match in found if match}) == 1 and numbers == [
        *range(numbers[0], numbers[0] + len(numbers))
    ]
