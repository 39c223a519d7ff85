"""What a trained component does, in numbers."""

from .metrics import span_metrics
from .thresholds import Candidates, Goal, choose_thresholds

__all__ = ["Candidates", "Goal", "choose_thresholds", "span_metrics"]
