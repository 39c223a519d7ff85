"""The component that finds relations, trained for real."""

import warnings
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import spacy
from spacy.cli.find_threshold import find_threshold
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam

import spacy_globalpointer
from spacy_globalpointer.evaluation.relations import score_given_spans
from spacy_globalpointer.pipeline.relation_gold import read_relations
from tests.util.pipelines import (
    LISTENER,
    by_bytes,
    by_copy,
    by_disk,
    by_pickle,
    by_source,
    model,
    tok2vec,
)

KEY = "sc"
NAME = "relation_pointer"
# Relations in both directions, two on one pair, a span inside another.
CORPUS = [
    (
        "Ann Lee of Acme met Bo in Rome",
        [(0, 2, "PER"), (1, 2, "NAME"), (3, 4, "ORG"), (5, 6, "PER"), (7, 8, "LOC")],
        [(0, 2, "works_for"), (2, 0, "employs"), (0, 2, "owns"), (0, 1, "has")],
    ),
    (
        "Bo works for Acme in Rome",
        [(0, 1, "PER"), (3, 4, "ORG"), (5, 6, "LOC")],
        [(0, 1, "works_for"), (1, 0, "employs"), (1, 2, "based_in")],
    ),
    (
        "Ann and Bo left Rome for Oslo",
        [(0, 1, "PER"), (2, 3, "PER"), (4, 5, "LOC"), (6, 7, "LOC")],
        [(0, 1, "with"), (2, 3, "to")],
    ),
    ("Nothing of Acme here", [(2, 3, "ORG")], []),
]
LABELS = ("based_in", "employs", "has", "owns", "to", "with", "works_for")


def annotate(doc, spans, relations=None):
    attrs = {} if relations is None else {"relations": [list(x) for x in relations]}
    own = [Span(doc, *span) for span in spans]
    doc.spans[KEY] = SpanGroup(doc, name=KEY, attrs=attrs, spans=own)
    return doc


def examples(nlp, corpus=CORPUS, given=True):
    """With the spans in the predicted documents too, or without."""
    found = []
    for text, spans, relations in corpus:
        predicted = nlp.make_doc(text)
        if given:
            annotate(predicted, spans)
        reference = annotate(nlp.make_doc(text), spans, relations)
        found.append(Example(predicted, reference))
    return found


def pipeline(encoder=None, head=None, **settings):
    nlp = spacy.blank("xx")
    config = {
        "@architectures": "spacy_globalpointer.RelationPointer.v1",
        "head_width": 16,
        "tok2vec": encoder or tok2vec(),
        **(head or {}),
    }
    nlp.add_pipe(NAME, config={"model": config, **settings})
    return nlp


def train(nlp, corpus=CORPUS, steps=60, given=True, annotates=()):
    fix_random_seed(0)
    data = examples(nlp, corpus, given)
    nlp.initialize(lambda: data)
    optimizer = Adam(0.01)
    for _ in range(steps):
        data = examples(nlp, corpus, given)
        nlp.update(data, sgd=optimizer, annotates=annotates)
    return nlp


def found(doc):
    """Relations by their spans."""
    return {
        ((x.head.start, x.head.end), (x.tail.start, x.tail.end), x.label)
        for x in spacy_globalpointer.relations(doc, key=KEY)
    }


def gold(corpus=CORPUS):
    return [
        {(spans[h][:2], spans[t][:2], label) for h, t, label in relations}
        for _, spans, relations in corpus
    ]


def given_docs(nlp, corpus=CORPUS):
    return [annotate(nlp.make_doc(text), spans) for text, spans, _ in corpus]


def all_scores(nlp, docs, **kwargs):
    """Probability of each label of each pair."""
    cfg = nlp.get_pipe(NAME).cfg
    before = dict(cfg)
    cfg.update(threshold=0.0, label_thresholds={}, types="any")
    try:
        return [
            {
                (*((y.start, y.end, y.label_) for y in x[:2]), x.label): x.score
                for x in spacy_globalpointer.relations(doc, key=KEY)
            }
            for doc in nlp.pipe(docs, **kwargs)
        ]
    finally:
        cfg.update(before)


@pytest.fixture(scope="module")
def trained():
    return train(pipeline())


def test_overfit(trained):
    docs = [*trained.pipe(given_docs(trained))]
    assert [found(doc) for doc in docs] == gold()
    pipe = trained.get_pipe(NAME)
    assert pipe.labels == LABELS
    assert pipe.cfg["measured_types"]["has"] == [["PER", "NAME"]]
    for doc in docs:
        attrs = doc.spans[KEY].attrs
        assert len(attrs["relations"]) == len(attrs["relation_scores"])
        assert all(0.5 <= score <= 1 for score in attrs["relation_scores"])
    scores = trained.evaluate(examples(trained))
    assert scores["relations_f"] == scores["relations_boundaries_f"] == 1.0


@pytest.mark.parametrize("head", [{"shared": True}, {"rope": False}])
@pytest.mark.parametrize("objective", ["ClassImbalance", "BinaryCrossEntropy"])
def test_every_form_learns(head, objective):
    name = f"spacy_globalpointer.{objective}.v1"
    nlp = train(pipeline(head=head, objective={"@misc": name}), steps=200)
    assert [found(doc) for doc in nlp.pipe(given_docs(nlp))] == gold()


def joint():
    """One encoder, a component that finds spans, and one that finds relations."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": tok2vec()})
    nlp.add_pipe("global_pointer", config={"model": model(encoder=LISTENER)})
    config = {
        "@architectures": "spacy_globalpointer.RelationPointer.v1",
        "head_width": 16,
        "tok2vec": LISTENER,
    }
    nlp.add_pipe(NAME, config={"model": config})
    return nlp


def test_after_a_component_that_finds_the_spans():
    nlp = joint()
    train(nlp, steps=200, given=False, annotates=["tok2vec", "global_pointer"])
    docs = [*nlp.pipe(text for text, *_ in CORPUS)]
    assert [found(doc) for doc in docs] == gold()
    # Positions are those of the group.
    again = [Doc(nlp.vocab).from_bytes(doc.to_bytes()) for doc in docs]
    assert [found(doc) for doc in again] == gold()
    assert [found(x) for x in nlp.pipe([x for x, *_ in CORPUS], n_process=2)] == gold()


@pytest.mark.parametrize("way", [by_disk, by_bytes, by_pickle, by_copy, by_source])
def test_saved_and_copied(trained, way, tmp_path):
    nlp = way(trained, tmp_path)
    docs = given_docs(trained)
    expected = all_scores(trained, docs)
    # Documents of the same vocabulary.
    assert all_scores(nlp, given_docs(nlp)) == expected
    assert nlp.get_pipe(NAME).cfg == trained.get_pipe(NAME).cfg


def test_batches_and_order_change_nothing(trained):
    expected = all_scores(trained, given_docs(trained))
    for size in (1, 2):
        again = all_scores(trained, given_docs(trained), batch_size=size)
        assert again == [pytest.approx(x, abs=1e-6) for x in expected]
    back = all_scores(trained, given_docs(trained)[::-1])[::-1]
    assert back == [pytest.approx(x, abs=1e-6) for x in expected]
    n_spans = len(CORPUS[0][1])
    assert len(expected[0]) == n_spans * (n_spans - 1) * len(LABELS)


def test_a_new_label_is_not_predicted_before_it_is_learned():
    nlp = train(pipeline(), steps=30)
    before = all_scores(nlp, given_docs(nlp))
    pipe = nlp.get_pipe(NAME)
    assert pipe.add_label("new") == 1
    assert pipe.add_label("new") == 0
    after = all_scores(nlp, given_docs(nlp))
    for old, new in zip(before, after):
        assert {x: y for x, y in new.items() if x[2] != "new"} == pytest.approx(old)
        assert all(y == 0 for x, y in new.items() if x[2] == "new")
    text, spans, relations = CORPUS[1]
    corpus = [(text, spans, [*relations, (0, 2, "new")])]
    optimizer = Adam(0.01)
    for _ in range(40):
        nlp.update(examples(nlp, corpus), sgd=optimizer)
    assert pipe.cfg["measured_types"]["new"] == [["PER", "LOC"]]
    (doc,) = nlp.pipe(given_docs(nlp, corpus))
    assert found(doc) == gold(corpus)[0]


def test_thresholds_distance_and_types(trained):
    docs = given_docs(trained)
    scores = all_scores(trained, docs)
    cfg = trained.get_pipe(NAME).cfg
    before = dict(cfg)

    def decode(**settings):
        cfg.update(before)
        cfg.update(settings)
        return [found(doc) for doc in trained.pipe(given_docs(trained))]

    def expect(kept):
        return [
            {
                (h[:2], t[:2], label)
                for (h, t, label), p in own.items()
                if kept(h, t, label, p)
            }
            for own in scores
        ]

    try:
        assert decode(threshold=0.01, types="any") == expect(lambda *x: x[3] >= 0.01)
        only = decode(threshold=0.01, label_thresholds={"has": 0.9}, types="any")
        assert only == expect(lambda *x: x[3] >= (0.9 if x[2] == "has" else 0.01))
        near = decode(threshold=0.0, types="any", max_distance=1)
        assert near == expect(lambda h, t, *_: max(h[0], t[0]) - min(h[1], t[1]) <= 1)
        typed = decode(threshold=0.0, types={"has": [["PER", "LOC"]]})
        assert typed == expect(
            lambda h, t, label, _: (h[2], t[2], label) == ("PER", "LOC", "has")
        )
        measured = before["measured_types"]
        assert decode(threshold=0.0) == expect(
            lambda h, t, label, _: [h[2], t[2]] in measured[label]
        )
        with pytest.warns(UserWarning, match="max_pairs` = 2"):
            cut = decode(threshold=0.0, types="any", max_pairs=2)
        # A span and the next one in the text.
        for own, (_, spans, _) in zip(cut, CORPUS):
            order = sorted(spans)
            pairs = {(a[:2], b[:2]) for a, b in pairwise(order)}
            assert {x[:2] for x in own} == pairs | {x[::-1] for x in pairs}
    finally:
        cfg.update(before)


def test_symmetric_labels():
    nlp = train(pipeline(symmetric=["with"]))
    # The gold has it from the second to the first.
    text, spans, _ = CORPUS[2]
    corpus = [(text, spans, [(1, 0, "with"), (2, 3, "to")])]
    assert [found(doc) for doc in nlp.pipe(given_docs(nlp))] == gold()
    scores = nlp.evaluate(examples(nlp, corpus))
    assert scores["relations_f"] == 1.0
    other = train(pipeline())
    assert other.evaluate(examples(other, corpus))["relations_f"] == 0.5


def test_what_cannot_be_used_is_counted():
    text, spans, relations = CORPUS[1]
    bad = [*relations, (0, 0, "x"), (0, 9, "x"), (0, 1, "works_for"), (0, 1, "")]
    nlp = pipeline()
    data = examples(nlp, [(text, spans, bad)])
    with pytest.warns(UserWarning, match="gold relations") as caught:
        nlp.initialize(lambda: data)
    assert nlp.get_pipe(NAME).dropped_gold.counts == {
        "relation of a span with itself": 1,
        "relation of a span that is not there": 1,
        "the same relation twice": 1,
        "relation without a label": 1,
    }
    assert len(caught) == 1
    unusable = nlp.evaluate(examples(nlp, [(text, spans, bad)]))["relations_unusable"]
    assert unusable["gold: of a span with itself"] == 1
    assert unusable["gold: of a span that is not there"] == 1
    assert unusable["gold: the same relation twice"] == 1


def test_other_tokens():
    """Gold spans on the tokens of the predicted document."""
    nlp = pipeline()
    reference = annotate(
        nlp.make_doc("Bo works for Acme"), [(0, 1, "P"), (3, 4, "O")], [(0, 1, "x")]
    )
    joined = Doc(nlp.vocab, words=["Bo", "works for", "Acme"])
    split = Doc(
        nlp.vocab,
        words=["B", "o", "works", "for", "Acme"],
        spaces=[False, True, True, True, False],
    )
    lost = Doc(nlp.vocab, words=["Bo works", "for", "Acme"])
    data = [Example(doc, reference) for doc in (joined, split, lost)]
    with pytest.warns(UserWarning, match="not on token boundaries: 1"):
        nlp.initialize(lambda: data)
    for doc in (joined, split):
        nlp.get_pipe(NAME).update([Example(doc, reference)])


def test_missing_is_not_empty():
    nlp = pipeline()
    data = examples(nlp)
    nlp.initialize(lambda: data)
    text, spans, _ = CORPUS[1]
    docs = [annotate(nlp.make_doc(text), spans) for _ in "pr"]
    unknown = [Example(*docs)]
    pipe = nlp.get_pipe(NAME)
    assert nlp.update(unknown)[NAME] == 0.0
    assert pipe.n_loss_terms == 0
    assert nlp.evaluate(unknown)["relations_f"] is None
    empty = examples(nlp, [(text, spans, [])])
    assert nlp.update(empty)[NAME] > 0.0


def test_loss_weight_scales_the_gradient():
    losses = []
    for weight in (1.0, 0.5):
        nlp = pipeline(loss_weight=weight, negatives=0)
        fix_random_seed(0)
        data = examples(nlp)
        nlp.initialize(lambda data=data: data)
        losses.append(nlp.update(data)[NAME])
    assert losses[1] == pytest.approx(losses[0] / 2, rel=1e-5)


def test_documents_without_spans(trained):
    pipe = trained.get_pipe(NAME)
    pipe._warned_of_no_spans = False
    with pytest.warns(UserWarning, match="no doc.spans"):
        doc = trained("Ann works for Acme")
    assert KEY not in doc.spans
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        docs = [
            annotate(trained.make_doc("Ann"), []),
            annotate(trained.make_doc(""), []),
        ]
        for doc in trained.pipe(docs):
            assert doc.spans[KEY].attrs["relations"] == []


def test_bad_settings():
    with pytest.raises(ValueError, match="max_pairs"):
        pipeline(max_pairs=0)
    with pytest.raises(ValueError, match="types"):
        pipeline(types="all")
    with pytest.raises(ValueError, match="nobody"):
        train(pipeline(symmetric=["nobody"]), steps=0)
    with pytest.raises(ValueError, match="ClassImbalance"):
        pipeline(objective={"@misc": "spacy_globalpointer.SampledSoftmax.v1"})
    nlp = pipeline()
    with pytest.raises(ValueError, match="found no relations: in 4 documents"):
        nlp.initialize(lambda: examples(nlp, [(x, y, []) for x, y, _ in CORPUS]))


def test_given_spans(trained):
    """Scores between gold spans, without those that a component finds."""
    scores = score_given_spans(trained, examples(trained, given=False))
    assert scores["relations_f"] == 1.0
    text, spans, relations = CORPUS[1]
    wrong = examples(trained, [(text, spans, relations[:2])])
    scores = score_given_spans(trained, wrong)
    assert (scores["relations_p"], scores["relations_r"]) == (2 / 3, 1.0)


def test_spans_of_an_untrained_component_do_not_displace_gold():
    nlp = pipeline(max_pairs=30)
    nlp.initialize(lambda: examples(nlp))
    pipe = nlp.get_pipe(NAME)
    (example,) = examples(nlp, CORPUS[:1])
    doc = example.predicted
    every = [(i, j, "PER") for i in range(8) for j in range(i + 1, 9)]
    annotate(doc, every)
    nlp.update([example])
    gold = read_relations(example, KEY, pipe.dropped_gold)
    links = pipe.training_candidates([doc], [gold]).links
    assert len(links.starts) == 6
    assert len(links.heads) == 30
    assert not pipe.dropped_gold.counts


def test_dropout_is_for_training_alone():
    losses = {}
    for drop in (0.0, 0.5):
        nlp = pipeline(negatives=0)
        fix_random_seed(0)
        data = examples(nlp)
        nlp.initialize(lambda data=data: data)
        # Without dropout in the encoder.
        layer = nlp.get_pipe(NAME).model.layers[-1]
        losses[drop] = [nlp.update(data, drop=drop, sgd=False)[NAME] for _ in range(2)]
        assert layer.attrs["dropout_rate"] == 0.0
        assert all_scores(nlp, given_docs(nlp)) == all_scores(nlp, given_docs(nlp))
    assert losses[0.0][0] == pytest.approx(losses[0.0][1], rel=1e-6)
    assert abs(losses[0.5][0] - losses[0.5][1]) > 1e-3


def test_the_loss_of_a_batch_is_that_of_its_documents():
    nlp = pipeline(negatives=0)
    fix_random_seed(0)
    nlp.initialize(lambda: examples(nlp))
    pipe = nlp.get_pipe(NAME)

    def total(data):
        loss = nlp.update(data, sgd=False)[NAME]
        return loss * pipe.n_loss_terms

    # No optimizer: nothing is learned.
    alone = [total([example]) for example in examples(nlp)]
    assert total(examples(nlp)) == pytest.approx(sum(alone), rel=1e-5)


def test_the_threshold_is_found_by_spacy():
    """`spacy find-threshold` needs a pipeline that finds the spans too."""
    nlp = train(joint(), given=False, annotates=["tok2vec", "global_pointer"])
    with TemporaryDirectory() as folder:
        nlp.to_disk(f"{folder}/model")
        docs = [example.reference for example in examples(nlp)]
        DocBin(docs=docs).to_disk(f"{folder}/dev.spacy")
        best, _, scores = find_threshold(
            f"{folder}/model",
            Path(f"{folder}/dev.spacy"),
            pipe_name=NAME,
            threshold_key="threshold",
            scores_key="relations_f",
            n_trials=5,
            silent=True,
        )
    assert scores[best] == max(scores.values()) > 0.5
    assert scores[1.0] < scores[best]


@pytest.mark.parametrize(
    "names", [["global_pointer"], ["tok2vec", "global_pointer"], []]
)
def test_predictions_from_vectors_of_zeros(names):
    nlp = joint()
    nlp.config["training"]["annotating_components"] = names
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nlp.initialize(lambda: examples(nlp))
    found = [x for x in caught if "W054" in str(x.message)]
    assert len(found) == (names == ["global_pointer"])
