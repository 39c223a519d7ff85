"""The span recogniser, the component behind the factory `global_pointer`."""

import json
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy
from spacy import util
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Optimizer
from torch import Tensor, from_numpy

from ..decoding import decode
from ..errors import Errors, Warnings
from ..lattice import Lattice, Layout
from ..models.span_scorer import build_head, resize_head, scorer_of
from ..objectives import Objective
from ..types import SpanModelT
from .annotations import write_ents, write_spans
from .candidates import CandidateReader, only_candidates
from .gold import (
    DroppedGold,
    GoldReader,
    annotation_found,
    batch_gold,
    count_second_labels,
    usable_cells,
)
from .settings import check_label_thresholds, check_settings, merge_saved

DEFAULT_SPANS_KEY = "sc"
# max_length where the setting is null and there is no gold span to measure.
DEFAULT_MAX_LENGTH = 32
# How many documents the widths of the model are found with.
N_SAMPLE = 10

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
DEFAULT_SETTINGS = {
    "spans_key": DEFAULT_SPANS_KEY,
    "gold": "spans",
    "set_ents": True,
    "overwrite_ents": False,
    "threshold": 0.5,
    "label_thresholds": {},
    "max_length": None,
    "overlap": "any",
    "flat": "best",
    "max_spans": 1000,
    "loss_weight": 1.0,
    "candidates_key": None,
}
DEFAULT_SCORE_WEIGHTS = {
    f"spans_{DEFAULT_SPANS_KEY}_f": 1.0,
    f"spans_{DEFAULT_SPANS_KEY}_p": 0.0,
    f"spans_{DEFAULT_SPANS_KEY}_r": 0.0,
    f"spans_{DEFAULT_SPANS_KEY}_macro_f": 0.0,
}


@Language.factory(
    "global_pointer",
    assigns=["doc.spans", "doc.ents"],
    default_config={**DEFAULT_SETTINGS, **DEFAULTS},
    default_score_weights=DEFAULT_SCORE_WEIGHTS,
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
    flat: str,
    max_spans: int,
    loss_weight: float,
    candidates_key: Optional[str],
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
        flat=flat,
        max_spans=max_spans,
        loss_weight=loss_weight,
        candidates_key=candidates_key,
        scorer=scorer,
    )


class SpanRecognizer(TrainablePipe):
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
        flat: str = "best",
        max_spans: int = 1000,
        loss_weight: float = 1.0,
        candidates_key: Optional[str] = None,
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
        flat (str): Which spans that do not overlap are the best, for "flat" and for
            doc.ents: "best", those with the highest sum of margins, or "greedy",
            the most probable first.
        max_spans (int): Most spans kept of a document, the most probable first.
        loss_weight (float): Factor on the loss.
        candidates_key (Optional[str]): Key of doc.spans with the spans that are
            scored, and no others. None: all spans.
        scorer (Optional[Callable]): The scoring method.
        """
        self.vocab = vocab
        self.model = model
        self.objective = objective
        self.name = name
        self.scorer = scorer
        self._configured: Dict[str, Any] = {
            "spans_key": spans_key,
            "gold": gold,
            "set_ents": set_ents,
            "overwrite_ents": overwrite_ents,
            "threshold": threshold,
            "label_thresholds": dict(label_thresholds or {}),
            "max_length": max_length,
            "overlap": overlap,
            "flat": flat,
            "max_spans": max_spans,
            "loss_weight": loss_weight,
            "candidates_key": candidates_key,
        }
        check_settings(self._configured)
        exclusive = scorer_of(model).attrs["exclusive"]
        if exclusive != objective.exclusive:
            classes = {True: "exclude each other", False: "do not exclude each other"}
            raise ValueError(
                Errors.E020.format(
                    name=name,
                    model=classes[exclusive],
                    objective=type(objective).__name__,
                    other=classes[objective.exclusive],
                )
            )
        # "width" is that of the encoder, known after initialisation.
        self.cfg: Dict[str, Any] = {
            **self._configured,
            "label_thresholds": dict(self._configured["label_thresholds"]),
            "labels": [],
            "width": None,
        }
        self._measured_length: Optional[int] = None
        self.dropped_gold = DroppedGold()
        self.dropped_candidates = DroppedGold()
        self._warned_of_no_candidates = False

    @property
    def key(self) -> str:
        """RETURNS (str): Key of doc.spans."""
        return str(self.cfg["spans_key"])

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The labels, in the order of the lattice."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """RETURNS (List[str]): The labels, for `spacy init labels`."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add a label, also after training. The scores of the others stay as they
        are; the new one's are random until it is trained.

        label (str): The label.
        RETURNS (int): 0 if the label is there already, else 1.
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E006.format(value=label, type=type(label)))
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        if self._is_built:
            resize_head(scorer_of(self.model), len(self.labels))
            self._set_n_labels()
        return 1

    @property
    def _is_built(self) -> bool:
        return bool(scorer_of(self.model).shims)

    def _set_n_labels(self) -> None:
        for layer in (self.model, scorer_of(self.model)):
            layer.set_dim("nO", len(self.labels), force=True)

    def _prepare_model(self) -> None:
        if not self._is_built:
            raise ValueError(Errors.E001.format(name=self.name))
        check_settings(self.cfg, ["max_length"])
        scorer_of(self.model).attrs["max_length"] = self.cfg["max_length"]

    def predict(self, docs: Iterable[Doc]) -> Lattice:
        """Score all candidates of a batch, without modifying it.

        docs (Iterable[Doc]): The documents.
        RETURNS (Lattice): Scores of shape (n_labels, n_tokens, width); with an
            exclusive objective, of shape (n_labels + 1, n_tokens, width).
        """
        self._prepare_model()
        docs = list(docs)
        if not any(map(len, docs)):
            layout = Layout([0] * len(docs))
            n_classes = len(self.labels) + self.objective.exclusive
            return Lattice(Tensor(n_classes, 0, layout.width), layout)
        return self.model.predict(docs)

    def set_annotations(self, docs: Iterable[Doc], lattice: Lattice) -> None:
        """Write doc.spans, and doc.ents if `set_ents`.

        docs (Iterable[Doc]): The documents.
        lattice (Lattice): Their scores, from `predict`.
        """
        docs = list(docs)
        check_settings(self.cfg, ["overlap", "flat", "max_spans", "candidates_key"])
        key = self.cfg["candidates_key"]
        if key is not None:
            self._warn_of_no_candidates(docs)
            given = [doc.spans.get(key, ()) for doc in docs]
            lattice = self._only_candidates(lattice, given, DroppedGold())
        spans = decode(
            self.objective.log_odds(lattice),
            self._score_thresholds(),
            overlap=self.cfg["overlap"],
            flat=self.cfg["flat"],
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
            write_ents(
                docs,
                spans,
                written,
                overwrite=self.cfg["overwrite_ents"],
                flat=self.cfg["flat"],
            )

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
        dropped: DroppedGold,
    ) -> Lattice:
        """Scores of the candidates of each document alone, what has none reported."""
        lattice = only_candidates(lattice, candidates, self.cfg["max_length"], dropped)
        new = self.dropped_candidates.add_new(dropped)
        if new.counts:
            message = Warnings.W020.format(
                name=self.name, key=self.cfg["candidates_key"], report=new.report()
            )
            warnings.warn(message, stacklevel=2)
        return lattice

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

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch.

        examples (Iterable[Example]): The batch.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer.
        losses (Optional[Dict[str, float]]): The losses so far, by component.
        RETURNS (Dict[str, float]): The updated losses.
        """
        self._prepare_model()
        return super().update(examples, drop=drop, sgd=sgd, losses=losses)

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
        examples = list(examples)
        reader = self._gold_reader
        if isinstance(reader, CandidateReader):
            dropped = DroppedGold()
            given = [reader.candidates(eg, dropped) or () for eg in examples]
            scores = self._only_candidates(scores, given, dropped)
        dropped = DroppedGold()
        gold = batch_gold(
            examples,
            reader,
            self._label_ids,
            self.cfg["max_length"],
            scores.scores.device,
            dropped,
        )
        self._report(dropped)
        loss, d_scores = self.objective(scores, gold)
        weight = self.cfg["loss_weight"]
        return float(loss) * weight, d_scores * weight if weight != 1 else d_scores

    @property
    def _gold_reader(self) -> GoldReader:
        check_settings(self.cfg, ["gold", "candidates_key"])
        if self.cfg["candidates_key"] is not None:
            return CandidateReader(
                self.cfg["gold"], self.key, self.cfg["candidates_key"]
            )
        return GoldReader(self.cfg["gold"], self.key)

    @property
    def _label_ids(self) -> Dict[int, int]:
        return {self.vocab.strings[label]: i for i, label in enumerate(self.labels)}

    def _report(self, dropped: DroppedGold) -> None:
        """Warn of gold that cannot be used, once for each reason."""
        new = self.dropped_gold.add_new(dropped)
        if new.counts:
            message = Warnings.W001.format(name=self.name, report=new.report())
            warnings.warn(message, stacklevel=2)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Sequence[str]] = None,
    ) -> None:
        """Find labels and longest span, and build the model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Sequence[str]]): The labels, for instance from `spacy init
            labels`. None: those in the training data.
        """
        validate_get_examples(get_examples, "SpanRecognizer.initialize")
        reader = self._gold_reader
        dropped = DroppedGold()
        sample: List[Doc] = []
        aligned = []
        candidates: List[Span] = []
        for example in get_examples():
            if len(sample) < N_SAMPLE and len(example.predicted):
                sample.append(example.predicted)
            aligned.append(reader.read(example, dropped))
            if isinstance(reader, CandidateReader):
                candidates.extend(reader.candidates(example, DroppedGold()) or ())
        if isinstance(reader, CandidateReader) and not candidates:
            self._explain_no_candidates(get_examples)
        spans = [span for gold in aligned for span in gold.spans]
        if labels is None:
            labels = sorted({span.label_ for _, _, span in spans})
        for label in labels:
            self.add_label(label)
        if not spans:
            self._explain_no_gold(get_examples)
        check_label_thresholds(self.cfg, self.name)
        if self.cfg["max_length"] in (None, self._measured_length):
            lengths = [end - start for start, end, _ in spans]
            longest = max(lengths + [len(span) for span in candidates], default=0)
            self.cfg["max_length"] = longest or DEFAULT_MAX_LENGTH
            self._measured_length = self.cfg["max_length"]
        for gold in aligned:
            usable_cells(gold, self._label_ids, self.cfg["max_length"], dropped)
            if self.objective.exclusive:
                count_second_labels(gold, dropped)
        self.dropped_gold, self.dropped_candidates = DroppedGold(), DroppedGold()
        self._report(dropped)
        self._set_n_labels()
        self.model.initialize(X=sample or [Doc(self.vocab, words=["x"])])
        self.cfg["width"] = scorer_of(self.model).get_dim("nI")

    def _explain_no_gold(self, get_examples: Callable[[], Iterable[Example]]) -> None:
        """Raise an error if there is nothing to learn: no label, or annotation in
        another place."""
        docs = [example.reference for example in get_examples()]
        found = annotation_found(docs)
        if found or not self.labels:
            message = Errors.E002 if self.cfg["gold"] == "spans" else Errors.E003
            raise ValueError(
                message.format(
                    name=self.name,
                    key=self.key,
                    n_docs=len(docs),
                    found=found or "There is no other annotation of spans either.",
                )
            )

    def _explain_no_candidates(
        self, get_examples: Callable[[], Iterable[Example]]
    ) -> None:
        """Raise an error: there is nothing to score."""
        docs = [example.reference for example in get_examples()]
        raise ValueError(
            Errors.E021.format(
                name=self.name,
                key=self.cfg["candidates_key"],
                n_docs=len(docs),
                found=annotation_found(docs),
            )
        )

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the component.

        exclude (Iterable[str]): Fields to leave out: "cfg", "vocab", "model".
        RETURNS (bytes): The serialized component.
        """
        fields = {
            "cfg": self._dump_cfg,
            "vocab": lambda: self.vocab.to_bytes(exclude=exclude),
            "model": self.model.to_bytes,
        }
        return util.to_bytes(fields, exclude)

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "SpanRecognizer":
        """Load the component.

        bytes_data (bytes): From `to_bytes`.
        exclude (Iterable[str]): Fields to leave out.
        RETURNS (SpanRecognizer): The component itself.
        """
        fields = {
            "cfg": self._load_cfg,
            "vocab": lambda data: self.vocab.from_bytes(data, exclude=exclude),
            "model": self._load_weights,
        }
        util.from_bytes(bytes_data, fields, exclude)
        return self

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the component.

        path (Union[str, Path]): A folder.
        exclude (Iterable[str]): Fields to leave out: "cfg", "vocab", "model".
        """
        fields = {
            "cfg": lambda p: p.write_bytes(self._dump_cfg()),
            "vocab": lambda p: self.vocab.to_disk(p, exclude=exclude),
            "model": lambda p: p.write_bytes(self.model.to_bytes()),
        }
        util.to_disk(path, fields, exclude)

    def from_disk(
        self, path: Union[str, Path], *, exclude: Iterable[str] = ()
    ) -> "SpanRecognizer":
        """Load the component.

        path (Union[str, Path]): A folder.
        exclude (Iterable[str]): Fields to leave out.
        RETURNS (SpanRecognizer): The component itself.
        """
        fields = {
            "cfg": lambda p: self._load_cfg(self._read(p)),
            "vocab": lambda p: self.vocab.from_disk(p, exclude=exclude),
            "model": lambda p: self._load_weights(self._read(p)),
        }
        util.from_disk(path, fields, exclude)
        return self

    def _dump_cfg(self) -> bytes:
        # Not with srsly, which does not give every float back as it was.
        saved = {**self.cfg, "configured": self._configured}
        return json.dumps(saved, indent=2).encode("utf8")

    def _load_cfg(self, data: bytes) -> None:
        """Take over settings, and build the head that the weights go into."""
        try:
            cfg = merge_saved(self._configured, json.loads(data))
            width, labels = cfg["width"], cfg["labels"]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            message = Errors.E007.format(name=self.name, reason=repr(error))
            raise ValueError(message) from error
        check_settings(cfg)
        check_label_thresholds(cfg, self.name)
        self.cfg.update(cfg)
        if width is not None:
            build_head(scorer_of(self.model), width, len(labels))
            self._set_n_labels()

    def _load_weights(self, data: bytes) -> None:
        try:
            self.model.from_bytes(data)
        except (AttributeError, IndexError, RuntimeError, ValueError) as error:
            message = Errors.E008.format(name=self.name, reason=error)
            raise ValueError(message) from error

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            message = Errors.E007.format(name=self.name, reason=error)
            raise FileNotFoundError(message) from error
