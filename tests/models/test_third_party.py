"""A head and an objective from outside of the package."""

import pytest
import spacy
import torch
from spacy.util import registry
from thinc.api import Adam
from torch import nn

from spacy_globalpointer.core.lattice import Lattice
from spacy_globalpointer.core.objectives import Objective
from spacy_globalpointer.models.span_scorer import build_span_model
from tests.util.pipelines import NESTED, TEXTS, by_disk, examples, found, tok2vec

NAME = "tests.BilinearHead.v1"


class Bilinear(nn.Module):
    """Scores with a matrix a label, in the plainest way."""

    def __init__(self, width, n_labels):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_labels, width, width) / width)
        self.bias = nn.Parameter(torch.full((n_labels,), -2.0))

    def forward(self, hidden, layout):
        columns = []
        for w in range(layout.width):
            ends = torch.roll(hidden, -w, 0)
            scores = torch.einsum("iv,lvu,iu->li", hidden, self.weight, ends)
            columns.append(scores + self.bias.unsqueeze(1))
        scores = torch.stack(columns, 2)
        return Lattice(scores.masked_fill(~layout.valid, -torch.inf), layout)

    def resized(self, n_labels):
        head = Bilinear(self.weight.shape[1], n_labels)
        with torch.no_grad():
            head.weight[: len(self.weight)] = self.weight
            head.bias[: len(self.bias)] = self.bias
        return head


@pytest.fixture(autouse=True)
def _registered():
    registry.architectures.register(
        NAME, func=lambda tok2vec: build_span_model(tok2vec, Bilinear)
    )


@pytest.fixture
def nlp():
    nlp = spacy.blank("xx")
    config = {"model": {"@architectures": NAME, "tok2vec": tok2vec()}}
    nlp.add_pipe("global_pointer", config=config)
    return nlp


def test_it_trains_saves_loads_and_gains_a_label(nlp, tmp_path):
    corpus = examples(nlp)
    nlp.initialize(lambda: corpus)
    optimizer = Adam(0.02)
    for _ in range(80):
        nlp.update(corpus, sgd=optimizer)
    said = [found(doc) for doc in nlp.pipe(TEXTS)]
    assert [set(spans) for spans in said] == [set(spans) for _, spans in NESTED]
    loaded = by_disk(nlp, tmp_path)
    assert [found(doc) for doc in loaded.pipe(TEXTS)] == said
    loaded.get_pipe("global_pointer").add_label("NEW")
    assert [found(doc) for doc in loaded.pipe(TEXTS)] == said
    again = by_disk(loaded, tmp_path)
    assert again.get_pipe("global_pointer").labels[-1] == "NEW"
    assert [found(doc) for doc in again.pipe(TEXTS)] == said


def initialize(head):
    registry.architectures.register(
        NAME, func=lambda tok2vec: build_span_model(tok2vec, head)
    )
    nlp = spacy.blank("xx")
    config = {"model": {"@architectures": NAME, "tok2vec": tok2vec()}}
    nlp.add_pipe("global_pointer", config=config)
    corpus = examples(nlp)
    nlp.initialize(lambda: corpus)


class NoResize(nn.Module):
    def __init__(self, width, n_labels):
        super().__init__()

    def forward(self, hidden, layout):
        raise AssertionError


class NoForward(Bilinear):
    forward = nn.Module.forward


@pytest.mark.parametrize(
    "head, part",
    [
        (NoResize, "NoResize.*'resized'"),
        (NoForward, "NoForward.*'forward'"),
        (lambda width, n_labels: "no module", "str.*torch.nn.Module"),
    ],
)
def test_a_part_that_is_missing_is_named(head, part):
    with pytest.raises(TypeError, match=part):
        initialize(head)


def test_scores_of_another_shape_are_an_error():
    with pytest.raises(ValueError, match=r"Bilinear.*\(5, \d+, \d+\).*\(4, \d+, \d+\)"):
        initialize(lambda width, n_labels: Bilinear(width, n_labels + 1))


class SquaredError(Objective):
    """Half the squared distance of each logit from 2 or -2."""

    def sums(self, lattice, gold):
        target = torch.full_like(lattice.scores, -2.0)
        target[gold.index] = 2.0
        valid = lattice.scores > -torch.inf
        difference = torch.where(valid, lattice.scores - target, 0.0)
        return (difference**2).sum() / 2, difference, max(gold.n_docs, 1)


def test_an_objective_from_outside_trains(tmp_path):
    registry.misc.register("tests.SquaredError.v1", func=SquaredError)
    nlp = spacy.blank("xx")
    config = {
        "model": {"@architectures": NAME, "tok2vec": tok2vec()},
        "objective": {"@misc": "tests.SquaredError.v1"},
    }
    nlp.add_pipe("global_pointer", config=config)
    corpus = examples(nlp)
    nlp.initialize(lambda: corpus)
    optimizer = Adam(0.02)
    for _ in range(120):
        losses = nlp.update(corpus, sgd=optimizer)
    assert losses["global_pointer"] < 1
    said = [found(doc) for doc in nlp.pipe(TEXTS)]
    assert [set(spans) for spans in said] == [set(spans) for _, spans in NESTED]
    assert [found(doc) for doc in by_disk(nlp, tmp_path).pipe(TEXTS)] == said
