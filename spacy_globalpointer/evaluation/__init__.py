"""What a trained component does, in numbers."""

from .buckets import TrainingSet, bucket_scores
from .error_kinds import KINDS, ErrorKinds, confusion, error_kinds
from .intervals import Counts, prf, resample
from .metrics import span_metrics
from .outputs import Outputs, read_outputs
from .reliability import precision_recall, reliability
from .result import Result, compare
from .scores import discrepancies, principal_components, probability_summary
from .table import SpanTable, entities, read_table, spans_under
from .thresholds import Candidates, choose_thresholds
from .training_log import read_training_log

__all__ = [
    "KINDS",
    "Candidates",
    "Counts",
    "ErrorKinds",
    "Outputs",
    "Result",
    "SpanTable",
    "TrainingSet",
    "bucket_scores",
    "choose_thresholds",
    "compare",
    "confusion",
    "discrepancies",
    "entities",
    "error_kinds",
    "precision_recall",
    "principal_components",
    "prf",
    "probability_summary",
    "read_outputs",
    "read_table",
    "read_training_log",
    "reliability",
    "resample",
    "span_metrics",
    "spans_under",
]
