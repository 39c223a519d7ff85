import numpy as np
import pytest

from spacy_globalpointer.evaluation import (
    discrepancies,
    principal_components,
    probability_summary,
)


def test_probabilities_of_gold_labels():
    probabilities = np.array([0.9, 0.7, 0.1])
    found = probability_summary(probabilities, np.array([True, True, False]))
    assert found["right"]["n"] == 2 and found["right"]["mean"] == pytest.approx(0.8)
    assert found["right"]["quantiles"][0] == 0.7
    assert found["wrong"] == {"n": 1, "mean": 0.1, "quantiles": [0.1] * 5}
    empty = probability_summary(np.zeros(0), np.zeros(0, dtype=bool))
    assert empty["wrong"] == {"n": 0, "mean": None, "quantiles": None}


def test_principal_components_are_eigenvectors_of_the_covariance():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(300, 4)) @ np.diag([5.0, 2.0, 1.0, 0.1]) + 7
    places, shares = principal_components(outputs)
    values = np.sort(np.linalg.eigvalsh(np.cov(outputs.T)))[::-1]
    assert shares == pytest.approx(values[:2] / values.sum())
    assert places.var(0, ddof=1) == pytest.approx(values[:2])
    assert places.mean(0) == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (5, 0), (1, 3), (5, 1)])
def test_few_outputs(shape):
    places, shares = principal_components(np.ones(shape))
    assert places.shape == (shape[0], 2) and not places.any() and not shares.any()


def test_discrepancies():
    rows = discrepancies(
        ["A", "B", "C", "D"],
        np.array([4, 2, 0, 1]),
        np.array([8, 0, 3, 1]),
        np.array([0, 0, 1, 1, 3]),
        np.array([0.2, 0.6, 1.0, 0.0, 1.0]),
    )
    assert rows[0]["log_ratio"] == pytest.approx(np.log(2))
    assert rows[0]["scaled_variance"] == pytest.approx(0.04 / (0.4 * 0.6))
    # As far apart as can be; no spans; as sure as can be.
    assert rows[1] == {"label": "B", "log_ratio": None, "scaled_variance": 1.0}
    assert rows[2] == {"label": "C", "log_ratio": None, "scaled_variance": None}
    assert rows[3] == {"label": "D", "log_ratio": 0.0, "scaled_variance": 0.0}
