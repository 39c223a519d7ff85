"""Span classifiers: SpanNER (arXiv 2207.03300, equations 12 to 18), and attention
over a span's tokens (A Span-Level Strategy for Nested NER)."""

from typing import Any, Iterator, Tuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.lattice import Lattice, Layout, band_sum
from .global_pointer import copy_leading_rows
from .precision import promote, without_autocast

# What a span is represented by, beside its length: its first and last token, the
# maximum of its tokens, the document, the tokens weighted by attention.
REPRESENTATIONS = {
    "boundary": ("head", "tail"),
    "pooling": ("maximum", "document"),
    "hybrid": ("head", "tail", "maximum", "document"),
    "attention": ("attention",),
}


class SpanClassifier(nn.Module):
    """A linear classifier of span representations into the labels and "no entity",
    the last class.

        boundary     [h_i; h_j; e_w]
        pooling      [max(h_i, ..., h_j); h_doc; e_w]
        hybrid       [h_i; h_j; max(h_i, ..., h_j); h_doc; e_w]
        attention    [sum of a_t h_t over t = i, ..., j; e_w]

    with h_doc the mean of the document's tokens, e_w a learned embedding of the
    span's length, and a the softmax of a learned logit u . h_t over the span. A
    linear map of a concatenation is a sum of terms, one a part, so that no
    representation of a span is ever put together.

    width (int): Width v of the hidden states.
    n_labels (int): Number of labels.
    representation (str): "boundary", "pooling", "hybrid" or "attention".
    length_width (int): Width of e_w.
    n_lengths (int): Lengths that have an embedding of their own; longer spans
        share that of the last.
    """

    def __init__(
        self,
        width: int,
        n_labels: int,
        *,
        representation: str = "hybrid",
        length_width: int = 25,
        n_lengths: int = 32,
    ) -> None:
        super().__init__()
        self.width = width
        self.representation = representation
        self.parts = REPRESENTATIONS[representation]
        self.lengths = nn.Embedding(n_lengths, length_width)
        self.classifier = nn.Linear(
            len(self.parts) * width + length_width, n_labels + 1
        )
        if "attention" in self.parts:
            # A constant would have no effect in the softmax.
            self.attention = nn.Linear(width, 1, bias=False)

    @without_autocast
    def forward(self, hidden: Tensor, layout: Layout) -> Lattice:
        """Score all candidates.

        hidden (Tensor): *Shape:* (n_tokens, width)
        layout (Layout): The layout of the candidates.
        RETURNS (Lattice): Scores of shape (n_labels + 1, n_tokens, layout.width).
        """
        classifier, lengths = self.classifier, self.lengths.weight
        hidden, matrix, bias, lengths = promote(
            hidden, classifier.weight, classifier.bias, lengths
        )
        *weights, of_length = matrix.split(
            [self.width] * len(self.parts) + [self.lengths.embedding_dim], dim=1
        )
        weight = dict(zip(self.parts, weights))
        steps = torch.arange(layout.width, device=hidden.device)
        e_w = F.embedding(steps.clamp(max=len(lengths) - 1), lengths)
        length = of_length @ e_w.T

        # Terms of one token and those of a whole document are added to the first token.
        head = bias.unsqueeze(1).expand(-1, len(hidden))
        if "head" in weight:
            head = head + weight["head"] @ hidden.T
        if "document" in weight:
            documents = weight["document"] @ _document_means(hidden, layout).T
            head = head + documents[:, layout.doc_ids]
        outside = torch.where(layout.valid, 0.0, -torch.inf).to(hidden.dtype)
        if "tail" in weight:
            scores = band_sum(outside, head, weight["tail"] @ hidden.T)
        else:
            scores = outside + head.unsqueeze(2)
        scores = scores + length.unsqueeze(1)
        if "maximum" in weight:
            scores = scores + max_product(hidden, weight["maximum"], layout.width)
        if "attention" in weight:
            values = weight["attention"] @ hidden.T
            logits = hidden @ self.attention.weight[0].to(hidden.dtype)
            scores = scores + attend(values, logits, layout.width)
        return Lattice(scores, layout)

    @torch.no_grad()
    def resized(self, n_labels: int) -> "SpanClassifier":
        """A copy with more labels, which scores the present ones, and "no entity",
        as before."""
        head = SpanClassifier(
            self.width,
            n_labels,
            representation=self.representation,
            length_width=self.lengths.embedding_dim,
            n_lengths=self.lengths.num_embeddings,
        ).to(self.classifier.weight)
        n_old = self.classifier.out_features - 1
        # "No entity" moves to the end, after the new labels.
        copy_leading_rows(self.classifier, head.classifier)
        head.classifier.weight[n_old] = head.classifier.weight[-1]
        head.classifier.bias[n_old] = head.classifier.bias[-1]
        head.classifier.weight[-1] = self.classifier.weight[-1]
        head.classifier.bias[-1] = self.classifier.bias[-1]
        head.lengths.load_state_dict(self.lengths.state_dict())
        if "attention" in self.parts:
            head.attention.load_state_dict(self.attention.state_dict())
        return head


def _document_means(hidden: Tensor, layout: Layout) -> Tensor:
    """The mean of each document's tokens. *Shape:* (n_docs, width)"""
    means = hidden.new_zeros(layout.n_docs, hidden.shape[1])
    means = means.index_add(0, layout.doc_ids, hidden)
    counts = layout.doc_ids.bincount(minlength=layout.n_docs)
    return means / counts.clamp(min=1).unsqueeze(1)


class _MaxProduct(torch.autograd.Function):
    """scores[c, i, w] = weight[c] . max(h[i], ..., h[i + w]), one width at a time.

    The maxima of a width are those of the width before and one more token. Only
    the maxima of the present width are kept; the backward pass makes them again,
    and passes each gradient down from width to width until the token that gave
    the maximum takes it.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, width: int) -> Tensor:
        scores = hidden.new_zeros(len(weight), len(hidden), width)
        for w, maxima in enumerate(_running_maxima(hidden, width)):
            scores[:, : len(maxima), w] = weight @ maxima.T
        ctx.save_for_backward(hidden, weight)
        return scores

    @staticmethod
    def backward(ctx: Any, d_scores: Tensor) -> Tuple[Tensor, Tensor, None]:
        hidden, weight = ctx.saved_tensors
        width = d_scores.shape[2]
        # One width together. *Shape:* (width, n_classes, n_tokens)
        d_scores = d_scores.permute(2, 0, 1).contiguous()
        d_weight = torch.zeros_like(weight)
        d_hidden = torch.zeros_like(hidden)
        is_last = []
        previous = None
        for w, maxima in enumerate(_running_maxima(hidden, width)):
            d_weight.addmm_(d_scores[w, :, : len(maxima)], maxima)
            if previous is not None:
                is_last.append(maxima > previous[: len(maxima)])
            previous = maxima
        carried = hidden.new_zeros(max(len(hidden) - width, 0), hidden.shape[1])
        for w in range(width - 1, -1, -1):
            d_maxima = d_scores[w, :, : len(hidden) - w].T @ weight
            d_maxima[: len(carried)] += carried
            if w:
                taken = d_maxima * is_last[w - 1]
                d_hidden[w:] += taken
                carried = d_maxima.sub_(taken)
            else:
                d_hidden += d_maxima
        return d_hidden, d_weight, None


def _running_maxima(hidden: Tensor, width: int) -> Iterator[Tensor]:
    """The maxima over 1, 2, ..., width tokens. *Shapes:* (n_tokens - w, v)"""
    maxima = hidden
    yield maxima
    for w in range(1, width):
        maxima = torch.maximum(maxima[:-1], hidden[w:])
        yield maxima


def max_product(hidden: Tensor, weight: Tensor, width: int) -> Tensor:
    """The products of each candidate's maximum with the weights.

    hidden (Tensor): *Shape:* (n_tokens, v)
    weight (Tensor): *Shape:* (n_classes, v)
    width (int): Longest candidate, in tokens; at most n_tokens, or 1.
    RETURNS (Tensor): weight[c] . max(h[i], ..., h[i + w]), 0 past the end of the
        batch. *Shape:* (n_classes, n_tokens, width)
    """
    return cast(Tensor, _MaxProduct.apply(hidden, weight, width))


def attend(values: Tensor, logits: Tensor, width: int) -> Tensor:
    """The mean of each candidate's values, weighted by the softmax of its logits.

    It commutes with a linear map, so values are what is left of the tokens after
    the classifier. Of one width and the next, the mean moves towards the new
    token by the share that this token has in the sum of exponentials:

        m_w = m_(w-1) + p (v_j - m_(w-1)),    p = exp(a_j) / sum of exp(a_i ... a_j)

    which is exact, and stable as no exponential is taken but that of a difference.

    values (Tensor): *Shape:* (n_classes, n_tokens)
    logits (Tensor): *Shape:* (n_tokens,)
    width (int): Longest candidate, in tokens; at most n_tokens, or 1.
    RETURNS (Tensor): 0 past the end of the batch. *Shape:* (n_classes, n_tokens,
        width)
    """
    mean, total = values, logits
    means = [mean]
    for w in range(1, width):
        share = torch.sigmoid(logits[w:] - total[:-1])
        mean = torch.lerp(mean[:, :-1], values[:, w:], share)
        total = torch.logaddexp(total[:-1], logits[w:])
        means.append(F.pad(mean, (0, w)))
    return torch.stack(means, dim=2)
