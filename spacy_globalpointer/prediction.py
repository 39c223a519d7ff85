"""Transformers in prediction: batches with little padding, and lower precision."""

import functools
import timeit
import warnings
from contextlib import contextmanager
from typing import Any, Dict, Iterator

import torch
from spacy.language import Language
from thinc.api import NumpyOps, PyTorchShim, get_current_ops
from torch import nn

from .errors import Errors

# Tokens with padding that a transformer encodes at a time on the CPU, where larger
# batches gain nothing.
CPU_BATCH_ITEMS = 512
PRECISIONS = ("float32", "bfloat16", "int8", "auto")
# How many times as fast bfloat16 must be to be taken.
MARGIN = 1.2


@contextmanager
def little_padding(nlp: Language, items: int = CPU_BATCH_ITEMS) -> Iterator[None]:
    """Let the transformers of a pipeline encode documents in small batches on the CPU
    while the block runs.

    `Transformer.pipe` encodes the documents of a batch in order of length, so that
    those of small batches are about as long as each other, and little is computed for
    padding. Predictions are the same but for rounding, and come in the given order.
    Nothing changes on a GPU, which needs large batches.

    nlp (Language): The pipeline.
    items (int): Most tokens with padding of a batch, `max_batch_items` of the
        component. A smaller setting is kept.
    """
    settings = []
    if isinstance(get_current_ops(), NumpyOps):
        every = (getattr(pipe, "cfg", None) for _, pipe in nlp.pipeline)
        settings = [x for x in every if isinstance(x, dict) and "max_batch_items" in x]
    before = [cfg["max_batch_items"] for cfg in settings]
    try:
        for cfg, value in zip(settings, before):
            cfg["max_batch_items"] = min(value, items)
        yield
    finally:
        for cfg, value in zip(settings, before):
            cfg["max_batch_items"] = value


def set_precision(nlp: Language, precision: str = "auto") -> str:
    """Let the transformers of a loaded pipeline predict in another precision, on the
    CPU. Heads, losses and decoding stay in float32. The pipeline cannot be trained or
    saved afterwards; load it again for that.

    nlp (Language): The pipeline, loaded.
    precision (str): "float32": as it is. "bfloat16": faster on processors with
        instructions for it, several times slower on others. "int8": the weights of
        linear layers, and what goes into them, are rounded to 8 bits (torch's dynamic
        quantization). "auto": "bfloat16" where products are at least 1.2 times as fast
        in it, measured once in a process, else "float32".
    RETURNS (str): The precision in use.
    RAISES (ValueError): If there is no such precision.
    """
    if precision not in PRECISIONS:
        allowed = "one of " + ", ".join(f"'{name}'" for name in PRECISIONS)
        raise ValueError(
            Errors.E004.format(setting="precision", allowed=allowed, value=precision)
        )
    if precision == "auto":
        precision = "bfloat16" if is_bfloat16_fast() else "float32"
    if precision != "float32":
        for shim in _transformer_shims(nlp):
            shim._model = LowPrecision(shim._model, precision)
            shim._hfmodel.transformer = shim._model.module
    return precision


class LowPrecision(nn.Module):
    """A module that computes in a lower precision and returns float32.

    module (nn.Module): The module. With "bfloat16", its weights are rounded.
    precision (str): "bfloat16" or "int8".
    """

    def __init__(self, module: nn.Module, precision: str) -> None:
        super().__init__()
        if precision == "int8":
            with warnings.catch_warnings():
                # Torch will move it to a separate library.
                warnings.simplefilter("ignore")
                self.module = torch.ao.quantization.quantize_dynamic(
                    module.eval(), {nn.Linear}, dtype=torch.qint8
                )
        else:
            self.module = module.to(torch.bfloat16)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = self.module(*args, **kwargs)
        for name, value in output.items():
            if torch.is_tensor(value):
                output[name] = value.float()
        return output


@functools.cache
def is_bfloat16_fast() -> bool:
    """Whether products in bfloat16 are at least 1.2 times as fast as in float32. A few
    are measured, once in a process, in some 10 milliseconds."""
    seconds: Dict[torch.dtype, float] = {}
    for dtype in (torch.float32, torch.bfloat16):
        x, y = torch.ones(256, 384, dtype=dtype), torch.ones(1536, 384, dtype=dtype)
        call = functools.partial(nn.functional.linear, x, y)
        seconds[dtype] = min(timeit.repeat(call, number=1, repeat=7))
    return seconds[torch.float32] > MARGIN * seconds[torch.bfloat16]


def _transformer_shims(nlp: Language) -> Iterator[PyTorchShim]:
    """Those that hold a transformer of Hugging Face."""
    for _, pipe in nlp.pipeline:
        if hasattr(getattr(pipe, "model", None), "walk"):
            for node in pipe.model.walk():
                yield from (x for x in node.shims if hasattr(x, "_hfmodel"))
