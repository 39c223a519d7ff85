"""The protocol of objectives: a loss, and the link from scores to probabilities."""

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Optional, Sequence, Tuple

import numpy
import torch
from torch import Tensor

from ..arrays import Ints, Mask
from ..lattice import GoldSpans, Lattice


class Objective(ABC):
    """A loss on the lattice and its link from scores to probabilities.

    mutually_exclusive (bool): Whether each candidate has exactly one of n_labels + 1
        classes, the last of them "no entity", rather than each label or not.
    """

    mutually_exclusive = False

    @abstractmethod
    def sums(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor, int]:
        """The summed loss, which is what components train with, and its gradient.

        lattice (Lattice): Scores of all candidates. They are not changed.
        gold (GoldSpans): The annotation. Candidates that touch a token without
            annotation add neither loss nor gradient, unless they are gold spans or
            rejected.
        RETURNS (Tuple[Tensor, Tensor, int]): The loss, summed over annotated
            documents and labels (over candidates, where labels exclude one
            another), *shape* (); its gradient, *shape* that of the scores; the number
            of terms of the sum, at least 1.
        """

    def __call__(self, lattice: Lattice, gold: GoldSpans) -> Tuple[Tensor, Tensor]:
        """The mean loss, which is what components report, and its gradient.

        lattice (Lattice): Scores of all candidates. They are not changed.
        gold (GoldSpans): The annotation.
        RETURNS (Tuple[Tensor, Tensor]): The loss, *shape* (); its gradient, *shape*
            that of the scores.
        """
        loss, d_scores, n_terms = self.sums(lattice, gold)
        return loss / n_terms, d_scores / n_terms

    def learnable(self, starts: Ints, ends: Ints) -> Mask:
        """Which gold spans of a document the loss learns. *Shape:* (n,)

        starts, ends (Ints): Start (inclusive) and end (exclusive) token. A span with
            several labels comes several times. *Shape:* (n,)
        """
        return numpy.ones(len(starts), dtype=bool)

    def log_odds(
        self, lattice: Lattice, temperatures: Optional[Sequence[float]] = None
    ) -> Lattice:
        """The log odds of each label, log p - log(1 - p), which decoding,
        thresholds and calibration read.

        lattice (Lattice): Scores of all candidates.
        temperatures (Optional[Sequence[float]]): What the log odds of each label are
            divided by. None: nothing.
        RETURNS (Lattice): *Shape:* (n_labels, n_tokens, width); -inf where a label
            cannot be predicted.
        """
        odds = self.untempered_log_odds(lattice)
        if temperatures is None or all(x == 1 for x in temperatures):
            return odds
        divisors = odds.scores.new_tensor(temperatures).view(-1, 1, 1)
        return replace(odds, scores=odds.scores / divisors)

    def untempered_log_odds(self, lattice: Lattice) -> Lattice:
        """As `log_odds`, without temperatures. The default is for objectives whose
        scores are log odds."""
        return lattice

    def label_probabilities(self, lattice: Lattice) -> Tensor:
        """The probability of each label, whatever decoding would choose.

        lattice (Lattice): Scores of all candidates.
        RETURNS (Tensor): 0 outside of documents. *Shape:* (n_labels, n_tokens, width),
            float32 or better
        """
        odds = self.untempered_log_odds(lattice).scores
        return self.probability(odds.to(torch.promote_types(odds.dtype, torch.float32)))

    def probability(self, scores: Tensor) -> Tensor:
        """The link: probabilities of log odds, of the same shape."""
        return scores.sigmoid()

    def to_logit(self, probability: float) -> float:
        """The inverse of the link."""
        if probability in (0.0, 1.0):
            return math.copysign(math.inf, probability - 0.5)
        return math.log(probability) - math.log1p(-probability)
