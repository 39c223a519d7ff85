"""Thinc operations with the matrix product that is faster here: blis' or numpy's."""

import functools
import timeit
from typing import Any, Callable, Dict, Optional, Type

import numpy
from spacy.language import Language
from thinc.api import NumpyOps, get_current_ops, registry, set_current_ops

from .core.threads import limit_blas_threads
from .errors import Errors

# How many times as fast numpy must be to be taken: so clearly that the choice is the
# same in each run.
MARGIN = 1.2
# Rows, inner size and columns of the products that are measured: those of a layer of
# a 96-wide tok2vec with a window of 3 and 3 maxout pieces.
MEASURED = ((256, 288, 288), (64, 288, 288))
ROUNDS = 7


class NumpyMatmulOps(NumpyOps):
    """Operations on the CPU whose matrix products are numpy's.

    In place of blis: `gemm`, and so `affine` and all layers of thinc that call them,
    those of tok2vec, CharacterEmbed and static vectors among them.

    Still with blis: thinc's own LSTM, which calls it from C, and `cblas`, whose
    functions the parser and `ner` call from C for each of their states (their lower
    layer, the larger part, is a `gemm`). The BiLSTM encoder of spaCy is PyTorch's and
    never used blis. Arrays that are not 2-dimensional or not float32 are left to
    `NumpyOps`, with its errors.
    """

    # For the threads of a process that another one has started.
    def __reduce__(self) -> Any:
        return _unpickle, (type(self), self.device_type, self.device_id)

    def gemm(
        self,
        x: numpy.ndarray,
        y: numpy.ndarray,
        *,
        out: Optional[numpy.ndarray] = None,
        trans1: bool = False,
        trans2: bool = False,
    ) -> numpy.ndarray:
        """The matrix product of two float32 arrays.

        x (Floats2d): The first array.
        y (Floats2d): The second array.
        out (Optional[Floats2d]): Array for the result.
        trans1 (bool): Whether to transpose `x` first.
        trans2 (bool): Whether to transpose `y` first.
        RETURNS (Floats2d): The product.
        """
        if not x.ndim == y.ndim == 2 or not x.dtype == y.dtype == numpy.float32:
            return super().gemm(x, y, out=out, trans1=trans1, trans2=trans2)
        x = x.T if trans1 else x
        y = y.T if trans2 else y
        if out is not None:
            out = self.as_contig(out)
        # Blis does not warn of infinite values.
        with numpy.errstate(all="ignore"):
            return numpy.dot(x, y, out=out)


def _unpickle(cls: Type[NumpyMatmulOps], *args: Any) -> NumpyMatmulOps:
    limit_blas_threads()
    return cls(*args)


BACKENDS: Dict[str, Type[NumpyOps]] = {"blis": NumpyOps, "numpy": NumpyMatmulOps}


@functools.cache
def find_fastest() -> str:
    """The name of the backend with the faster matrix products. A few products are
    measured, once in a process, in some 10 milliseconds. Numpy is chosen where it is at
    least 1.2 times as fast as blis."""
    with limit_blas_threads():
        seconds = {name: _time_products(cls()) for name, cls in BACKENDS.items()}
    return "numpy" if seconds["blis"] > MARGIN * seconds["numpy"] else "blis"


def _time_products(ops: NumpyOps) -> float:
    """Seconds of the products, the least of some rounds for each."""
    total = 0.0
    for n_rows, n_inner, n_columns in MEASURED:
        x = numpy.ones((n_rows, n_inner), dtype="float32")
        y = numpy.ones((n_columns, n_inner), dtype="float32")
        call = functools.partial(ops.gemm, x, y, trans2=True)
        total += min(timeit.repeat(call, number=1, repeat=ROUNDS))
    return total


def use_fast_matmul(backend: str = "auto") -> str:
    """Let thinc use the faster matrix products in this process.

    Layers made from now on have these operations, in all threads, and `require_cpu()`,
    `use_ops("numpy")` and `get_ops("cpu")` give them. Layers made before keep theirs,
    and so do those that `Model.to_cpu` brings back from a GPU; their results are the
    same but for rounding. Nothing changes where thinc uses a GPU or the library of
    Apple's processors.

    backend (str): "blis" or "numpy"; "auto" measures which is faster (see
        `find_fastest`). Results differ between the two by rounding. To get the same
        weights on several machines, name one.
    RETURNS (str): The backend in use: one of the above, or the name of the operations
        that were left as they are.
    RAISES (ValueError): If there is no such backend.
    """
    if backend not in ("auto", *BACKENDS):
        allowed = ", ".join(f"'{name}'" for name in ("auto", *BACKENDS))
        raise ValueError(
            Errors.E004.format(
                setting="backend", allowed=f"one of {allowed}", value=backend
            )
        )
    current = get_current_ops()
    if type(current) not in BACKENDS.values():
        return current.name
    name = find_fastest() if backend == "auto" else backend
    if name == "numpy":
        limit_blas_threads()
    # Thinc makes its CPU operations, in new threads too, from this entry.
    registry.ops.register("NumpyOps", func=BACKENDS[name])
    if type(current) is not BACKENDS[name]:
        set_current_ops(BACKENDS[name]())
    return name


def create_use_fast_matmul_v1(
    backend: str = "auto",
) -> Callable[[Type[Language]], Type[Language]]:
    """A callback for `[nlp.before_creation]` that lets thinc use the faster matrix
    products before the layers of a pipeline are made, in training and wherever the
    saved pipeline is loaded.

    backend (str): As for `use_fast_matmul`.
    """

    def before_creation(cls: Type[Language]) -> Type[Language]:
        use_fast_matmul(backend)
        return cls

    return before_creation
