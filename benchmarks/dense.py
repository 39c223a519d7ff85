"""The usual dense form of the heads and their loss, to compare with: documents
padded to one length, a full matrix of scores, masks that are multiplied in, a dense
target, gradients by autograd."""

from typing import List, Tuple

import torch
from torch import Tensor, nn

Gold = List[Tuple[int, int, int, int]]


class DenseGlobalPointer(nn.Module):
    """Scores of shape (n_docs, n_labels, length, length).

    width (int): Width of the hidden states.
    n_labels (int): Number of labels.
    head_width (int): Width of queries and keys.
    """

    def __init__(self, width: int, n_labels: int, head_width: int = 64) -> None:
        super().__init__()
        self.n_labels = n_labels
        self.head_width = head_width
        self.projection = nn.Linear(width, n_labels * 2 * head_width)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """hidden (Tensor): *Shape:* (n_docs, length, width)
        mask (Tensor): *Shape:* (n_docs, length)
        """
        n_docs, length, _ = hidden.shape
        qk = self.projection(hidden).view(n_docs, length, self.n_labels, -1)
        q, k = qk.split(self.head_width, dim=-1)
        q, k = rotate(q), rotate(k)
        scores = torch.einsum("bmhd,bnhd->bhmn", q, k)
        return masked(scores, mask) / self.head_width**0.5


class DenseEfficientGlobalPointer(nn.Module):
    """The same with one query and key for all labels, equation 7."""

    def __init__(self, width: int, n_labels: int, head_width: int = 64) -> None:
        super().__init__()
        self.head_width = head_width
        self.projection = nn.Linear(width, 2 * head_width)
        self.labeler = nn.Linear(2 * head_width, 2 * n_labels)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        projected = self.projection(hidden)
        q, k = projected.unsqueeze(2).split(self.head_width, dim=-1)
        q, k = rotate(q), rotate(k)
        scores = torch.einsum("bmhd,bnhd->bhmn", q, k) / self.head_width**0.5
        terms = self.labeler(projected).transpose(1, 2)
        scores = scores + terms[:, ::2, :, None] + terms[:, 1::2, None, :]
        return masked(scores, mask)


def rotate(x: Tensor) -> Tensor:
    """Rotary positions. *Shape:* (n_docs, length, n_labels, d)"""
    length, d = x.shape[1], x.shape[-1]
    positions = torch.arange(length, dtype=torch.float, device=x.device)
    steps = torch.arange(0, d, 2, dtype=torch.float, device=x.device)
    angles = positions[:, None] * 10000 ** (-steps / d)
    sin = angles.sin().repeat_interleave(2, dim=-1)[None, :, None, :]
    cos = angles.cos().repeat_interleave(2, dim=-1)[None, :, None, :]
    turned = torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).reshape(x.shape)
    return x * cos + turned * sin


def masked(scores: Tensor, mask: Tensor) -> Tensor:
    n_docs, n_labels, length, _ = scores.shape
    inside = mask[:, None, None, :].expand(n_docs, n_labels, length, length)
    scores = scores * inside - (1 - inside) * 1e12
    below = torch.tril(torch.ones_like(scores), -1)
    return scores - below * 1e12


def dense_target(gold: Gold, shape: torch.Size, device: torch.device) -> Tensor:
    """1 at each gold cell (doc, label, head, tail), else 0."""
    target = torch.zeros(shape, device=device)
    target[tuple(torch.tensor(gold, device=device).T)] = 1
    return target


def dense_loss(scores: Tensor, target: Tensor) -> Tensor:
    """Class-imbalance loss on a dense target."""
    n_docs, n_labels = scores.shape[:2]
    scores = scores.reshape(n_docs * n_labels, -1)
    target = target.reshape(n_docs * n_labels, -1)
    scores = (1 - 2 * target) * scores
    negatives = scores - target * 1e12
    positives = scores - (1 - target) * 1e12
    zeros = torch.zeros_like(scores[:, :1])
    loss_q = torch.cat((negatives, zeros), dim=-1).logsumexp(-1)
    loss_p = torch.cat((positives, zeros), dim=-1).logsumexp(-1)
    return (loss_q + loss_p).mean()


def dense_decode(
    scores: Tensor, threshold: float
) -> List[List[Tuple[int, int, int, float]]]:
    """(label, head, tail, score) of each document."""
    found: List[List[Tuple[int, int, int, float]]] = [[] for _ in scores]
    array = scores.detach().cpu().numpy()
    for doc, label, head, tail in zip(*(array >= threshold).nonzero()):
        score = float(array[doc, label, head, tail])
        found[doc].append((int(label), int(head), int(tail), score))
    return found
