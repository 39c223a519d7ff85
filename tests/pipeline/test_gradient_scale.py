"""What trains is a sum, so large that the optimizer's clip acts at every step; what is
reported is a mean."""

import random

import pytest
import spacy
from thinc.api import Adam, get_current_ops

from tests.util.pipelines import (
    HEADS,
    NAME,
    examples,
    initialize,
    model,
    tok2vec,
    update,
)

CLASSIFIER = "spacy_globalpointer.SpanClassifier.v1"
TAGGER = "spacy_globalpointer.SequenceNER.v1"
BCE = {"@misc": "spacy_globalpointer.BinaryCrossEntropy.v1"}
ALL_NEGATIVES = {
    "@misc": "spacy_globalpointer.SampledSoftmax.v1",
    "negatives": None,
}
# Factory and settings, beside the encoder.
SYSTEMS = {
    **{head: (NAME, {"model": model(head)}) for head in HEADS},
    "bce": (NAME, {"model": model("egp7"), "objective": BCE}),
    "crf": ("sequence_ner", {"model": {"@architectures": TAGGER}}),
    "tags": ("sequence_ner", {"crf": False, "model": {"@architectures": TAGGER}}),
    "hybrid": (
        "span_classifier",
        {"model": {"@architectures": CLASSIFIER}, "objective": ALL_NEGATIVES},
    ),
    "attention": (
        "span_classifier",
        {
            "model": {"@architectures": CLASSIFIER, "representation": "attention"},
            "objective": ALL_NEGATIVES,
        },
    ),
}
every_system = pytest.mark.parametrize("system", SYSTEMS)
WORDS = [f"w{i}" for i in range(300)]


def build(system, width=16):
    factory, settings = SYSTEMS[system]
    settings = {**settings, "model": {**settings["model"], "tok2vec": tok2vec(width)}}
    nlp = spacy.blank("xx")
    nlp.add_pipe(factory, config=settings)
    return nlp


def gradients(nlp):
    """The gradients of all weight arrays, those of torch heads among them."""
    found = {}
    for name, pipe in nlp.pipeline:
        for i, node in enumerate(pipe.model.walk()):
            for key in node.param_names:
                if node.has_grad(key):
                    found[name, i, key] = node.get_grad(key).copy()
            for shim in node.shims:
                for key, weights in shim._model.named_parameters():
                    if weights.grad is not None:
                        found[name, i, key] = weights.grad.numpy().copy()
    return found


def gradients_of(nlp, *batches):
    """What has gathered after batches, before the step."""
    for batch in batches:
        nlp.update(batch, sgd=False)
    result = gradients(nlp)
    # Clear them.
    for _, pipe in nlp.pipeline:
        pipe.finish_update(Adam(0.0, L2=0.0))
    return result


def norm(x):
    ops = get_current_ops()
    return float(ops.xp.sqrt((x.astype("float64") ** 2).sum()))


def hard_corpus(n, seed=0):
    """Sentences of words that are entities by their neighbors, most of the time, so
    that there is something left to learn."""
    rng = random.Random(seed)
    corpus = []
    for _ in range(n):
        words = [rng.choice(WORDS) for _ in range(rng.randint(5, 20))]
        spans, end = set(), 0
        for i, word in enumerate(words[:-2]):
            if i >= end and hash_of(word) % 5 == 0:
                label = ("A", "B", "C")[hash_of(words[i + 1]) % 3]
                end = i + 1 + rng.randint(1, 2)
                spans.add((i, end, label))
        corpus.append((" ".join(words), sorted(spans)))
    return corpus


def hash_of(word):
    return int(word[1:]) * 2654435761 % 2**16


@pytest.mark.slow
@every_system
def test_the_clip_acts_at_every_weight_array_after_300_steps(system):
    nlp = build(system, width=32)
    corpus = examples(nlp, hard_corpus(200))
    initialize(nlp, corpus)
    optimizer = Adam(0.001)
    rng = random.Random(0)
    for _ in range(300):
        update(nlp, rng.sample(corpus, 8), optimizer)
    nlp.update(rng.sample(corpus, 8), sgd=False)
    norms = {key: norm(gradient) for key, gradient in gradients(nlp).items()}
    assert len(norms) > 5
    assert min(norms.values()) > optimizer.grad_clip, min(norms, key=norms.get)


@every_system
def test_the_gradient_of_a_batch_is_the_sum_of_those_of_its_parts(system):
    """So neither batch size nor accumulate_gradient nor the number of workers turns
    a step."""
    nlp = build(system)
    corpus = examples(nlp, hard_corpus(6))
    initialize(nlp, corpus)
    whole = gradients_of(nlp, corpus)
    parts = gradients_of(nlp, corpus[:1], corpus[1:4], corpus[4:])
    twice = gradients_of(nlp, [*corpus, *examples(nlp, hard_corpus(6))])
    assert whole.keys() == parts.keys() == twice.keys()
    for key, gradient in whole.items():
        scale = abs(gradient).max()
        assert scale > 0
        assert abs(gradient - parts[key]).max() < 1e-4 * scale
        assert abs(2 * gradient - twice[key]).max() < 1e-4 * scale


def test_another_label_does_not_weaken_the_others():
    """Labels have queries and keys of their own in the plain Global Pointer."""
    nlp = build("gp")
    corpus = examples(nlp)
    initialize(nlp, corpus)
    pipe = nlp.get_pipe(NAME)
    few = gradients_of(nlp, corpus)
    pipe.add_label("NEW")
    many = gradients_of(nlp, corpus)
    (weight,) = (key for key in few if key[2] == "projection.weight")
    n_rows = len(few[weight])
    assert len(many[weight]) > n_rows
    scale = abs(few[weight]).max()
    assert abs(many[weight][:n_rows] - few[weight]).max() < 1e-4 * scale


@every_system
def test_the_reported_loss_is_a_mean(system):
    nlp = build(system)
    corpus = examples(nlp, hard_corpus(6))
    initialize(nlp, corpus)
    name = nlp.pipe_names[-1]
    once = nlp.update(corpus, sgd=False)[name]
    again = nlp.update([*corpus, *examples(nlp, hard_corpus(6))], sgd=False)[name]
    assert again == pytest.approx(once, rel=1e-5)
    assert 0 < once < 50
