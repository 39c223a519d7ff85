"""Diagnostics of the scores of gold spans: probabilities, label outputs,
discrepancies."""

from typing import Any, Dict, List, Sequence, Tuple

import numpy

from ..core.arrays import Floats, Ints, Mask

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def probability_summary(probabilities: Floats, right: Mask) -> Dict[str, Any]:
    """The probability of the gold label, of spans that were found and of spans that
    were not (A Span-Level Strategy for Nested NER, figure 4).

    probabilities (Floats): *Shape:* (n_gold,)
    right (Mask): Whether each was predicted. *Shape:* (n_gold,)
    RETURNS (Dict[str, Any]): "right" and "wrong", each with "n", "mean" and
        "quantiles" (0, .25, .5, .75 and 1), None where there is no span.
    """
    summary = {}
    for name, mask in (("right", right), ("wrong", ~right)):
        values = probabilities[mask]
        summary[name] = {
            "n": len(values),
            "mean": float(values.mean()) if len(values) else None,
            "quantiles": (
                numpy.quantile(values, QUANTILES).tolist() if len(values) else None
            ),
        }
    return summary


def principal_components(outputs: Floats, n: int = 2) -> Tuple[Floats, Floats]:
    """The first principal components of the label outputs of spans (same, figure 5).

    outputs (Floats): One row a span. *Shape:* (n_spans, n_outputs)
    n (int): How many components.
    RETURNS (Tuple[Floats, Floats]): The place of each span, *shape* (n_spans, n), and
        the share of the variance of each component, *shape* (n,). Zeros where there
        are not so many components.
    """
    places = numpy.zeros((len(outputs), n))
    shares = numpy.zeros(n)
    if not outputs.size:
        return places, shares
    centered = outputs - outputs.mean(0)
    left, sizes, _ = numpy.linalg.svd(centered, full_matrices=False)
    k = min(n, len(sizes))
    places[:, :k] = left[:, :k] * sizes[:k]
    total = (sizes**2).sum()
    if total > 0:
        shares[:k] = sizes[:k] ** 2 / total
    return places, shares


def discrepancies(
    labels: Sequence[str],
    n_gold: Ints,
    n_predicted: Ints,
    label_of: Ints,
    probabilities: Floats,
) -> List[Dict[str, Any]]:
    """Whether labels are predicted too often or too seldom, and how unsure the model
    is of them (same, figure 6).

    labels (Sequence[str]): The labels.
    n_gold, n_predicted (Ints): Spans of each label. *Shape:* (n_labels,)
    label_of (Ints): The label of gold spans. *Shape:* (n,)
    probabilities (Floats): Their probabilities of it. *Shape:* (n,)
    RETURNS (List[Dict[str, Any]]): By label: "label", "log_ratio", the logarithm of
        the number of predicted spans over that of the true ones, None where one of
        them is 0; "scaled_variance", the variance of the probability of the gold
        label over the largest one with the same mean, m (1 - m), so from 0 to 1,
        None without gold spans.
    """
    n = numpy.bincount(label_of, minlength=len(labels))
    sums, squares = (
        numpy.bincount(label_of, values, minlength=len(labels))
        for values in (probabilities, probabilities**2)
    )
    rows = []
    for i, label in enumerate(labels):
        ratio = scaled = None
        if n_gold[i] and n_predicted[i]:
            ratio = float(numpy.log(n_predicted[i] / n_gold[i]))
        if n[i]:
            mean = sums[i] / n[i]
            largest = mean * (1 - mean)
            variance = max(squares[i] / n[i] - mean**2, 0.0)
            scaled = float(min(variance / largest, 1.0)) if largest > 0 else 0.0
        rows.append({"label": label, "log_ratio": ratio, "scaled_variance": scaled})
    return rows
