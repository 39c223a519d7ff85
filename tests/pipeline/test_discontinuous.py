"""Discontinuous entities: pieces found by one component and joined by another."""

import spacy
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam

import spacy_globalpointer
from spacy_globalpointer.pipeline.relation_scoring import discontinuous_score
from tests.util.pipelines import LISTENER, model, tok2vec

KEY = "sc"
# A shared piece, a piece inside another entity, three pieces, and none.
CORPUS = [
    (
        "left and right leg pain today",
        [(0, 1, "PAIN"), (2, 3, "PAIN"), (3, 5, "PAIN"), (2, 5, "ALL")],
        [[0, 2], [1, 2]],
    ),
    (
        "severe pain in arm and of joints",
        [(0, 2, "PAIN"), (3, 4, "PAIN"), (6, 7, "PAIN"), (0, 7, "ALL")],
        [[0, 1, 2]],
    ),
    ("leg pain today", [(0, 2, "PAIN")], []),
    ("nothing today", [], []),
]


def annotate(doc, spans, fragments):
    attrs = {"fragments": [list(x) for x in fragments]} if fragments else {}
    own = [Span(doc, *span) for span in spans]
    doc.spans[KEY] = SpanGroup(doc, name=KEY, attrs=attrs, spans=own)
    return doc


def examples(nlp):
    return [
        Example(nlp.make_doc(text), annotate(nlp.make_doc(text), *gold))
        for text, *gold in CORPUS
    ]


def entities(doc):
    return {
        (tuple((x.start, x.end) for x in entity.pieces), entity.label)
        for entity in spacy_globalpointer.entities(doc, key=KEY)
    }


def make_pipeline():
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": tok2vec()})
    config = {"model": model(encoder=LISTENER), "pieces": True, "set_ents": False}
    nlp.add_pipe("global_pointer", config=config)
    architecture = "spacy_globalpointer.RelationPointer.v1"
    head = {"@architectures": architecture, "head_width": 16, "tok2vec": LISTENER}
    nlp.add_pipe("relation_pointer", config={"model": head, "pieces": True})
    return nlp


def test_overfit():
    nlp = make_pipeline()
    fix_random_seed(0)
    nlp.initialize(lambda: examples(nlp))
    optimizer = Adam(0.01)
    for _ in range(200):
        nlp.update(
            examples(nlp), sgd=optimizer, annotates=["tok2vec", "global_pointer"]
        )
    expected = [entities(example.reference) for example in examples(nlp)]
    docs = [*nlp.pipe(text for text, *_ in CORPUS)]
    assert [entities(doc) for doc in docs] == expected
    assert all(not doc.spans[KEY].attrs["relations"] for doc in docs)
    assert "fragments" not in docs[-1].spans[KEY].attrs
    again = [Doc(nlp.vocab).from_bytes(doc.to_bytes()) for doc in docs]
    assert [entities(doc) for doc in again] == expected
    scores = nlp.evaluate(examples(nlp))
    assert (scores["spans_f"], scores["discontinuous_f"]) == (1.0, 1.0)


def test_scores():
    """All pieces and the label must agree."""
    nlp = spacy.blank("xx")
    text, spans, fragments = CORPUS[0]

    def score(spans, fragments):
        predicted = annotate(nlp.make_doc(text), spans, fragments)
        reference = annotate(nlp.make_doc(text), *CORPUS[0][1:])
        scores = discontinuous_score([Example(predicted, reference)], spans_key=KEY)
        return scores["discontinuous_p"], scores["discontinuous_r"]

    assert score(spans, fragments) == (1.0, 1.0)
    assert score(spans, [[2, 0]]) == (1.0, 0.5)
    assert score(spans, [[0, 1, 2], [1, 2], [0, 1]]) == (1 / 3, 0.5)
    assert score([(*x[:2], "OTHER") for x in spans], fragments) == (0.0, 0.0)
    assert score(spans, []) == (0.0, 0.0)
