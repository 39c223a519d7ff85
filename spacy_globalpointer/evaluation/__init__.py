"""What a trained component does, in numbers."""

from ..pipeline.scoring import entities, spans_under
from .buckets import BUCKETS, TrainingSet, bucket_counts
from .candidates import Candidates, read_candidates
from .counts import label_counts, macro, prf
from .diagnostics import discrepancies, principal_components, probability_summary
from .error_kinds import KINDS, ErrorKinds, confusion, error_kinds
from .intervals import interval, resample
from .metrics import span_metrics, table_metrics
from .outputs import Outputs, read_outputs
from .reliability import precision_recall, reliability
from .result import Result, compare
from .table import ComparedSpans, read_table
from .temperatures import fit_temperatures
from .thresholds import Target, best_threshold, choose_thresholds
from .training_log import read_training_log

__all__ = [
    "BUCKETS",
    "KINDS",
    "Candidates",
    "ComparedSpans",
    "ErrorKinds",
    "Outputs",
    "Result",
    "Target",
    "TrainingSet",
    "best_threshold",
    "bucket_counts",
    "choose_thresholds",
    "compare",
    "confusion",
    "discrepancies",
    "entities",
    "error_kinds",
    "fit_temperatures",
    "interval",
    "label_counts",
    "macro",
    "precision_recall",
    "prf",
    "principal_components",
    "probability_summary",
    "read_candidates",
    "read_outputs",
    "read_table",
    "read_training_log",
    "reliability",
    "resample",
    "span_metrics",
    "spans_under",
    "table_metrics",
]
