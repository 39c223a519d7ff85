"""The factory `global_pointer`: spans, nested or flat."""

from typing import Any, Callable, Optional

from spacy.language import Language
from thinc.api import Config

from ..core.objectives import Objective
from ..models.types import SpanModelT
from ..tasks import SpanTask
from .component import TaskPipe
from .settings import SPAN_SETTINGS, defaults, has_settings

default_config = """
[model]
@architectures = "spacy_globalpointer.GlobalPointer.v1"
head_width = 64
rope = true

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 96
rows = [5000, 1000, 2500, 1000]
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
include_static_vectors = false

[model.tok2vec.encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = ${model.tok2vec.embed.width}
window_size = 1
maxout_pieces = 3
depth = 4

[objective]
@misc = "spacy_globalpointer.ClassImbalance.v1"

[scorer]
@scorers = "spacy_globalpointer.span_scorer.v1"
"""
DEFAULTS = Config().from_str(default_config)
# Right with any `spans_key`.
DEFAULT_SCORE_WEIGHTS = {
    "spans_f": 1.0,
    "spans_p": 0.0,
    "spans_r": 0.0,
    "spans_macro_f": 0.0,
}


@Language.factory(
    "global_pointer",
    assigns=["doc.spans", "doc.ents"],
    default_config={**defaults(SPAN_SETTINGS), **DEFAULTS},
    default_score_weights=DEFAULT_SCORE_WEIGHTS,
)
@has_settings(SPAN_SETTINGS)
def make_global_pointer(
    nlp: Language,
    name: str,
    model: SpanModelT,
    objective: Objective,
    scorer: Optional[Callable],
    **settings: Any,
) -> TaskPipe[SpanTask]:
    """Create a component that finds spans, nested or flat, and labels them.

    model (Model[List[Doc], Lattice]): Encoder and head.
    objective (Objective): The loss, and the link from scores to probabilities.
    scorer (Optional[Callable]): The scoring method.
    settings (Any): The settings that `SPAN_SETTINGS` declares.
    """
    task = SpanTask(name, objective)
    return TaskPipe(nlp.vocab, model, task, SPAN_SETTINGS, name, scorer, settings)
