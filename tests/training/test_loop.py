"""Several workers learn what one learns."""

import pytest
import torch

from spacy_globalpointer.training.group import Group, launch
from tests.util.parallel import N_STEPS, TRAININGS, run, work

N_WORKERS = 2


@pytest.fixture(scope="module")
def folder(bert, tmp_path_factory):
    path = tmp_path_factory.mktemp("trainings")
    launch(work, N_WORKERS, bert, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_several_workers_learn_what_one_learns(bert, folder, name):
    losses, weights, averages = run(Group(), name, bert)
    assert len(losses) == N_STEPS
    for rank in range(N_WORKERS):
        found = torch.load(folder / f"{name}-{rank}.pt", weights_only=False)
        for here, there in zip(losses, found[0], strict=True):
            assert here == pytest.approx(there, rel=1e-5, abs=1e-5)
        assert weights.keys() == found[1].keys()
        for key, value in weights.items():
            torch.testing.assert_close(found[1][key], value, rtol=0, atol=1e-5)
        assert averages.keys() == found[2].keys()
        for key, value in averages.items():
            assert (value is None) == (found[2][key] is None), key
            if value is not None:
                assert found[2][key] == pytest.approx(value, abs=1e-5)
