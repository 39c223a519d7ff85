"""Relations and discontinuous entities as spans, whatever becomes of the document."""

import copy
import pickle

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab

import spacy_globalpointer
from spacy_globalpointer.linked_spans import write_relations

KEY = "sc"
WORDS = ["left", "and", "right", "leg", "pain", "in", "Ann"]
# By start, end and label; the first three are pieces of two entities that share one.
SPANS = [(0, 1, "Pain"), (2, 3, "Pain"), (3, 5, "Pain"), (3, 4, "Part"), (6, 7, "Per")]
FRAGMENTS = [[0, 2], [1, 2]]
RELATIONS = [[3, 4, "part_of"], [4, 3, "has"], [3, 4, "of"]]
SCORES = [0.75, 0.5, 0.25]


def make_doc(vocab=None, words=WORDS):
    doc = Doc(vocab or Vocab(), words=words)
    doc.spans[KEY] = SpanGroup(
        doc,
        name=KEY,
        attrs={
            "scores": [0.9, 0.8, 0.7, 0.6, 0.5],
            "relations": [list(row) for row in RELATIONS],
            "relation_scores": list(SCORES),
            "fragments": [list(row) for row in FRAGMENTS],
        },
        spans=[Span(doc, *span) for span in SPANS],
    )
    return doc


def contents(doc, offset=0):
    """All that the document says, without positions in the group."""

    def place(span):
        return span.start - offset, span.end - offset, span.label_

    return (
        [
            (place(x.head), place(x.tail), x.label, x.score)
            for x in spacy_globalpointer.relations(doc, key=KEY)
        ],
        [
            (tuple(map(place, x.pieces)), x.label)
            for x in spacy_globalpointer.entities(doc, key=KEY)
        ],
    )


EXPECTED = (
    [
        ((3, 4, "Part"), (6, 7, "Per"), "part_of", 0.75),
        ((6, 7, "Per"), (3, 4, "Part"), "has", 0.5),
        ((3, 4, "Part"), (6, 7, "Per"), "of", 0.25),
    ],
    [
        (((0, 1, "Pain"), (3, 5, "Pain")), "Pain"),
        (((2, 3, "Pain"), (3, 5, "Pain")), "Pain"),
        (((3, 4, "Part"),), "Part"),
        (((6, 7, "Per"),), "Per"),
    ],
)


def by_bytes(doc):
    return Doc(doc.vocab).from_bytes(doc.to_bytes())


def by_docbin(doc):
    data = DocBin(docs=[doc]).to_bytes()
    return next(DocBin().from_bytes(data).get_docs(Vocab()))


def by_span_group(doc):
    other = Doc(doc.vocab, words=WORDS)
    other.spans[KEY] = doc.spans[KEY].copy(doc=other)
    return other


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: doc,
        by_bytes,
        by_docbin,
        by_span_group,
        copy.copy,
        lambda doc: doc.copy(),
        lambda doc: pickle.loads(pickle.dumps(doc)),
    ],
)
def test_links_survive(change):
    assert contents(change(make_doc())) == EXPECTED


def test_links_survive_several_processes():
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    docs = [make_doc(nlp.vocab) for _ in range(3)]
    assert [contents(doc) for doc in nlp.pipe(docs, n_process=2)] == [EXPECTED] * 3


def test_joined_documents():
    vocab = Vocab()
    empty = Doc(vocab, words=["no", "group"])
    docs = [make_doc(vocab), empty, make_doc(vocab)]
    joined = spacy_globalpointer.from_docs(docs)
    relations, entities = contents(joined)
    last = contents(joined, offset=len(WORDS) + len(empty))
    assert relations[:3] == EXPECTED[0] and last[0][3:] == EXPECTED[0]
    assert entities[:4] == EXPECTED[1] and last[1][4:] == EXPECTED[1]
    assert joined.spans[KEY].attrs["scores"] == [0.9, 0.8, 0.7, 0.6, 0.5] * 2
    # What spaCy does alone.
    assert not Doc.from_docs(docs).spans[KEY].attrs
    # Relations without scores: there are none for all.
    del docs[0].spans[KEY].attrs["relation_scores"]
    joined = spacy_globalpointer.from_docs(docs)
    assert [x.score for x in spacy_globalpointer.relations(joined)] == [None] * 6
    assert spacy_globalpointer.from_docs([]) is None


def test_no_annotation_is_no_relation():
    doc = Doc(Vocab(), words=WORDS)
    assert contents(doc) == ([], [])
    doc.spans[KEY] = [Span(doc, 0, 2, "A")]
    assert contents(doc) == ([], [(((0, 2, "A"),), "A")])


def test_written_relations_are_read():
    doc = make_doc()
    write_relations(doc.spans[KEY], [(0, 1, "x")], [0.5])
    assert contents(doc)[0] == [((0, 1, "Pain"), (2, 3, "Pain"), "x", 0.5)]


@pytest.mark.parametrize("attrs", [{"relations": [[0, 5, "x"]]}, {"fragments": [[-1]]}])
def test_positions_that_are_not_there(attrs):
    doc = make_doc()
    doc.spans[KEY].attrs.update(attrs)
    with pytest.raises(ValueError, match=r"position (5|-1) .*'sc'.* 5 spans"):
        contents(doc)
