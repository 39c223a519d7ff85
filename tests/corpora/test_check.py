"""What is found in a corpus, against counts by hand and by spaCy's documents."""

import random

import pytest
from spacy.tokens import Doc, DocBin, Span
from spacy.util import registry
from spacy.vocab import Vocab

from spacy_globalpointer.core.objectives import SemiMarkovCRF
from spacy_globalpointer.corpora import CorpusError
from spacy_globalpointer.corpora.corpus_table import CorpusTable
from spacy_globalpointer.corpora.findings import check
from tests.util.corpus_files import TOOLS
from tests.util.pipelines import set_spans

KEY = "sc"
VOCAB = Vocab()


def doc(text, spans=(), sents=None):
    """A document of words; spans of None are no annotation."""
    words = [word.replace("_", " ") for word in text.split()]
    made = Doc(VOCAB, words=words, sent_starts=sents)
    return made if spans is None else set_spans(made, spans, KEY)


def run(train, dev, test=None, gold="spans"):
    parts = {"train": train, "dev": dev, **({"test": test} if test else {})}
    tables = {name: CorpusTable.of(docs, KEY, gold) for name, docs in parts.items()}
    return check(tables, KEY, gold)


def messages(result, level=None):
    return [
        finding["message"]
        for finding in result["findings"]
        if level in (None, finding["level"])
    ]


def has(result, text, level=None):
    return any(text in message for message in messages(result, level))


PLAIN = [doc("Ann saw York", [(0, 1, "PER"), (2, 3, "LOC")])]


def random_docs(seed):
    rng = random.Random(seed)
    for _ in range(20):
        n = rng.randint(0, 8)
        words = [rng.choice("abc") for _ in range(n)]
        made = Doc(VOCAB, words=words)
        if n and rng.random() < 0.5:
            for token in made:
                token.is_sent_start = token.i == 0 or rng.random() < 0.3
        places = [sorted(rng.sample(range(n + 1), 2)) for _ in range(rng.randint(0, n))]
        if n and rng.random() < 0.7:
            set_spans(made, [(s, e, rng.choice("XYZ")) for s, e in places], KEY)
            made.spans["other"] = [Span(made, 0, 1, "O")]
        if n and rng.random() < 0.5:
            made.set_ents([Span(made, n - 1, n, "E")])
        yield made


@pytest.mark.parametrize("seed", range(5))
def test_tables_are_what_spacy_reads(tmp_path, seed):
    docs = list(random_docs(seed))
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    docs = list(DocBin().from_disk(tmp_path / "a.spacy").get_docs(Vocab()))
    offsets = [sum(map(len, docs[:i])) for i in range(len(docs))]

    def spans_of(table):
        labels = [table.labels[i] for i in table.ids.tolist()]
        return [*zip(table.starts.tolist(), table.ends.tolist(), labels)]

    table = CorpusTable.read(tmp_path / "a.spacy", KEY)
    assert spans_of(table) == [
        (offset + span.start, offset + span.end, span.label_)
        for offset, made in zip(offsets, docs)
        for span in made.spans.get(KEY, ())
    ]
    assert table.annotated.tolist() == [KEY in made.spans for made in docs]
    assert [table.strings[orth] for orth in table.orths.tolist()] == [
        token.text for made in docs for token in made
    ]
    assert table.sentences.tolist() == [
        offset + token.i
        for offset, made in zip(offsets, docs)
        for token in made
        if token.i == 0 or token.is_sent_start
    ]
    ents = CorpusTable.read(tmp_path / "a.spacy", KEY, "ents")
    assert spans_of(ents) == [
        (offset + ent.start, offset + ent.end, ent.label_)
        for offset, made in zip(offsets, docs)
        for ent in made.ents
    ]
    assert ents.annotated.tolist() == [made.has_annotation("ENT_IOB") for made in docs]


def test_counts_of_a_part():
    train = [
        doc("a ( b ) _ c", [(0, 3, "X"), (0, 2, "X"), (1, 6, "Y"), (0, 2, "Y")]),
        doc("a", []),
        doc("b", None),
        doc("a d", [], sents=[True, True]),
        doc("d _", [(0, 2, "X")]),
    ]
    counts = run(train, PLAIN)["splits"]["train"]
    expected = {
        "documents": 5,
        "sentences": 6,
        "tokens": 12,
        "spans": 5,
        "without annotation": 1,
        "annotated without spans": 2,
        "nested": 3,
        "crossing": 4,
        "identical": 2,
        "depth": 2,
        "whitespace at boundary": 1,
        "punctuation at boundary": 3,
        "repeated sentences": 1,
    }
    assert {key: counts[key] for key in expected} == expected


def test_labels_and_lengths():
    spans = [(0, 1, "PER")] * 1 + [(0, n, "LOC") for n in (2, 3)] + [(0, 4, "Per ")]
    train = [doc("a b c d e", spans)]
    dev = [doc("a b", [(0, 1, "NEW"), (1, 2, "PER")])]
    result = run(train, dev)
    assert result["labels"] == {
        "LOC": {"train": 2, "dev": 0},
        "NEW": {"train": 0, "dev": 1},
        "PER": {"train": 1, "dev": 1},
        "Per ": {"train": 1, "dev": 0},
    }
    assert has(result, "'NEW' is not in train (1 in dev)", "warning")
    assert has(result, "'LOC' is not in dev", "warning")
    assert has(result, "differ only in case or punctuation: 'PER', 'Per '", "warning")
    assert has(result, "'LOC' has only 2 training spans", "warning")
    assert not has(result, "'NEW' has only")
    rows = [
        (r["percent"], r["max_length"], r["longer spans"]) for r in result["lengths"]
    ]
    assert rows == [(50, 2, 2), (95, 4, 0), (99, 4, 0), (100, 4, 0)]
    assert result["lengths"][0]["scores a token"] == 2 * 3
    assert result["recommended"] == {
        "gold": "spans",
        "spans_key": "sc",
        "overlap": "nested",
        "max_length": 4,
    }
    assert result["ok"]


@pytest.mark.parametrize(
    "spans, overlap",
    [
        ([(0, 2, "A"), (2, 4, "A")], "flat"),
        ([(0, 2, "A"), (0, 4, "A")], "nested"),
        ([(0, 3, "A"), (2, 4, "A")], "any"),
    ],
)
def test_the_overlap_that_fits(spans, overlap):
    result = run([doc("a b c d", spans)], PLAIN)
    recommended = result["recommended"]
    assert recommended["overlap"] == overlap
    # An objective of disjoint spans would lose some of any other corpus.
    objective = {"@misc": "spacy_globalpointer.SemiMarkovCRF.v1"}
    assert recommended.get("objective") == (objective if overlap == "flat" else None)
    if "objective" in recommended:
        assert isinstance(registry.resolve({"x": objective})["x"], SemiMarkovCRF)


def test_long_spans_that_are_few_are_not_paid_for():
    train = [doc("a b", [(0, 1, "A")])] * 199 + [doc("a " * 50, [(0, 50, "A")])]
    assert run(train, PLAIN)["recommended"]["max_length"] == 1


def test_sentences_in_two_parts():
    both = [(0, 1, "PER"), (2, 3, "LOC")]
    train = [doc("x y"), doc("Ann saw York", both), doc("no one")]
    dev = [
        # The same words and spans, in another order, in the middle of a document.
        doc("zzz Ann saw York", [(3, 4, "LOC"), (1, 2, "PER")], sents=[1, 1, 0, 0]),
        doc("Ann saw York", [(0, 1, "PER")]),
        doc("Ann saw York", [(0, 1, "PER"), (2, 3, "PER")]),
        doc("York saw Ann", both),
        doc("no one"),
    ]
    (row,) = run(train, dev)["shared"]
    assert row == {
        "split": "dev",
        "in": "train",
        "sentences": 6,
        "same annotation": 2,
        "different annotation": 2,
    }


def test_what_is_not_seen_in_train():
    train = [doc("Ann saw York", [(0, 1, "PER"), (2, 3, "LOC")])]
    dev = [
        doc("Bo saw Ann York Ann", [(0, 1, "P"), (2, 3, "P"), (2, 4, "P"), (3, 5, "P")])
    ]
    assert run(train, dev)["unseen"]["dev"] == {
        "tokens": 0.2,
        "spans with an unseen token": 0.25,
        "spans unseen as a whole": 0.75,
    }


@pytest.mark.parametrize(
    "train, dev, text",
    [
        ([], PLAIN, "train has no documents"),
        ([doc("a", None)], PLAIN, "train has no annotation in doc.spans['sc']"),
        ([doc("a")], PLAIN, "train has no gold spans in doc.spans['sc']"),
        (PLAIN, [doc("a")], "dev has no gold spans"),
        ([doc("a b", [(0, 1, "")]), *PLAIN], PLAIN, "spans without a label"),
    ],
)
def test_what_training_cannot_go_on_with(train, dev, text):
    result = run(train, dev)
    assert not result["ok"]
    assert has(result, text, "error")


def test_where_there_is_annotation_instead():
    made = doc("a b", None)
    made.spans["mine"] = [Span(made, 0, 1, "A")]
    made.set_ents([Span(made, 1, 2, "A")])
    result = run([made], PLAIN)
    assert has(result, "1 in doc.ents, 1 under doc.spans['mine']", "error")
    assert run([made], [made], gold="ents")["ok"]


def test_spans_that_the_tokenizer_cuts():
    """Oracle: Doc.char_span."""
    nlp = TOOLS["en"]

    def with_text(words, spans, known=True):
        spaces = [False, True, False, False, True, False]
        made = Doc(VOCAB, words=words, spaces=spaces)
        made.has_unknown_spaces = not known
        return set_spans(made, [(*span, "A") for span in spans], KEY)

    words = ["New", "-York", "ca", "n't", "🙂go", "no."]
    every = [(s, e) for s in range(6) for e in range(s + 1, 7)]
    docs = [with_text(words, every), with_text(words, every, False), *PLAIN]
    made = docs[0]
    tokens = nlp.make_doc(made.text)
    cut = sum(
        tokens.char_span(span.start_char, span.end_char) is None
        for span in made.spans[KEY]
    )
    assert 0 < cut < len(every)
    tables = {name: CorpusTable.of(docs, KEY) for name in ("train", "dev")}
    result = check(tables, KEY, tools=nlp)
    # The words of PLAIN are not known to be all of its text, but all are tokens.
    assert result["splits"]["train"]["boundary inside a token"] == cut
    assert has(result, f"train: {cut} spans have a boundary inside a token", "warning")
    assert "boundary inside a token" not in check(tables, KEY)["splits"]["train"]


@pytest.mark.parametrize("content", [b"", b"text", b"\x78\x9c\x00"])
def test_what_is_no_spacy_file(tmp_path, content):
    (tmp_path / "a.spacy").write_bytes(content)
    with pytest.raises(CorpusError, match=r"a\.spacy, line 1: "):
        CorpusTable.read(tmp_path / "a.spacy", KEY)
