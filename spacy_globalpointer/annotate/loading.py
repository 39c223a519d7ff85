"""Pipelines that annotate."""

from typing import Any, Optional

from spacy import util
from spacy.language import Language

from ..errors import Errors
from ..matmul import NumpyMatmulOps

CALLBACK = "spacy_globalpointer.use_fast_matmul.v1"


def load_pipeline(model: str, backend: Optional[str] = None) -> Language:
    """Load a pipeline. With a backend it does not measure which matrix products are
    faster, which might have another answer in another process.

    model (str): Folder or package.
    backend (Optional[str]): "blis" or "numpy", if the pipeline would measure.
    """
    overrides = {"nlp.before_creation.backend": backend} if backend else {}
    return util.load_model(model, config=overrides)


def backend_of(nlp: Language) -> Optional[str]:
    """The matrix products that a pipeline has measured to be faster, None if it does
    not measure."""
    if not _measures(nlp.config):
        return None
    ops = {type(pipe.model.ops) for _, pipe in nlp.pipeline if hasattr(pipe, "model")}
    return "numpy" if NumpyMatmulOps in ops else "blis"


def _measures(config: Any) -> bool:
    callback = config["nlp"].get("before_creation") or {}
    return bool(callback.get("@callbacks") == CALLBACK)


def find_key(nlp: Language) -> str:
    """The key of doc.spans that the last component with one writes.

    RAISES (ValueError): If there is none.
    """
    for _, pipe in reversed(nlp.pipeline):
        cfg = getattr(pipe, "cfg", None) or {}
        key = cfg.get("spans_key") or getattr(pipe, "key", None)
        if isinstance(key, str):
            return key
    raise ValueError(Errors.E164.format(names=nlp.pipe_names))
