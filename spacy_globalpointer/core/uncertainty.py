"""How unsure predictions are, for each document of a batch."""

from typing import Sequence

import torch
from torch import Tensor
from torch.special import entr

from .lattice import Layout


def span_margins(p: Tensor, thresholds: Sequence[float], layout: Layout) -> Tensor:
    """The distance of a probability from its threshold, the smallest of a document;
    infinite if it has no token. *Shape:* (n_docs,)

    p (Tensor): Probabilities. *Shape:* (n_labels, n_tokens, width)
    thresholds (Sequence[float]): The threshold of each label, a probability.
    layout (Layout): The layout of the candidates.
    """
    gaps = (p - p.new_tensor(thresholds).view(-1, 1, 1)).abs_()
    gaps.masked_fill_(~layout.valid, torch.inf)
    return _smallest(gaps.amin(2).amin(0), layout)


def span_entropies(p: Tensor, mutually_exclusive: bool, layout: Layout) -> Tensor:
    """The entropy of the labels of each candidate, in nats, summed over the candidates
    of a document. *Shape:* (n_docs,)

    p (Tensor): Probabilities, 0 outside of documents.
        *Shape:* (n_labels, n_tokens, width)
    mutually_exclusive (bool): Whether a candidate has one label or none, rather than
        each label or not.
    layout (Layout): The layout of the candidates.
    """
    if mutually_exclusive:
        entropies = entr(p).sum(0) + entr((1 - p.sum(0)).clamp_(min=0))
    else:
        entropies = (entr(p) + entr(1 - p)).sum(0)
    return _sum(entropies.sum(1), layout)


def tag_margins(p: Tensor, layout: Layout) -> Tensor:
    """The distance between the probabilities of the two most probable tags of a token,
    the smallest of a document; infinite if it has no token. *Shape:* (n_docs,)

    p (Tensor): Probabilities. *Shape:* (n_tokens, n_tags)
    layout (Layout): The layout of the tokens.
    """
    best, second = p.topk(2, 1).values.T
    return _smallest(best - second, layout)


def tag_entropies(p: Tensor, layout: Layout) -> Tensor:
    """The entropy of the tag of each token, in nats, summed over the tokens of a
    document. Arguments as for `tag_margins`. *Shape:* (n_docs,)"""
    return _sum(entr(p).sum(1), layout)


def _smallest(values: Tensor, layout: Layout) -> Tensor:
    found = values.new_full((layout.n_docs,), torch.inf)
    return found.scatter_reduce_(0, layout.doc_ids, values, "amin")


def _sum(values: Tensor, layout: Layout) -> Tensor:
    return values.new_zeros(layout.n_docs).index_add_(0, layout.doc_ids, values)
