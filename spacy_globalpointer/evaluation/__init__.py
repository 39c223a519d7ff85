"""What a trained component does, in numbers."""

from .metrics import span_metrics
from .thresholds import Candidates, choose_thresholds

__all__ = ["Candidates", "choose_thresholds", "span_metrics"]
