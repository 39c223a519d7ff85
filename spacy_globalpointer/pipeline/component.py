"""The component of spans and tags: an encoder, a head, and a task."""

import warnings
from typing import (
    Any,
    Callable,
    Dict,
    Generic,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
)

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from torch import Tensor

from ..core.threads import one_thread
from ..errors import Errors, Warnings
from ..span_groups import negative_key
from ..tasks import Task
from ..tasks.drop_report import DropReport
from ..tasks.spans import keep_candidates
from .annotations import write_predictions
from .candidates import CandidateReader
from .gold import GoldReader, TrainingData, annotation_found
from .head_pipe import HeadPipe
from .scoring import warn_of_unscored
from .settings import Setting, check_labels

# Documents of a batch, what was decoded, the task, the settings.
WriterT = Callable[[Sequence[Doc], Any, Task, Dict[str, Any]], None]


TaskT = TypeVar("TaskT", bound=Task)


class TaskPipe(HeadPipe, Generic[TaskT]):
    """A component that learns a task with an encoder and a torch head.

    task (Task): What the head scores, and what becomes of it.
    dropped_candidates (DropReport): Candidates that cannot be used.
    """

    _rehearsed_rows: List[int]
    _rows_without_gold: List[int]
    _is_rehearsed: bool

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        task: TaskT,
        declared: Dict[str, Setting],
        name: str,
        scorer: Optional[Callable],
        settings: Dict[str, Any],
        writer: WriterT = write_predictions,
    ) -> None:
        """Initialize the component.

        vocab (Vocab): The shared vocabulary.
        model (Model): Encoder and head.
        task (Task): What the head scores, and what becomes of it.
        declared (Dict[str, Setting]): The settings that there are.
        name (str): The component's name, also of its entry in the losses.
        scorer (Optional[Callable]): The scoring method.
        settings (Dict[str, Any]): The settings from the config; others have their
            default.
        writer (Callable[[Sequence[Doc], Any, Task, Settings], None]): Writes what the
            task decodes to the documents of a batch.
        RAISES (ValueError): If a setting is not allowed, or if the model does not fit
            the task.
        """
        self.writer = writer
        super().__init__(vocab, model, task, declared, name, scorer, settings)
        task.check_head(model, self.cfg)
        self.dropped_candidates = DropReport()
        self._warned_of_no_candidates = False
        # The model as it is when `nlp.resume_training` is called, which sets it.
        self._rehearsal_model: Optional[Model] = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_rehearsal_model":
            # Labels that it has not learned have nothing to keep.
            untrained = self.cfg["untrained_labels"]
            known = [i for i, x in enumerate(self.labels) if x not in untrained]
            super().__setattr__("_rehearsed_rows", known)
            # Those of them without gold since then, and whether rehearsal has begun.
            super().__setattr__("_rows_without_gold", known)
            super().__setattr__("_is_rehearsed", False)
        super().__setattr__(name, value)

    def _check_model(self) -> None:
        super()._check_model()
        self.task.check_head(self.model, self.cfg)

    def configure(self) -> None:
        self.task.configure(self.model, self.cfg)

    def predict(self, docs: Iterable[Doc]) -> Any:
        """Score a batch, without modifying it.

        docs (Iterable[Doc]): The documents.
        RETURNS (Any): The scores that the task knows: a lattice, or those of tags.
            Those of labels that have not been trained are -inf.
        """
        self._check_model()
        rows = self._untrained_rows
        return self.task.predict(self.model, list(docs), self.cfg, rows)

    def score_candidates(self, docs: Iterable[Doc]) -> Any:
        """Score what may be predicted: all candidates, or the given ones alone.

        docs (Iterable[Doc]): Documents that the components before have run over.
        RETURNS (Any): As `predict`, -inf where there is no candidate.
        """
        docs = list(docs)
        return self._with_candidates(docs, self.predict(docs))

    def _with_candidates(self, docs: Sequence[Doc], scores: Any) -> Any:
        key = self.cfg.get("candidates_key")
        if key is None:
            return scores
        if not self._warned_of_no_candidates and any(key not in x.spans for x in docs):
            self._warned_of_no_candidates = True
            message = Warnings.W021.format(name=self.name, key=key)
            warnings.warn(message, stacklevel=2)
        return self._keep_candidates(scores, [doc.spans.get(key, ()) for doc in docs])

    def _keep_candidates(
        self, lattice: Any, candidates: Sequence[Iterable[Span]]
    ) -> Any:
        """Scores of the candidates of each document alone, what has none reported."""
        dropped = self.dropped_candidates
        lattice = keep_candidates(lattice, candidates, self.cfg["max_length"], dropped)
        if dropped.has_new_reasons:
            message = Warnings.W020.format(
                name=self.name, key=self.cfg["candidates_key"], report=dropped.report()
            )
            warnings.warn(message, stacklevel=2)
        return lattice

    @one_thread()
    def set_annotations(self, docs: Iterable[Doc], scores: Any) -> None:
        """Write doc.spans, with the probabilities of the spans as the attribute
        "scores" of the group, and doc.ents if `set_ents`.

        docs (Iterable[Doc]): The documents.
        scores (Any): Their scores, from `predict`.
        """
        docs = list(docs)
        check_labels(self.cfg, self.name)
        scores = self._with_candidates(docs, scores)
        spans = self.task.decode(scores, self.cfg)
        self.writer(docs, spans, self.task, self.cfg)

    @one_thread()
    def get_loss(self, examples: Iterable[Example], scores: Any) -> Tuple[Tensor, Any]:
        """The loss of a batch and its gradient.

        examples (Iterable[Example]): The batch.
        scores (Any): Its scores, from the model.
        RETURNS (Tuple[Tensor, Any]): The mean loss, and the gradient that is trained
            with, see `GRADIENT_SCALE`. *Shapes:* () and that of the scores
        """
        examples = list(examples)
        validate_examples(examples, "TaskPipe.get_loss")
        reader = self.gold_reader
        if reader.has_candidates:
            given = [reader.candidates(eg, self.dropped_candidates) for eg in examples]
            scores = self._keep_candidates(scores, [spans or () for spans in given])
        targets = self.read_targets(examples, self.dropped_gold)
        self._report()
        targets.unknown_labels = self._rows_without_gold if self._is_rehearsed else []
        return self._scaled(*self.task.loss(scores, targets, self.cfg))

    def read_targets(
        self, examples: Sequence[Example], dropped: DropReport, every: bool = False
    ) -> Any:
        """The gold annotation of a batch in the form that the task takes.

        examples (Sequence[Example]): The batch.
        dropped (DropReport): Counts the gold spans that cannot be used.
        every (bool): Whether to read also what the component cannot find: gold spans
            that are not among the candidates, or longer than `max_length`.
        """
        reader, settings = self.gold_reader, self.cfg
        if every:
            reader = self.annotation_reader
            settings = {**self.cfg, "max_length": None}
        golds = [reader.read(example, dropped) for example in examples]
        return self.task.targets(golds, self.label_ids, settings, dropped)

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
        self.prepare_training()
        examples = list(examples)
        self.n_loss_terms = 0
        losses = super().update(examples, drop=drop, sgd=sgd, losses=losses)
        reader = self.gold_reader
        if not any(reader.is_annotated(example.reference) for example in examples):
            self.n_loss_terms = 0
        self._note_trained(examples)
        # Not before: the number has to be waited for, and until here a GPU goes on.
        losses[self.name] = float(losses[self.name])
        return losses

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Stay close to the model as it was when `nlp.resume_training` was called,
        while updates add something new: the distribution that it predicts, of all
        candidates or tags of the labels that it had learned, is the target. From the
        first call on, updates leave these labels out of their loss, each until it has
        been in the gold of an update: documents without the gold of before do not say
        where it is not.

        examples (Iterable[Example]): The batch. Annotation is not read.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer.
        losses (Optional[Dict[str, float]]): The losses so far, by component.
        RETURNS (Dict[str, float]): The updated losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "TaskPipe.rehearse")
        self.prepare_training()
        if self._rehearsal_model is None:
            warnings.warn(Warnings.W025.format(name=self.name), stacklevel=2)
            return losses
        if any(node.name.endswith("listener") for node in self.model.walk()):
            raise ValueError(Errors.E055.format(name=self.name))
        self._is_rehearsed = True
        docs = [example.predicted for example in examples]
        if not any(map(len, docs)):
            return losses
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update(docs)
        set_dropout_rate(self.model, 0.0)
        loss, d_scores = self._scaled(*self.divergence(docs, scores))
        backprop(d_scores)
        if sgd is not None:
            self.finish_update(_keep_gradients(self.model, sgd))
        losses[self.name] += float(loss)
        return losses

    def divergence(self, docs: List[Doc], scores: Any) -> Tuple[Tensor, Any, int]:
        """How far scores are from those of the rehearsal model.

        docs (List[Doc]): The documents.
        scores (Any): Their scores.
        RETURNS (Tuple[Tensor, Any, int]): The summed divergence, its gradient, and
            the number of terms of the sum.
        """
        before = self._rehearsal_model
        target = self.task.predict(before, docs, self.cfg, [])
        return self.task.divergence(scores, target, self._rehearsed_rows, self.cfg)

    def _note_trained(self, examples: List[Example]) -> None:
        if self.cfg["untrained_labels"] or self._rows_without_gold:
            reader = self.gold_reader
            golds = (reader.spans(example.reference) for example in examples)
            trained = {span.label_ for spans in golds for span in spans or ()}
            untrained = [x for x in self.cfg["untrained_labels"] if x not in trained]
            self.cfg["untrained_labels"] = untrained
            rows, labels = self._rows_without_gold, self.labels
            self._rows_without_gold = [i for i in rows if labels[i] not in trained]

    @property
    def gold_reader(self) -> GoldReader:
        """RETURNS (GoldReader): Reads what the component learns from."""
        candidates_key = self.cfg.get("candidates_key")
        if candidates_key is None:
            return self.annotation_reader
        rejected = self.cfg.get("negative_spans_key")
        return CandidateReader(self.cfg["gold"], self.key, candidates_key, rejected)

    @property
    def annotation_reader(self) -> GoldReader:
        """RETURNS (GoldReader): Reads all gold spans, also those that are not among
        the candidates."""
        rejected = self.cfg.get("negative_spans_key")
        pieces = self.cfg.get("pieces", False)
        return GoldReader(self.cfg["gold"], self.key, rejected, pieces)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Sequence[str]] = None,
    ) -> None:
        """Find the labels and what else follows from the gold spans, and build the
        model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Sequence[str]]): The labels, for instance from `spacy init
            labels`. None: those in the training data.
        """
        if nlp is not None:
            warn_of_unscored(nlp)
        for label in labels or ():
            self.add_label(label)
        data = self._measure(get_examples, nlp, labels is not None)
        if labels is None:
            for label in sorted(data.labels):
                self.add_label(label)
        if not data.labels:
            self._explain_no_gold(get_examples)
        check_labels(self.cfg, self.name)
        self.cfg.update(self.task.measure(data.longest, self.cfg))
        self._warn_of_unannotated(data, nlp)
        if "negative_spans_key" in self.cfg and data.n_with_unread:
            key = negative_key(self.key)
            message = Warnings.W040.format(
                name=self.name, n_docs=data.n_with_unread, key=key
            )
            warnings.warn(message, stacklevel=2)
        self._report()
        self._initialize_model(data.sample)

    def _measure(
        self,
        get_examples: Callable[[], Iterable[Example]],
        nlp: Optional[Language],
        labels_given: bool,
    ) -> TrainingData:
        """Find out what the training data has. Without candidates, which a component
        before this one may find later, labels and lengths are those of all gold
        spans."""
        self.dropped_candidates = DropReport()
        reader = self.gold_reader
        data = self._read_once(get_examples, reader, labels_given)
        if not reader.has_candidates or data.n_with_candidates:
            return data
        key = self.cfg["candidates_key"]
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
            warnings.warn(message, stacklevel=3)
        return self._read_once(get_examples, self.annotation_reader, labels_given)

    def _read_once(
        self,
        get_examples: Callable[[], Iterable[Example]],
        reader: GoldReader,
        labels_given: bool,
    ) -> TrainingData:
        """One pass over the training data, which is not kept.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data.
        reader (GoldReader): Reads the gold spans.
        labels_given (bool): Whether there will be no labels but the present ones.
        """
        data = TrainingData()
        self.dropped_gold = DropReport(one_pass=True)
        for example in _checked(get_examples, "TaskPipe.initialize"):
            gold = reader.read(example, self.dropped_gold)
            data.add(example, gold, reader)
            label_ids = self.label_ids
            if not labels_given:
                hashes = dict.fromkeys(span.label for *_, span in gold.spans)
                label_ids = {label: i for i, label in enumerate(hashes)}
            self.task.count_unusable(gold, label_ids, self.cfg, self.dropped_gold)
        self.dropped_gold.end_pass()
        return data

    def _warn_of_unannotated(self, data: TrainingData, nlp: Optional[Language]) -> None:
        """Say how many documents have no annotation, and why if that is visible."""
        missing = data.n_docs - data.n_annotated
        if missing:
            message = Warnings.W002.format(
                name=self.name,
                missing=missing,
                n_docs=data.n_docs,
                place=self.gold_reader.place,
                cause=_cause_of_missing(nlp),
            )
            warnings.warn(message, stacklevel=3)

    def _explain_no_gold(self, get_examples: Callable[[], Iterable[Example]]) -> None:
        """Raise an error if there is nothing to learn: no gold span that can be used,
        no label, or annotation in another place."""
        if self.dropped_gold.counts:
            report = self.dropped_gold.report()
            raise ValueError(Errors.E054.format(name=self.name, report=report))
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


def _checked(
    get_examples: Callable[[], Iterable[Example]], method: str
) -> Iterator[Example]:
    """The examples, with the errors of spaCy's `validate_get_examples`, which would
    read the corpus once more."""
    examples = get_examples() if callable(get_examples) else None
    if not examples:
        validate_get_examples(lambda: examples, method)
    for example in examples or ():
        if not isinstance(example, Example):
            validate_examples([example], method)
        yield example


def _keep_gradients(model: Model, sgd: Any) -> Any:
    """An optimizer for weights of a model. `Language.rehearse` gives a function that
    keeps gradients to use them later, but torch layers clear theirs at once."""
    if isinstance(sgd, Optimizer):
        return sgd
    shims = {shim.id for node in model.walk() for shim in node.shims}

    def keep(key: Any, weights: Any, gradient: Any) -> Any:
        return sgd(key, weights, gradient.copy() if key[0] in shims else gradient)

    return keep


def _cause_of_missing(nlp: Optional[Language]) -> str:
    """A sentence about a setting of the training corpus that leaves documents without
    doc.spans, empty if there is none."""
    config = nlp.config if nlp is not None else {}
    place = config.get("training", {}).get("train_corpus") or "corpora.train"
    corpus: Any = config
    for name in place.split("."):
        corpus = corpus.get(name, {}) if isinstance(corpus, dict) else {}
    max_length = corpus.get("max_length") if isinstance(corpus, dict) else None
    if not max_length:
        return ""
    return Warnings.W002_CUT.format(place=place, max_length=max_length)


def _may_be_annotated(nlp: Optional[Language], pipe: TaskPipe) -> bool:
    """Whether a component before another may write to doc.spans: all but encoders
    may."""
    components = [component for _, component in nlp.pipeline] if nlp else []
    before = components[: components.index(pipe)] if pipe in components else []
    return not all(hasattr(component, "add_listener") for component in before)


def task_pipes(nlp: Language) -> Dict[str, TaskPipe]:
    """The components of this package in a pipeline, by name, in its order."""
    return {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, TaskPipe)}
