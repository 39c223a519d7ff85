"""Sequence labeling (Bundling Learning, equations 5 to 11)."""

from typing import Tuple

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.arrays import Mask
from ..core.tags import TagScheme
from .global_pointer import copy_leading_rows
from .precision import promote, without_autocast


class SequenceTagger(nn.Module):
    """A linear layer that scores the tags of each token; with a CRF also learned
    scores of transitions, and of first and last tags.

    width (int): Width of the hidden states.
    n_labels (int): Number of labels.
    scheme (str): "BIO" or "BILUO".
    crf (bool): Whether there is a CRF. Else all legal transitions score 0.
    """

    transitions_mask: Tensor
    borders_mask: Tensor

    def __init__(
        self, width: int, n_labels: int, *, scheme: str = "BIO", crf: bool = True
    ) -> None:
        super().__init__()
        self.scheme = TagScheme(scheme, n_labels)
        self.crf = crf
        n_tags = self.scheme.n_tags
        self.projection = nn.Linear(width, n_tags)
        if crf:
            self.transitions = nn.Parameter(torch.zeros(n_tags, n_tags))
            self.borders = nn.Parameter(torch.zeros(2, n_tags))
        # They follow from the scheme, so they are not saved.
        legal_borders = numpy.stack((self.scheme.legal_first, self.scheme.legal_last))
        mask, borders_mask = map(_mask, (self.scheme.legal, legal_borders))
        self.register_buffer("transitions_mask", mask, persistent=False)
        self.register_buffer("borders_mask", borders_mask, persistent=False)

    @without_autocast
    def forward(self, hidden: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """Score all tags.

        hidden (Tensor): *Shape:* (n_tokens, width)
        RETURNS (Tuple[Tensor, Tensor, Tensor]): Emissions, transitions and borders
            of `TagScores`.
        """
        hidden, *projection = promote(
            hidden, self.projection.weight, self.projection.bias
        )
        emissions = F.linear(hidden, *projection)
        transitions, borders = self.transitions_mask, self.borders_mask
        if self.crf:
            transitions = self.transitions.to(hidden.dtype) + transitions
            borders = self.borders.to(hidden.dtype) + borders
        return emissions, transitions, borders

    @torch.no_grad()
    def resized(self, n_labels: int) -> "SequenceTagger":
        """A copy with more labels, which scores the present ones as before."""
        head = SequenceTagger(
            self.projection.in_features,
            n_labels,
            scheme=self.scheme.name,
            crf=self.crf,
        ).to(self.projection.weight)
        copy_leading_rows(self.projection, head.projection)
        if self.crf:
            n_tags = self.scheme.n_tags
            head.transitions[:n_tags, :n_tags] = self.transitions
            head.borders[:, :n_tags] = self.borders
        return head


def _mask(legal: Mask) -> Tensor:
    """0 for what is legal, -inf for what is not."""
    return torch.zeros(legal.shape).masked_fill_(torch.from_numpy(~legal), -torch.inf)
