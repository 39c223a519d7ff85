"""The scores of gold spans and candidates, against those of single documents."""

import math

import numpy as np
import pytest
import spacy

from spacy_globalpointer.evaluation import read_outputs
from spacy_globalpointer.evaluation.outputs import LOWEST_REPORTED
from spacy_globalpointer.pipeline.candidates import give_candidates
from spacy_globalpointer.tasks.drop_report import DropReport
from tests.util.pipelines import (
    KEY,
    LABELS,
    NESTED,
    all_scores,
    changed,
    examples,
    found,
    train,
)
from tests.util.pipelines import pipeline as make_pipeline


@pytest.fixture(scope="module")
def trained():
    # Strict, so that not all gold spans are found.
    return train(make_pipeline(threshold=0.999), steps=12)


def predicted(nlp, corpus=NESTED, key=KEY):
    """Examples with predictions."""
    made = examples(nlp, corpus, key)
    for example in made:
        example.predicted = nlp(example.reference.text)
    return made


def columns(outputs):
    return list(vars(outputs).values())


@pytest.mark.parametrize("temperatures", [{}, {"ORG": 2.0, "GPE": 0.5}])
def test_probabilities_are_those_of_single_documents(trained, temperatures):
    with changed(trained, label_temperatures=temperatures):
        check_probabilities(trained, temperatures)


def check_probabilities(trained, temperatures):
    made = predicted(trained)
    pipe = trained.get_pipe("global_pointer")
    outputs = read_outputs(pipe, made)
    scores = all_scores(trained, [example.reference.text for example in made])
    numbers = {label: i for i, label in enumerate(LABELS)}
    # Gold spans stand in the order of the examples, candidates in that of `decode`.
    gold = [
        (numbers[label], scores[i][start, end, label], (start, end, label) in said)
        for i, (example, (_, spans)) in enumerate(zip(made, NESTED))
        for said in [set(found(example.predicted))]
        for start, end, label in spans
    ]
    assert outputs.gold_labels.tolist() == [row[0] for row in gold]
    assert outputs.gold_probabilities == pytest.approx(
        [row[1] for row in gold], abs=1e-6
    )
    assert outputs.gold_found.tolist() == [row[2] for row in gold]
    assert 0 < outputs.gold_found.sum() < len(gold)
    logits = outputs.gold_outputs[np.arange(len(gold)), outputs.gold_labels]
    logits /= [temperatures.get(LABELS[i], 1.0) for i in outputs.gold_labels]
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(outputs.gold_probabilities)
    candidates = [
        (numbers[span[2]], p, span in set(spans))
        for (_, spans), of_doc in zip(NESTED, scores)
        for span, p in of_doc.items()
        if p >= LOWEST_REPORTED
    ]
    rows = zip(outputs.labels, outputs.probabilities, outputs.right)
    for row, expected in zip(sorted(rows), sorted(candidates), strict=True):
        assert row == pytest.approx(expected, abs=1e-6)


def test_batches_change_nothing(trained):
    made = predicted(trained)
    pipe = trained.get_pipe("global_pointer")
    one, other = (read_outputs(pipe, made, batch_size=n) for n in (1, 100))
    for a, b in zip(columns(one), columns(other)):
        assert a == pytest.approx(b, abs=1e-5)


def test_what_cannot_be_found_is_left_out(trained):
    made = predicted(trained)
    made[1].reference.spans.clear()
    made[0].reference.spans[KEY][0].label_ = "GROUP"
    pipe = trained.get_pipe("global_pointer")
    with changed(trained, max_length=2):
        outputs = read_outputs(pipe, made)
    # Four of the six gold spans of the first document are of one or two tokens.
    assert len(outputs.gold_labels) == 3
    assert [len(x) for x in columns(read_outputs(pipe, []))] == [0] * 7
    assert [len(x) for x in columns(read_outputs(pipe, made[1:]))] == [0] * 7


@pytest.mark.parametrize("key", ["given", KEY])
def test_given_candidates_alone(key):
    """Also where predictions take the place of the candidates."""
    nlp = make_pipeline(candidates_key=key, threshold=0.999999)
    made = examples(nlp)
    for example in made:
        example.reference.spans["given"] = list(example.reference.spans[KEY])
        give_candidates(example, key, DropReport())
    train(nlp, made, steps=12)
    for example in made:
        example.predicted = nlp(example.predicted)
    said = [found(example.predicted) for example in made]
    outputs = read_outputs(nlp.get_pipe("global_pointer"), made)
    assert [found(example.predicted) for example in made] == said
    assert (
        outputs.gold_found.sum() == sum(map(len, said)) < len(outputs.gold_found) == 10
    )
    n_places = sum(len({span[:2] for span in spans}) for _, spans in NESTED)
    assert len(outputs.labels) <= len(LABELS) * n_places
    assert outputs.right.sum() == 10


@pytest.mark.filterwarnings("ignore:.*cannot use some of the gold spans")
def test_classes_that_exclude_each_other():
    nlp = spacy.blank("xx")
    nlp.add_pipe("span_classifier", config={"max_length": 5})
    made = examples(nlp)
    nlp.initialize(lambda: made)
    for example in made:
        example.predicted = nlp(example.reference.text)
    pipe = nlp.get_pipe("span_classifier")
    outputs = read_outputs(pipe, made)
    assert outputs.gold_outputs.shape == (8, len(LABELS) + 1)
    for row, label, p in zip(
        outputs.gold_outputs, outputs.gold_labels, outputs.gold_probabilities
    ):
        total = sum(math.exp(x) for x in row)
        assert p == pytest.approx(math.exp(row[label]) / total)


@pytest.mark.filterwarnings("ignore:.*overlaps another gold span")
def test_sequences():
    nlp = spacy.blank("xx")
    nlp.add_pipe("sequence_ner")
    made = train_sequences(nlp)
    pipe = nlp.get_pipe("sequence_ner")
    outputs = read_outputs(pipe, made)
    # Outermost spans alone; of them, those that are found have the scores stored.
    assert len(outputs.gold_labels) == 3
    said = [
        (pipe.labels.index(span.label_), float(score))
        for example in made
        for span, score in zip(
            example.predicted.spans[KEY], example.predicted.spans[KEY].attrs["scores"]
        )
    ]
    assert list(zip(outputs.labels, outputs.probabilities)) == said
    assert outputs.right.sum() == outputs.gold_found.sum() > 0
    right = outputs.probabilities[outputs.right]
    assert right == pytest.approx(outputs.gold_probabilities[outputs.gold_found])
    assert outputs.gold_outputs.shape == (3, 0)


def train_sequences(nlp):
    made = examples(nlp)
    optimizer = nlp.initialize(lambda: made)
    for _ in range(30):
        nlp.update(made, sgd=optimizer)
    for example in made:
        example.predicted = nlp(example.reference.text)
    return made
