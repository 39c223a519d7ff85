"""The factory `span_classifier`: spans with the defaults of SpanNER."""

from spacy.language import Language
from thinc.api import Config

from .global_pointer import (
    DEFAULT_SCORE_WEIGHTS,
    DEFAULTS,
    make_global_pointer,
)
from .settings import SPAN_SETTINGS, defaults

default_config = """
[model]
@architectures = "spacy_globalpointer.SpanClassifier.v1"
representation = "hybrid"
length_width = 25
n_lengths = 32

[objective]
@misc = "spacy_globalpointer.SampledSoftmax.v1"
negatives = 100
seed = 0
"""
DEFAULT_PARTS = Config().from_str(default_config)

make_span_classifier = Language.factory(
    "span_classifier",
    assigns=["doc.spans", "doc.ents"],
    default_config={
        **defaults(SPAN_SETTINGS),
        "model": {**DEFAULT_PARTS["model"], "tok2vec": DEFAULTS["model"]["tok2vec"]},
        "objective": DEFAULT_PARTS["objective"],
        "scorer": DEFAULTS["scorer"],
    },
    default_score_weights=DEFAULT_SCORE_WEIGHTS,
    func=make_global_pointer,
)
