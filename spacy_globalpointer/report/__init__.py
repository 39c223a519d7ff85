"""What a person looks at: pages, pictures and colors."""

from .colors import label_colors
from .notebook import LatticeScores, lattice_scores, visualize
from .page import span_page

__all__ = [
    "LatticeScores",
    "label_colors",
    "lattice_scores",
    "span_page",
    "visualize",
]
