"""How many threads torch uses, and that what it is asked for comes back."""

import pytest
import torch
from pipelines import TEXTS, pipeline, train

from spacy_globalpointer.threads import one_thread


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_one_thread_and_back(three_threads):
    with one_thread():
        assert torch.get_num_threads() == 1
        with one_thread():
            assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == 3
    assert one_thread()(torch.get_num_threads)() == 1


@pytest.mark.parametrize("head", ["gp", "egp7"])
def test_heads_losses_and_decoding_use_one_thread(head, three_threads, monkeypatch):
    seen = []

    def spy(name, original):
        def call(*args, **kwargs):
            seen.append((name, torch.get_num_threads()))
            return original(*args, **kwargs)

        return call

    for name in ("baddbmm", "addmm", "cat"):
        monkeypatch.setattr(torch, name, spy(name, getattr(torch, name)))
    # The optimizer's step ends with it.
    monkeypatch.setattr(torch.Tensor, "zero_", spy("zero_", torch.Tensor.zero_))
    nlp = train(pipeline(head), steps=2)
    list(nlp.pipe(TEXTS))
    assert {name for name, _ in seen} >= {"baddbmm", "cat", "zero_"}
    assert {n for _, n in seen} == {1}
    assert torch.get_num_threads() == 3
