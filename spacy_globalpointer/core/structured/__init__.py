"""Losses of whole answers: the scores of the lattice as a distribution over sets of
spans that may stand together, normalized exactly.

    p(Y) = exp(sum of s over Y) / Z
"""

from .nested_crf import NestedCRF
from .semi_markov_crf import SemiMarkovCRF

__all__ = ["NestedCRF", "SemiMarkovCRF"]
