"""The span recogniser, the component behind the factory `global_pointer`."""

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Config
from torch import Tensor, from_numpy

from ..decoding import decode
from ..lattice import Lattice, Layout
from ..models.span_scorer import scorer_of
from ..objectives import Objective
from ..types import SpanModelT
from .annotations import write_ents, write_spans
from .component import Recognizer
from .gold import AlignedGold, DroppedGold, batch_gold, usable_cells
from .settings import check_label_thresholds, check_settings

DEFAULT_SPANS_KEY = "sc"
# max_length where the setting is null and there is no gold span to measure.
DEFAULT_MAX_LENGTH = 32

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


@Language.factory(
    "global_pointer",
    assigns=["doc.spans", "doc.ents"],
    default_config={
        "spans_key": DEFAULT_SPANS_KEY,
        "gold": "spans",
        "set_ents": True,
        "overwrite_ents": False,
        "threshold": 0.5,
        "label_thresholds": {},
        "max_length": None,
        "overlap": "any",
        "max_spans": 1000,
        "loss_weight": 1.0,
        "model": DEFAULTS["model"],
        "objective": DEFAULTS["objective"],
        "scorer": DEFAULTS["scorer"],
    },
    default_score_weights={
        f"spans_{DEFAULT_SPANS_KEY}_f": 1.0,
        f"spans_{DEFAULT_SPANS_KEY}_p": 0.0,
        f"spans_{DEFAULT_SPANS_KEY}_r": 0.0,
        f"spans_{DEFAULT_SPANS_KEY}_macro_f": 0.0,
    },
)
def make_global_pointer(
    nlp: Language,
    name: str,
    model: SpanModelT,
    objective: Objective,
    spans_key: str,
    gold: str,
    set_ents: bool,
    overwrite_ents: bool,
    threshold: float,
    label_thresholds: Dict[str, float],
    max_length: Optional[int],
    overlap: str,
    max_spans: int,
    loss_weight: float,
    scorer: Optional[Callable],
) -> "SpanRecognizer":
    """Create a span recogniser. Its settings are those of `SpanRecognizer`."""
    return SpanRecognizer(
        nlp.vocab,
        model,
        objective,
        name,
        spans_key=spans_key,
        gold=gold,
        set_ents=set_ents,
        overwrite_ents=overwrite_ents,
        threshold=threshold,
        label_thresholds=label_thresholds,
        max_length=max_length,
        overlap=overlap,
        max_spans=max_spans,
        loss_weight=loss_weight,
        scorer=scorer,
    )


class SpanRecognizer(Recognizer):
    """Finds spans, nested or flat, and labels them.

    All settings stand in `cfg` and are read when they are used.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: SpanModelT,
        objective: Objective,
        name: str = "global_pointer",
        *,
        spans_key: str = DEFAULT_SPANS_KEY,
        gold: str = "spans",
        set_ents: bool = True,
        overwrite_ents: bool = False,
        threshold: float = 0.5,
        label_thresholds: Optional[Dict[str, float]] = None,
        max_length: Optional[int] = None,
        overlap: str = "any",
        max_spans: int = 1000,
        loss_weight: float = 1.0,
        scorer: Optional[Callable] = None,
    ) -> None:
        """Initialize the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], Lattice]): Encoder and head.
        objective (Objective): The loss, and the link from scores to probabilities.
        name (str): The component's name, also of its entry in the losses.
        spans_key (str): Key of doc.spans that is read in training and written in
            prediction.
        gold (str): "spans" to learn from doc.spans[spans_key], "ents" to learn
            from doc.ents.
        set_ents (bool): Whether to write the best spans that do not overlap to
            doc.ents.
        overwrite_ents (bool): Whether to replace entities that earlier components
            have set, or to keep them and fill around them.
        threshold (float): Lowest probability that is kept.
        label_thresholds (Dict[str, float]): The same for single labels.
        max_length (Optional[int]): Longest span, in tokens. None: the longest gold
            span seen at initialisation.
        overlap (str): What doc.spans may hold: "any", "nested" (no spans that
            cross), or "flat" (no spans that overlap).
        max_spans (int): Most spans kept of a document, the most probable first.
        loss_weight (float): Factor on the loss.
        scorer (Optional[Callable]): The scoring method.
        """
        settings = {
            "spans_key": spans_key,
            "gold": gold,
            "set_ents": set_ents,
            "overwrite_ents": overwrite_ents,
            "threshold": threshold,
            "label_thresholds": dict(label_thresholds or {}),
            "max_length": max_length,
            "overlap": overlap,
            "max_spans": max_spans,
            "loss_weight": loss_weight,
        }
        super().__init__(vocab, model, name, scorer, settings)
        self.objective = objective
        self._measured_length: Optional[int] = None

    def _check_loaded(self, cfg: Dict[str, Any]) -> None:
        super()._check_loaded(cfg)
        check_label_thresholds(cfg, self.name)

    def _fit_to_gold(self, gold: List[AlignedGold], dropped: DroppedGold) -> None:
        check_label_thresholds(self.cfg, self.name)
        spans = [span for aligned in gold for span in aligned.spans]
        if self.cfg["max_length"] in (None, self._measured_length):
            longest = max((end - start for start, end, _ in spans), default=0)
            self.cfg["max_length"] = longest or DEFAULT_MAX_LENGTH
            self._measured_length = self.cfg["max_length"]
        for aligned in gold:
            usable_cells(aligned, self._label_ids, self.cfg["max_length"], dropped)

    def _prepare_model(self) -> None:
        super()._prepare_model()
        check_settings(self.cfg, ["max_length"])
        scorer_of(self.model).attrs["max_length"] = self.cfg["max_length"]

    def predict(self, docs: Iterable[Doc]) -> Lattice:
        """Score all candidates of a batch, without modifying it.

        docs (Iterable[Doc]): The documents.
        RETURNS (Lattice): Scores of shape (n_labels, n_tokens, width).
        """
        self._prepare_model()
        docs = list(docs)
        if not any(map(len, docs)):
            layout = Layout([0] * len(docs))
            return Lattice(Tensor(len(self.labels), 0, layout.width), layout)
        return self.model.predict(docs)

    def set_annotations(self, docs: Iterable[Doc], lattice: Lattice) -> None:
        """Write doc.spans, and doc.ents if `set_ents`.

        docs (Iterable[Doc]): The documents.
        lattice (Lattice): Their scores, from `predict`.
        """
        docs = list(docs)
        check_settings(self.cfg, ["overlap", "max_spans"])
        spans = decode(
            lattice,
            self._score_thresholds(),
            overlap=self.cfg["overlap"],
            max_spans=self.cfg["max_spans"],
        )
        rank = numpy.argsort(numpy.argsort(self.labels))
        spans = spans[numpy.lexsort((rank[spans.labels], spans.ends, spans.starts))]
        written = write_spans(
            docs,
            spans,
            spans_key=self.key,
            labels=self.labels,
            # In float64: float32 rounds the probabilities of sure spans to one.
            probabilities=self.objective.probability(from_numpy(spans.scores)).numpy(),
        )
        if self.cfg["set_ents"]:
            write_ents(docs, spans, written, overwrite=self.cfg["overwrite_ents"])

    def _score_thresholds(self) -> List[float]:
        check_settings(self.cfg, ["threshold", "label_thresholds"])
        check_label_thresholds(self.cfg, self.name)
        return self.to_scores(self.cfg)

    def to_scores(self, settings: Dict[str, Any]) -> List[float]:
        """Thresholds as scores.

        settings (Dict[str, Any]): With "threshold" and "label_thresholds".
        RETURNS (List[float]): Lowest score that is kept, for each label.
        """
        single, overall = settings["label_thresholds"], settings["threshold"]
        return [self.objective.score(single.get(x, overall)) for x in self.labels]

    def get_loss(
        self, examples: Iterable[Example], scores: Lattice
    ) -> Tuple[float, Tensor]:
        """The loss of a batch and its gradient.

        examples (Iterable[Example]): The batch.
        scores (Lattice): The scores of its candidates.
        RETURNS (Tuple[float, Tensor]): The loss, and its gradient with regard to
            the scores. *Shape:* (n_labels, n_tokens, width)
        """
        validate_examples(examples, "SpanRecognizer.get_loss")
        check_settings(self.cfg, ["loss_weight"])
        dropped = DroppedGold()
        gold = batch_gold(
            list(examples),
            self._gold_reader,
            self._label_ids,
            self.cfg["max_length"],
            scores.scores.device,
            dropped,
        )
        self._report(dropped)
        loss, d_scores = self.objective(scores, gold)
        weight = self.cfg["loss_weight"]
        return float(loss) * weight, d_scores * weight if weight != 1 else d_scores
