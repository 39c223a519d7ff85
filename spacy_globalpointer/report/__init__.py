"""What a person looks at: pages, pictures and colours."""

from .colours import label_colours
from .notebook import LatticeScores, lattice_scores, visualize
from .page import span_page

__all__ = [
    "LatticeScores",
    "label_colours",
    "lattice_scores",
    "span_page",
    "visualize",
]
