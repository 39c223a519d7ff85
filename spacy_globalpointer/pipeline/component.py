"""What the components of this package share: labels, settings, saving, and reading
gold at initialisation."""

import copy
import json
import warnings
from functools import partial
from pathlib import Path
from typing import (
    Any,
    Callable,
    ClassVar,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
)

import srsly
from spacy import util
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from torch import Tensor

from ..core.tags import TagScores
from ..core.threads import one_thread_in_fork
from ..errors import Errors, Warnings
from ..models.head_shim import renew_ids
from ..models.span_scorer import build_head, get_head_layer, resize_head
from .checksums import (
    CHECKSUMS,
    CONFIGURED,
    all_checksums,
    changed_setting,
    checksum,
)
from .gold import (
    AlignedGold,
    DropReport,
    GoldReader,
    TrainingData,
    annotation_found,
)
from .scoring import warn_of_unscored
from .settings import STATE, Setting, Settings, check_config, defaults, merge_saved

# What trains is the sum of all losses, over documents and labels, times this: enough
# for the optimizer's clip, a norm of 1 for each weight array, to act at every step.
# Then all steps have the same size, and only the direction of the gradient counts,
# which depends neither on the number of documents nor on how many go through at a
# time. What is below the clip leaves Adam's second moments at the size of the first,
# large steps, and learning slows down.
GRADIENT_SCALE = 10.0

GradientT = TypeVar("GradientT", Tensor, TagScores)


class Recognizer(TrainablePipe):
    """A component that learns spans and labels them, with an encoder and a torch
    head.

    The settings are in `cfg`; they are checked when they are set and read when they
    are used.

    declared (Dict[str, Setting]): The settings that there are.
    """

    declared: ClassVar[Dict[str, Setting]] = {}
    _rehearsed_rows: List[int]
    _rows_without_gold: List[int]
    _is_rehearsed: bool
    # What the loss of the last update is the mean over, 0 if nothing was annotated.
    n_loss_terms: int = 0

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str,
        scorer: Optional[Callable],
        settings: Dict[str, Any],
    ) -> None:
        """Initialize the component.

        vocab (Vocab): The shared vocabulary.
        model (Model): Encoder and head.
        name (str): The component's name, also of its entry in the losses.
        scorer (Optional[Callable]): The scoring method.
        settings (Dict[str, Any]): The settings from the config; others have their
            default.
        """
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg = {**defaults(self.declared), **settings, **defaults(STATE)}
        check_config(settings, name)
        self._configured = {x: copy.deepcopy(self.cfg[x]) for x in self.declared}
        self.dropped_gold = DropReport()
        # The model as it is when `nlp.resume_training` is called, which sets it.
        self._rehearsal_model: Optional[Model] = None

    def __setstate__(self, state: Any) -> None:
        # A copy, or what comes out of a pickle.
        super().__setstate__(state)
        renew_ids(self.model)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.declared:
            raise AttributeError(Errors.E053.format(setting=name, name=self.name))
        if name == "cfg":
            value = Settings((*self.declared, *STATE), value)
        if name == "_rehearsal_model":
            # Labels that it has not learned have nothing to keep.
            untrained = self.cfg["untrained_labels"]
            known = [i for i, x in enumerate(self.labels) if x not in untrained]
            super().__setattr__("_rehearsed_rows", known)
            # Those of them without gold since then, and whether rehearsal has begun.
            super().__setattr__("_rows_without_gold", known)
            super().__setattr__("_is_rehearsed", False)
        super().__setattr__(name, value)

    def _check_loaded(self, cfg: Dict[str, Any]) -> None:
        """Raise a ValueError for saved settings that cannot be used."""

    def _check_model(self) -> None:
        """Raise a ValueError if the model cannot be used. Nothing is changed."""
        if not self._is_built:
            raise ValueError(Errors.E001.format(name=self.name))

    def _prepare_training(self) -> None:
        """Hand the settings of now to the model, which is about to be trained."""
        self._check_model()

    def _prepare_build(self) -> None:
        """Hand the settings that shape the head to the model, which is about to
        make one."""

    def _count_unusable(self, gold: AlignedGold, label_ids: Dict[int, int]) -> None:
        """Count the gold spans of an example that cannot be learned.

        gold (AlignedGold): The gold spans.
        label_ids (Dict[int, int]): Numbers of the labels that there will be, by the
            hashes of their names.
        """

    def _fit_to(self, data: TrainingData) -> None:
        """Set what is measured on the training data, once the labels are known."""

    @property
    def key(self) -> str:
        """RETURNS (str): Key of doc.spans."""
        return str(self.cfg["spans_key"])

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The labels, in the order of the head's rows."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """RETURNS (List[str]): The labels, for `spacy init labels`."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add a label, also after training. The scores of the others stay as they
        are; the new one is not predicted until it has been in the gold of an update.

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
            resize_head(get_head_layer(self.model), len(self.labels))
            self._set_n_labels()
            self.cfg["untrained_labels"].append(label)
        return 1

    @property
    def _is_built(self) -> bool:
        return bool(get_head_layer(self.model).shims)

    def _set_n_labels(self) -> None:
        for layer in (self.model, get_head_layer(self.model)):
            layer.set_dim("nO", len(self.labels), force=True)

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Apply the component to a stream of documents.

        stream (Iterable[Doc]): The documents.
        batch_size (int): Documents that are predicted together.
        YIELDS (Doc): The documents, in order.
        """
        # The components before work while this one asks for documents.
        with one_thread_in_fork():
            for docs in util.minibatch(stream, batch_size):
                for part in self._split(docs):
                    yield from super().pipe(part, batch_size=len(part))

    def _split(self, docs: List[Doc]) -> Iterator[List[Doc]]:
        """The documents of a batch that are predicted together."""
        yield docs

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
        self._prepare_training()
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
        while updates teach something new: the distribution that it predicts, of all
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
        validate_examples(examples, f"{type(self).__name__}.rehearse")
        self._prepare_training()
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
        loss, d_scores, n_terms = self._divergence(docs, scores)
        loss, d_scores = self._scaled(loss, d_scores, n_terms)
        backprop(d_scores)
        if sgd is not None:
            self.finish_update(_keep_gradients(self.model, sgd))
        losses[self.name] += float(loss)
        return losses

    def _divergence(self, docs: List[Doc], scores: Any) -> Tuple[Tensor, Any, int]:
        """How far scores are from those of the rehearsal model.

        docs (List[Doc]): The documents.
        scores (Any): Their scores.
        RETURNS (Tuple[Tensor, Any, int]): The summed divergence, its gradient, and
            what the sum is over.
        """
        raise NotImplementedError

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
    def _unknown_rows(self) -> List[int]:
        """Labels that the annotation of updates says nothing of."""
        return self._rows_without_gold if self._is_rehearsed else []

    @property
    def _untrained_rows(self) -> List[int]:
        return [self.labels.index(label) for label in self.cfg["untrained_labels"]]

    def _scaled(
        self, loss: Tensor, d_scores: GradientT, n_terms: int
    ) -> Tuple[Tensor, GradientT]:
        """What is reported and what is trained with, both times `loss_weight`.

        loss (Tensor): The summed loss. *Shape:* ()
        d_scores (Union[Tensor, TagScores]): Its gradient.
        n_terms (int): What the sum is over.
        RETURNS (Tuple[Tensor, Union[Tensor, TagScores]]): The mean loss, and the
            gradient of the sum times `GRADIENT_SCALE`.
        """
        self.n_loss_terms = n_terms
        weight = self.cfg["loss_weight"]
        return loss * (weight / n_terms), d_scores * (weight * GRADIENT_SCALE)

    @property
    def gold_reader(self) -> GoldReader:
        return GoldReader(self.cfg["gold"], self.key)

    @property
    def label_ids(self) -> Dict[int, int]:
        return {self.vocab.strings[label]: i for i, label in enumerate(self.labels)}

    def _report(self) -> None:
        """Warn of gold that cannot be used, if there is a new reason."""
        if self.dropped_gold.has_new_reasons:
            self._warn_of_dropped()

    def _report_growth(self) -> None:
        """Warn of gold that cannot be used, if there is more than was said."""
        if self.dropped_gold.has_grown:
            self._warn_of_dropped()

    def _warn_of_dropped(self) -> None:
        report = self.dropped_gold.report()
        warnings.warn(Warnings.W001.format(name=self.name, report=report), stacklevel=3)

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
        self._fit_to(data)
        self._warn_of_unannotated(data, nlp)
        self._report()
        self._set_n_labels()
        self._prepare_build()
        self.model.initialize(X=data.sample or [Doc(self.vocab, words=["x"])])
        self.cfg["width"] = get_head_layer(self.model).get_dim("nI")
        self.cfg["untrained_labels"] = []

    def _measure(
        self,
        get_examples: Callable[[], Iterable[Example]],
        nlp: Optional[Language],
        labels_given: bool,
        reader: Optional[GoldReader] = None,
    ) -> TrainingData:
        """One pass over the training data, which is not kept.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data.
        nlp (Optional[Language]): The pipeline.
        labels_given (bool): Whether there will be no labels but the present ones.
        reader (Optional[GoldReader]): Reads the gold spans. None: as in training.
        """
        reader = reader or self.gold_reader
        data = TrainingData()
        self.dropped_gold = DropReport(one_pass=True)
        for example in _checked(get_examples, f"{type(self).__name__}.initialize"):
            gold = reader.read(example, self.dropped_gold)
            data.add(example, gold, reader)
            label_ids = self.label_ids
            if not labels_given:
                hashes = dict.fromkeys(span.label for *_, span in gold.spans)
                label_ids = {label: i for i, label in enumerate(hashes)}
            self._count_unusable(gold, label_ids)
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

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the component.

        exclude (Iterable[str]): Fields to leave out: "cfg", "vocab", "model".
        RETURNS (bytes): The serialized component.
        """
        self._report_growth()
        parts = {
            "vocab": lambda: self.vocab.to_bytes(exclude=exclude),
            "model": self.model.to_bytes,
        }
        data = {name: dump() for name, dump in parts.items() if name not in exclude}
        data["cfg"] = self._dump_cfg(data)
        return util.to_bytes({name: partial(data.get, name) for name in data}, exclude)

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "Recognizer":
        """Load the component.

        bytes_data (bytes): From `to_bytes`.
        exclude (Iterable[str]): Fields to leave out.
        RETURNS (Recognizer): The component itself.
        """
        place = "the bytes"
        try:
            found = srsly.msgpack_loads(bytes_data)
            wanted = {"cfg", "model"} - {*exclude}
            if not wanted <= found.keys():
                raise ValueError(f"there is no {', '.join(wanted - found.keys())}")
        except Exception as error:
            message = Errors.E007.format(name=self.name, reason=f"{place}, {error!r}")
            raise ValueError(message) from error
        checksums: Dict[str, Any] = {}

        def load_cfg(data: Any) -> None:
            checksums.update(self._load_cfg(data, f"'cfg' in {place}"))
            missing = checksums.keys() - {*found, *exclude, "settings", CHECKSUMS}
            for part in missing:
                self._check(b"", checksums, part, place)

        def load_vocab(data: Any) -> None:
            self._check(data, checksums, "vocab", place)
            self.vocab.from_bytes(data, exclude=exclude)

        def load_model(data: Any) -> None:
            self._load_weights(data, checksums, f"'model' in {place}")

        fields = {"cfg": load_cfg, "vocab": load_vocab, "model": load_model}
        util.from_dict(found, fields, exclude)
        return self

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the component.

        path (Union[str, Path]): A folder.
        exclude (Iterable[str]): Fields to leave out: "cfg", "vocab", "model".
        """
        self._report_growth()
        data = {} if "model" in exclude else {"model": self.model.to_bytes()}
        fields = {
            "cfg": lambda p: p.write_bytes(self._dump_cfg(data)),
            "vocab": lambda p: self.vocab.to_disk(p, exclude=exclude),
            "model": lambda p: p.write_bytes(data["model"]),
        }
        util.to_disk(path, fields, exclude)

    def from_disk(
        self, path: Union[str, Path], *, exclude: Iterable[str] = ()
    ) -> "Recognizer":
        """Load the component.

        path (Union[str, Path]): A folder.
        exclude (Iterable[str]): Fields to leave out.
        RETURNS (Recognizer): The component itself.
        """
        checksums: Dict[str, Any] = {}
        fields = {
            "cfg": lambda p: checksums.update(self._load_cfg(self._read(p), p)),
            "vocab": lambda p: self.vocab.from_disk(p, exclude=exclude),
            "model": lambda p: self._load_weights(self._read(p), checksums, p),
        }
        util.from_disk(path, fields, exclude)
        return self

    def _dump_cfg(self, data: Mapping[str, bytes]) -> bytes:
        """The settings, with the checksums of all that is saved.

        data (Mapping[str, bytes]): What is saved beside them, by field.
        """
        # Not with srsly, which does not give every float back as it was.
        saved = {**self.cfg, CONFIGURED: dict(self._configured)}
        saved[CHECKSUMS] = all_checksums(saved, data)
        return json.dumps(saved, indent=2).encode("utf8")

    def _load_cfg(self, data: bytes, place: Union[str, Path]) -> Dict[str, Any]:
        """Take over settings, and build the head that the weights go into.

        data (bytes): The settings.
        place (Union[str, Path]): Where they stand.
        RETURNS (Dict[str, Any]): The checksums of what was saved.
        """
        try:
            saved = json.loads(data)
            changed = changed_setting(saved)
            checksums: Dict[str, Any] = saved.pop(CHECKSUMS, {})
            cfg = merge_saved(self._configured, saved)
            width, labels = cfg["width"], cfg["labels"]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = f"{place}, {error!r}"
            message = Errors.E007.format(name=self.name, reason=reason)
            raise ValueError(message) from error
        try:
            self._check_loaded(cfg)
            # What is not allowed is said first, before anything is taken over.
            copy.copy(self.cfg).update(cfg)
        except ValueError as error:
            message = f"Component '{self.name}', {place}: {error}"
            raise ValueError(message) from error
        if changed is not None:
            self._fail_damaged(place, changed)
        self.cfg.update(cfg)
        if width is not None:
            self._prepare_build()
            build_head(get_head_layer(self.model), width, len(labels))
            self._set_n_labels()
        return checksums

    def _load_weights(
        self, data: bytes, checksums: Mapping[str, Any], place: Union[str, Path]
    ) -> None:
        self._check(data, checksums, "model", place)
        try:
            self.model.from_bytes(data)
        except Exception as error:
            reason = f"{place}, {error}"
            message = Errors.E008.format(name=self.name, reason=reason)
            raise ValueError(message) from error

    def _check(
        self,
        data: Any,
        checksums: Mapping[str, Any],
        part: str,
        place: Union[str, Path],
    ) -> None:
        """Raise a ValueError if bytes have another checksum than those saved."""
        if part not in checksums:
            return
        if not isinstance(data, bytes) or checksum(data) != checksums[part]:
            self._fail_damaged(place, part)

    def _fail_damaged(self, place: Union[str, Path], part: str) -> None:
        message = Errors.E043.format(name=self.name, place=place, part=part)
        raise ValueError(message)

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            message = Errors.E007.format(name=self.name, reason=error)
            raise FileNotFoundError(message) from error


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
