"""Losses on the lattice, one a module.

Gold is kept as indices and the gradient is written down, so no target array is made and
no graph is kept. All of it is computed in float32 or better.
"""

from .binary_cross_entropy import BinaryCrossEntropy
from .class_imbalance import ClassImbalanceLoss
from .nested_crf import NestedCRF
from .objective import Objective
from .sampled_softmax import SampledSoftmax
from .semi_markov_crf import SemiMarkovCRF

__all__ = [
    "BinaryCrossEntropy",
    "ClassImbalanceLoss",
    "NestedCRF",
    "Objective",
    "SampledSoftmax",
    "SemiMarkovCRF",
]
