"""Documents with spans, gold and predicted, made at random."""

import numpy as np
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_globalpointer.evaluation import (
    Outputs,
    Result,
    entities,
    error_kinds,
    read_table,
    spans_under,
)

KEY = "sc"
VOCAB = spacy.blank("xx").vocab


def make_doc(n_tokens, spans):
    """A document of `n_tokens` words, with spans as (start, end, label); None for no
    annotation."""
    doc = Doc(VOCAB, words=[f"w{i}" for i in range(n_tokens)])
    if spans is not None:
        doc.spans[KEY] = [Span(doc, start, end, label) for start, end, label in spans]
    return doc


def random_spans(rng, n_tokens, n_spans, labels="ABC"):
    """Distinct spans, of which many meet where there are few tokens."""
    spans = set()
    for _ in range(n_spans):
        start = int(rng.integers(n_tokens))
        end = int(rng.integers(start + 1, min(start + 5, n_tokens) + 1))
        spans.add((start, end, str(rng.choice(list(labels)))))
    return spans


def random_pairs(seed, n_docs=30, n_tokens=8, labels="ABC"):
    """Sets of gold and predicted spans of documents, part of them the same."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(n_docs):
        gold = random_spans(rng, n_tokens, int(rng.integers(6)), labels)
        other = random_spans(rng, n_tokens, int(rng.integers(6)), labels)
        pairs.append((gold, other | {x for x in sorted(gold) if rng.random() < 0.5}))
    return pairs


def to_docs(pairs, n_tokens=8):
    """Gold and predicted documents of sets of spans."""
    return [
        (make_doc(n_tokens, sorted(gold)), make_doc(n_tokens, sorted(predicted)))
        for gold, predicted in pairs
    ]


def to_examples(docs):
    return [Example(predicted, gold) for gold, predicted in docs]


def prf(right, predicted, gold):
    """Precision, recall and F1 of counts, by their definitions."""
    p = right / predicted if predicted else 0.0
    r = right / gold if gold else 0.0
    return [p, r, 2 * p * r / (p + r) if p + r else 0.0]


def result(docs, name="model"):
    """What a model did that gave each span it found the probability 0.75, and no
    others."""
    table = read_table(docs, spans_under(KEY))
    numbers = {label: i for i, label in enumerate(table.labels)}
    return Result(
        name=name,
        component="global_pointer",
        settings={"threshold": 0.5, "label_thresholds": {"<A>": 0.25}},
        spans_key=KEY,
        labels=tuple(numbers),
        pairs=docs,
        spans=table,
        flat=read_table(docs, entities),
        kinds=error_kinds(table),
        outputs=Outputs(
            gold_labels=table.gold.labels,
            gold_probabilities=np.where(table.right[0], 0.75, 0.25),
            gold_found=table.right[0],
            gold_outputs=np.eye(len(numbers))[table.gold.labels],
            labels=table.predicted.labels,
            probabilities=np.full(len(table.predicted), 0.75),
            right=table.right[1],
        ),
    )
