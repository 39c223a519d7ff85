"""Copies of a component, and those that were pickled, are others to an optimizer."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch
from thinc.api import Adam

from spacy_globalpointer.models.span_scorer import get_head_layer
from tests.util.files import ROOT
from tests.util.pipelines import (
    NAME,
    TEXTS,
    all_scores,
    by_copy,
    by_pickle,
    examples,
    pipeline,
    train,
    update,
)


@pytest.fixture(scope="module")
def trained():
    return train(pipeline(), steps=30)


def identities(model):
    """Of the layers and of the shims."""
    layers = list(model.walk())
    return {x.id for x in layers}, {shim.id for x in layers for shim in x.shims}


WAYS = {
    "pickled pipeline": lambda nlp: by_pickle(nlp, None).get_pipe(NAME).model,
    "copied pipeline": lambda nlp: by_copy(nlp, None).get_pipe(NAME).model,
    "pickled component": lambda nlp: (
        pickle.loads(pickle.dumps(nlp.get_pipe(NAME))).model
    ),
    "copied component": lambda nlp: copy.deepcopy(nlp.get_pipe(NAME)).model,
    "model.copy()": lambda nlp: nlp.get_pipe(NAME).model.copy(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_has_an_identity_of_its_own(trained, way):
    own = identities(trained.get_pipe(NAME).model)
    first, second = (identities(WAYS[way](trained)) for _ in range(2))
    for mine, other, another in zip(own, first, second):
        assert len(mine) == len(other) == len(another)
        assert not (mine & other or mine & another or other & another)


@pytest.mark.parametrize("way", [by_pickle, by_copy])
def test_original_and_copy_trained_with_one_optimizer(trained, way):
    """Each as it would be with an optimizer of its own."""

    def weights(nlp):
        head = get_head_layer(nlp.get_pipe(NAME).model).shims[0]._model
        return [x.detach().clone() for x in head.parameters()]

    def learn(nlps, optimizers):
        for _ in range(3):
            for nlp, optimizer in zip(nlps, optimizers):
                update(nlp, examples(nlp), optimizer)
        return [weights(nlp) for nlp in nlps]

    one = Adam(0.01)
    shared = learn([way(trained, None), way(trained, None)], [one, one])
    apart = learn([way(trained, None), way(trained, None)], [Adam(0.01), Adam(0.01)])
    for got, wanted in zip(shared, apart):
        assert all(map(torch.equal, got, wanted))


def test_a_pipeline_is_trained_on_after_copying(trained):
    """The same answers as before, and then as the original."""
    expected = all_scores(trained, TEXTS)
    other = by_copy(trained, None)
    assert all_scores(other, TEXTS) == expected
    optimizer = Adam(0.01, use_averages=True)
    update(other, examples(other), optimizer)
    with other.use_params(optimizer.averages):
        averaged = all_scores(other, TEXTS)
    assert averaged != all_scores(other, TEXTS)
    assert all_scores(trained, TEXTS) == expected


NEW_PROCESS = """
import pickle, sys
import spacy
from tests.util.pipelines import LANG, LISTENER, NAME, pipeline, initialize

with open(sys.argv[1], "rb") as file:
    pickled = pickle.load(file)
new = initialize(pipeline()).get_pipe(NAME)


def identities(model):
    layers = list(model.walk())
    return {x.id for x in layers}, {shim.id for x in layers for shim in x.shims}


for a, b in zip(identities(pickled.get_pipe(NAME).model), identities(new.model)):
    assert a and b and not a & b
"""


@pytest.mark.slow
def test_a_second_head_in_a_new_process(trained, tmp_path):
    """Which counts from 1 again."""
    path = tmp_path / "nlp.pickle"
    path.write_bytes(pickle.dumps(trained))
    command = [sys.executable, "-c", NEW_PROCESS, str(path)]
    env = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
