"""Losses and inference of a linear chain of tags (Bundling Learning, eq. 5 to 11).

Documents are laid side by side, the longest first, so those that reach a time step are
the first of them, and a step is a product of matrices without padding. Rows of the
arrays are the tokens of step after step:

    time step        0  1  2  3
    document 2       0  2  4  5
    document 0       1  3
"""

from dataclasses import dataclass
from typing import Iterator, Tuple

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor

from .arrays import Floats, Ints
from .tags import GoldTags, Lengths, TagScheme, TagScores

# A score further than this below the highest one of its token, or of all
# transitions, counts as that far below, so that no product of exponentials leaves
# the range of float64. Scores as far apart as that come from heads that diverge.
LOWEST_EMISSION = -150.0
LOWEST_TRANSITION = -100.0


class _Steps:
    """The layout of the tokens of documents, step by step.

    lengths (Lengths): Tokens of each document. Those of 0 have no row.
    """

    def __init__(self, lengths: Lengths) -> None:
        kept = numpy.asarray(lengths, dtype=numpy.int64)
        self.lengths: Ints = kept[kept > 0]
        self.docs: Ints = numpy.repeat(numpy.arange(len(self.lengths)), self.lengths)
        behind = numpy.cumsum(self.lengths)
        # The first and the last token of each document, and all but the first.
        self.edges = firsts, lasts = behind - self.lengths, behind - 1
        places = numpy.arange(len(self.docs)) - firsts[self.docs]
        self.seconds = numpy.flatnonzero(places)
        ranks = numpy.argsort(numpy.argsort(-self.lengths, kind="stable"))[self.docs]
        # How many documents reach each step.
        running = numpy.bincount(places)
        bounds = numpy.concatenate(([0], numpy.cumsum(running)))
        self.bounds = bounds.tolist()
        # The row of each token, of documents read from the first token on and from
        # the last.
        from_end = lasts[self.docs] - numpy.arange(len(self.docs))
        self.rows = numpy.stack((bounds[places] + ranks, bounds[from_end] + ranks))

    def __iter__(self) -> Iterator[Tuple[int, int]]:
        """The start (inclusive) and end (exclusive) row of each step."""
        return zip(self.bounds, self.bounds[1:])


@dataclass
class _Messages:
    """What the forward and the backward algorithm find, in the order of tokens,
    each row scaled by its own factor.

    forward (Tensor): Weight of the paths from the first token to a tag.
    backward (Tensor): Weight of the paths from a tag to the last token.
    after (Tensor): The same without the tag's emission: the sum over what may
        follow it. *Shapes:* (n_tokens, n_tags)
    transitions (Tensor): Exponentials. *Shape:* (n_tags, n_tags)
    log_z (Tensor): Logarithm of the weight of all paths. *Shape:* (n_docs,)
    """

    forward: Tensor
    backward: Tensor
    after: Tensor
    transitions: Tensor
    log_z: Tensor

    @property
    def marginals(self) -> Tensor:
        """Probability of each tag. *Shape:* (n_tokens, n_tags)"""
        product = self.forward * self.after
        return product.div_(product.sum(1, keepdim=True))

    def pairs(self, seconds: Tensor, factors: Tensor) -> Tensor:
        """The sum of the probabilities of each pair of tags.

        seconds (Tensor): The second token of each pair.
        factors (Tensor): One a pair.
        RETURNS (Tensor): *Shape:* (n_tags, n_tags)
        """
        before, after = self.forward[seconds - 1], self.after[seconds - 1]
        factors = factors / (before * after).sum(1)
        now = self.backward[seconds] * factors.unsqueeze(1)
        return before.T.mm(now).mul_(self.transitions)


def _exp(scores: Tensor, lowest: float) -> Tuple[Tensor, Tensor]:
    """Exponentials of scores over the highest of each row, 0 for -inf, and the
    highest."""
    highest = scores.amax(-1, keepdim=True)
    weights = (scores - highest).clamp_(min=lowest).exp_()
    return weights.masked_fill_(scores == -torch.inf, 0.0), highest


def _pass_messages(scores: TagScores, steps: _Steps) -> _Messages:
    """The forward and the backward algorithm in one loop: backward is forward on
    documents read from the end.

    Exponentials in float64, every row divided by its sum: in the range that the
    bounds above set as exact as logarithms, and several times as fast.
    """
    device = scores.emissions.device
    # (n_tokens, n_tags), (n_tokens, 1)
    emissions, highest = _exp(scores.emissions.double(), LOWEST_EMISSION)
    # (2, n_tags), (2, 1)
    borders, highest_border = _exp(scores.borders.double(), LOWEST_TRANSITION)
    # (n_tags * n_tags,), (1,)
    flat = scores.transitions.double().flatten()
    flat, highest_transition = _exp(flat, LOWEST_TRANSITION)
    # (n_tags, n_tags)
    transitions = flat.view_as(scores.transitions)
    # (2, n_tokens): row of each token, read from the first and from the last
    rows = torch.from_numpy(steps.rows).to(device)
    # (2, n_tokens, n_tags), of both directions, in the order of time steps
    weights = emissions.new_empty(2, *emissions.shape)
    weights[0, rows[0]] = emissions
    weights[1, rows[1]] = emissions
    arriving = torch.empty_like(weights)
    # (2, n_tokens, 1)
    totals = weights.new_empty(*weights.shape[:2], 1)
    # (2, n_tags, n_tags)
    both_ways = torch.stack((transitions, transitions.T))
    previous = weights
    for start, end in steps:
        # (2, n_running, n_tags)
        here, now = arriving[:, start:end], weights[:, start:end]
        if start:
            torch.bmm(previous[:, : end - start], both_ways, out=here)
        else:
            here[:] = borders.unsqueeze(1)
        previous = now.mul_(here)
        total = totals[:, start:end]
        previous.div_(torch.sum(previous, 2, keepdim=True, out=total))
    # (n_tokens, n_tags), in the order of tokens again
    forward = weights[0, rows[0]]
    # (n_docs, n_tags)
    last = forward[torch.from_numpy(steps.edges[1]).to(device)]
    # The factors that were taken out of each row. (n_docs,)
    log_z = (last * borders[1]).sum(1).log_() + highest_border.sum()
    log_z += torch.from_numpy(steps.lengths - 1).to(device) * highest_transition
    # (n_tokens,)
    by_token = totals[0, rows[0]].log_().add_(highest).squeeze(1)
    log_z.index_add_(0, torch.from_numpy(steps.docs).to(device), by_token)
    return _Messages(
        forward, weights[1, rows[1]], arriving[1, rows[1]], transitions, log_z
    )


def crf_loss(
    scores: TagScores, gold: GoldTags, scheme: TagScheme
) -> Tuple[Tensor, TagScores]:
    """The negative logarithm of the probability of all paths that the annotation
    allows, the mean over documents with annotated tokens.

    scores (TagScores): The scores of a batch.
    gold (GoldTags): Its annotation.
    scheme (TagScheme): The tags.
    RETURNS (Tuple[Tensor, TagScores]): The loss, and its gradient.
    """
    device = scores.emissions.device
    lengths = numpy.asarray(scores.lengths, dtype=numpy.int64)
    # (n_tokens,)
    docs = numpy.repeat(numpy.arange(len(lengths)), lengths)
    # (n_all_docs,), and then (n_docs,)
    n_known = numpy.bincount(docs, ~gold.unknown, minlength=len(lengths))
    annotated = numpy.flatnonzero(n_known)
    n_docs = len(annotated)
    if not n_docs:
        return scores.emissions.new_zeros(()), scores.zeros()
    # Each document comes twice: once with all tags, and once with those allowed.
    # (n_used,)
    tokens = numpy.flatnonzero(n_known[docs])
    # (2 * n_used,)
    rows = torch.from_numpy(tokens).to(device).repeat(2)
    # (n_used, n_tags)
    excluded = torch.from_numpy(~gold.allowed(scheme)[tokens]).to(device)
    # (2 * n_used, n_tags)
    chains = scores.emissions[rows]
    chains[len(tokens) :].masked_fill_(excluded, -torch.inf)
    steps = _Steps(numpy.tile(lengths[annotated], 2))
    messages = _pass_messages(
        TagScores(chains, scores.transitions, scores.borders, steps.lengths), steps
    )
    loss = messages.log_z[:n_docs].sum() - messages.log_z[n_docs:].sum()
    # The gradient: how often a tag, or a pair of tags, is expected among all paths,
    # less how often among those allowed.
    # (2 * n_used,)
    signs = messages.forward.new_full((len(rows),), 1 / n_docs)
    signs[len(tokens) :] *= -1
    # (2 * n_used, n_tags)
    expected = messages.marginals.mul_(signs.unsqueeze(1))
    # (n_pairs,)
    seconds = torch.from_numpy(steps.seconds).to(device)
    d_scores = TagScores(
        expected.new_zeros(scores.emissions.shape).index_add_(0, rows, expected),
        messages.pairs(seconds, signs[seconds]),
        torch.stack([expected[edge].sum(0) for edge in steps.edges]),
        scores.lengths,
    )
    return loss / n_docs, d_scores


def softmax_loss(
    scores: TagScores, gold: GoldTags, scheme: TagScheme
) -> Tuple[Tensor, TagScores]:
    """The cross-entropy of each annotated token, the sum over a
    document and the mean over documents with annotated tokens. Where the annotation
    allows several tags, the sum of their probabilities is right.

    scores (TagScores): The scores of a batch.
    gold (GoldTags): Its annotation.
    scheme (TagScheme): The tags.
    RETURNS (Tuple[Tensor, TagScores]): The loss, and its gradient.
    """
    # (n_known,)
    known = numpy.flatnonzero(~gold.unknown)
    n_docs = max(gold.n_annotated(scores.lengths), 1)
    rows = torch.from_numpy(known).to(scores.emissions.device)
    # (n_known, n_tags), and so are those below
    wrong = torch.from_numpy(~gold.allowed(scheme)[known]).to(rows.device)
    log_p = scores.emissions[rows].double().log_softmax(1)
    log_right = log_p.masked_fill(wrong, -torch.inf)
    loss = -log_right.logsumexp(1).sum()
    d_scores = scores.zeros()
    d_rows = log_p.exp_() - log_right.softmax(1)
    d_scores.emissions[rows] = d_rows.to(scores.emissions.dtype)
    return loss / n_docs, d_scores * (1 / n_docs)


def viterbi(scores: TagScores) -> Ints:
    """The path with the highest score of each document.

    scores (TagScores): The scores of a batch.
    RETURNS (Ints): The tags. *Shape:* (n_tokens,)
    """
    steps = _Steps(scores.lengths)
    n_docs, n_tokens = len(steps.lengths), len(steps.docs)
    if not n_tokens:
        return numpy.zeros(0, dtype=numpy.int64)
    emissions = scores.emissions.double()
    rows = torch.from_numpy(steps.rows[0]).to(emissions.device)
    by_step = torch.empty_like(emissions)
    by_step[rows] = emissions
    # (to, from): the maximum is taken over what lies together in memory.
    # (n_tags, n_tags)
    arriving = scores.transitions.double().T.contiguous()
    # (n_docs, n_tags)
    best = scores.borders[0] + by_step[:n_docs]
    # (n_tokens, n_tags), in the order of time steps
    came_from = torch.zeros(by_step.shape, dtype=torch.long, device=rows.device)
    for start, end in steps:
        if start:
            n = end - start
            # (n_running, to, from)
            paths = best[:n].unsqueeze(1) + arriving
            highest, came_from[start:end] = paths.max(2)
            # What ends before stays as it is.
            best[:n] = highest.add_(by_step[start:end])
    # (n_docs,)
    tag = best.add_(scores.borders[1]).argmax(1).cpu().numpy()
    previous = came_from.cpu().numpy()
    tags = numpy.empty(n_tokens, dtype=numpy.int64)
    for start, end in reversed(list(steps)):
        n = end - start
        tags[start:end] = tag[:n]
        tag[:n] = previous[numpy.arange(start, end), tag[:n]]
    return tags[steps.rows[0]]


def span_probabilities(scores: TagScores, tags: Ints, scheme: TagScheme) -> Floats:
    """How probable the spans of paths are: the sum over all paths that have a span
    with the same tokens and label.

    scores (TagScores): The scores of a batch.
    tags (Ints): Legal tags. *Shape:* (n_tokens,)
    scheme (TagScheme): The tags.
    RETURNS (Floats): One a span, in the order of `TagScheme.decode`.
    """
    starts, ends, _ = scheme.decode(tags)
    if not len(starts):
        return numpy.zeros(0)
    device = scores.emissions.device
    steps = _Steps(scores.lengths)
    messages = _pass_messages(scores, steps)
    path = torch.from_numpy(tags).to(device)
    first, behind = torch.from_numpy(numpy.stack((starts, ends))).to(device)
    # The probability of each token's tag after the tag before, and the one that
    # the span of the tag before goes on.
    seconds = torch.from_numpy(steps.seconds).to(device)
    before = path[seconds - 1]
    following = messages.transitions[before] * messages.backward[seconds]
    following /= messages.after[seconds - 1, before].unsqueeze(1)
    inside = torch.from_numpy(scheme.inside).to(device)
    goes_on = (following * inside).sum(1).clamp_(max=1.0)
    log_p = following.new_zeros(2, len(tags) + 1)
    log_p[0, seconds] = following.gather(1, path[seconds].unsqueeze(1)).squeeze(1).log()
    log_p[1, seconds] = torch.log1p(-goes_on)
    until = log_p[0].cumsum(0)
    probabilities = messages.marginals[first, path[first]].log()
    probabilities += until[behind - 1] - until[first] + log_p[1, behind]
    return probabilities.exp_().clamp_(max=1.0).cpu().numpy()


def tag_probabilities(scores: TagScores, crf: bool) -> Tensor:
    """The probability of each tag of each token. *Shape:* (n_tokens, n_tags), float64

    scores (TagScores): The scores of a batch.
    crf (bool): Whether the scores are those of a CRF: the sum over all paths.
    """
    if not crf or not len(scores.emissions):
        return scores.emissions.double().softmax(1)
    return _pass_messages(scores, _Steps(scores.lengths)).marginals


def divergence(
    scores: TagScores, target: TagScores, crf: bool
) -> Tuple[Tensor, TagScores]:
    """How far tag sequences are from those that other scores expect: the sum over
    documents of the Kullback-Leibler divergence KL(target || scores), of the
    distributions over whole sequences, or without a CRF over the tags of each token.

    scores (TagScores): The scores of a batch.
    target (TagScores): Other scores of the same tags.
    crf (bool): Whether the scores are those of a CRF.
    RETURNS (Tuple[Tensor, TagScores]): The divergence, and its gradient with regard
        to `scores`.
    """
    if not crf:
        log_p = scores.emissions.double().log_softmax(1)
        log_q = target.emissions.double().log_softmax(1)
        loss = F.kl_div(log_p, log_q, reduction="sum", log_target=True)
        d_scores = scores.zeros()
        difference = log_p.exp_() - log_q.exp_()
        d_scores.emissions += difference.to(d_scores.emissions.dtype)
        return loss, d_scores
    steps = _Steps(scores.lengths)
    device = scores.emissions.device
    seconds = torch.from_numpy(steps.seconds).to(device)
    expected, log_z = [], []
    for part in (scores, target):
        messages = _pass_messages(part, steps)
        tags = messages.marginals
        pairs = messages.pairs(seconds, tags.new_ones(len(seconds)))
        borders = torch.stack([tags[edge].sum(0) for edge in steps.edges])
        expected.append((tags, pairs, borders))
        log_z.append(messages.log_z.sum())
    loss = log_z[0] - log_z[1]
    for own, other, counts in zip(scores.parts, target.parts, expected[1]):
        # What is not legal is -inf in both.
        gap = (other.double() - own.double()).masked_fill_(other == -torch.inf, 0.0)
        loss += (counts * gap).sum()
    tags, pairs, borders = (own - other for own, other in zip(*expected))
    return loss, TagScores(tags, pairs, borders, scores.lengths)
