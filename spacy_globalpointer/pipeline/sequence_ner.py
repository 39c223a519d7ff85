"""Sequence labelling, the component behind the factory `sequence_ner`."""

from math import inf
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import numpy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Config
from torch import Tensor

from ..core.crf import crf_loss, divergence, softmax_loss, span_probabilities, viterbi
from ..core.span_table import SpanTable
from ..core.tags import TagScores
from ..core.threads import one_thread
from ..errors import Errors
from ..heads import SequenceTagger
from ..models.sequence_scorer import set_tag_scheme
from ..models.span_scorer import get_head_layer
from ..models.types import SequenceModelT
from .annotations import write_ents, write_spans
from .component import Recognizer
from .gold import AlignedGold
from .gold_tags import batch_tags, flat_gold
from .settings import FLAT_ENTS, TAG_SETTINGS, defaults, has_settings
from .span_recognizer import DEFAULT_SCORE_WEIGHTS
from .span_recognizer import DEFAULTS as SPAN_DEFAULTS

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
) -> "SequenceRecognizer":
    """Create a sequence labeller. The other arguments are its settings."""
    return SequenceRecognizer(nlp.vocab, model, name, scorer=scorer, **settings)


class SequenceRecognizer(Recognizer):
    """Finds flat spans as a sequence of tags.

    The settings are in `cfg`; they are checked when they are set and read when they
    are used. `TAG_SETTINGS` declares them. Of gold spans that overlap, the outermost
    are learnt. `scheme` and `crf` shape the weights.
    """

    declared = TAG_SETTINGS

    def __init__(
        self,
        vocab: Vocab,
        model: SequenceModelT,
        name: str = "sequence_ner",
        *,
        scorer: Optional[Callable] = None,
        **settings: Any,
    ) -> None:
        """Initialize the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], TagScores]): Encoder and head.
        name (str): The component's name, also of its entry in the losses.
        scorer (Optional[Callable]): The scoring method.
        settings (Any): Settings that are not to have their default.
        """
        super().__init__(vocab, model, name, scorer, settings)

    @property
    def _head(self) -> SequenceTagger:
        return get_head_layer(self.model).shims[0]._model

    def _prepare_build(self) -> None:
        set_tag_scheme(self.model, self.cfg["scheme"], self.cfg["crf"])

    def _check_model(self) -> None:
        super()._check_model()
        built = {"scheme": self._head.scheme.name, "crf": self._head.crf}
        for setting, value in built.items():
            if self.cfg[setting] != value:
                raise ValueError(
                    Errors.E030.format(
                        setting=setting,
                        name=self.name,
                        value=self.cfg[setting],
                        built=value,
                    )
                )

    def _count_unusable(self, gold: AlignedGold, label_ids: Dict[int, int]) -> None:
        flat_gold([gold], [0], label_ids, self.dropped_gold)

    def predict(self, docs: Iterable[Doc]) -> TagScores:
        """Score all tags of a batch, without modifying it.

        docs (Iterable[Doc]): The documents.
        RETURNS (TagScores): The scores. Those of labels that have not been trained
            are -inf.
        """
        self._check_model()
        docs = list(docs)
        if not any(map(len, docs)):
            return get_head_layer(self.model).predict([])
        scores = self.model.predict(docs)
        for row in self._untrained_rows:
            scores.emissions[:, self._head.scheme.tags_of(row)] = -inf
        return scores

    @one_thread()
    def set_annotations(self, docs: Iterable[Doc], scores: TagScores) -> None:
        """Write the spans of the best sequence of tags to doc.spans, and to doc.ents
        if `set_ents`. The attribute "scores" of the group has the probability of
        each span: the sum of those of all legal sequences that have it.

        docs (Iterable[Doc]): The documents.
        scores (TagScores): Their scores, from `predict`.
        """
        docs = list(docs)
        scheme = self._head.scheme
        tags = viterbi(scores)
        starts, ends, labels = scheme.decode(tags)
        probabilities = span_probabilities(scores, tags, scheme)
        spans = SpanTable(
            docs=numpy.searchsorted(numpy.cumsum(scores.lengths), starts, "right"),
            starts=starts,
            ends=ends,
            labels=labels,
            scores=probabilities,
        )
        written = write_spans(
            docs,
            spans,
            spans_key=self.key,
            labels=self.labels,
            probabilities=probabilities,
        )
        if self.cfg["set_ents"]:
            overwrite = self.cfg["overwrite_ents"]
            write_ents(
                docs,
                spans,
                written,
                probabilities,
                overwrite=overwrite,
                flat=FLAT_ENTS,
            )

    @one_thread()
    def get_loss(
        self, examples: Iterable[Example], scores: TagScores
    ) -> Tuple[Tensor, TagScores]:
        """The loss of a batch and its gradient.

        examples (Iterable[Example]): The batch.
        scores (TagScores): The scores of its tags.
        RETURNS (Tuple[Tensor, TagScores]): The mean loss, and the gradient that is
            trained with, see `GRADIENT_SCALE`.
        """
        examples = list(examples)
        validate_examples(examples, "SequenceRecognizer.get_loss")
        scheme = self._head.scheme
        gold = batch_tags(
            examples, self.gold_reader, self.label_ids, scheme, self.dropped_gold
        )
        self._report()
        gold.unknown_labels = self._unknown_rows
        loss_of = crf_loss if self._head.crf else softmax_loss
        loss, d_scores = loss_of(scores, gold, scheme)
        n_docs = max(gold.n_annotated(scores.lengths), 1)
        return self._scaled(loss * n_docs, d_scores * n_docs, n_docs)

    @one_thread()
    def _divergence(
        self, docs: List[Doc], scores: TagScores
    ) -> Tuple[Tensor, TagScores, int]:
        assert self._rehearsal_model is not None
        target = self._rehearsal_model.predict(docs)
        scheme = self._head.scheme
        every = range(scheme.n_tags)
        tags = [x for row in self._rehearsed_rows for x in every[scheme.tags_of(row)]]
        kept = torch.tensor([0, *tags], device=scores.emissions.device)
        loss, d_kept = divergence(scores.of(kept), target.of(kept), self._head.crf)
        d_scores = scores.zeros()
        d_scores.emissions.index_add_(
            1, kept, d_kept.emissions.to(d_scores.emissions.dtype)
        )
        d_scores.borders.index_add_(1, kept, d_kept.borders.to(d_scores.borders.dtype))
        d_scores.transitions[kept.unsqueeze(1), kept] = d_kept.transitions.to(
            d_scores.transitions.dtype
        )
        return loss, d_scores, len(docs)
