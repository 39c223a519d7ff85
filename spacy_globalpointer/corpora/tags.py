"""Tags of tokens: the schemes, and the spans that they say.

IOB (IOB1), BIO (IOB2), BILUO, BIOES and BMES are read alike. Tags may also be labels
alone ("IO"), or B, I and O alone.
"""

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Set, Tuple

from .conversion_report import ConversionReport
from .record import LineError, Mention, Record

TAG = re.compile(r"O|[BIESLUM]-\S.*")
BARE = frozenset("BIESLUMO")
# Tokens of which is not known whether they belong to an entity.
UNKNOWN = frozenset("-_*?")
# The label where there is none.
NO_LABEL = "ENTITY"


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


@dataclass
class TagColumn:
    """How the tags of a column are written.

    kind (str): "prefix" for B-ORG and O, "label" for ORG and O, "bare" for B, I, O.
    outside (str): The tag of tokens outside.
    label (str): The label of bare tags.
    """

    kind: str = "prefix"
    outside: str = "O"
    label: str = NO_LABEL

    @classmethod
    def of(cls, cells: Sequence[str], label: str = NO_LABEL) -> Optional["TagColumn"]:
        """How the cells of a column are written; None if they are no tags."""
        values = set(cells) - UNKNOWN
        if not values:
            return None
        if values <= BARE and values != {"O"} and values & {"B", "I"}:
            return cls("bare", label=label)
        n_unknown = sum(cell in UNKNOWN for cell in cells)
        n_tags = sum(TAG.fullmatch(cell) is not None for cell in cells)
        has_signs = any(TAG.fullmatch(value) for value in values - {"O"})
        is_all_tags = n_tags + n_unknown == len(cells)
        # Labels alone, if nothing has a sign but much is no tag.
        if 2 * (n_tags + n_unknown) >= len(cells) and (has_signs or is_all_tags):
            return cls()
        for outside in ("O", "0"):
            labels = values - {outside}
            if (
                5 * sum(cell == outside for cell in cells) >= len(cells)
                and labels
                and all(label[:1].isalpha() for label in labels)
                and len(labels) <= max(3, len(cells) // 4)
            ):
                return cls("label", outside)
        return cls() if n_tags and 2 * n_tags >= len(cells) else None

    def is_tag(self, cell: str) -> bool:
        """Whether a cell is a tag."""
        if cell in UNKNOWN:
            return True
        if self.kind == "bare":
            return cell in BARE
        if self.kind == "label":
            return bool(cell)
        return TAG.fullmatch(cell) is not None

    def normalized(self, cell: str) -> Optional[str]:
        """A cell as a tag with a sign and a label; None: it is not known.

        RAISES (LineError): If it is no tag.
        """
        if cell in UNKNOWN:
            return None
        if not self.is_tag(cell):
            raise LineError(f"expected a tag such as 'B-ORG', got {cell!r:.80}")
        if self.kind == "bare":
            return cell if cell == "O" else f"{cell}-{self.label}"
        if self.kind == "label":
            return "O" if cell == self.outside else f"I-{cell}"
        return cell


class TagReader:
    """Reads tags, sentence by sentence, and finds whether they are IOB: there a span
    begins with I, and with B only behind another of its label.

    report (ConversionReport): The account.
    """

    def __init__(self, report: ConversionReport) -> None:
        self._report = report
        self._n_begun: Dict[int, int] = {}
        self._not_iob: Dict[int, int] = {}

    def read(self, record: Record, columns: Sequence[Sequence[Optional[str]]]) -> None:
        """Add the spans of a sentence to its record.

        record (Record): The record.
        columns (Sequence[Sequence[Optional[str]]]): The tags of each column; None: it
            is not known whether the token belongs to an entity.
        """
        mentions: List[Mention] = []
        known: Set[int] = set()
        for i, tags in enumerate(columns):
            spans, n_begun = tags_to_spans([tag or "O" for tag in tags])
            mentions += [Mention(*span) for span in spans]
            self._n_begun[i] = self._n_begun.get(i, 0) + n_begun
            ends = {(end, label) for _, end, label in spans}
            n_free = sum(
                tags[start] is not None
                and str(tags[start])[0] == "B"
                and (start, label) not in ends
                for start, _, label in spans
            )
            self._not_iob[i] = self._not_iob.get(i, 0) + n_free
            known.update(n for n, tag in enumerate(tags) if tag is not None)
        n_tokens = len(columns[0]) if columns else 0
        if known or not n_tokens:
            record.mentions = mentions
            if len(known) < n_tokens:
                record.outside = [
                    (n, n + 1)
                    for n in range(n_tokens)
                    if all(tags[n] == "O" for tags in columns)
                ]

    def finish(self, record: Record) -> None:
        """Count spans that are begun by a tag that is to continue one, where the tags
        are not IOB."""
        for i, n_begun in self._n_begun.items():
            if n_begun <= self._not_iob[i]:
                reason = "I- tag without B- (treated as B-)"
                self._report.add(reason, record, n=n_begun)
