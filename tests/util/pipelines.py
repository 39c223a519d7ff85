"""Small pipelines, trained for real, and plain ways to look at what they say."""

import copy
import math
import pickle
from contextlib import contextmanager
from itertools import combinations

import spacy
from spacy.tokens import Span
from spacy.training import Example
from spacy.util import fix_random_seed, load_model_from_config
from thinc.api import Adam

from spacy_globalpointer.heads.span_classifier import REPRESENTATIONS

# A language without rules of its own loads fast.
LANG = "xx"
KEY = "sc"
NAME = "global_pointer"
HEADS = {
    "gp": {"@architectures": "spacy_globalpointer.GlobalPointer.v1"},
    "egp6": {
        "@architectures": "spacy_globalpointer.EfficientGlobalPointer.v1",
        "features": "hidden",
    },
    "egp7": {
        "@architectures": "spacy_globalpointer.EfficientGlobalPointer.v1",
        "features": "projected",
    },
}
# Every head, by name: its factory and its config.
EVERY_HEAD = {
    **{
        name: ("global_pointer", {"model": {**model, "head_width": 16}})
        for name, model in HEADS.items()
    },
    **{
        name: (
            "span_classifier",
            {
                "model": {
                    "@architectures": "spacy_globalpointer.SpanClassifier.v1",
                    "representation": name,
                }
            },
        )
        for name in REPRESENTATIONS
    },
    "crf": ("sequence_ner", {"crf": True, "model": {}}),
    "softmax": ("sequence_ner", {"crf": False, "model": {}}),
}
# Spans stand four deep, GPE and LOC on the same tokens, ORG inside ORG.
NESTED = [
    (
        "members of the Bank of New England in Boston met",
        [
            (0, 9, "GROUP"),
            (2, 9, "ORG"),
            (3, 7, "ORG"),
            (5, 7, "GPE"),
            (5, 7, "LOC"),
            (8, 9, "GPE"),
        ],
    ),
    (
        "she left Boston for the University of New England",
        [(2, 3, "GPE"), (4, 9, "ORG"), (7, 9, "GPE"), (7, 9, "LOC")],
    ),
]
TEXTS = [text for text, _ in NESTED]
GOLD = [set(spans) for _, spans in NESTED]
LABELS = ("GPE", "GROUP", "LOC", "ORG")


def tok2vec(width=16, depth=1):
    """Config of a small encoder."""
    return {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "width": width,
        "depth": depth,
        "embed_size": 500,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": True,
        "pretrained_vectors": None,
    }


LISTENER = {
    "@architectures": "spacy.Tok2VecListener.v1",
    "width": 16,
    "upstream": "*",
}


def model(head="gp", encoder=None):
    """Config of a small model."""
    return {**HEADS[head], "head_width": 16, "tok2vec": encoder or tok2vec()}


def pipeline(head="gp", encoder=None, **settings):
    """A pipeline of one span recognizer, not initialized."""
    nlp = spacy.blank(LANG)
    nlp.add_pipe(NAME, config={"model": model(head, encoder), **settings})
    return nlp


def listening_pipeline(head="gp", **settings):
    """The same with the encoder in a component of its own."""
    nlp = spacy.blank(LANG)
    nlp.add_pipe("tok2vec", config={"model": tok2vec()})
    nlp.add_pipe(NAME, config={"model": model(head, LISTENER), **settings})
    return nlp


def pipeline_of_every_head():
    """One component a head on one encoder, each with a key of its own, and the
    examples of NESTED with these keys. Not initialized."""
    nlp = spacy.blank(LANG)
    nlp.add_pipe("tok2vec", config={"model": tok2vec()})
    for name, (factory, config) in EVERY_HEAD.items():
        model = {**config["model"], "tok2vec": LISTENER}
        config = {**config, "model": model, "spans_key": name, "set_ents": False}
        nlp.add_pipe(factory, name, config=config)
    corpus = examples(nlp)
    for eg in corpus:
        for name in EVERY_HEAD:
            eg.reference.spans[name] = list(eg.reference.spans[KEY])
    return nlp, corpus


def set_spans(doc, spans, key=KEY):
    """Annotate a document with (start, end, label), in tokens."""
    doc.spans[key] = [Span(doc, start, end, label) for start, end, label in spans]
    return doc


def example(nlp, text, spans, key=KEY):
    return Example(nlp.make_doc(text), set_spans(nlp.make_doc(text), spans, key))


def examples(nlp, corpus=NESTED, key=KEY):
    return [example(nlp, text, spans, key) for text, spans in corpus]


def initialize(nlp, corpus=None, seed=0):
    """Initialize with examples, those of NESTED if none are given."""
    corpus = examples(nlp) if corpus is None else corpus
    fix_random_seed(seed)
    nlp.initialize(lambda: corpus)
    return nlp


def update(nlp, corpus, optimizer, drop=0.0):
    """One step as spaCy's training loop makes it."""
    losses = nlp.update(corpus, sgd=False, drop=drop)
    for _, pipe in nlp.pipeline:
        if getattr(pipe, "is_trainable", False):
            pipe.finish_update(optimizer)
    optimizer.step_schedules()
    return losses


def train(nlp, corpus=None, steps=30, optimizer=None, drop=0.0):
    """Initialize, then train with all examples as one batch."""
    corpus = examples(nlp) if corpus is None else corpus
    initialize(nlp, corpus)
    optimizer = optimizer or Adam(0.01)
    for _ in range(steps):
        update(nlp, corpus, optimizer, drop)
    return nlp


def found(doc, key=KEY):
    """The spans of a document as plain tuples, in their order."""
    return [(span.start, span.end, span.label_) for span in doc.spans[key]]


def ents(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def scored(doc, key=KEY):
    """Probabilities by span."""
    scores = doc.spans[key].attrs["scores"]
    assert len(scores) == len(doc.spans[key])
    return dict(zip(found(doc, key), map(float, scores)))


# Ways in which a pipeline is saved and loaded, or copied.


def by_disk(nlp, folder):
    nlp.to_disk(folder / "saved")
    return spacy.load(folder / "saved")


def by_bytes(nlp, folder):
    return load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())


def by_pickle(nlp, folder):
    return pickle.loads(pickle.dumps(nlp))


def by_copy(nlp, folder):
    return copy.deepcopy(nlp)


def by_source(nlp, folder):
    other = spacy.blank(LANG)
    for name in nlp.pipe_names:
        other.add_pipe(name, source=nlp)
    return other


@contextmanager
def changed(nlp, **settings):
    """Settings for a while, set where users set them."""
    cfg = nlp.get_pipe(NAME).cfg
    before = dict(cfg)
    cfg.update(settings)
    try:
        yield nlp
    finally:
        cfg.update(before)


def all_scores(nlp, docs, **kwargs):
    """The probability of every candidate of every document, by nlp.pipe."""
    with changed(nlp, threshold=0.0, label_thresholds={}, max_spans=10**6):
        return [scored(doc) for doc in nlp.pipe(docs, **kwargs)]


def same_scores(first, second, tolerance=1e-5):
    """Whether two answers of `all_scores` agree."""
    return len(first) == len(second) and all(
        a.keys() == b.keys() and all(abs(a[span] - b[span]) <= tolerance for span in a)
        for a, b in zip(first, second)
    )


def logit(p):
    return math.log(p) - math.log1p(-p)


def overlap(a, b):
    return a[0] < b[1] and b[0] < a[1]


def best_total(margins):
    """The highest sum of margins of spans that do not overlap, by trying all
    subsets.

    margins (Dict[Tuple[int, int, str], float]): Margins by span.
    """
    return max(
        sum(margins[span] for span in subset)
        for size in range(len(margins) + 1)
        for subset in combinations(margins, size)
        if not any(overlap(a, b) for a, b in combinations(subset, 2))
    )


def loss_of_batch(nlp, corpus, **kwargs):
    """The loss of a batch, without a step."""
    return nlp.update(corpus, sgd=False, **kwargs)[NAME]
