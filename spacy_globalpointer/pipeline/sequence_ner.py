"""The factory `sequence_ner`: flat spans as a sequence of tags."""

from typing import Any, Callable, Optional

from spacy.language import Language
from thinc.api import Config

from ..models.types import SequenceModelT
from ..tasks import TagTask
from .component import TaskPipe
from .global_pointer import DEFAULT_SCORE_WEIGHTS
from .global_pointer import DEFAULTS as SPAN_DEFAULTS
from .settings import TAG_SETTINGS, defaults, has_settings

default_config = """
[model]
@architectures = "spacy_globalpointer.SequenceNER.v1"
"""
DEFAULT_MODEL = Config().from_str(default_config)["model"]
DEFAULT_MODEL["tok2vec"] = SPAN_DEFAULTS["model"]["tok2vec"]


@Language.factory(
    "sequence_ner",
    assigns=["doc.spans", "doc.ents"],
    default_config={
        **defaults(TAG_SETTINGS),
        "model": DEFAULT_MODEL,
        "scorer": SPAN_DEFAULTS["scorer"],
    },
    default_score_weights=DEFAULT_SCORE_WEIGHTS,
)
@has_settings(TAG_SETTINGS)
def make_sequence_ner(
    nlp: Language,
    name: str,
    model: SequenceModelT,
    scorer: Optional[Callable],
    **settings: Any,
) -> TaskPipe[TagTask]:
    """Create a component that finds flat spans as a sequence of tags.

    model (Model[List[Doc], TagScores]): Encoder and head. The settings `scheme` and
        `crf` shape its weights.
    scorer (Optional[Callable]): The scoring method.
    settings (Any): The settings that `TAG_SETTINGS` declares.
    """
    task = TagTask(name)
    return TaskPipe(nlp.vocab, model, task, TAG_SETTINGS, name, scorer, settings)
