"""Rehearsal: a model is kept close to what it was before, while it learns more."""

from typing import Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor


def span_divergence(
    scores: Tensor, target: Tensor, rows: Sequence[int], mutually_exclusive: bool
) -> Tuple[Tensor, Tensor]:
    """How far the probabilities of all candidates are from others: the sum of the
    Kullback-Leibler divergences KL(target || scores) of all decisions, with p of the
    target and s of the scores,

        sum p log(p / q) + (1 - p) log((1 - p) / (1 - q)),  q = sigmoid(s)
        d/ds = q - p

    and the same with softmax where labels exclude each other.

    scores (Tensor): *Shape:* (n_rows, n_tokens, width)
    target (Tensor): Scores of the model of before, of as many rows or fewer.
        *Shape:* (n_old_rows, n_tokens, width)
    rows (Sequence[int]): The rows of both that are compared.
    mutually_exclusive (bool): Whether the last row of both is "no entity".
    RETURNS (Tuple[Tensor, Tensor]): The divergence, and its gradient with regard to
        `scores`, 0 in other rows. *Shapes:* () and that of `scores`
    """
    index = torch.tensor(
        [*rows, -1] if mutually_exclusive else [*rows], device=scores.device
    )
    own_rows, old_rows = index % len(scores), index % len(target)
    valid = (target > -torch.inf).all(0)
    s = scores[own_rows][:, valid].float()
    t = target[old_rows][:, valid].float()
    if mutually_exclusive:
        log_q, log_p = s.log_softmax(0), t.log_softmax(0)
        loss = F.kl_div(log_q, log_p, reduction="sum", log_target=True)
        difference = log_q.exp() - log_p.exp()
    else:
        q, p = s.sigmoid(), t.sigmoid()
        loss = (F.softplus(s) - F.softplus(t) + p * (t - s)).sum()
        difference = q - p
    d_rows = s.new_zeros(len(index), *scores.shape[1:])
    d_rows[:, valid] = difference
    d_scores = scores.new_zeros(scores.shape, dtype=torch.float32)
    return loss, d_scores.index_add_(0, own_rows, d_rows)
