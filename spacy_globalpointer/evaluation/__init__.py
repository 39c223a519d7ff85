"""What a trained component does, in numbers."""

from .metrics import span_metrics
from .temperatures import fit_temperatures
from .thresholds import Candidates, Goal, choose_thresholds

__all__ = [
    "Candidates",
    "Goal",
    "choose_thresholds",
    "fit_temperatures",
    "span_metrics",
]
