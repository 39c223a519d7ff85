"""Thinc with numpy's matrix products: the same results, in every thread and process,
and on the CPU alone."""

import json
import os
import pickle
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy
import pytest
import spacy
from spacy.util import load_model_from_config
from thinc.api import (
    Linear,
    Maxout,
    NumpyOps,
    get_current_ops,
    get_ops,
    registry,
    require_cpu,
    set_current_ops,
    use_ops,
)

from spacy_globalpointer.matmul import (
    NumpyMatmulOps,
    find_fastest,
    use_fast_matmul,
)
from tests.util.files import ROOT
from tests.util.pipelines import TEXTS, examples, initialize, listening_pipeline, train
from tests.util.products import products_restored

CALLBACK = {"@callbacks": "spacy_globalpointer.use_fast_matmul.v1"}
# Rows, inner size, columns.
SHAPES = [(1, 1, 1), (7, 33, 65), (0, 4, 3), (5, 0, 3), (400, 96, 288)]


@pytest.fixture(autouse=True)
def ops_of_the_process():
    with products_restored():
        yield


@contextmanager
def products(cls=NumpyMatmulOps):
    """The shapes of the products that operations of a class take on."""
    seen, original = [], cls.gemm

    def spy(self, x, y, **kwargs):
        seen.append((x.shape, y.shape))
        return original(self, x, y, **kwargs)

    cls.gemm = spy
    try:
        yield seen
    finally:
        cls.gemm = original


def operations(nlp):
    return {type(node.ops) for _, pipe in nlp.pipeline for node in pipe.model.walk()}


@pytest.mark.parametrize("trans1", [False, True])
@pytest.mark.parametrize("trans2", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_product_is_the_one_of_float64(shape, trans1, trans2):
    n_rows, n_inner, n_columns = shape
    generator = numpy.random.default_rng(0)
    x = generator.standard_normal((n_rows, n_inner))
    y = generator.standard_normal((n_inner, n_columns))
    given = [
        numpy.ascontiguousarray((a.T if trans else a).astype("float32"))
        for a, trans in ((x, trans1), (y, trans2))
    ]
    out = numpy.full((n_rows, n_columns), numpy.nan, dtype="float32")
    ops, flags = NumpyMatmulOps(), {"trans1": trans1, "trans2": trans2}
    found = ops.gemm(*given, **flags)
    assert found.dtype == numpy.float32 and found.flags.c_contiguous
    numpy.testing.assert_allclose(found, x @ y, rtol=1e-4, atol=1e-4)
    assert ops.gemm(*given, out=out, **flags) is out
    numpy.testing.assert_array_equal(out, found)


def test_what_is_no_product_of_float32_matrices_is_an_error_as_before():
    square, vector = numpy.ones((2, 2), "float32"), numpy.ones(2, "float32")
    for args in ((square, vector), (vector, square), (square, square.astype("f8"))):
        messages = []
        for cls in (NumpyOps, NumpyMatmulOps):
            with pytest.raises(ValueError) as caught:
                cls().gemm(*args)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_read_only_strided_and_infinite_arrays():
    x = numpy.full((4, 6), numpy.inf, "float32")[:, ::2]
    x.flags.writeable = False
    y = numpy.zeros((3, 2), "float32")
    assert numpy.isnan(NumpyMatmulOps().gemm(x, y)).all()


def test_the_choice_is_measured_and_can_be_fixed():
    assert find_fastest() in ("blis", "numpy")
    assert use_fast_matmul() == find_fastest()
    assert use_fast_matmul("numpy") == "numpy"
    assert type(get_current_ops()) is NumpyMatmulOps
    assert use_fast_matmul("blis") == "blis"
    assert type(get_current_ops()) is NumpyOps
    with pytest.raises(ValueError, match=r"`backend` must be .*'numpy'.* 'mkl'"):
        use_fast_matmul("mkl")


def test_thinc_goes_on_working():
    use_fast_matmul("numpy")
    for name in ("cpu", "numpy"):
        ops = get_ops(name)
        assert isinstance(ops, NumpyOps) and type(ops) is NumpyMatmulOps
        assert ops.name == "numpy" and ops.device_type == "cpu"
    assert not get_ops("numpy", use_blis=False).use_blis
    with use_ops("numpy"):
        assert type(Linear(2, 2).ops) is NumpyMatmulOps
    require_cpu()
    assert type(get_current_ops()) is NumpyMatmulOps
    assert ops.cblas() is not None

    def look():
        found.append(type(Linear(2, 2).ops))

    found = []
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [NumpyMatmulOps]


class OtherOps(NumpyOps):
    """Stands for the operations of a GPU, or of Apple's library."""

    name = "other"


def test_operations_that_are_not_of_the_plain_cpu_are_left_alone():
    use_fast_matmul("blis")
    other = OtherOps()
    set_current_ops(other)
    assert use_fast_matmul("numpy") == "other"
    assert get_current_ops() is other
    assert registry.ops.get("NumpyOps") is NumpyOps


def test_layers_made_before_keep_their_products_and_work_with_new_ones():
    use_fast_matmul("blis")
    before = Maxout(4, 3, nP=2).initialize()
    use_fast_matmul("numpy")
    after = before.copy()
    assert [type(layer.ops) for layer in (before, after)] == [NumpyOps, NumpyMatmulOps]
    X = numpy.random.default_rng(0).random((5, 3), dtype="float32")
    results = []
    for layer in (before, after):
        Y, backprop = layer.begin_update(X)
        results.append((Y, backprop(Y), layer.get_grad("W")))
    for one, other in zip(*results):
        numpy.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert after.from_bytes(before.to_bytes()).to_bytes() == before.to_bytes()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A pipeline that was trained, and saved with the callback in its config."""
    config = listening_pipeline("egp7").config
    config["nlp"]["before_creation"] = {**CALLBACK, "backend": "numpy"}
    nlp = train(load_model_from_config(config, auto_fill=True), steps=30)
    path = tmp_path_factory.mktemp("saved")
    nlp.to_disk(path)
    return path


def loaded(path, backend):
    return spacy.load(path, config={"nlp.before_creation.backend": backend})


def scores(docs):
    return numpy.concatenate([doc.spans["sc"].attrs["scores"] for doc in docs])


def test_a_saved_pipeline_has_the_products_and_the_scores_are_the_same(saved):
    predicted = []
    for backend, cls in (("blis", NumpyOps), ("numpy", NumpyMatmulOps)):
        nlp = loaded(saved, backend)
        assert nlp.config["nlp"]["before_creation"]["backend"] == backend
        assert operations(nlp) == {cls}
        with products() as seen:
            predicted.append([*nlp.pipe(TEXTS)])
        assert bool(seen) == (backend == "numpy")
    spans = [[str(doc.spans["sc"]) for doc in docs] for docs in predicted]
    assert spans[0] == spans[1] and len(scores(predicted[0]))
    numpy.testing.assert_allclose(*map(scores, predicted), rtol=0, atol=1e-5)


def test_pickled_and_by_fork(saved):
    nlp = spacy.load(saved)
    expected = scores(nlp.pipe(TEXTS))
    again = pickle.loads(pickle.dumps(nlp.get_pipe("global_pointer").model))
    assert {type(node.ops) for node in again.walk()} == {NumpyMatmulOps}
    numpy.testing.assert_array_equal(
        scores(nlp.pipe(TEXTS, n_process=2, batch_size=1)), expected
    )


EMBED = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": 8,
    "attrs": ["NORM"],
    "rows": [50],
    "include_static_vectors": False,
}
CHARACTERS = {
    "@architectures": "spacy.CharacterEmbed.v2",
    "width": 8,
    "rows": 50,
    "nM": 8,
    "nC": 2,
    "include_static_vectors": False,
}
WINDOW = {
    "@architectures": "spacy.MaxoutWindowEncoder.v2",
    "width": 8,
    "depth": 1,
    "window_size": 1,
    "maxout_pieces": 2,
}
MISH = {
    "@architectures": "spacy.MishWindowEncoder.v2",
    "width": 8,
    "depth": 1,
    "window_size": 1,
}
LSTM = {
    "@architectures": "spacy.TorchBiLSTMEncoder.v1",
    "width": 8,
    "depth": 1,
    "dropout": 0.0,
}


def products_of(embed, encode, *pipes):
    """The products of both kinds in an update of a pipeline."""
    use_fast_matmul("numpy")
    nlp = spacy.blank("xx")
    model = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    nlp.add_pipe("tok2vec", config={"model": model})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8}
    for name in pipes:
        state = {"hidden_width": 8, "maxout_pieces": 2, "use_upper": True, "nO": None}
        config = {
            "@architectures": "spacy.TransitionBasedParser.v2",
            "state_type": "ner",
            "extra_state_tokens": False,
            "tok2vec": listener,
            **state,
        }
        nlp.add_pipe(name, config={"model": config})
    corpus = examples(nlp)
    for eg in corpus:
        eg.reference.ents = [x for x in eg.reference.spans["sc"] if x.label_ == "GPE"]
    initialize(nlp, corpus)
    with products() as fast, products(NumpyOps) as slow:
        nlp.update(corpus)
    return len(fast), len(slow)


@pytest.mark.parametrize("embed", [EMBED, CHARACTERS])
@pytest.mark.parametrize("encode", [WINDOW, MISH])
def test_the_encoders_have_the_products_forward_and_backward(embed, encode):
    n_fast, n_slow = products_of(embed, encode, "ner")
    assert n_fast > 6 and n_slow == 0


def test_a_lstm_is_torchs_and_has_no_products_of_thinc():
    """What its docstring says: with one table, no other layer is left that has any."""
    assert products_of(CHARACTERS, LSTM)[1] == 0
    with_window, with_lstm = (products_of(EMBED, x)[0] for x in (WINDOW, LSTM))
    assert with_lstm < with_window


REPEATED = """
import hashlib
from tests.util.pipelines import listening_pipeline, train
from spacy_globalpointer.matmul import use_fast_matmul

use_fast_matmul("numpy")
nlp = train(listening_pipeline("egp7"), steps=40, drop=0.2)
weights = b"".join(pipe.model.to_bytes() for _, pipe in nlp.pipeline)
print(hashlib.sha256(weights).hexdigest())
"""


@pytest.mark.slow
def test_a_training_with_the_same_seed_is_the_same_in_another_process():
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", REPEATED]
    hashes = set()
    for seed in ("0", "1"):
        # Of Python's sets and dictionaries of strings, which nothing may hang on.
        env["PYTHONHASHSEED"] = seed
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        hashes.add(done.stdout)
    assert len(hashes) == 1


SPAWNED = """
import json, multiprocessing, sys
import spacy
from thinc.api import NumpyOps
from threadpoolctl import threadpool_info

def look(ops):
    found = [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]
    return type(ops).__name__, max(found)

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    nlp = spacy.load(sys.argv[1])
    layer = nlp.get_pipe("tok2vec").model
    with multiprocessing.Pool(1) as pool:
        child = pool.apply(look, (layer.ops,))
    docs = nlp.pipe(json.loads(sys.argv[2]), n_process=2, batch_size=1)
    scores = [float(x) for doc in docs for x in doc.spans["sc"].attrs["scores"]]
    print(json.dumps([look(layer.ops), child, scores]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("variable, n_threads", [("", 1), ("OPENBLAS_NUM_THREADS", 2)])
def test_threads_and_spawned_processes(saved, tmp_path, variable, n_threads):
    path = tmp_path / "spawned.py"
    path.write_text(SPAWNED)
    env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    if variable:
        env[variable] = str(n_threads)
    command = [sys.executable, path, saved, json.dumps(TEXTS)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    here, child, found = json.loads(done.stdout)
    assert here == child == ["NumpyMatmulOps", n_threads]
    expected = scores(spacy.load(saved).pipe(TEXTS))
    numpy.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
