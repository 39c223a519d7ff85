"""Gold spans of a batch reduced to those that tags have room for."""

import numpy
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.training import Example
from spacy.util import filter_spans

from spacy_globalpointer.core.tags import TagScheme
from spacy_globalpointer.pipeline.gold import GoldReader
from spacy_globalpointer.tasks.drop_report import DropReport
from spacy_globalpointer.tasks.tags import batch_tags
from tests.util.lattices import few_examples
from tests.util.pipelines import KEY, example

NLP = spacy.blank("xx")
LABELS = ["A", "B"]
IDS = {NLP.vocab.strings.add(label): i for i, label in enumerate(LABELS)}
N_TOKENS = 8
TEXT = "a b c d e f g h"

one_span = st.tuples(
    st.integers(0, N_TOKENS - 1), st.integers(1, N_TOKENS), st.sampled_from(LABELS)
).filter(lambda span: span[0] < span[1])
# Documents with gold spans; None: not annotated.
corpora = st.lists(st.none() | st.lists(one_span, max_size=6), min_size=1, max_size=3)


def crosses(a, b):
    return a[0] < b[0] < a[1] < b[1] or b[0] < a[0] < b[1] < a[1]


def nested(spans):
    """Those that neither cross an earlier one nor have its tokens."""
    kept = []
    for span in spans:
        if not any(crosses(span, x) or span[:2] == x[:2] for x in kept):
            kept.append(span)
    return kept


def tags_of(examples):
    dropped = DropReport()
    scheme = TagScheme("BILUO", len(LABELS))
    reader = GoldReader("spans", KEY)
    golds = [reader.read(eg, dropped) for eg in examples]
    return batch_tags(golds, IDS, scheme, dropped), dropped, scheme


def make(spans):
    if spans is None:
        return Example(NLP.make_doc(TEXT), NLP.make_doc(TEXT))
    return example(NLP, TEXT, spans)


@few_examples
@given(corpora)
def test_of_nested_spans_the_outermost_are_learnt(corpus):
    corpus = [None if spans is None else nested(spans) for spans in corpus]
    examples = [make(spans) for spans in corpus]
    gold, dropped, scheme = tags_of(examples)
    starts, ends, labels = (part.tolist() for part in scheme.decode(gold.tags))
    found = {(s, e, LABELS[label]) for s, e, label in zip(starts, ends, labels)}
    expected, n_dropped = set(), 0
    for number, (spans, eg) in enumerate(zip(corpus, examples)):
        offset = number * N_TOKENS
        own = gold.unknown[offset : offset + N_TOKENS]
        assert own.all() == own.any() == (spans is None)
        if spans is not None:
            outermost = filter_spans(eg.reference.spans[KEY])
            n_dropped += len(spans) - len(outermost)
            expected |= {
                (span.start + offset, span.end + offset, span.label_)
                for span in outermost
            }
    assert found == expected
    assert sum(dropped.counts.values()) == n_dropped


@few_examples
@given(st.lists(one_span, max_size=6))
def test_of_any_spans_none_is_lost_without_being_counted(spans):
    gold, dropped, scheme = tags_of([make(spans)])
    starts, ends, labels = (part.tolist() for part in scheme.decode(gold.tags))
    found = {(s, e, LABELS[label]) for s, e, label in zip(starts, ends, labels)}
    assert found <= {*spans}
    assert len(found) + sum(dropped.counts.values()) == len({*spans})
    # What is left out overlaps something that is not.
    for start, end, _ in {*spans} - found:
        assert any(start < e and s < end for s, e, _ in found)


def test_an_unknown_label_takes_nothing_away():
    gold, dropped, scheme = tags_of([example(NLP, TEXT, [(0, 5, "X"), (1, 2, "A")])])
    assert [part.tolist() for part in scheme.decode(gold.tags)] == [[1], [2], [0]]
    assert dropped.counts == {"unknown label": 1}


def test_a_batch_without_documents():
    gold, _, _ = tags_of([])
    assert gold.tags.shape == gold.unknown.shape == (0,)
    assert gold.unknown.dtype == numpy.bool_
