"""Fixtures of several test modules."""

import pytest

from tests.util.files import BENCHMARKS, load_script
from tests.util.products import products_restored


@pytest.fixture(autouse=True, scope="module")
def _ops_of_the_process():
    with products_restored():
        yield


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """A directory with a tiny BERT of random weights."""
    path = tmp_path_factory.mktemp("bert")
    load_script(BENCHMARKS / "bert.py").save_bert(
        path,
        words=("new", "england", "bank"),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return str(path)
