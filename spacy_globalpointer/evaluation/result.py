"""All numbers of a model on a data set, and of models side by side."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..core.arrays import Floats
from ..pipeline.component import TaskPipe
from ..pipeline.scoring import entities, spans_under
from .buckets import BUCKETS, TrainingSet, bucket_counts
from .counts import label_counts, macro, prf
from .diagnostics import discrepancies, principal_components, probability_summary
from .error_kinds import ErrorKinds, confusion, error_kinds
from .intervals import LEVEL, describe, difference, resample
from .outputs import LOWEST_REPORTED, Outputs, read_outputs
from .reliability import precision_recall, reliability
from .table import ComparedSpans, read_table

# Settings that are reported with the scores, of components that have them.
SETTINGS = ("threshold", "label_thresholds", "overlap")


@dataclass
class Result:
    """What a model did on a data set.

    name (str): The model.
    component (str): Its component.
    settings (Dict[str, Any]): Settings of the component that matter here.
    spans_key (str): Key of doc.spans.
    labels (Tuple[str, ...]): The labels of the component, as `outputs` numbers them.
    pairs (List[Tuple[Doc, Doc]]): Gold and predicted documents.
    spans (ComparedSpans): The spans of doc.spans.
    flat (ComparedSpans): Those of doc.ents.
    kinds (ErrorKinds): The kinds of the spans.
    outputs (Outputs): The scores behind them.
    gold (str): Where the gold spans are: "spans" or "ents".
    """

    name: str
    component: str
    settings: Dict[str, Any]
    spans_key: str
    labels: Tuple[str, ...]
    pairs: List[Tuple[Doc, Doc]]
    spans: ComparedSpans
    flat: ComparedSpans
    kinds: ErrorKinds
    outputs: Outputs
    gold: str = "spans"

    @classmethod
    def of(
        cls,
        name: str,
        pipe: TaskPipe,
        examples: Sequence[Example],
        batch_size: int = 128,
        *,
        nlp: Optional[Language] = None,
    ) -> "Result":
        """Read predictions and scores.

        name (str): The model.
        pipe (TaskPipe): The component.
        examples (Sequence[Example]): Examples with its predictions.
        batch_size (int): Documents that are scored together.
        nlp (Optional[Language]): The pipeline, as for `read_outputs`.
        RETURNS (Result): The result.
        """
        pairs = [(example.reference, example.predicted) for example in examples]
        rejected = pipe.cfg.get("negative_spans_key")
        source = spans_under(pipe.key, pipe.cfg["gold"], rejected)
        table = read_table(pairs, source)
        return cls(
            name=name,
            component=pipe.name,
            settings={key: pipe.cfg[key] for key in SETTINGS if key in pipe.cfg},
            spans_key=pipe.key,
            labels=pipe.labels,
            pairs=pairs,
            spans=table,
            flat=read_table(pairs, entities),
            kinds=error_kinds(table),
            outputs=read_outputs(pipe, examples, batch_size, nlp=nlp),
            gold=pipe.cfg["gold"],
        )

    def tables(self) -> Dict[str, ComparedSpans]:
        """RETURNS (Dict[str, ComparedSpans]): The spans that are scored, by name."""
        return {
            "all": self.spans,
            "outermost": self.spans.by_depth(inner=False),
            "inner": self.spans.by_depth(inner=True),
            "flat": self.flat,
        }

    def score_metrics(self) -> Dict[str, Any]:
        """What the probabilities say. The curves of labels are left to
        `label_curves`."""
        outputs, n_labels = self.outputs, len(self.labels)
        own = {label: number for number, label in enumerate(self.spans.labels)}
        counts = label_counts(self.spans).sum(0)
        missing = numpy.zeros(3)
        rows = numpy.array(
            [counts[own[x]] if x in own else missing for x in self.labels]
        ).reshape(n_labels, 3)
        _, shares = principal_components(outputs.gold_outputs)
        return {
            "floor": LOWEST_REPORTED,
            "gold_probability": probability_summary(
                outputs.gold_probabilities, outputs.gold_found
            ),
            "reliability": reliability(outputs.probabilities, outputs.right),
            "precision_recall": self.label_curves(),
            "discrepancies": discrepancies(
                self.labels,
                rows[:, 2].astype("int64"),
                rows[:, 1].astype("int64"),
                outputs.gold_labels,
                outputs.gold_probabilities,
            ),
            "principal_components": {"explained_variance": shares.tolist()},
        }

    def label_curves(self) -> Dict[str, Dict[str, Any]]:
        """Precision and recall at all thresholds, of the labels that occur in gold."""
        outputs = self.outputs
        gold = dict.fromkeys(self.labels, 0)
        numbers, n = numpy.unique(self.spans.gold.labels, return_counts=True)
        for number, count in zip(numbers.tolist(), n.tolist()):
            gold[self.spans.labels[number]] = count
        curves = {}
        for number, label in enumerate(self.labels):
            if gold[label]:
                chosen = outputs.labels == number
                precision, recall, average = precision_recall(
                    outputs.probabilities[chosen], outputs.right[chosen], gold[label]
                )
                curves[label] = {
                    "gold": gold[label],
                    "average_precision": average,
                    "precision": precision.tolist(),
                    "recall": recall.tolist(),
                }
        return curves


def compare(
    results: Sequence[Result],
    *,
    training: Optional[TrainingSet] = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Dict[str, Any]:
    """All numbers of models on the same documents.

    results (Sequence[Result]): The models, those behind the first compared with it.
    training (Optional[TrainingSet]): The training documents, for buckets that need
        them.
    n_bootstrap (int): Resamples of the documents, 0 for no intervals.
    seed (int): Seed of the resamples.
    RETURNS (Dict[str, Any]): The content of metrics.json: counts of documents, the
        settings of the bootstrap, and "models", with all numbers of each; every one
        but the first has "differences" from it. The scores of "summary" are None
        where there are neither gold nor predicted spans.
    """
    first = results[0].spans
    samples = _Samples(results, training, n_bootstrap, seed)
    models = [
        {
            "model": result.name,
            "component": result.component,
            "settings": result.settings,
            "off_tokens": result.spans.off_tokens,
            **samples.scores(number),
            "errors": {
                **result.kinds.summary(),
                "confusion": {
                    "labels": list(result.spans.labels),
                    "matrix": confusion(result.spans, result.kinds).tolist(),
                },
            },
            "scores": result.score_metrics(),
            **({"differences": samples.differences(number)} if number else {}),
        }
        for number, result in enumerate(results)
    ]
    return {
        "documents": first.n_docs,
        "annotated_documents": int(first.annotated.sum()),
        "tokens": int(first.n_tokens.sum()),
        "bootstrap": {"resamples": n_bootstrap, "seed": seed, "level": LEVEL},
        "models": models,
    }


# Counts of one kind, of all models: the names of their groups, their sums over the
# documents, and the sums of each resample.
@dataclass
class _Group:
    names: List[Tuple[str, ...]]
    sums: List[Floats]
    samples: List[Floats]

    def describe(self, model: int, averaged: bool = False) -> Dict[str, Any]:
        return describe(self.sums[model], self.samples[model], averaged)

    def difference(self, model: int, averaged: bool = False) -> Dict[str, Any]:
        def score(values: Floats) -> Floats:
            return macro(values) if averaged else prf(values.sum(-2))

        return difference(
            *(score(values) for values in (self.sums[0], self.sums[model])),
            *(score(values) for values in (self.samples[0], self.samples[model])),
        )

    def has_spans(self, model: int) -> bool:
        """Whether there is a span to score, gold or predicted."""
        return bool(self.sums[model][..., 1:].any())

    def only(self, name: str) -> "_Group":
        """The counts of one name, 0 where a model has none."""
        rows = [[i for i, x in enumerate(own) if x == name] for own in self.names]
        return _Group(
            [(name,)] * len(rows),
            [values[row] for values, row in zip(self.sums, rows)],
            [values[:, row] for values, row in zip(self.samples, rows)],
        )


class _Samples:
    """The counts of all models, and their resamples."""

    def __init__(
        self,
        results: Sequence[Result],
        training: Optional[TrainingSet],
        n: int,
        seed: int,
    ) -> None:
        names: Dict[str, List[Tuple[str, ...]]] = {}
        counts: Dict[str, List[Floats]] = {}
        for result in results:
            for name, table in result.tables().items():
                names.setdefault(name, []).append(table.labels)
                counts.setdefault(name, []).append(label_counts(table))
            docs = [gold for gold, _ in result.pairs]
            found = bucket_counts(result.spans, docs, training)
            for name, values in found.items():
                names.setdefault(name, []).append(BUCKETS[name].names)
                counts.setdefault(name, []).append(values)
        every = [values for of_models in counts.values() for values in of_models]
        annotated = results[0].spans.annotated | results[0].flat.annotated
        samples = iter(resample(every, annotated, n=n, seed=seed))
        self.groups = {
            name: _Group(
                names[name],
                [values.sum(0) for values in of_models],
                [next(samples) for _ in of_models],
            )
            for name, of_models in counts.items()
        }
        self.buckets = [name for name in BUCKETS if name in counts]

    def scores(self, model: int) -> Dict[str, Any]:
        """All scores of a model."""
        scores = self._collect(
            lambda group, **kw: group.describe(model, **kw), (model,)
        )
        for name, row in scores["summary"].items():
            group = self.groups["all" if name in ("micro", "macro") else name]
            if not group.has_spans(model):
                row.update(p=None, r=None, f=None)
                row.pop("interval", None)
        return scores

    def differences(self, model: int) -> Dict[str, Any]:
        """How much higher all of them are than those of the first."""
        return self._collect(
            lambda group, **kw: group.difference(model, **kw), (0, model)
        )

    def _collect(
        self, score: Callable[..., Dict[str, Any]], models: Sequence[int]
    ) -> Dict[str, Any]:
        groups = self.groups
        labels = {label for model in models for label in groups["all"].names[model]}
        return {
            "summary": {
                "micro": score(groups["all"]),
                "macro": score(groups["all"], averaged=True),
                **{x: score(groups[x]) for x in ("outermost", "inner", "flat")},
            },
            "per_label": {x: score(groups["all"].only(x)) for x in sorted(labels)},
            "buckets": {
                name: {
                    "title": BUCKETS[name].title,
                    "buckets": [
                        {"name": x, **score(groups[name].only(x))}
                        for x in BUCKETS[name].names
                    ],
                }
                for name in self.buckets
            },
        }
