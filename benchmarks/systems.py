"""The systems that are compared, all on the same encoder."""

from typing import Any, Callable, Dict, Iterable, Optional

import spacy
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer

KEY = "sc"
ENCODER = "encoder alone"

TOK2VEC = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": 96,
        "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
        "rows": [5000, 1000, 2500, 2500],
        "include_static_vectors": False,
    },
    "encode": {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": 96,
        "depth": 4,
        "window_size": 1,
        "maxout_pieces": 3,
    },
}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "*"}
LOGISTIC = {"@layers": "spacy.LinearLogistic.v1"}
PRESET = {"@misc": "spacy.preset_spans_suggester.v1", "spans_key": KEY}


def _n_grams(longest: int) -> Dict[str, Any]:
    suggester = "spacy.ngram_range_suggester.v1"
    return {"@misc": suggester, "min_size": 1, "max_size": longest}


def _global_pointer(architecture: str, **settings: Any) -> Dict[str, Any]:
    name = f"spacy_globalpointer.{architecture}"
    return {"model": {"@architectures": name, "tok2vec": LISTENER, **settings}}


def _spancat(scorer: Dict[str, Any], suggester: Dict[str, Any]) -> Dict[str, Any]:
    model = {
        "@architectures": "spacy.SpanCategorizer.v1",
        "tok2vec": LISTENER,
        "reducer": {"@layers": "spacy.mean_max_reducer.v1", "hidden_size": 128},
        "scorer": scorer,
    }
    return {"spans_key": KEY, "model": model, "suggester": suggester}


NER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": True,
    "tok2vec": LISTENER,
}
SPAN_FINDER = {
    "@architectures": "spacy.SpanFinder.v1",
    "scorer": {**LOGISTIC, "nO": 2},
    "tok2vec": LISTENER,
}

# Components behind the encoder, and their configs.
SYSTEMS: Dict[str, Dict[str, Dict[str, Any]]] = {
    ENCODER: {"no_head": {"model": LISTENER}},
    "GlobalPointer": {"global_pointer": _global_pointer("GlobalPointer.v1")},
    "EfficientGlobalPointer": {
        "global_pointer": _global_pointer("EfficientGlobalPointer.v1")
    },
    "content": {
        "global_pointer": _global_pointer("EfficientGlobalPointer.v2", content_width=64)
    },
    "content to 10": {
        "global_pointer": _global_pointer(
            "EfficientGlobalPointer.v2", content_width=64, content_max_length=10
        )
    },
    "ner": {"ner": {"model": NER}},
    "spancat": {"spancat": _spancat(LOGISTIC, _n_grams(16))},
    "spancat_singlelabel": {
        "spancat_singlelabel": _spancat({"@layers": "Softmax.v2"}, _n_grams(16))
    },
    "span_finder + spancat": {
        "span_finder": {"spans_key": KEY, "model": SPAN_FINDER},
        "spancat": _spancat(LOGISTIC, PRESET),
    },
    "SpanClassifier to 10": {
        "span_classifier": {
            **_global_pointer("SpanClassifier.v1"),
            "max_length": 10,
        }
    },
    "spancat_singlelabel to 10": {
        "spancat_singlelabel": _spancat({"@layers": "Softmax.v2"}, _n_grams(10))
    },
}
# The rest are each for one comparison.
DEFAULT = [name for name in SYSTEMS if name != "content" and not name.endswith("to 10")]


class NoHead(TrainablePipe):
    """A component that costs nothing: in training it hands the encoder a constant
    gradient. No other can be faster on the same encoder."""

    def __init__(self, vocab: Vocab, model: Model, name: str) -> None:
        self.vocab, self.model, self.name = vocab, model, name
        self.cfg: Dict[str, Any] = {}

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Language
    ) -> None:
        self.model.initialize()

    def predict(self, docs: Iterable[Doc]) -> None:
        return None

    def set_annotations(self, docs: Iterable[Doc], scores: None) -> None:
        pass

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> None:
        docs = [example.predicted for example in examples]
        vectors, backprop = self.model.begin_update(docs)
        backprop([self.model.ops.xp.full_like(x, 1e-4) for x in vectors])


@Language.factory("no_head")
def create_no_head(nlp: Language, name: str, model: Model) -> NoHead:
    return NoHead(nlp.vocab, model, name)


def build(system: str, lang: str, vocab: Vocab) -> Language:
    """A pipeline, not initialised."""
    nlp = spacy.blank(lang, vocab=vocab)
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    for factory, config in SYSTEMS[system].items():
        nlp.add_pipe(factory, config=config)
    return nlp
