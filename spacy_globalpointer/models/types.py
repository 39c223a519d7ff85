"""Names for the types that cross module borders."""

from typing import Callable, List

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d
from torch import nn

from ..core.lattice import Lattice
from ..core.tags import TagScores

# Token vectors of each document in, the scores of all its candidates out.
HeadModelT = Model[List[Floats2d], Lattice]
SpanModelT = Model[List[Doc], Lattice]
# The same with the scores of tags.
TaggerModelT = Model[List[Floats2d], TagScores]
SequenceModelT = Model[List[Doc], TagScores]
# (hidden width, number of labels) -> torch module
HeadBuilderT = Callable[[int, int], nn.Module]
