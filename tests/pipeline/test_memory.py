"""Memory that whole novels take."""

import gzip
import json
import os
import sys
from itertools import groupby
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

from tests.util.pipelines import LANG, LISTENER, set_spans, tok2vec

MB = 1024
DATA = os.environ.get("GLOBALPOINTER_DATA", "")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc"),
    pytest.mark.filterwarnings("ignore:.*cannot use some of the gold spans"),
    pytest.mark.filterwarnings("ignore:.*max_spans"),
]
every_factory = pytest.mark.parametrize(
    "factory", ["global_pointer", "span_classifier"]
)


def memory(key):
    """A value of the process in MB: "VmRSS", now, or "VmHWM", the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith(key)) / MB


def peak(function):
    """What the process has at most while a function runs, over what it has now."""
    before = memory("VmRSS")
    # Starts the peak anew.
    Path("/proc/self/clear_refs").write_text("5")
    function()
    return memory("VmHWM") - before


def pipeline_of(factory):
    nlp = spacy.blank(LANG)
    nlp.add_pipe("tok2vec", config={"model": tok2vec()})
    nlp.add_pipe(factory, config={"model": {"tok2vec": LISTENER}})
    return nlp


def example(nlp, words, spans):
    return Example(Doc(nlp.vocab, words), set_spans(Doc(nlp.vocab, words), spans))


@every_factory
def test_long_documents(factory):
    """Initialized without a limit of the length, they would take 430 MB and more."""
    nlp = pipeline_of(factory)
    words = [f"w{i % 97}" for i in range(3000)]
    spans = [(i, i + 1 + i % 9, "AB"[i % 2]) for i in range(0, 2900, 50)]
    corpus = [example(nlp, words, spans) for _ in range(4)]
    assert peak(lambda: nlp.initialize(lambda: corpus)) < 150
    optimizer = Adam(0.001)
    assert peak(lambda: nlp.update(corpus[:1], sgd=optimizer)) < 100
    docs = [Doc(nlp.vocab, words) for _ in range(40)]
    docs = list(nlp.get_pipe("tok2vec").pipe(docs))
    # As one batch, 40 documents have 2 million candidates.
    pipe = nlp.get_pipe(factory)
    assert peak(lambda: list(pipe.pipe(docs, batch_size=100))) < 300


def test_a_batch_in_parts_is_predicted_as_a_whole(monkeypatch):
    from spacy_globalpointer.tasks import spans

    nlp = pipeline_of("global_pointer")
    words = [f"w{i}" for i in range(30)]
    corpus = [example(nlp, words, [(2, 5, "A"), (7, 8, "B")])]
    nlp.initialize(lambda: corpus)
    optimizer = Adam(0.01)
    for _ in range(5):
        nlp.update(corpus, sgd=optimizer)
    pipe = nlp.get_pipe("global_pointer")
    sizes, predict = [], pipe.predict
    monkeypatch.setattr(
        pipe, "predict", lambda docs: sizes.append(len(docs)) or predict(docs)
    )
    answers = []
    for most in (10**6, 600, 1):
        monkeypatch.setattr(spans, "MAX_CELLS", most)
        docs = [Doc(nlp.vocab, words[:n]) for n in (30, 0, 3, 30, 7, 30, 30, 1)]
        answers.append(
            [
                [(span.start, span.end, span.label_) for span in doc.spans["sc"]]
                for doc in nlp.pipe(docs)
            ]
        )
    # Candidates of a document of 30 tokens: 3 lengths, 2 labels, so 180.
    assert sizes == [8, 6, 2, *[1] * 8]
    assert answers[0] == answers[1] == answers[2]
    assert any(answers[0])


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="needs the corpora")
@every_factory
def test_novels(factory):
    """LitBank by document: 3,419 tokens, and spans of up to 78."""
    nlp = pipeline_of(factory)
    corpus = []
    with gzip.open(Path(DATA) / "litbank" / "train.jsonl.gz", "rt") as lines:
        for _, rows in groupby(map(json.loads, lines), lambda row: row["doc"]):
            words, spans = [], []
            for row in rows:
                n = len(words)
                spans += [(start + n, end + n, x) for start, end, x in row["spans"]]
                words += row["tokens"]
            corpus.append(example(nlp, words, spans))
    corpus.sort(key=lambda eg: -len(eg.reference))
    assert len(corpus[0].reference) == 3419
    assert peak(lambda: nlp.initialize(lambda: corpus)) < 1000
    optimizer = Adam(0.001)
    assert peak(lambda: nlp.update(corpus[:4], sgd=optimizer)) < 1000
    assert (
        peak(lambda: nlp(Doc(nlp.vocab, [token.text for token in corpus[0].reference])))
        < 1000
    )
