"""A component with an encoder and a torch head: its labels and its settings."""

import copy
import warnings
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Tuple,
)

from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from torch import Tensor

from ..core.threads import one_thread_in_fork
from ..errors import Errors, Warnings
from ..models.head_shim import renew_ids
from ..models.span_scorer import build_head, get_head_layer, resize_head
from ..tasks.drop_report import DropReport
from .saving import SavedPipe
from .settings import STATE, Setting, Settings, check_config, defaults

# What trains is the sum of all losses, over documents and labels, times this: enough
# for the optimizer's clip, a norm of 1 for each weight array, to act at every step.
# Then all steps have the same size, and only the direction of the gradient counts,
# which depends neither on the number of documents nor on how many go through at a
# time. What is below the clip leaves Adam's second moments at the size of the first,
# large steps, and learning slows down.
GRADIENT_SCALE = 10.0


class HeadPipe(SavedPipe):
    """A component that learns with an encoder and a torch head, which has a row for
    each label.

    The settings are in `cfg`; they are checked when they are set and read when they
    are used.

    task (Any): What the head scores, and what becomes of it.
    declared (Dict[str, Setting]): The settings that there are.
    state (Mapping[str, Setting]): What is found out at initialization.
    dropped_gold (DropReport): Gold annotation that cannot be used.
    n_loss_terms (int): What the loss of the last update is the mean over, 0 if nothing
        was annotated.
    """

    state: Mapping[str, Setting] = STATE

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        task: Any,
        declared: Dict[str, Setting],
        name: str,
        scorer: Optional[Callable],
        settings: Dict[str, Any],
    ) -> None:
        """Initialize the component. Arguments as for `TaskPipe`."""
        # The names of settings, which are no attributes.
        self.declared = declared
        self.vocab = vocab
        self.model = model
        self.task = task
        self.name = name
        self.scorer = scorer
        self.cfg = {**defaults(declared), **settings, **defaults(self.state)}
        check_config(settings, name)
        self._configured = {x: copy.deepcopy(self.cfg[x]) for x in declared}
        self.dropped_gold = DropReport()
        self.n_loss_terms = 0

    def __setstate__(self, state: Any) -> None:
        # A copy, or what comes out of a pickle.
        super().__setstate__(state)
        renew_ids(self.model)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("declared", ()):
            raise AttributeError(Errors.E053.format(setting=name, name=self.name))
        if name == "cfg":
            value = Settings((*self.declared, *self.state), value)
        super().__setattr__(name, value)

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

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Apply the component to a stream of documents.

        stream (Iterable[Doc]): The documents.
        batch_size (int): Documents that are predicted together.
        YIELDS (Doc): The documents, in order.
        """
        # The components before work while this one asks for documents.
        with one_thread_in_fork():
            for docs in util.minibatch(stream, batch_size):
                for part in self.task.split(docs, self.cfg):
                    yield from super().pipe(part, batch_size=len(part))

    def _check_model(self) -> None:
        """Raise a ValueError if the model cannot be used. Nothing is changed."""
        if not self._is_built:
            raise ValueError(Errors.E001.format(name=self.name))

    def configure(self) -> None:
        """Hand the settings to the model, which may have no head yet."""

    def prepare_training(self) -> None:
        """Hand the settings of now to the model, which is about to be trained."""
        self._check_model()
        self.configure()

    def _build(self, width: int) -> None:
        self.configure()
        build_head(get_head_layer(self.model), width, len(self.labels))
        self._set_n_labels()

    def _before_saving(self) -> None:
        if self.dropped_gold.has_grown:
            self._warn_of_dropped()

    @property
    def _is_built(self) -> bool:
        return bool(get_head_layer(self.model).shims)

    @property
    def _untrained_rows(self) -> List[int]:
        """Labels that have not been in the gold of an update since they were added."""
        return [self.labels.index(label) for label in self.cfg["untrained_labels"]]

    def _set_n_labels(self) -> None:
        for layer in (self.model, get_head_layer(self.model)):
            layer.set_dim("nO", len(self.labels), force=True)

    def _initialize_model(self, sample: List[Doc]) -> None:
        """Build the model for the labels that there are now.

        sample (List[Doc]): A few documents.
        """
        self._set_n_labels()
        self.configure()
        self.model.initialize(X=sample or [Doc(self.vocab, words=["x"])])
        self.cfg["width"] = get_head_layer(self.model).get_dim("nI")
        self.cfg["untrained_labels"] = []

    def _scaled(self, loss: Tensor, d_scores: Any, n_terms: int) -> Tuple[Tensor, Any]:
        """What is reported and what is trained with, both times `loss_weight`.

        loss (Tensor): The summed loss. *Shape:* ()
        d_scores (Any): Its gradient.
        n_terms (int): What the sum is over.
        RETURNS (Tuple[Tensor, Any]): The mean loss, and the
            gradient of the sum times `GRADIENT_SCALE`.
        """
        self.n_loss_terms = n_terms
        weight = self.cfg["loss_weight"]
        return loss * (weight / n_terms), d_scores * (weight * GRADIENT_SCALE)

    @property
    def label_ids(self) -> Dict[int, int]:
        """RETURNS (Dict[int, int]): Row of each label, by the hash of its name."""
        return {self.vocab.strings[label]: i for i, label in enumerate(self.labels)}

    def _report(self) -> None:
        """Warn of gold that cannot be used, if there is a new reason."""
        if self.dropped_gold.has_new_reasons:
            self._warn_of_dropped()

    def _warn_of_dropped(self) -> None:
        report = self.dropped_gold.report()
        warnings.warn(Warnings.W001.format(name=self.name, report=report), stacklevel=3)


def head_pipes(nlp: Language) -> Dict[str, HeadPipe]:
    """The components of a pipeline with a head of this package, by name, in order."""
    return {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, HeadPipe)}
