"""Scores against plain counts of sets."""

import random

import pytest
import spacy
from spacy.pipeline.spancat import spancat_score
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import registry

from spacy_globalpointer.evaluation import label_counts, read_table, span_metrics
from spacy_globalpointer.evaluation import prf as prf_of_counts
from spacy_globalpointer.pipeline.scoring import span_score, spans_under
from tests.util.pipelines import (
    KEY,
    NAME,
    NESTED,
    TEXTS,
    example,
    initialize,
    pipeline,
    set_spans,
    train,
)

VOCAB = spacy.blank("xx").vocab
LABELS = "ABC"
N_TOKENS = 6


def random_spans(rng, flat=False):
    """A few spans, often the same ones."""
    spans = set()
    for _ in range(rng.randint(0, 6)):
        start = rng.randrange(N_TOKENS)
        end = rng.randint(start + 1, min(start + 2, N_TOKENS))
        taken = flat and any(start < other[1] and other[0] < end for other in spans)
        if not taken:
            spans.add((start, end, rng.choice(LABELS)))
    return sorted(spans)


def doc_of(spans=None, ents=None):
    doc = Doc(VOCAB, words=list("abcdef"))
    if spans is not None:
        set_spans(doc, spans)
    if ents is not None:
        doc.set_ents([Span(doc, *ent) for ent in ents])
    return doc


def random_pairs(seed, n=8, flat_gold=False):
    """Predicted and gold spans of documents: some right, some wrong, some missed."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(n):
        gold = random_spans(rng, flat_gold)
        right = {span for span in gold if rng.random() < 0.6}
        pairs.append((sorted(right | {*random_spans(rng)[:2]}), gold))
    return pairs


def score(examples, **cfg):
    return span_score(examples, **{"spans_key": KEY, **cfg})


def prf(pairs, label=None):
    """Precision, recall and F1 of (predicted, gold) sets, by counting."""
    pairs = [
        [{span for span in spans if label in (None, span[2])} for spans in pair]
        for pair in pairs
    ]
    right = sum(len(predicted & gold) for predicted, gold in pairs)
    n_predicted = sum(len(predicted) for predicted, _ in pairs)
    n_gold = sum(len(gold) for _, gold in pairs)
    p = right / n_predicted if n_predicted else 0.0
    r = right / n_gold if n_gold else 0.0
    return {"p": p, "r": r, "f": 2 * p * r / (p + r) if p + r else 0.0}


def check(scores, pairs, attr=f"spans_{KEY}"):
    labels = {label for pair in pairs for spans in pair for _, _, label in spans}
    per_type = {label: prf(pairs, label) for label in labels}
    for name, value in prf(pairs).items():
        assert scores[f"{attr}_{name}"] == pytest.approx(value)
    assert scores[f"{attr}_per_type"].keys() == labels
    for label, expected in per_type.items():
        assert scores[f"{attr}_per_type"][label] == pytest.approx(expected)
    return sum(one["f"] for one in per_type.values()) / max(len(per_type), 1)


@pytest.mark.parametrize("seed", range(20))
def test_micro_macro_and_each_label_are_counted(seed):
    pairs = random_pairs(seed)
    scores = score([Example(doc_of(p), doc_of(g)) for p, g in pairs])
    macro = check(scores, pairs)
    assert scores[f"spans_{KEY}_macro_f"] == pytest.approx(macro)


@pytest.mark.parametrize("seed", range(5))
def test_micro_is_what_spacys_span_categorizer_reports(seed):
    examples = [Example(doc_of(p), doc_of(g)) for p, g in random_pairs(seed)]
    expected = spancat_score(examples, spans_key=KEY)
    ours = score(examples)
    assert {name: ours[name] for name in expected} == expected


def test_a_label_that_is_only_predicted_counts_in_the_macro_mean():
    pair = ([(0, 1, "A"), (1, 2, "B")], [(0, 1, "A"), (2, 3, "C")])
    scores = score([Example(doc_of(pair[0]), doc_of(pair[1]))])
    assert scores[f"spans_{KEY}_macro_f"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("gold", ["spans", "ents"])
def test_references_without_annotation_are_left_out(gold):
    annotated = random_pairs(seed=1, flat_gold=True)
    other = {"spans": None, "ents": None}
    examples = []
    for predicted, spans in annotated:
        examples.append(Example(doc_of(predicted), doc_of(**{gold: spans})))
        examples.append(Example(doc_of([(0, 1, "A")]), doc_of(**other)))
    check(score(examples, gold=gold), annotated)


def test_an_empty_group_is_annotation():
    pairs = [([(0, 1, "A")], [(0, 1, "A")]), ([(0, 1, "A")], [])]
    scores = score([Example(doc_of(p), doc_of(g)) for p, g in pairs])
    assert scores[f"spans_{KEY}_p"] == 0.5
    assert scores[f"spans_{KEY}_r"] == 1.0


@pytest.mark.parametrize("gold", ["spans", "ents"])
def test_nothing_annotated_is_no_score(gold):
    examples = [Example(doc_of([(0, 1, "A")]), doc_of())]
    scores = score(examples, gold=gold, set_ents=True)
    for name in ("p", "r", "f", "macro_f"):
        assert scores[f"spans_{KEY}_{name}"] is None
    assert scores["ents_f"] is None


@pytest.mark.parametrize("seed", range(5))
def test_with_gold_ents_the_spans_are_compared_with_the_entities(seed):
    pairs = random_pairs(seed, flat_gold=True)
    examples = [Example(doc_of(p), doc_of(ents=g)) for p, g in pairs]
    check(score(examples, gold="ents"), pairs)


def test_with_gold_ents_spans_of_the_reference_are_not_what_was_learnt():
    pairs = random_pairs(seed=0, flat_gold=True)
    nested = [(0, 3, "X"), (1, 3, "Y")]
    examples = [Example(doc_of(p), doc_of(nested, g)) for p, g in pairs]
    check(score(examples, gold="ents"), pairs)


@pytest.mark.parametrize("seed", range(5))
def test_entities_are_scored_where_they_are_written(seed):
    rng = random.Random(seed)
    pairs = [(random_spans(rng, True), random_spans(rng, True)) for _ in range(8)]
    examples = [Example(doc_of([], p), doc_of([], g)) for p, g in pairs]
    # A reference of which nothing is known is left out.
    examples.append(Example(doc_of([], [(0, 1, "A")]), doc_of([])))
    check(score(examples, set_ents=True), pairs, attr="ents")
    assert not any(name.startswith("ents") for name in score(examples, set_ents=False))


def test_the_registered_scorer_is_this_one():
    assert registry.scorers.get("spacy_globalpointer.span_scorer.v1")() is span_score


def test_a_pipeline_trained_on_entities_is_scored_on_them():
    nlp = pipeline(gold="ents")
    reference = nlp.make_doc(TEXTS[0])
    reference.set_ents([Span(reference, 5, 7, "GPE"), Span(reference, 8, 9, "GPE")])
    examples = [Example(nlp.make_doc(TEXTS[0]), reference)]
    train(nlp, examples)
    scores = nlp.evaluate(examples)
    assert scores[f"spans_{KEY}_f"] == scores["ents_f"] == 1.0
    nlp.get_pipe(NAME).cfg["threshold"] = 1.0
    assert nlp.evaluate(examples)[f"spans_{KEY}_f"] == 0.0


def test_scores_of_a_stream_are_those_of_a_list():
    pairs = random_pairs(0, flat_gold=True)
    examples = [Example(doc_of(p, g), doc_of(g, g)) for p, g in pairs]
    scores = score(examples, set_ents=True)
    assert scores["ents_f"] == 1.0
    assert score(iter(examples), set_ents=True) == scores


# Partial annotation


def partial_doc(rng, ents):
    """A document of which the entities and some of the other tokens are annotated."""
    doc = Doc(VOCAB, words=list("abcdef"))
    taken = {t for start, end, _ in ents for t in range(start, end)}
    outside = [
        doc[t : t + 1] for t in range(6) if t not in taken and rng.random() < 0.5
    ]
    doc.set_ents([Span(doc, *ent) for ent in ents], outside=outside, default="missing")
    return doc


def partial_examples(seed, n=8):
    """Flat predictions in doc.spans and doc.ents, references that are annotated in
    part, some of them not at all."""
    rng = random.Random(seed)
    examples = []
    for _ in range(n):
        gold = random_spans(rng, True)
        right = [span for span in gold if rng.random() < 0.6]
        taken = {t for start, end, _ in right for t in range(start, end)}
        more = [s for s in random_spans(rng, True) if taken.isdisjoint(range(*s[:2]))]
        predicted = sorted({*right, *more})
        reference = doc_of() if rng.random() < 0.2 else partial_doc(rng, gold)
        examples.append(Example(doc_of(predicted, predicted), reference))
    return examples


@pytest.mark.parametrize("seed", range(20))
def test_tokens_without_annotation_are_left_out_as_by_spacys_ner(seed):
    examples = partial_examples(seed)
    expected = get_ner_prf(examples)
    scores = score(examples, gold="ents", set_ents=True)
    for name in ("p", "r", "f"):
        assert scores[f"ents_{name}"] == expected[f"ents_{name}"]
        assert scores[f"spans_{KEY}_{name}"] == expected[f"ents_{name}"]
    metrics = span_metrics(examples, KEY, "ents")
    table = read_table(
        [(eg.reference, eg.predicted) for eg in examples],
        spans_under(KEY, "ents"),
    )
    counts = label_counts(table).sum((0, 1))
    assert prf_of_counts(counts).tolist() == pytest.approx(
        [expected[f"ents_{name}"] for name in ("p", "r", "f")]
    )
    for name in ("micro", "flat", "outermost"):
        assert metrics[name]["f"] == pytest.approx(expected["ents_f"])


def test_other_tokens_than_those_of_the_reference():
    """The reference knows "New York", and nothing of what comes before."""
    reference = Doc(VOCAB, words=["in", "New", "York"])
    reference.set_ents([Span(reference, 1, 3, "GPE")], default="missing")
    for words, spaces, predicted, n in [
        (["in", "New", "York"], None, [(0, 1, "A"), (1, 3, "GPE")], 1),
        (["in New", "York"], None, [(0, 1, "A"), (1, 2, "GPE")], 1),
        (["i", "n", "New", "York"], [False, True, True, True], [(2, 4, "GPE")], 1),
    ]:
        doc = Doc(VOCAB, words=words, spaces=spaces)
        set_spans(doc, predicted)
        sides = spans_under(KEY, "ents").read(Example(doc, reference))
        assert [len(side) for side in sides] == [1, n]


@pytest.mark.parametrize("key", [KEY, "other", "a_b"])
def test_scores_without_the_key_are_those_with_it(key):
    examples = [Example(doc_of(p), doc_of(g)) for p, g in random_pairs(0)]
    for eg in examples:
        for doc in (eg.reference, eg.predicted):
            doc.spans[key] = doc.spans.pop(KEY)
    scores = score(examples, spans_key=key)
    for name in ("p", "r", "f", "macro_f", "per_type"):
        assert scores[f"spans_{name}"] == scores[f"spans_{key}_{name}"] != 0


# Score weights


def test_the_default_weights_are_right_with_any_key():
    """SCORE in training is micro F1, not 0."""
    nlp = pipeline(spans_key="other")
    corpus = [example(nlp, text, spans, "other") for text, spans in NESTED]
    train(nlp, corpus)
    weights = nlp.config["training"]["score_weights"]
    assert weights == {"spans_f": 1.0, **dict.fromkeys(FREE_ZEROS, 0.0)}
    scores = nlp.evaluate(corpus)
    assert sum(scores[name] * weight for name, weight in weights.items()) == 1.0


FREE_ZEROS = ("spans_p", "spans_r", "spans_macro_f")


@pytest.mark.parametrize("factory", ["span_classifier", "sequence_ner"])
def test_the_other_components_have_the_same_weights(factory):
    nlp = spacy.blank("xx")
    nlp.add_pipe(factory)
    assert nlp.config["training"]["score_weights"]["spans_f"] == 1.0


def test_weights_of_a_key_that_nobody_scores_are_told():
    nlp = pipeline(spans_key="other")
    nlp.config["training"]["score_weights"] = {"spans_sc_f": 1.0, "spans_sc_p": 0.0}
    corpus = [example(nlp, text, spans, "other") for text, spans in NESTED]
    with pytest.warns(UserWarning, match=r"spans_sc_f, but .*\['other'\].*spans_f"):
        initialize(nlp, corpus)
    # Those of a config of before, and of other components, are right.
    for weights in ({"spans_other_f": 1.0}, {"spans_macro_f": 1.0}, {"ents_f": 1.0}):
        nlp.config["training"]["score_weights"] = weights
        initialize(nlp, corpus)
    nlp.add_pipe("spancat", config={"spans_key": "sc"})
    nlp.config["training"]["score_weights"] = {"spans_sc_macro_f": 1.0}
    set_spans(corpus[0].reference, [(0, 1, "A")])
    nlp.initialize(lambda: corpus)
