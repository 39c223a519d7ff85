"""Thresholds chosen on held-out data."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy
import srsly
import torch
import typer
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example

from ..core.arrays import Floats
from ..errors import Errors, Warnings
from ..evaluation import (
    Candidates,
    Target,
    choose_thresholds,
    entities,
    fit_temperatures,
    label_counts,
    prf,
    read_candidates,
    read_table,
)
from ..evaluation.candidates import LOWEST_PROBABILITY
from ..evaluation.relation_thresholds import choose_threshold
from ..pipeline.annotations import write_predictions
from ..pipeline.component import TaskPipe
from ..pipeline.relation_pointer import relation_pipes
from ..pipeline.settings import to_config
from ..tasks import SpanTask
from ..tasks.thresholds import label_temperatures, logit_thresholds
from .common import (
    CODE,
    COMPONENT,
    DATA,
    GPU_ID,
    MODEL,
    fail_without_gold,
    load,
    read,
    run_before,
    save,
)
from .messages import JSON, QUIET, msg

Settings = Dict[str, Any]
Scores = Dict[str, float]

# The settings that are chosen.
CHOSEN_SETTINGS = ("threshold", "label_thresholds", "label_temperatures", "overlap")


def calibrate_cli(
    model: str = MODEL,
    data: Path = DATA,
    output: Path = typer.Argument(
        ..., help="Folder for the pipeline with the new thresholds"
    ),
    strength: float = typer.Option(
        300.0,
        "--strength",
        "-s",
        help="Number of gold spans at which the best threshold of a label is weighted equally with the global threshold",
        min=0,
    ),
    precision: Optional[float] = typer.Option(
        None,
        "--precision",
        "-p",
        help="Choose the highest recall at a precision of at least this, 0 to 1, instead of the highest F1",
        min=0,
        max=1,
    ),
    recall: Optional[float] = typer.Option(
        None,
        "--recall",
        "-r",
        help="Choose the highest precision at a recall of at least this, 0 to 1, instead of the highest F1",
        min=0,
        max=1,
    ),
    component: Optional[str] = COMPONENT,
    gpu_id: int = GPU_ID,
    code: Optional[Path] = CODE,
    as_json: bool = JSON,
    quiet: bool = QUIET,
) -> None:
    """Choose the thresholds that maximize F1 on held-out data, or that reach a given
    precision or recall, and write a pipeline that uses them: a global threshold and one
    for each label. Thresholds of rare labels are shrunk towards the global one.
    Probabilities are calibrated with a temperature for each label.

    If gold spans never overlap, or never cross, predictions are constrained in the
    same way (the setting `overlap`). A change is applied only if F1 does not drop. The
    scores of doc.spans and of doc.ents before and after are shown.
    """
    if precision is not None and recall is not None:
        msg.fail(Errors.E031.format(precision=precision, recall=recall), exits=1)
    target = Target(precision, recall)
    nlp, pipe = load(model, component, gpu_id)
    if "threshold" not in pipe.cfg:
        # So that a project runs on with whatever it trains.
        save(nlp, output)
        msg.warn(Warnings.W031.format(name=pipe.name, path=output))
        return
    examples = read(nlp, pipe, data)
    before = {key: pipe.cfg[key] for key in CHOSEN_SETTINGS}
    run_before(nlp, pipe, examples, "Scoring candidates")
    every, judged = read_candidates(pipe, examples)
    if not every.n_gold.sum():
        fail_without_gold(pipe, examples, data)
    candidates = every[judged]
    choices = _choices(pipe, candidates, before, strength, target)
    counts = [_count(pipe, candidates, choice) for choice in choices]
    best = int(numpy.argmax([target.value(*count) for count in counts]))
    if target.value(*counts[best]) < 0:
        asked = f"precision of {precision}" if recall is None else f"recall of {recall}"
        msg.warn(Warnings.W030.format(asked=asked, path=data))
    now = choices[best]
    save_with_settings(nlp, pipe.name, now, output)
    notes = _notes(pipe, candidates, now)
    _print(pipe, candidates, before, now, notes)
    scores = {"spans": (_prf(*_count(pipe, candidates, before)), _prf(*counts[best]))}
    _say_scores(f"on {data}", *scores["spans"])
    if pipe.cfg["set_ents"]:
        references, gold = _entity_gold(pipe, examples)
        was_ents, now_ents = (
            _score_ents(pipe, every, examples, references, settings)
            for settings in (before, now)
        )
        scores["ents"] = was_ents, now_ents
        _say_scores(f"of doc.ents against {gold}", was_ents, now_ents)
    relations = _calibrate_relations(data, output, target)
    msg.good(f"Wrote {output}")
    if as_json:
        result = {
            "settings": now,
            "notes": notes,
            "scores": {
                name: dict(zip(("before", "now"), pair))
                for name, pair in scores.items()
            },
            "before": before,
            "relations": relations,
        }
        typer.echo(srsly.json_dumps(result, indent=2))


def _calibrate_relations(
    data: Path, output: Path, target: Target
) -> Dict[str, Dict[str, Any]]:
    """Choose the threshold of each component that finds relations, between the spans
    that the calibrated pipeline predicts, and save it. The threshold and the scores,
    by component."""
    nlp = util.load_model(output)
    found: Dict[str, Dict[str, Any]] = {}
    for name in relation_pipes(nlp):
        nlp = util.load_model(output)
        examples = list(Corpus(data)(nlp))
        threshold, before, now = choose_threshold(nlp, examples, name, target)
        pipe = nlp.get_pipe(name)
        if now != before:
            settings = {
                "threshold": threshold,
                "label_thresholds": {},
                "label_temperatures": dict(pipe.cfg["label_temperatures"]),
            }
            save_with_settings(nlp, name, settings, output)
        scores = {"before": _prf(*before), "now": _prf(*now)}
        found[name] = {"threshold": threshold, **scores}
        what = f"of the relations of {name}, with a threshold of {threshold:.3f}"
        _say_scores(what, scores["before"], scores["now"])
    return found


def _say_scores(what: str, was: Scores, now: Scores) -> None:
    texts = (
        ", ".join(f"{100 * value:.2f}" for value in scores.values())
        for scores in (was, now)
    )
    msg.info("Micro P, R, F1 {}: {} before, {} now".format(what, *texts))


def _notes(
    pipe: TaskPipe[SpanTask], candidates: Candidates, now: Settings
) -> Dict[str, str]:
    """Why labels have the global threshold, by label."""
    n_right = numpy.bincount(
        candidates.spans.labels[candidates.right], minlength=len(pipe.labels)
    )
    notes = {}
    for label, n_gold, n in zip(pipe.labels, candidates.n_gold, n_right):
        if not now["label_thresholds"]:
            notes[label] = "global: thresholds by label gave no better result"
        elif not n_gold:
            notes[label] = "global: no gold spans"
        elif not n:
            notes[label] = (
                f"global: no gold span has a probability of {LOWEST_PROBABILITY}"
            )
    return notes


def _prf(n_right: float, n_predicted: float, n_gold: float) -> Scores:
    return dict(zip("prf", prf(numpy.array([n_right, n_predicted, n_gold])).tolist()))


def _entity_gold(
    pipe: TaskPipe[SpanTask], examples: List[Example]
) -> Tuple[List[Doc], str]:
    """References with gold entities, and what these are: doc.ents, or where no
    document has any, the outermost of the gold spans."""
    references = [example.reference for example in examples]
    if any(entities.reader.is_annotated(doc) for doc in references):
        return references, "those of gold"
    references = [doc.copy() for doc in references]
    for doc in references:
        spans = pipe.annotation_reader.spans(doc)
        if spans is not None:
            doc.set_ents(util.filter_spans(spans))
    return references, "the outermost gold spans"


def _score_ents(
    pipe: TaskPipe[SpanTask],
    candidates: Candidates,
    examples: List[Example],
    references: List[Doc],
    settings: Settings,
) -> Scores:
    """What doc.ents scores with other settings, beside the entities of components
    before."""
    scaled, thresholds = _scaled(pipe, candidates, settings)
    kept = scaled.spans[scaled.kept(thresholds, settings["overlap"])]
    docs = [example.predicted.copy() for example in examples]
    write_predictions(docs, kept, pipe.task, {**pipe.cfg, **settings})
    table = read_table(zip(references, docs), entities)
    return _prf(*label_counts(table).sum((0, 1)))


def _count(
    pipe: TaskPipe[SpanTask], candidates: Candidates, settings: Settings
) -> Tuple[int, int, int]:
    """Right, predicted and gold spans with other settings."""
    scaled, thresholds = _scaled(pipe, candidates, settings)
    return scaled.count(thresholds, settings["overlap"])


def _scaled(
    pipe: TaskPipe[SpanTask], candidates: Candidates, settings: Settings
) -> Tuple[Candidates, Floats]:
    """The candidates with other temperatures, and the thresholds of their scores."""
    temperatures, thresholds = _arrays(pipe, settings)
    return candidates.scaled(temperatures), thresholds


def _arrays(pipe: TaskPipe[SpanTask], settings: Settings) -> Tuple[Floats, Floats]:
    """Temperature and threshold (log odds) of each label. *Shapes:* (n_labels,)"""
    settings = {**pipe.cfg, **settings}
    thresholds = logit_thresholds(pipe.task.objective, settings)
    return numpy.array(label_temperatures(settings)), numpy.array(thresholds)


def _choices(
    pipe: TaskPipe[SpanTask],
    candidates: Candidates,
    before: Settings,
    strength: float,
    target: Target,
) -> List[Settings]:
    """What may be best: the thresholds of before, a global one alone, or label
    thresholds too, with `overlap` as it is or as strict as the gold spans."""
    fitted = fit_temperatures(candidates, strength=strength)
    rounded = zip(pipe.labels, (round(t, 6) for t in fitted.tolist()))
    named = {label: t for label, t in rounded if t != 1}
    temperatures, _ = _arrays(pipe, {"label_temperatures": named})
    overall, singles = choose_thresholds(
        candidates.scaled(temperatures),
        default=pipe.task.objective.to_logit(0.5),
        strength=strength,
        target=target,
    )

    def probabilities(scores: Any) -> List[float]:
        found = pipe.task.objective.probability(
            torch.tensor(scores, dtype=torch.float64)
        )
        return [round(p, 9) for p in found.tolist()]

    same = before["label_thresholds"]
    old_temperatures, old_thresholds = _arrays(pipe, before)
    if temperatures.tolist() != old_temperatures.tolist():
        scores = old_thresholds * old_temperatures / temperatures
        same = dict(zip(pipe.labels, probabilities(scores)))
    thresholds = [
        (before["threshold"], same),
        (probabilities([overall])[0], {}),
        (probabilities([overall])[0], dict(zip(pipe.labels, probabilities(singles)))),
    ]
    return [
        {
            "threshold": threshold,
            "label_thresholds": single,
            "label_temperatures": named,
            "overlap": overlap,
        }
        for overlap in dict.fromkeys((before["overlap"], candidates.overlap))
        for threshold, single in thresholds
    ]


def save_with_settings(
    nlp: Language, name: str, settings: Settings, output: Path
) -> None:
    """Save a pipeline with other settings of a component, in its config too.

    nlp (Language): A pipeline that was loaded.
    name (str): The component.
    settings (Dict[str, Any]): The settings.
    output (Path): A folder.
    """
    config = nlp.config.copy()
    in_config = dict(settings)
    for setting in ("label_thresholds", "label_temperatures"):
        # None if no config can hold the labels. The component saves its settings
        # itself as well.
        in_config[setting] = to_config(settings[setting]) or {}
    config["components"][name].update(in_config)
    changed = util.load_model_from_config(config, meta=nlp.meta)
    changed.from_disk(nlp.path)
    changed.get_pipe(name).cfg.update(settings)
    save(changed, output)


def _print(
    pipe: TaskPipe[SpanTask],
    candidates: Candidates,
    before: Settings,
    now: Settings,
    notes: Dict[str, str],
) -> None:
    n_all = candidates.n_gold.sum()
    rows = [("(all)", before["threshold"], now["threshold"], 1.0, n_all)]
    temperatures, _ = _arrays(pipe, now)
    for label, t, n_gold in zip(pipe.labels, temperatures, candidates.n_gold):
        values = [
            settings["label_thresholds"].get(label, settings["threshold"])
            for settings in (before, now)
        ]
        rows.append((label, *values, t, n_gold))
    msg.divider("Settings")
    header = ("Label", "Before", "Now", "Temperature", "Gold spans", "Note")
    msg.table(
        [
            (label, *(f"{x:.3f}" for x in values), n, notes.get(label, ""))
            for label, *values, n in rows
        ],
        header=header,
        aligns=tuple("lrrrrl"),
        divider=True,
    )
    msg.text(f"overlap: {before['overlap']!r} before, {now['overlap']!r} now")
