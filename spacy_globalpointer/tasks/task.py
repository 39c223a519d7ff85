"""The protocol of tasks: from gold to a loss, and from scores to spans."""

from abc import ABC, abstractmethod
from typing import Any, Dict, Generic, Iterator, List, Mapping, Sequence, Tuple, TypeVar

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import Model
from torch import Tensor

from ..core.arrays import Floats
from ..core.span_table import SpanTable
from .drop_report import DropReport
from .gold import AlignedGold, GoldTable

ScoresT = TypeVar("ScoresT")
TargetsT = TypeVar("TargetsT")
# The gradient of the scores.
GradientT = TypeVar("GradientT")

Settings = Mapping[str, Any]


class Task(ABC, Generic[ScoresT, TargetsT, GradientT]):
    """What a head scores, and what becomes of it.

    A pipeline component has one task. It calls its methods in this order: `configure`
    before a head is built and before each training step; `count_unusable` for each
    training example and `measure` once, at initialization; `targets` and `loss` in each
    training step; `predict` and `decode` in prediction. Settings are those of the
    component; a method that is given them reads them anew in each call.

    name (str): Name of the component, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def configure(self, model: Model, settings: Settings) -> None:
        """Hand the settings to the model.

        model (Model): The component's model, which may have no head yet.
        settings (Mapping[str, Any]): The settings.
        """

    def check_head(self, model: Model, settings: Settings) -> None:
        """Check that the settings are those that the head was built with.

        model (Model): The component's model.
        settings (Mapping[str, Any]): The settings.
        RAISES (ValueError): If one of them is not.
        """

    @abstractmethod
    def count_unusable(
        self,
        gold: AlignedGold,
        label_ids: Dict[int, int],
        settings: Settings,
        dropped: DropReport,
    ) -> None:
        """Count the gold spans of an example that cannot be learned.

        gold (AlignedGold): The gold spans.
        label_ids (Dict[int, int]): Row of each label that there will be, by the hash
            of its name.
        settings (Mapping[str, Any]): The settings.
        dropped (DropReport): Counts the spans.
        """

    def measure(self, longest: int, settings: Settings) -> Dict[str, Any]:
        """Settings that follow from the training data.

        longest (int): Tokens of the longest gold span or candidate; 0: there is none.
        settings (Mapping[str, Any]): The settings.
        RETURNS (Dict[str, Any]): Settings to change.
        """
        return {}

    def split(self, docs: List[Doc], settings: Settings) -> Iterator[List[Doc]]:
        """Split a batch into parts that fit into memory.

        docs (List[Doc]): The documents.
        settings (Mapping[str, Any]): The settings.
        YIELDS (List[Doc]): Documents that are predicted together, in order.
        """
        yield docs

    @abstractmethod
    def predict(
        self, model: Model, docs: List[Doc], settings: Settings, closed: List[int]
    ) -> ScoresT:
        """Score a batch. Neither the documents nor the model are changed.

        model (Model): The component's model.
        docs (List[Doc]): The documents.
        settings (Mapping[str, Any]): The settings.
        closed (List[int]): Rows of labels that are not to be predicted. They score
            -inf.
        RETURNS: The scores.
        """

    @abstractmethod
    def decode(self, scores: ScoresT, settings: Settings) -> SpanTable:
        """Choose the spans that are predicted.

        scores: The scores of a batch.
        settings (Mapping[str, Any]): The settings.
        RETURNS (SpanTable): The spans, in the order in which they are written. Their
            scores are those that `link` and `margins` read.
        """

    @abstractmethod
    def candidates(
        self, scores: ScoresT, settings: Settings, lowest: float
    ) -> SpanTable:
        """All spans that may be predicted with some thresholds.

        scores: The scores of a batch.
        settings (Mapping[str, Any]): The settings. Thresholds are not read.
        lowest (float): The lowest probability of a span, where any has one.
        RETURNS (SpanTable): The spans, in the order of (document, start, end, label).
        """

    @abstractmethod
    def link(self, scores: Floats) -> NDArray[numpy.floating[Any]]:
        """Probabilities from the scores of a table of spans.

        scores (Floats): From `decode` or `candidates`. *Shape:* (n,)
        RETURNS (NDArray): *Shape:* (n,)
        """

    def margins(self, spans: SpanTable, settings: Settings) -> Floats:
        """What each span weighs against others that it overlaps.

        spans (SpanTable): From `decode`.
        settings (Mapping[str, Any]): The settings.
        RETURNS (Floats): *Shape:* (n,)
        """
        return spans.scores

    @abstractmethod
    def probabilities(
        self, scores: ScoresT, spans: SpanTable, settings: Settings
    ) -> Floats:
        """The probabilities of given spans.

        scores: The scores of a batch.
        spans (SpanTable): The spans. Their scores are not read.
        settings (Mapping[str, Any]): The settings.
        RETURNS (Floats): *Shape:* (n,)
        """

    @abstractmethod
    def uncertainty(self, scores: ScoresT, by: str, settings: Settings) -> Floats:
        """How unsure the predictions of each document are.

        scores: The scores of a batch.
        by (str): "margin": 1 - the distance between a probability and the threshold
            that it is next to, the smallest of a document; 0 without tokens.
            "entropy": the entropy of all that is to be decided, in nats.
        settings (Mapping[str, Any]): The settings.
        RETURNS (Floats): *Shape:* (n_docs,)
        """

    @abstractmethod
    def logits(self, scores: ScoresT, spans: SpanTable) -> Floats:
        """The scores of given spans for all classes of the head, before any link.

        scores: The scores of a batch.
        spans (SpanTable): The spans. Their scores are not read.
        RETURNS (Floats): No columns if a head scores no spans.
            *Shape:* (n, n_classes)
        """

    @abstractmethod
    def targets(
        self,
        golds: Sequence[AlignedGold],
        label_ids: Dict[int, int],
        settings: Settings,
        dropped: DropReport,
    ) -> TargetsT:
        """The gold annotation of a batch in the form that the loss takes.

        golds (Sequence[AlignedGold]): The gold spans of each example.
        label_ids (Dict[int, int]): Row of each label, by the hash of its name.
        settings (Mapping[str, Any]): The settings.
        dropped (DropReport): Counts the gold spans that have no place.
        RETURNS: The targets, with an attribute `unknown_labels`, rows of labels
            without annotation, that can be set.
        """

    @abstractmethod
    def gold_table(
        self, targets: TargetsT, lengths: Sequence[int], settings: Settings
    ) -> GoldTable:
        """The targets as a table of spans.

        targets: From `targets`.
        lengths (Sequence[int]): Tokens of each document.
        settings (Mapping[str, Any]): The settings.
        """

    @abstractmethod
    def loss(
        self, scores: ScoresT, targets: TargetsT, settings: Settings
    ) -> Tuple[Tensor, GradientT, int]:
        """The summed loss of a batch and its gradient.

        scores: The scores of a batch.
        targets: Its targets.
        settings (Mapping[str, Any]): The settings.
        RETURNS (Tuple[Tensor, Any, int]): The sum, *shape* (); its gradient, in the
            form that the model's backprop takes; the number of terms of the sum.
        """

    @abstractmethod
    def divergence(
        self, scores: ScoresT, target: ScoresT, rows: List[int], settings: Settings
    ) -> Tuple[Tensor, GradientT, int]:
        """How far the predicted distribution is from another, for rehearsal.

        scores: The scores of a batch.
        target: Those of the model of before, of as many labels or fewer.
        rows (List[int]): The labels that are compared.
        settings (Mapping[str, Any]): The settings.
        RETURNS (Tuple[Tensor, Any, int]): As for `loss`.
        """
