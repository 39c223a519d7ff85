"""How many threads torch uses, and that what it is asked for comes back."""

import os
import subprocess
import sys
import threading

import pytest
import torch

from spacy_globalpointer.core.threads import _mkl_setter, one_thread
from tests.util.files import ROOT
from tests.util.pipelines import TEXTS, pipeline, train


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def in_new_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


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


def test_other_threads_keep_theirs(three_threads):
    """Those that use torch for the first time meanwhile, for good, and those that
    used it before."""
    asked, go_on = threading.Event(), threading.Event()
    seen = []

    def ask_twice():
        seen.append(torch.get_num_threads())
        asked.set()
        go_on.wait(60)
        seen.append(torch.get_num_threads())

    old = threading.Thread(target=ask_twice)
    old.start()
    asked.wait(60)
    with one_thread():
        assert in_new_thread(torch.get_num_threads) == 3
        go_on.set()
        old.join()
    assert seen == [3, 3]
    assert in_new_thread(torch.get_num_threads) == 3


def test_a_thread_that_never_used_torch_gets_its_number_back(three_threads):
    def use():
        with one_thread():
            torch.ones(3).exp()
        return torch.get_num_threads()

    assert in_new_thread(use) == 3


@pytest.mark.skipif(_mkl_setter() is None, reason="torch has no MKL")
def test_mkl_uses_one_thread_and_then_those_before(three_threads):
    """`torch.set_num_threads` sets MKL's own number, which wins over OpenMP's."""
    setter = _mkl_setter()

    def number():
        now = setter(1)
        setter(now)
        return now

    assert number() == 3
    with one_thread():
        assert number() == 1
    assert number() == 3


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


FORKS = """
import os
import spacy, torch
from spacy.language import Language
from tests.util.pipelines import TEXTS, found, pipeline, train

torch.set_num_threads(3)


@Language.component("torch_component")
def torch_component(doc):
    # As a transformer would: an operation for several threads.
    torch.ones(2_000_000).exp()
    return doc


nlp = train(pipeline(), steps=20)
nlp.add_pipe("torch_component", first=True)
expected = [found(doc) for doc in nlp.pipe(TEXTS * 4)]
docs = nlp.pipe(TEXTS * 4, n_process=2, batch_size=2)
assert [found(doc) for doc in docs] == expected
assert any(expected)
assert torch.get_num_threads() == 3
child = os.fork()
if not child:
    # With the component in use, but outside of it, a fork keeps its number.
    nlp.get_pipe("global_pointer").predict([nlp.make_doc(TEXTS[0])])
    os._exit(torch.get_num_threads())
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on Windows")
def test_forks_predict_and_keep_their_number():
    """Threads do not survive a fork: an operation for several would wait forever."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FORKS]
    done = subprocess.run(command, env=env, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
