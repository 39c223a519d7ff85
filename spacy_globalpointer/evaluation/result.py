"""All numbers of a model on a data set, and of models side by side."""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from spacy.training import Example

from ..decoding import Floats
from ..pipeline.component import Recognizer
from .buckets import TrainingSet, bucket_scores
from .error_kinds import ErrorKinds, confusion, error_kinds
from .intervals import LEVEL, Counts, describe, difference, macro, prf, resample
from .outputs import FLOOR, Outputs, read_outputs
from .reliability import precision_recall, reliability
from .scores import discrepancies, principal_components, probability_summary
from .table import SpanTable, entities, read_table, spans_under

# Settings that stand beside the scores, of components that have them.
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
    spans (SpanTable): The spans of doc.spans.
    flat (SpanTable): Those of doc.ents.
    kinds (ErrorKinds): The kinds of the spans.
    outputs (Outputs): The scores behind them.
    """

    name: str
    component: str
    settings: Dict[str, Any]
    spans_key: str
    labels: Tuple[str, ...]
    pairs: List[Tuple[Doc, Doc]]
    spans: SpanTable
    flat: SpanTable
    kinds: ErrorKinds
    outputs: Outputs

    @classmethod
    def of(
        cls,
        name: str,
        pipe: Recognizer,
        examples: Sequence[Example],
        batch_size: int = 128,
    ) -> "Result":
        """Read predictions and scores.

        name (str): The model.
        pipe (Recognizer): The component.
        examples (Sequence[Example]): Examples with its predictions.
        batch_size (int): Documents that are scored together.
        RETURNS (Result): The result.
        """
        pairs = [(example.reference, example.predicted) for example in examples]
        table = read_table(pairs, spans_under(pipe.key))
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
            outputs=read_outputs(pipe, examples, batch_size),
        )

    def tables(self) -> Dict[str, SpanTable]:
        """RETURNS (Dict[str, SpanTable]): The spans that are scored, by name."""
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
        counts = Counts.of(self.spans).values.sum(0)
        missing = numpy.zeros(3)
        rows = numpy.array(
            [counts[own[x]] if x in own else missing for x in self.labels]
        ).reshape(n_labels, 3)
        _, shares = principal_components(outputs.gold_outputs)
        return {
            "floor": FLOOR,
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
    RETURNS (Dict[str, Any]): What stands in metrics.json: counts of documents, the
        settings of the bootstrap, and "models", with all numbers of each; every one
        but the first has "differences" from it.
    """
    first = results[0].spans
    samples = _Samples(results, n_bootstrap, seed)
    models = [
        {
            "model": result.name,
            "component": result.component,
            "settings": result.settings,
            "off_tokens": result.spans.off_tokens,
            **samples.scores(number),
            "buckets": bucket_scores(
                result.spans, [gold for gold, _ in result.pairs], training
            ),
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


class _Samples:
    """The counts of all models, and their resamples.

    For each name, such as "all" or "inner", the sums of the counts by label and their
    resamples, one entry a model.
    """

    def __init__(self, results: Sequence[Result], n: int, seed: int) -> None:
        tables = [result.tables() for result in results]
        self.labels: Dict[str, List[Tuple[str, ...]]] = {}
        self.sums: Dict[str, List[Floats]] = {}
        self.samples: Dict[str, List[Floats]] = {}
        for name in tables[0]:
            chosen = [of_model[name] for of_model in tables]
            counts = [Counts.of(table).values for table in chosen]
            self.labels[name] = [table.labels for table in chosen]
            self.sums[name] = [values.sum(0) for values in counts]
            self.samples[name] = resample(counts, chosen[0].annotated, n=n, seed=seed)

    def scores(self, model: int) -> Dict[str, Any]:
        summary = {
            "micro": self._describe("all", model),
            "macro": self._describe("all", model, averaged=True),
            **{x: self._describe(x, model) for x in ("outermost", "inner", "flat")},
        }
        return {"summary": summary, "per_label": self._per_label(model)}

    def _describe(self, name: str, model: int, averaged: bool = False) -> Any:
        sums, samples = self.sums[name][model], self.samples[name][model]
        return describe(sums, samples, averaged)

    def _per_label(self, model: int) -> Dict[str, Any]:
        sums, samples = self.sums["all"][model], self.samples["all"][model]
        return {
            label: describe(sums[i : i + 1], samples[:, i : i + 1])
            for i, label in enumerate(self.labels["all"][model])
        }

    def differences(self, model: int) -> Dict[str, Any]:
        summary = {
            "micro": self._difference("all", model),
            "macro": self._difference("all", model, averaged=True),
            **{x: self._difference(x, model) for x in ("outermost", "inner", "flat")},
        }
        rows: List[Mapping[str, int]] = [
            {label: i for i, label in enumerate(self.labels["all"][x])}
            for x in (0, model)
        ]
        per_label = {}
        for label in sorted({*rows[0], *rows[1]}):
            pairs = [
                self._label("all", x, of.get(label)) for x, of in zip((0, model), rows)
            ]
            per_label[label] = difference(*(prf(values) for values in _both(pairs)))
        return {"summary": summary, "per_label": per_label}

    def _label(
        self, name: str, model: int, row: Optional[int]
    ) -> Tuple[Floats, Floats]:
        sums, samples = self.sums[name][model], self.samples[name][model]
        if row is None:
            return numpy.zeros(3), numpy.zeros((len(samples), 3))
        return sums[row], samples[:, row]

    def _difference(self, name: str, model: int, averaged: bool = False) -> Any:
        def score(values: Floats) -> Floats:
            return macro(values) if averaged else prf(values.sum(-2))

        sums, samples = self.sums[name], self.samples[name]
        return difference(
            *(score(values) for values in (sums[0], sums[model])),
            *(score(values) for values in (samples[0], samples[model])),
        )


def _both(pairs: Sequence[Tuple[Floats, Floats]]) -> List[Floats]:
    """Both values, then both samples."""
    return [value for side in zip(*pairs) for value in side]
