"""The Global Pointer on spans in the place of tokens."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.lattice import Lattice
from ..core.links import Links
from .global_pointer import FIRST_SCORE, copy_leading_rows
from .precision import promote, without_autocast
from .rotary import rotations


class RelationPointer(nn.Module):
    """Queries and keys of spans, and a linear classifier of both spans. For label r and
    spans x = [x0, x1], y:

        f_x = [h_x0; h_x1; mean(h_x0 .. h_x1); t_x]
        s_r(x, y) = (R_x0 q_r(f_x)) . (R_y0 k_r(f_y)) / sqrt(d) + u_r . f_x + v_r . f_y

    with an embedding t of the span's label and the rotation R of the span's first
    token.

    width (int): Width v of the hidden states.
    n_labels (int): Number of labels of pairs.
    n_span_labels (int): Number of labels of spans.
    head_width (int): Width d of queries and keys, an even number.
    rope (bool): Whether to use the rotation R.
    shared (bool): Whether all labels have the same q and k.
    label_width (int): Width of t.
    """

    def __init__(
        self,
        width: int,
        n_labels: int,
        *,
        n_span_labels: int,
        head_width: int = 64,
        rope: bool = True,
        shared: bool = False,
        label_width: int = 25,
    ) -> None:
        super().__init__()
        self.head_width = head_width
        self.rope = rope
        self.shared = shared
        self.span_labels = nn.Embedding(n_span_labels, label_width)
        n_features = 3 * width + label_width
        # The rows of a label are adjacent: (n_labels or 1, 2, head_width).
        n_pointers = 1 if shared else n_labels
        self.pointer = nn.Linear(n_features, n_pointers * 2 * head_width)
        # (n_labels, head or tail)
        self.classifier = nn.Linear(n_features, n_labels * 2)
        with torch.no_grad():
            self.classifier.bias.add_(FIRST_SCORE / 2)

    @without_autocast
    def forward(self, hidden: Tensor, links: Links) -> Lattice:
        """Score the pairs of a batch.

        hidden (Tensor): *Shape:* (n_tokens, width)
        links (Links): The pairs.
        RETURNS (Lattice): Scores of shape (n_labels, n_pairs, 1).
        """
        layers = self.pointer, self.classifier
        hidden, table, *weights = promote(
            hidden,
            self.span_labels.weight,
            *(x for layer in layers for x in (layer.weight, layer.bias)),
        )
        features = span_features(hidden, links, table)
        qk = F.linear(features, *weights[:2]).unflatten(1, (-1, 2, self.head_width))
        if self.rope:
            turns = rotations(links.tokens, self.head_width, qk.dtype)[links.starts]
            pairs = torch.view_as_complex(qk.unflatten(-1, (-1, 2)).contiguous())
            qk = torch.view_as_real(pairs * turns[:, None, None]).flatten(-2)
        queries, keys = qk.unbind(2)
        heads, tails = links.heads, links.tails
        products = (queries[heads] * keys[tails]).sum(-1)
        ends = F.linear(features, *weights[2:]).unflatten(1, (-1, 2))
        head, tail = ends.unbind(2)
        scores = products * self.head_width**-0.5 + head[heads] + tail[tails]
        return Lattice(scores.T.unsqueeze(2), links.layout)

    @torch.no_grad()
    def resized(self, n_labels: int) -> "RelationPointer":
        """A copy with more labels, which scores the present ones as before."""
        n_span_labels, label_width = self.span_labels.weight.shape
        head = RelationPointer(
            (self.pointer.in_features - label_width) // 3,
            n_labels,
            n_span_labels=n_span_labels,
            head_width=self.head_width,
            rope=self.rope,
            shared=self.shared,
            label_width=label_width,
        ).to(self.pointer.weight)
        head.span_labels.weight.copy_(self.span_labels.weight)
        copy_leading_rows(self.pointer, head.pointer)
        copy_leading_rows(self.classifier, head.classifier)
        return head


def span_features(hidden: Tensor, links: Links, table: Tensor) -> Tensor:
    """First token, last token, mean and label of each span.

    hidden (Tensor): *Shape:* (n_tokens, width)
    links (Links): The spans.
    table (Tensor): The embeddings of labels. *Shape:* (n_span_labels, label_width)
    RETURNS (Tensor): *Shape:* (n_spans, 3 * width + label_width)
    """
    starts, lengths = links.starts, links.ends - links.starts
    offsets = lengths.cumsum(0) - lengths
    places = torch.arange(int(lengths.sum()), device=hidden.device)
    inside = places + (starts - offsets).repeat_interleave(lengths)
    means = F.embedding_bag(inside, hidden, offsets, mode="mean")
    labels = F.embedding(links.span_labels, table)
    return torch.cat((hidden[starts], hidden[links.ends - 1], means, labels), 1)
