"""Trainings that several workers make, and one alone. Workers import this module."""

import warnings

import spacy
import torch
from spacy.training import Example
from thinc.api import Adam

from spacy_globalpointer.training.batches import SharedBatches, random_state
from spacy_globalpointer.training.checkpoint import Progress
from spacy_globalpointer.training.loop import train_steps
from spacy_globalpointer.training.optimizers import create_encoder_head_adam_v1
from spacy_globalpointer.training.weights import trained_weights
from tests.util.pipelines import (
    LANG,
    LISTENER,
    NAME,
    NESTED,
    example,
    initialize,
    model,
    tok2vec,
)

N_STEPS = 50
POOLED = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
    "upstream": "*",
}
SOFTMAX = {
    "@misc": "spacy_globalpointer.SampledSoftmax.v1",
    # Those that are drawn depend on who draws.
    "negatives": None,
}


def on_tok2vec(bert, head="egp7", **settings):
    nlp = spacy.blank(LANG)
    nlp.add_pipe("tok2vec", config={"model": tok2vec()})
    nlp.add_pipe(NAME, config={"model": model(head, LISTENER), **settings})
    return nlp


def on_transformer(bert):
    nlp = spacy.blank(LANG)
    transformer = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": bert,
        "tokenizer_config": {"use_fast": True},
    }
    nlp.add_pipe("transformer", config={"model": transformer})
    nlp.add_pipe(NAME, config={"model": model("gp", POOLED)})
    return nlp


def bundle(bert):
    """On one encoder: spans, classes of spans, tags, and spaCy's `spancat`."""
    nlp = on_tok2vec(bert, loss_weight=0.5)
    config = {"model": {"tok2vec": LISTENER}, "set_ents": False}
    nlp.add_pipe("sequence_ner", config=config)
    config = {**config, "objective": SOFTMAX}
    nlp.add_pipe("span_classifier", config=config)
    suggester = {"@misc": "spacy.ngram_suggester.v1", "sizes": [1, 2, 4]}
    spancat = {
        "@architectures": "spacy.SpanCategorizer.v1",
        "reducer": {"@layers": "spacy.mean_max_reducer.v1", "hidden_size": 16},
        "scorer": {"@layers": "spacy.LinearLogistic.v1"},
        "tok2vec": LISTENER,
    }
    nlp.add_pipe("spancat", config={"suggester": suggester, "model": spancat})
    return nlp


# A training by name: what makes the pipeline, and what is not as usual in it.
TRAININGS = {
    "tok2vec": (on_tok2vec, {}),
    "transformer": (
        on_transformer,
        {"optimizer": lambda: create_encoder_head_adam_v1(1e-3, 1e-2, eps=1e-3)},
    ),
    "bundle": (bundle, {}),
    "frozen": (bundle, {"frozen_components": ["sequence_ner", "spancat"]}),
    "accumulated": (on_tok2vec, {"accumulate_gradient": 2}),
    "averaged": (
        on_tok2vec,
        {"optimizer": lambda: Adam(0.001, use_averages=True)},
    ),
}


def corpus(nlp):
    """Documents of several lengths, one of them empty and one without annotation."""
    examples = [example(nlp, *NESTED[i % 2]) for i in range(3)]
    examples += [example(nlp, "Bank of New England", [(0, 4, "ORG"), (2, 4, "GPE")])]
    examples += [example(nlp, "", []), example(nlp, "they left", [])]
    text = "New England met Boston"
    return [*examples, Example(nlp.make_doc(text), nlp.make_doc(text))]


def batches(examples):
    """Every third batch is of one document: then all workers but one get nothing."""
    for step in range(N_STEPS):
        size = 1 if step % 3 == 2 else 5
        yield 0, [examples[(step + i) % len(examples)] for i in range(size)]


def run(group, name, bert):
    """Train.

    RETURNS (Tuple[list, dict, dict]): The losses after each step, the weights, and
        their averages.
    """
    make, changed = TRAININGS[name]
    nlp = make(bert)
    examples = corpus(nlp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        initialize(nlp, examples)
        settings = {
            "dropout": 0.0,
            "accumulate_gradient": 1,
            "patience": 0,
            "max_steps": 0,
            "eval_frequency": 10,
            "frozen_components": [],
            "annotating_components": [],
            "before_update": None,
            **changed,
        }
        optimizer = changed.get("optimizer", lambda: Adam(0.001))()
        settings["optimizer"] = optimizer
        shared = SharedBatches(batches(examples), random_state())
        steps = train_steps(nlp, settings, shared, lambda: (0.0, {}), group, Progress())
        losses = [dict(info["losses"]) for info, _ in steps]
    weights = trained_weights(nlp, [])
    values = {f"{w.component} {i} {w.name}": w.value for i, w in enumerate(weights)}
    averages = optimizer.averages or {}
    averaged = {f"{w.component} {w.name}": averages.get(w.key) for w in weights}
    return losses, values, averaged


def work(group, bert, folder):
    """Make all trainings and save what comes out of them."""
    for name in TRAININGS:
        result = run(group, name, bert)
        torch.save(result, folder / f"{name}-{group.rank}.pt")
