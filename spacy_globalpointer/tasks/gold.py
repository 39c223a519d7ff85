"""Gold spans as tasks get them, and as they give them back."""

from dataclasses import dataclass
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
    unknown (Optional[Mask]): Tokens without annotation; None: all have it.
        *Shape:* (n_tokens,)
    """

    n_tokens: int
    spans: List[Tuple[int, int, Span]]
    unknown: Optional[Mask]

    @property
    def is_annotated(self) -> bool:
        """RETURNS (bool): Whether there is a token with annotation."""
        if self.unknown is None:
            return self.n_tokens > 0
        return not self.unknown.all()


@dataclass
class GoldTable:
    """The gold spans of a batch that a task can learn.

    spans (SpanTable): The spans. Their scores are 0.
    unknown (Mask): Tokens of the batch without annotation. *Shape:* (n_tokens,)
    """

    spans: SpanTable
    unknown: Mask
