"""The factory `relation_pointer`: relations between spans that are there."""

import warnings
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from torch import Tensor

from ..core.objectives import Objective
from ..core.threads import one_thread
from ..errors import Errors, Warnings
from ..linked_spans import write_fragments, write_relations
from ..models.link_scorer import begin_links, set_span_labels
from ..models.types import SpanModelT
from ..tasks.drop_report import DropReport
from ..tasks.links import (
    AlignedRelations,
    Candidates,
    LinkScores,
    LinkTask,
    PlaceT,
    measure_types,
)
from .global_pointer import DEFAULTS as SPAN_DEFAULTS
from .gold import N_SAMPLE
from .head_pipe import HeadPipe
from .relation_gold import annotated_group, read_relations
from .settings import (
    RELATION_SETTINGS,
    RELATION_STATE,
    check_labels,
    defaults,
    has_settings,
)

default_config = """
[model]
@architectures = "spacy_globalpointer.RelationPointer.v1"
head_width = 64
rope = true

[objective]
@misc = "spacy_globalpointer.BinaryCrossEntropy.v1"

[scorer]
@scorers = "spacy_globalpointer.relation_scorer.v1"
"""
DEFAULTS = Config().from_str(default_config)
DEFAULTS["model"]["tok2vec"] = SPAN_DEFAULTS["model"]["tok2vec"]
DEFAULT_SCORE_WEIGHTS = {"relations_f": 1.0, "relations_p": 0.0, "relations_r": 0.0}


@Language.factory(
    "relation_pointer",
    requires=["doc.spans"],
    assigns=["doc.spans"],
    default_config={**defaults(RELATION_SETTINGS), **DEFAULTS},
    default_score_weights=DEFAULT_SCORE_WEIGHTS,
)
@has_settings(RELATION_SETTINGS)
def make_relation_pointer(
    nlp: Language,
    name: str,
    model: SpanModelT,
    objective: Objective,
    scorer: Optional[Callable],
    **settings: Any,
) -> "RelationPipe":
    """Create a component that finds relations between the spans of a group.

    model (Model[List[Doc], Lattice]): Encoder and head.
    objective (Objective): The loss, and the link from scores to probabilities.
    scorer (Optional[Callable]): The scoring method.
    settings (Any): The settings that `RELATION_SETTINGS` declares.
    """
    return RelationPipe(
        nlp.vocab, model, LinkTask(name, objective), name, scorer, settings
    )


class RelationPipe(HeadPipe):
    """A component that links the spans of `doc.spans[spans_key]`, which a component
    before it has found.

    Relations are written to the attributes of the group, see `linked_spans`. In
    training, the gold spans are linked, those under the same key of the predicted
    documents, which `[training] annotating_components` fills, and some at random.

    task (LinkTask): What the head scores, and what becomes of it.
    """

    state = RELATION_STATE

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        task: LinkTask,
        name: str,
        scorer: Optional[Callable],
        settings: Dict[str, Any],
    ) -> None:
        """Initialize the component. Arguments as for `TaskPipe`."""
        super().__init__(vocab, model, task, RELATION_SETTINGS, name, scorer, settings)
        if task.objective.mutually_exclusive:
            allowed = "ClassImbalance.v1 or BinaryCrossEntropy.v1"
            value = type(task.objective).__name__
            raise ValueError(
                Errors.E004.format(setting="objective", allowed=allowed, value=value)
            )
        self._warned_of_no_spans = False

    def configure(self) -> None:
        # One more: all labels that are not known.
        set_span_labels(self.model, len(self.cfg["span_labels"]) + 1)

    def predict(self, docs: Iterable[Doc]) -> LinkScores:
        """Score the pairs of a batch, without modifying it.

        docs (Iterable[Doc]): The documents.
        RETURNS (LinkScores): The scores, and the spans.
        """
        self._check_model()
        docs = list(docs)
        if not self._warned_of_no_spans and any(self.key not in x.spans for x in docs):
            self._warned_of_no_spans = True
            message = Warnings.W052.format(name=self.name, key=self.key)
            warnings.warn(message, stacklevel=2)
        spans = [[*map(_place, doc.spans.get(self.key, ()))] for doc in docs]
        candidates = self.task.candidates(spans, [*map(len, docs)], self.cfg)
        return self.task.predict(self.model, docs, candidates, self._untrained_rows)

    @one_thread()
    def set_annotations(self, docs: Iterable[Doc], scores: LinkScores) -> None:
        """Write the relations, and the discontinuous entities if `pieces`, to the
        attributes of the groups of doc.spans.

        docs (Iterable[Doc]): The documents.
        scores (LinkScores): Their scores, from `predict`.
        """
        docs = list(docs)
        check_labels(self.cfg, self.name)
        links = self.task.decode(scores, self.cfg)
        entities, links = self.task.join(links, scores.candidates, self.cfg)
        probabilities = self.task.link(links.scores).tolist()
        positions = scores.candidates.positions
        rows = zip(
            scores.candidates.spans.docs[links.heads].tolist(),
            positions[links.heads].tolist(),
            positions[links.tails].tolist(),
            links.labels.tolist(),
            probabilities,
        )
        found: List[List[Tuple[int, int, str]]] = [[] for _ in docs]
        values: List[List[float]] = [[] for _ in docs]
        for doc, head, tail, label, probability in rows:
            found[doc].append((head, tail, self.labels[label]))
            values[doc].append(probability)
        for doc, own, own_values, paths in zip(docs, found, values, entities):
            if self.key in doc.spans:
                group = doc.spans[self.key]
                write_relations(group, own, own_values)
                if self.cfg["pieces"]:
                    write_fragments(group, [positions[x].tolist() for x in paths])

    @one_thread()
    def get_loss(
        self, examples: Iterable[Example], scores: LinkScores
    ) -> Tuple[Tensor, Tensor]:
        """The loss of a batch and its gradient.

        examples (Iterable[Example]): The batch.
        scores (LinkScores): Its scores.
        RETURNS (Tuple[Tensor, Tensor]): The mean loss, and the gradient that is
            trained with, see `GRADIENT_SCALE`. *Shapes:* () and that of the scores
        """
        return self._loss(self._golds(examples), scores)

    def _golds(self, examples: Iterable[Example]) -> List[AlignedRelations]:
        return [self._gold(example) for example in examples]

    def _gold(self, example: Example) -> AlignedRelations:
        pieces = self.cfg["pieces"]
        return read_relations(example, self.key, self.dropped_gold, pieces)

    def _loss(
        self, golds: Sequence[AlignedRelations], scores: LinkScores
    ) -> Tuple[Tensor, Tensor]:
        targets = self.task.targets(
            golds, scores.candidates, self.cfg, self.dropped_gold
        )
        self._report()
        return self._scaled(*self.task.loss(scores, targets))

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
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "RelationPipe.update")
        self.prepare_training()
        self.n_loss_terms = 0
        docs = [example.predicted for example in examples]
        if not any(map(len, docs)):
            return losses
        set_dropout_rate(self.model, drop)
        golds = self._golds(examples)
        candidates = self.training_candidates(docs, golds)
        lattice, backprop = begin_links(self.model, docs, candidates.links)
        set_dropout_rate(self.model, 0.0)
        loss, d_scores = self._loss(golds, LinkScores(lattice, candidates))
        backprop(d_scores)
        if sgd is not None and sgd is not False:
            self.finish_update(sgd)
        if not any(gold.is_annotated for gold in golds):
            self.n_loss_terms = 0
        self._note_trained(golds)
        losses[self.name] += float(loss)
        return losses

    def training_candidates(
        self, docs: Sequence[Doc], golds: Sequence[AlignedRelations]
    ) -> Candidates:
        """The spans that are linked in training.

        docs (Sequence[Doc]): The predicted documents of a batch.
        golds (Sequence[AlignedRelations]): Their gold annotation.
        """
        predicted = [[*map(_place, doc.spans.get(self.key, ()))] for doc in docs]
        lengths = [*map(len, docs)]
        return self.task.training_candidates(golds, predicted, lengths, self.cfg)

    def _note_trained(self, golds: Sequence[AlignedRelations]) -> None:
        """Note which labels have been in the gold of an update, and which labels of
        spans they have linked: of one that was added, nothing was known before."""
        types = measure_types(golds, self.cfg["symmetric"])
        known = self.cfg["measured_types"]
        new = {
            label: sorted([*known.get(label, []), *rest])
            for label, pairs in types.items()
            if (rest := [x for x in pairs if x not in known.get(label, [])])
        }
        if new:
            self.cfg["measured_types"] = {**known, **new}
        untrained = self.cfg["untrained_labels"]
        if types.keys() & {*untrained}:
            self.cfg["untrained_labels"] = [x for x in untrained if x not in types]

    def _warn_of_dropped(self) -> None:
        report = self.dropped_gold.report()
        warnings.warn(Warnings.W051.format(name=self.name, report=report), stacklevel=3)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Sequence[str]] = None,
    ) -> None:
        """Find the labels and which labels of spans they link, and build the model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Sequence[str]]): The labels, for instance from `spacy init
            labels`. None: those in the training data.
        """
        validate_get_examples(get_examples, "RelationPipe.initialize")
        if nlp is not None:
            self._warn_of_zeros(nlp)
        self.dropped_gold = DropReport(one_pass=True)
        golds: List[AlignedRelations] = []
        span_labels: Set[str] = set()
        sample: List[Doc] = []
        for example in get_examples():
            gold = self._gold(example)
            golds.append(AlignedRelations(gold.spans, gold.relations))
            group = annotated_group(example.reference, self.key, self.cfg["pieces"])
            span_labels.update(span.label_ for span in group or ())
            if len(example.predicted) and len(sample) < N_SAMPLE:
                sample.append(example.predicted)
        self.dropped_gold.end_pass()
        types = measure_types(golds, self.cfg["symmetric"])
        for label in types if labels is None else labels:
            self.add_label(label)
        if not types or not self.labels:
            message = Errors.E201.format(
                name=self.name, n_docs=len(golds), key=self.key
            )
            raise ValueError(message)
        self.cfg["span_labels"] = sorted(span_labels)
        self.cfg["measured_types"] = types
        check_labels(self.cfg, self.name)
        self._report()
        self._initialize_model(sample)

    def _warn_of_zeros(self, nlp: Language) -> None:
        """Warn of components whose predictions are used in training, without those of
        the encoder that they listen to: in an update, encoders set no vectors."""
        training = nlp.config.get("training", {})
        annotating = training.get("annotating_components", [])
        components = dict(nlp.pipeline)
        encoders = [x for x, pipe in nlp.pipeline if hasattr(pipe, "add_listener")]
        finders = [
            name
            for name in annotating
            if name in components and _listens(components[name])
        ]
        if finders and not set(encoders) & {*annotating}:
            message = Warnings.W054.format(
                name=self.name, finders=finders, encoders=encoders
            )
            warnings.warn(message, stacklevel=2)


def _listens(component: Any) -> bool:
    model = getattr(component, "model", None)
    if not isinstance(model, Model):
        return False
    return any(node.name.endswith("listener") for node in model.walk())


def _place(span: Span) -> PlaceT:
    return span.start, span.end, span.label_


def relation_pipes(nlp: Language) -> Dict[str, RelationPipe]:
    """The components of a pipeline that find relations, by name, in its order."""
    return {n: pipe for n, pipe in nlp.pipeline if isinstance(pipe, RelationPipe)}
