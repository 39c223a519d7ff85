"""Global Pointer (arXiv 2208.03054, equations 2 to 5)."""

import torch
from torch import Tensor, nn

from ..lattice import Lattice, Layout
from .precision import promote, without_autocast
from .rotary_band import linear_rotary_band


class GlobalPointer(nn.Module):
    """One query and one key projection a label.

        q_a,i = Wq_a h_i + bq_a        k_a,j = Wk_a h_j + bk_a      (eq. 2, 3)
        s_a(i, j) = (R_i q_a,i) . (R_j k_a,j) / sqrt(d)             (eq. 4, 5)

    width (int): Width v of the hidden states.
    n_labels (int): Number of labels.
    head_width (int): Width d of queries and keys, an even number.
    rope (bool): Whether to use the rotation R.
    """

    def __init__(
        self, width: int, n_labels: int, *, head_width: int = 64, rope: bool = True
    ) -> None:
        super().__init__()
        self.head_width = head_width
        self.rope = rope
        # Rows of one label stand together: (n_labels, 2, head_width).
        self.projection = nn.Linear(width, n_labels * 2 * head_width)

    @without_autocast
    def forward(self, hidden: Tensor, layout: Layout) -> Lattice:
        """Score all candidates.

        hidden (Tensor): *Shape:* (n_tokens, width)
        layout (Layout): Where the candidates stand.
        RETURNS (Lattice): Scores of shape (n_labels, n_tokens, layout.width).
        """
        hidden, weight, bias = promote(
            hidden, self.projection.weight, self.projection.bias
        )
        weight, bias = (
            x.unflatten(0, (-1, 2, self.head_width)) for x in (weight, bias)
        )
        scores = linear_rotary_band(hidden, weight, bias, layout, self.rope)
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
        copy_rows(self.projection, head.projection)
        return head


def copy_rows(source: nn.Linear, target: nn.Linear) -> None:
    """Give the first rows of `target` the weights of `source`."""
    n_rows = source.out_features
    target.weight[:n_rows] = source.weight
    target.bias[:n_rows] = source.bias
