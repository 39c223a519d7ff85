"""Gold spans as tasks get them, and as they give them back."""

from dataclasses import dataclass, field
from typing import List, Optional, Tuple

from spacy.tokens import Span

from ..core.arrays import Mask
from ..core.span_table import SpanTable


@dataclass
class AlignedGold:
    """The gold spans of one example on the tokens of its predicted document.

    n_tokens (int): Number of these tokens.
    spans (List[Tuple[int, int, Span]]): Start (inclusive) and end (exclusive) token,
        and the gold span.
    unknown (Optional[Mask]): Tokens without annotation; None: all have it. A span that
        touches one is neither right nor wrong, unless it is in `spans` or `rejected`.
        *Shape:* (n_tokens,)
    rejected (List[Tuple[int, int, Span]]): Spans that are known to be wrong, in the
        same form. One without a label is wrong with any.
    """

    n_tokens: int
    spans: List[Tuple[int, int, Span]]
    unknown: Optional[Mask]
    rejected: List[Tuple[int, int, Span]] = field(default_factory=list)

    @property
    def is_annotated(self) -> bool:
        """RETURNS (bool): Whether anything is known."""
        if self.unknown is None:
            return self.n_tokens > 0
        return bool(self.spans or self.rejected or not self.unknown.all())


@dataclass
class GoldTable:
    """The gold spans of a batch that a task can learn.

    spans (SpanTable): The spans. Their scores are 0.
    unknown (Mask): Tokens of the batch without annotation. *Shape:* (n_tokens,)
    rejected (Optional[SpanTable]): Spans that are known to be wrong, although they may
        touch such tokens. None: there are none.
    """

    spans: SpanTable
    unknown: Mask
    rejected: Optional[SpanTable] = None
