"""Efficient Global Pointer (arXiv 2208.03054, equations 6 and 7)."""

from typing import Any, Dict, Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.lattice import Lattice, Layout, band_sum
from .content import Content
from .global_pointer import FIRST_SCORE, copy_leading_rows
from .precision import promote, without_autocast
from .rotary_band import rotary_band

FEATURES = ("hidden", "projected")


class EfficientGlobalPointer(nn.Module):
    """One query and key projection for all labels, which finds the spans, and a
    linear classifier on the features f of head and tail, which labels them.

        s_a(i, j) = (R_i q_i) . (R_j k_j) / sqrt(d) + w_a . [f_i; f_j]

    with f_i = h_i (eq. 6, features "hidden") or f_i = [q_i; k_i], before the
    rotation (eq. 7, features "projected"). The second term is a sum of a term of
    the head and a term of the tail, so it needs no array of pairs.

    width (int): Width v of the hidden states.
    n_labels (int): Number of labels.
    head_width (int): Width d of queries and keys, an even number.
    rope (bool): Whether to use the rotation R.
    features (str): "hidden" or "projected".
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
        features: str = "projected",
        content_width: int = 0,
        content_dropout: float = 0.2,
        content_max_length: Optional[int] = None,
    ) -> None:
        super().__init__()
        self.head_width = head_width
        self.rope = rope
        self.features = features
        self.projection = nn.Linear(width, 2 * head_width)
        n_features = width if features == "hidden" else 2 * head_width
        # The rows of a label are adjacent: (n_labels, head or tail).
        self.labeler = nn.Linear(n_features, n_labels * 2)
        with torch.no_grad():
            self.labeler.bias.add_(FIRST_SCORE / 2)
        self.content: Optional[Content] = None
        if content_width:
            self.content = Content(
                width,
                n_labels,
                content_width,
                dropout=content_dropout,
                max_length=content_max_length,
            )

    @without_autocast
    def forward(self, hidden: Tensor, layout: Layout) -> Lattice:
        """Score all candidates.

        hidden (Tensor): *Shape:* (n_tokens, width)
        layout (Layout): The layout of the candidates.
        RETURNS (Lattice): Scores of shape (n_labels, n_tokens, layout.width).
        """
        layers = self.projection, self.labeler
        hidden, *weights = promote(
            hidden, *(x for layer in layers for x in (layer.weight, layer.bias))
        )
        projected = F.linear(hidden, *weights[:2])
        features = hidden if self.features == "hidden" else projected
        head, tail = (
            F.linear(features, *weights[2:]).unflatten(1, (-1, 2)).permute(2, 1, 0)
        )
        qk = projected.unflatten(1, (1, 2, self.head_width))
        (pair,) = rotary_band(qk, layout, self.rope)
        scores = band_sum(pair, head, tail)
        if self.content is not None:
            scores = scores + self.content(hidden, layout)
        return Lattice(scores, layout)

    def _load_from_state_dict(
        self, state_dict: Dict[str, Any], prefix: str, *args: Any
    ) -> None:
        """Version 0.1.0 named the classifier `labeller`."""
        for name in ("weight", "bias"):
            old = f"{prefix}labeller.{name}"
            if old in state_dict:
                state_dict[f"{prefix}labeler.{name}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, *args)

    @torch.no_grad()
    def resized(self, n_labels: int) -> "EfficientGlobalPointer":
        """A copy with more labels, which scores the present ones as before."""
        head = EfficientGlobalPointer(
            self.projection.in_features,
            n_labels,
            head_width=self.head_width,
            rope=self.rope,
            features=self.features,
        ).to(self.projection.weight)
        copy_leading_rows(self.projection, head.projection)
        copy_leading_rows(self.labeler, head.labeler)
        if self.content is not None:
            head.content = self.content.resized(n_labels)
        return head
