"""The span recogniser, the component behind the factory `global_pointer`."""

import warnings
from math import inf
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
)

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Config
from torch import Tensor, from_numpy

from ..core.decoding import above, choose, margins_over
from ..core.lattice import Lattice, Layout
from ..core.objectives import Objective
from ..core.rehearsal import span_divergence
from ..core.span_table import SpanTable
from ..core.threads import one_thread
from ..errors import Errors, Warnings
from ..models.span_scorer import get_head_layer, predict_lattice
from ..models.types import SpanModelT
from .annotations import write_ents, write_spans
from .candidates import CandidateReader, only_candidates
from .component import Recognizer
from .gold import (
    AlignedGold,
    DropReport,
    GoldReader,
    TrainingData,
    annotation_found,
    batch_gold,
    count_multilabel_spans,
    count_without_room,
    gold_indices,
)
from .settings import (
    FLAT_ENTS,
    FLAT_SPANS,
    SPAN_SETTINGS,
    check_labels,
    defaults,
    has_settings,
)

DEFAULT_SPANS_KEY = SPAN_SETTINGS["spans_key"].default
# max_length where the setting is null and there is no gold span to measure.
DEFAULT_MAX_LENGTH = 32
# Most scores of documents that are predicted together: 64 MB. Of whole novels, a
# batch has fewer documents than it is asked for.
MAX_CELLS = 2**24

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
) -> "SpanRecognizer":
    """Create a span recogniser. The other arguments are its settings."""
    return SpanRecognizer(nlp.vocab, model, objective, name, scorer=scorer, **settings)


class SpanRecognizer(Recognizer):
    """Finds spans, nested or flat, and labels them.

    The settings are in `cfg`; they are checked when they are set and read when they
    are used. `SPAN_SETTINGS` declares them.
    """

    declared = SPAN_SETTINGS

    def __init__(
        self,
        vocab: Vocab,
        model: SpanModelT,
        objective: Objective,
        name: str = "global_pointer",
        *,
        scorer: Optional[Callable] = None,
        **settings: Any,
    ) -> None:
        """Initialize the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], Lattice]): Encoder and head.
        objective (Objective): The loss, and the link from scores to probabilities.
        name (str): The component's name, also of its entry in the losses.
        scorer (Optional[Callable]): The scoring method.
        settings (Any): Settings that are not to have their default.
        """
        super().__init__(vocab, model, name, scorer, settings)
        mutually_exclusive = get_head_layer(model).attrs["mutually_exclusive"]
        if mutually_exclusive != objective.mutually_exclusive:
            classes = {True: "exclude each other", False: "do not exclude each other"}
            raise ValueError(
                Errors.E020.format(
                    name=name,
                    model=classes[mutually_exclusive],
                    objective=type(objective).__name__,
                    other=classes[objective.mutually_exclusive],
                )
            )
        self.objective = objective
        self._longest_candidate = 0
        self.dropped_candidates = DropReport()
        self._warned_of_no_candidates = False
        self._warned_of_cut = False

    def _check_loaded(self, cfg: Dict[str, Any]) -> None:
        check_labels(cfg, self.name)

    @property
    def _is_length_measured(self) -> bool:
        return self.cfg["max_length"] in (None, self.cfg["measured_length"])

    def _count_unusable(self, gold: AlignedGold, label_ids: Dict[int, int]) -> None:
        # A length that is measured is that of the longest span.
        limit = None if self._is_length_measured else self.cfg["max_length"]
        gold_indices(gold, label_ids, limit, self.dropped_gold)
        if self.objective.mutually_exclusive:
            count_multilabel_spans(gold, self.dropped_gold)
        count_without_room(gold, self.objective.learnable, self.dropped_gold)

    def _fit_to(self, data: TrainingData) -> None:
        check_labels(self.cfg, self.name)
        if self._is_length_measured:
            longest = data.longest or DEFAULT_MAX_LENGTH
            self.cfg.update(max_length=longest, measured_length=longest)

    def _prepare_build(self) -> None:
        # Building runs the model: without a limit, a long document would have a
        # lattice as wide as it is long.
        self._set_max_length()

    def _prepare_training(self) -> None:
        super()._prepare_training()
        self._set_max_length()

    def _set_max_length(self) -> None:
        get_head_layer(self.model).attrs["max_length"] = self.cfg["max_length"]

    def _split(self, docs: List[Doc]) -> Iterator[List[Doc]]:
        limit = self.cfg["max_length"]
        part: List[Doc] = []
        n_tokens = longest = 0
        for doc in docs:
            n_tokens, longest = n_tokens + len(doc), max(longest, len(doc))
            width = longest if limit is None else min(longest, limit)
            if part and n_tokens * width * len(self.labels) > MAX_CELLS:
                yield part
                part, n_tokens, longest = [], len(doc), len(doc)
            part.append(doc)
        yield part

    def predict(self, docs: Iterable[Doc]) -> Lattice:
        """Score all candidates of a batch, without modifying it.

        docs (Iterable[Doc]): The documents.
        RETURNS (Lattice): Scores of shape (n_labels, n_tokens, width); with an
            exclusive objective, of shape (n_labels + 1, n_tokens, width). Those of
            labels that have not been trained are -inf.
        """
        self._check_model()
        docs = list(docs)
        if not any(map(len, docs)):
            layout = Layout([0] * len(docs))
            n_classes = len(self.labels) + self.objective.mutually_exclusive
            return Lattice(Tensor(n_classes, 0, layout.width), layout)
        lattice = predict_lattice(self.model, docs, self.cfg["max_length"])
        lattice.scores[self._untrained_rows] = -inf
        return lattice

    def score_candidates(self, docs: Iterable[Doc]) -> Lattice:
        """Score what may be predicted: all candidates, or the given ones alone.

        docs (Iterable[Doc]): Documents that the pipeline before has run over.
        RETURNS (Lattice): As `predict`, -inf where there is no candidate.
        """
        docs = list(docs)
        return self._with_candidates(docs, self.predict(docs))

    def _with_candidates(self, docs: Sequence[Doc], lattice: Lattice) -> Lattice:
        key = self.cfg["candidates_key"]
        if key is None:
            return lattice
        self._warn_of_no_candidates(docs)
        given = [doc.spans.get(key, ()) for doc in docs]
        return self._only_candidates(lattice, given)

    @one_thread()
    def set_annotations(self, docs: Iterable[Doc], lattice: Lattice) -> None:
        """Write doc.spans, and doc.ents if `set_ents`.

        docs (Iterable[Doc]): The documents.
        lattice (Lattice): Their scores, from `predict`.
        """
        docs = list(docs)
        lattice = self._with_candidates(docs, lattice)
        check_labels(self.cfg, self.name)
        thresholds = self.thresholds(self.cfg)
        odds = self.objective.log_odds(lattice, self.temperatures(self.cfg))
        found = above(odds, thresholds)
        self._warn_of_cut(docs, found)
        spans = choose(
            found,
            thresholds,
            self.cfg["overlap"],
            self.flat_of_spans,
            self.cfg["max_spans"],
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
            write_ents(
                docs,
                spans,
                written,
                margins_over(spans.scores, numpy.array(thresholds)[spans.labels]),
                overwrite=self.cfg["overwrite_ents"],
                flat=self.flat_of_ents,
            )

    @property
    def flat_of_spans(self) -> str:
        """RETURNS (str): Which spans doc.spans keeps if `overlap` is "flat"."""
        flat: str = self.cfg["flat"]
        return FLAT_SPANS if flat == "auto" else flat

    @property
    def flat_of_ents(self) -> str:
        """RETURNS (str): Which spans doc.ents keeps."""
        flat: str = self.cfg["flat"]
        return FLAT_ENTS if flat == "auto" else flat

    def _warn_of_cut(self, docs: Sequence[Doc], found: SpanTable) -> None:
        """Warn once if a document loses spans to `max_spans`. One with more spans than
        tokens does not count: that is what a model finds before it has learnt."""
        most = self.cfg["max_spans"]
        counts = numpy.bincount(found.docs, minlength=len(docs))
        if self._warned_of_cut or counts.max(initial=0) <= most:
            return
        lengths = numpy.array([len(doc) for doc in docs])
        cut = counts[(counts > most) & (counts <= lengths)]
        if len(cut):
            self._warned_of_cut = True
            message = Warnings.W023.format(
                name=self.name, n_docs=len(cut), found=cut.max(), max_spans=most
            )
            warnings.warn(message, stacklevel=2)

    def _warn_of_no_candidates(self, docs: Sequence[Doc]) -> None:
        """Warn once if a document has no group of candidates, not even an empty one."""
        key = self.cfg["candidates_key"]
        if not self._warned_of_no_candidates and any(key not in x.spans for x in docs):
            self._warned_of_no_candidates = True
            message = Warnings.W021.format(name=self.name, key=key)
            warnings.warn(message, stacklevel=2)

    def _only_candidates(
        self,
        lattice: Lattice,
        candidates: Sequence[Iterable[Span]],
    ) -> Lattice:
        """Scores of the candidates of each document alone, what has none reported."""
        dropped = self.dropped_candidates
        lattice = only_candidates(lattice, candidates, self.cfg["max_length"], dropped)
        if dropped.has_new_reasons:
            message = Warnings.W020.format(
                name=self.name, key=self.cfg["candidates_key"], report=dropped.report()
            )
            warnings.warn(message, stacklevel=2)
        return lattice

    def thresholds(self, settings: Dict[str, Any]) -> List[float]:
        """The thresholds as log odds.

        settings (Dict[str, Any]): With "threshold" and "label_thresholds".
        RETURNS (List[float]): The lowest log odds that are kept, for each label.
        """
        single, overall = settings["label_thresholds"], settings["threshold"]
        return [self.objective.to_logit(single.get(x, overall)) for x in self.labels]

    def temperatures(self, settings: Dict[str, Any]) -> List[float]:
        """What log odds are divided by, for each label.

        settings (Dict[str, Any]): With "label_temperatures".
        """
        return [settings["label_temperatures"].get(x, 1.0) for x in self.labels]

    @one_thread()
    def get_loss(
        self, examples: Iterable[Example], scores: Lattice
    ) -> Tuple[Tensor, Tensor]:
        """The loss of a batch and its gradient.

        examples (Iterable[Example]): The batch.
        scores (Lattice): The scores of its candidates.
        RETURNS (Tuple[Tensor, Tensor]): The mean loss, and the gradient that is
            trained with, see `GRADIENT_SCALE`. *Shapes:* () and (n_labels, n_tokens,
            width)
        """
        examples = list(examples)
        validate_examples(examples, "SpanRecognizer.get_loss")
        reader = self.gold_reader
        if isinstance(reader, CandidateReader):
            dropped = self.dropped_candidates
            given = [reader.candidates(eg, dropped) or () for eg in examples]
            scores = self._only_candidates(scores, given)
        gold = batch_gold(
            examples,
            reader,
            self.label_ids,
            self.cfg["max_length"],
            scores.scores.device,
            self.dropped_gold,
        )
        self._report()
        gold.unknown_labels = self._unknown_rows
        return self._scaled(*self.objective.sums(scores, gold))

    @one_thread()
    def _divergence(
        self, docs: List[Doc], scores: Lattice
    ) -> Tuple[Tensor, Tensor, int]:
        target = predict_lattice(self._rehearsal_model, docs, self.cfg["max_length"])
        rows = self._rehearsed_rows
        loss, d_scores = span_divergence(
            scores.scores, target.scores, rows, self.objective.mutually_exclusive
        )
        return loss, d_scores, max(len(docs) * len(rows), 1)

    @property
    def gold_reader(self) -> GoldReader:
        if self.cfg["candidates_key"] is not None:
            return CandidateReader(
                self.cfg["gold"], self.key, self.cfg["candidates_key"]
            )
        return GoldReader(self.cfg["gold"], self.key)

    def _measure(
        self,
        get_examples: Callable[[], Iterable[Example]],
        nlp: Optional[Language],
        labels_given: bool,
        reader: Optional[GoldReader] = None,
    ) -> TrainingData:
        self.dropped_candidates = DropReport()
        data = super()._measure(get_examples, nlp, labels_given, reader)
        key = self.cfg["candidates_key"]
        if key is None or reader is not None or data.n_with_candidates:
            return data
        # They are not there yet if a component before this one finds them.
        if not _may_be_annotated(nlp, self):
            docs = [example.reference for example in get_examples()]
            message = Errors.E021.format(
                name=self.name,
                key=key,
                n_docs=len(docs),
                found=annotation_found(docs),
            )
            raise ValueError(message)
        training = nlp.config["training"] if nlp else {}
        if not training.get("annotating_components"):
            message = Warnings.W024.format(name=self.name, key=key, n_docs=data.n_docs)
            warnings.warn(message, stacklevel=4)
        every = GoldReader(self.cfg["gold"], self.key)
        return self._measure(get_examples, nlp, labels_given, every)


def _may_be_annotated(nlp: Optional[Language], pipe: SpanRecognizer) -> bool:
    """Whether a component before another may write to doc.spans: all but encoders
    may."""
    components = [component for _, component in nlp.pipeline] if nlp else []
    before = components[: components.index(pipe)] if pipe in components else []
    return not all(hasattr(component, "add_listener") for component in before)
