"""Global Pointer (arXiv 2208.03054, equations 2 to 5)."""

from typing import Optional

import torch
from torch import Tensor, nn

from ..core.lattice import Lattice, Layout
from .content import Content
from .precision import promote, without_autocast
from .rotary_band import linear_rotary_band

# Where scores start: a probability of 1.8%, as next to none of all candidates is a
# span. Around 0, half of them would be predicted until a model has learned.
FIRST_SCORE = -4.0


class GlobalPointer(nn.Module):
    """One query and one key projection a label.

        q_a,i = Wq_a h_i + bq_a        k_a,j = Wk_a h_j + bk_a      (eq. 2, 3)
        s_a(i, j) = (R_i q_a,i) . (R_j k_a,j) / sqrt(d)             (eq. 4, 5)

    width (int): Width v of the hidden states.
    n_labels (int): Number of labels.
    head_width (int): Width d of queries and keys, an even number.
    rope (bool): Whether to use the rotation R.
    content_width (int): Width of a content term that is added (see `Content`); 0: none.
    content_dropout (float): Dropout of the content term in training.
    content_max_length (Optional[int]): Longest candidate that has a content term, in
        tokens. None: no limit.
    """

    def __init__(
        self,
        width: int,
        n_labels: int,
        *,
        head_width: int = 64,
        rope: bool = True,
        content_width: int = 0,
        content_dropout: float = 0.2,
        content_max_length: Optional[int] = None,
    ) -> None:
        super().__init__()
        self.head_width = head_width
        self.rope = rope
        # The rows of a label are adjacent: (n_labels, 2, head_width).
        self.projection = nn.Linear(width, n_labels * 2 * head_width)
        self._start_low()
        self.content: Optional[Content] = None
        if content_width:
            self.content = Content(
                width,
                n_labels,
                content_width,
                dropout=content_dropout,
                max_length=content_max_length,
            )

    @torch.no_grad()
    def _start_low(self) -> None:
        """Let all scores start at `FIRST_SCORE`. The constant is a product of biases
        in the pair with the slowest rotation: hardly a tenth of it is lost over 1,000
        tokens."""
        if self.rope and self.head_width == 2:
            # The only pair turns once in six tokens.
            return
        size = (-FIRST_SCORE * self.head_width**0.5) ** 0.5
        bias = self.projection.bias.view(-1, 2, self.head_width)
        bias[:, 0, -2] += size
        bias[:, 1, -2] -= size

    @without_autocast
    def forward(self, hidden: Tensor, layout: Layout) -> Lattice:
        """Score all candidates.

        hidden (Tensor): *Shape:* (n_tokens, width)
        layout (Layout): The layout of the candidates.
        RETURNS (Lattice): Scores of shape (n_labels, n_tokens, layout.width).
        """
        hidden, weight, bias = promote(
            hidden, self.projection.weight, self.projection.bias
        )
        weight, bias = (
            x.unflatten(0, (-1, 2, self.head_width)) for x in (weight, bias)
        )
        scores = linear_rotary_band(hidden, weight, bias, layout, self.rope)
        if self.content is not None:
            scores = scores + self.content(hidden, layout)
        return Lattice(scores, layout)

    @torch.no_grad()
    def resized(self, n_labels: int) -> "GlobalPointer":
        """A copy with more labels, which scores the present ones as before."""
        head = GlobalPointer(
            self.projection.in_features,
            n_labels,
            head_width=self.head_width,
            rope=self.rope,
        ).to(self.projection.weight)
        copy_leading_rows(self.projection, head.projection)
        if self.content is not None:
            head.content = self.content.resized(n_labels)
        return head


def copy_leading_rows(source: nn.Linear, target: nn.Linear) -> None:
    """Give the first rows of `target` the weights of `source`."""
    n_rows = source.out_features
    target.weight[:n_rows] = source.weight
    target.bias[:n_rows] = source.bias
