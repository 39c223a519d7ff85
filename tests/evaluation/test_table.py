import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_globalpointer.evaluation import (
    entities,
    label_counts,
    macro,
    prf,
    read_table,
    span_metrics,
    spans_under,
)
from tests.util.documents import KEY, make_doc, random_pairs, to_docs, to_examples


def read(docs):
    return read_table(docs, spans_under(KEY))


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_spacys_scorer(seed):
    docs = to_docs(random_pairs(seed))
    for gold, predicted in docs:
        for doc in (gold, predicted):
            doc.set_ents(spacy.util.filter_spans(doc.spans[KEY]))
    metrics = span_metrics(to_examples(docs), KEY)
    table = read(docs)
    counts = label_counts(table).sum(0)
    found = {
        "micro": prf(counts.sum(0)),
        "macro": macro(counts),
        "outermost": prf(label_counts(table.by_depth(inner=False)).sum((0, 1))),
        "inner": prf(label_counts(table.by_depth(inner=True)).sum((0, 1))),
        "flat": prf(label_counts(read_table(docs, entities)).sum((0, 1))),
    }
    for name, scores in found.items():
        assert dict(zip("prf", scores)) == pytest.approx(metrics[name]), name
    for label, scores in zip(table.labels, prf(counts)):
        expected = [metrics["per_label"][label][name] for name in "prf"]
        assert scores.tolist() == pytest.approx(expected)


def test_a_span_counts_once():
    gold = make_doc(4, [(0, 2, "A"), (0, 2, "A"), (0, 2, "B")])
    predicted = make_doc(4, [(0, 2, "A"), (2, 4, "A"), (2, 4, "A")])
    table = read([(gold, predicted)])
    assert (len(table.gold), len(table.predicted)) == (2, 2)
    assert [mask.tolist() for mask in table.right] == [[True, False], [True, False]]
    assert table.gold.texts.tolist() == ["w0 w1", "w0 w1"]


def test_missing_is_not_empty():
    full = make_doc(4, [(0, 2, "A")])
    pairs = [
        (make_doc(4, None), full),
        (make_doc(4, []), full),
        (full, make_doc(4, None)),
    ]
    table = read(pairs)
    assert table.annotated.tolist() == [False, True, True]
    assert table.predicted.docs.tolist() == [1]
    assert table.gold.docs.tolist() == [2]


def test_other_tokens():
    """Spans are compared by characters, lengths count gold tokens, and what begins or
    ends inside a gold token is left out, as by spaCy's scorer."""
    vocab = spacy.blank("en").vocab
    gold = Doc(
        vocab,
        words=["New", "York", "Times", "-like"],
        spaces=[True, True, False, False],
    )
    gold.spans[KEY] = [Span(gold, 0, 2, "GPE"), Span(gold, 0, 3, "ORG")]
    predicted = Doc(
        vocab, words=["New York", "Times-", "like"], spaces=[True, False, False]
    )
    spans = [Span(predicted, 0, 1, "GPE"), Span(predicted, 0, 2, "ORG")]
    predicted.spans[KEY] = spans
    table = read([(make_doc(3, []), make_doc(3, [])), (gold, predicted)])
    assert table.off_tokens == 1
    assert table.predicted.lengths.tolist() == [2]
    assert table.right[1].tolist() == [True]
    metrics = span_metrics(to_examples([(gold, predicted)]), KEY)
    counts = label_counts(table).sum((0, 1))
    assert dict(zip("prf", prf(counts))) == pytest.approx(metrics["micro"])


@pytest.mark.parametrize("pairs", [[], [(make_doc(0, []), make_doc(0, []))]])
def test_nothing(pairs):
    table = read(pairs)
    assert table.labels == () and table.n_docs == len(pairs)
    assert label_counts(table.by_depth(inner=True)).shape == (len(pairs), 0, 3)
