"""Gold spans: missing is not empty, and nothing is lost in silence."""

import gc
import math
import random
import warnings
import weakref

import pytest
import spacy
import torch
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from thinc.api import Adam

from spacy_globalpointer.pipeline.candidates import aligned_candidates
from spacy_globalpointer.pipeline.gold import GoldReader
from spacy_globalpointer.tasks.drop_report import DropReport
from spacy_globalpointer.tasks.spans import batch_gold
from tests.util.pipelines import (
    GOLD,
    KEY,
    LABELS,
    NAME,
    TEXTS,
    all_scores,
    ents,
    example,
    examples,
    found,
    initialize,
    logit,
    loss_of_batch,
    pipeline,
    set_spans,
    train,
    update,
)


def class_imbalance(nlp, gold, unknown=None):
    """The loss of arXiv 2208.03054, eq. 13, the mean over documents and labels,
    summed candidate by candidate.

    gold (List[Set[Tuple[int, int, str]]]): The spans of each of TEXTS.
    unknown (List[Set[int]]): Tokens without annotation.
    """
    terms = []
    for doc, p in enumerate(all_scores(nlp, TEXTS)):
        for label in nlp.get_pipe(NAME).labels:
            positive = negative = 1.0
            for start, end, name in p:
                if name != label or (unknown and unknown[doc] & {*range(start, end)}):
                    continue
                s = logit(p[start, end, name])
                if (start, end, name) in gold[doc]:
                    positive += math.exp(-s)
                else:
                    negative += math.exp(s)
            terms.append(math.log(positive) + math.log(negative))
    return sum(terms) / len(terms)


def loss_and_gradient(nlp, corpus):
    pipe = nlp.get_pipe(NAME)
    scores = pipe.predict([eg.predicted for eg in corpus])
    return pipe.get_loss(corpus, scores)


def with_ents(nlp, text, gold, unknown=()):
    """An example with entities, tokens of unknown status among them."""
    doc = nlp.make_doc(text)
    doc.set_ents(
        [Span(doc, *ent) for ent in gold],
        missing=[doc[i : i + 1] for i in unknown],
        default="outside",
    )
    return Example(nlp.make_doc(text), doc)


def unannotated(nlp, text):
    return Example(nlp.make_doc(text), nlp.make_doc(text))


def of_words(nlp, words, spans=None, key=KEY):
    doc = Doc(nlp.vocab, words=words, spaces=[False] * len(words))
    return doc if spans is None else set_spans(doc, spans, key)


@pytest.fixture(scope="module")
def nlp():
    return initialize(pipeline())


# Missing is not empty


def test_the_loss_is_that_of_the_paper(nlp):
    loss = loss_of_batch(nlp, examples(nlp))
    assert loss == pytest.approx(class_imbalance(nlp, GOLD), rel=1e-4)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_reference_without_the_key_adds_no_loss_and_no_gradient(nlp, place):
    corpus = examples(nlp)
    loss, gradient = loss_and_gradient(nlp, corpus)
    missing = unannotated(nlp, "and New England met")
    corpus.insert(place, missing)
    new_loss, new_gradient = loss_and_gradient(nlp, corpus)
    assert new_loss == pytest.approx(loss)
    offset = sum(len(eg.predicted) for eg in corpus[:place])
    added = slice(offset, offset + len(missing.predicted))
    assert not new_gradient[:, added].any()
    rest = torch.cat((new_gradient[:, :offset], new_gradient[:, added.stop :]), dim=1)
    assert torch.allclose(rest, gradient)


def test_another_key_is_no_annotation(nlp):
    corpus = [example(nlp, TEXTS[0], [(0, 1, "ORG")], key="other")]
    loss, gradient = loss_and_gradient(nlp, corpus)
    assert loss == 0.0
    assert not gradient.any()


def test_an_empty_group_is_all_negative(nlp):
    corpus = [example(nlp, text, []) for text in TEXTS]
    loss, gradient = loss_and_gradient(nlp, corpus)
    assert loss == pytest.approx(class_imbalance(nlp, [set(), set()]), rel=1e-4)
    scores = nlp.get_pipe(NAME).predict([eg.predicted for eg in corpus]).scores
    assert (gradient[scores.isfinite()] > 0).all()


def test_documents_without_annotation_teach_nothing():
    nlp = initialize(pipeline())
    before = all_scores(nlp, TEXTS)
    corpus = [unannotated(nlp, text) for text in TEXTS]
    assert update(nlp, corpus, Adam(0.01, L2=0.0))[NAME] == 0.0
    assert all_scores(nlp, TEXTS) == before


# gold = "ents"


@pytest.fixture(scope="module")
def ents_nlp():
    nlp = pipeline(gold="ents")
    corpus = [
        with_ents(nlp, TEXTS[0], [(0, 9, "GROUP"), (9, 10, "ORG")]),
        with_ents(nlp, TEXTS[1], [(2, 3, "GPE"), (4, 9, "LOC")]),
    ]
    return initialize(nlp, corpus)


@pytest.mark.parametrize(
    "unknown",
    [
        [set(), set()],
        [{9}, set()],
        [{0, 1}, {0}],
        [{4}, {8}],
        [set(range(2, 10)), {1, 3, 5}],
        [{2}, set(range(9))],
    ],
)
def test_candidates_with_a_token_of_unknown_status_are_left_out(ents_nlp, unknown):
    gold = [[(0, 2, "ORG"), (8, 9, "GPE")], [(2, 3, "GPE"), (4, 6, "LOC")]]
    known = [
        [ent for ent in per_doc if not tokens & {*range(*ent[:2])}]
        for per_doc, tokens in zip(gold, unknown)
    ]
    corpus = [
        with_ents(ents_nlp, *args) for args in zip(TEXTS, known, map(sorted, unknown))
    ]
    loss = loss_of_batch(ents_nlp, corpus)
    # A document without any annotation is no term of the mean.
    share = sum(len(t) < len(eg.predicted) for t, eg in zip(unknown, corpus)) / 2
    expected = class_imbalance(ents_nlp, list(map(set, known)), unknown) / share
    assert loss == pytest.approx(expected, rel=1e-4)


def test_documents_of_unknown_status_teach_nothing(ents_nlp):
    loss, gradient = loss_and_gradient(
        ents_nlp, [unannotated(ents_nlp, text) for text in TEXTS]
    )
    assert loss == 0.0
    assert not gradient.any()


def test_no_entities_is_all_negative(ents_nlp):
    corpus = [with_ents(ents_nlp, text, []) for text in TEXTS]
    expected = class_imbalance(ents_nlp, [set(), set()])
    assert loss_of_batch(ents_nlp, corpus) == pytest.approx(expected, rel=1e-4)


def test_entities_are_learnt():
    nlp = pipeline(gold="ents")
    gold = [[(0, 2, "ORG"), (8, 9, "GPE")], [(2, 3, "GPE"), (4, 9, "ORG")]]
    train(nlp, [with_ents(nlp, *args) for args in zip(TEXTS, gold)])
    for doc, expected in zip(nlp.pipe(TEXTS), gold):
        assert ents(doc) == expected


@pytest.mark.parametrize(
    "predicted, reference, entities, unknown, expected",
    [
        # "cd" has one part of unknown status, so all of it has.
        (["ab", "cd"], ["ab", "c", "d"], [], [1], {1}),
        (["ab", "cd"], ["ab", "c", "d"], [(0, 1, "X")], [2], {1}),
        (["a", "b", "c", "d"], ["ab", "cd"], [], [1], {2, 3}),
        (["abc", "d"], ["a", "bcd"], [], [1], {0, 1}),
        (["ab", "cd"], ["a", "b", "cd"], [(0, 2, "X")], [], set()),
        (["ab", "cd"], ["a", "b", "c", "d"], [], [0, 1, 2, 3], {0, 1}),
    ],
)
def test_unknown_status_is_found_on_other_tokens(
    nlp, predicted, reference, entities, unknown, expected
):
    gold = of_words(nlp, reference)
    missing = [gold[i : i + 1] for i in unknown]
    gold.set_ents(
        [Span(gold, *ent) for ent in entities], missing=missing, default="outside"
    )
    reader = GoldReader("ents", KEY)
    aligned = reader.read(Example(of_words(nlp, predicted), gold), DropReport())
    marked = [] if aligned.unknown is None else aligned.unknown
    assert {i for i, is_unknown in enumerate(marked) if is_unknown} == expected


# Other tokens


def cut(text, rng, spaces):
    """Tokens of a text, cut at random places, and whether a space follows."""
    words, followed = [], []
    for part in text.split(" "):
        places = sorted(rng.sample(range(1, len(part)), rng.randint(0, len(part) - 1)))
        pieces = [part[a:b] for a, b in zip([0, *places], [*places, len(part)])]
        words += pieces
        followed += [False] * (len(pieces) - 1) + [True]
    followed[-1] = spaces
    return words, followed


@pytest.mark.parametrize("seed", range(40))
def test_a_span_is_used_where_both_tokenisations_have_its_borders(nlp, seed):
    rng = random.Random(seed)
    text = " ".join("".join(rng.choices("abäB银", k=rng.randint(1, 6))) for _ in "123")
    predicted, reference = (
        Doc(nlp.vocab, *cut(text, rng, spaces=False)) for _ in range(2)
    )
    spans = [
        (start, end, "ORG")
        for start in range(len(reference))
        for end in range(start + 1, len(reference) + 1)
    ]
    set_spans(reference, spans)
    dropped = DropReport()
    gold = GoldReader("spans", KEY).read(Example(predicted, reference), dropped)
    first = {token.idx: token.i for token in predicted}
    last = {token.idx + len(token): token.i + 1 for token in predicted}
    expected = [
        (first[span.start_char], last[span.end_char])
        for span in reference.spans[KEY]
        if span.start_char in first and span.end_char in last
    ]
    assert [(start, end) for start, end, _ in gold.spans] == expected
    assert sum(dropped.counts.values()) == len(spans) - len(expected)


def test_white_space_tokens_do_not_hinder_alignment(nlp):
    words = ["a", " ", "bc", "\n", "d"], ["a", "b", "c", "d"]
    predicted, reference = (
        Doc(nlp.vocab, words=w, spaces=[True, *[False] * (len(w) - 1)]) for w in words
    )
    set_spans(reference, [(0, 1, "ORG"), (1, 3, "ORG"), (0, 4, "ORG"), (1, 2, "ORG")])
    dropped = DropReport()
    gold = GoldReader("spans", KEY).read(Example(predicted, reference), dropped)
    assert [(a, b) for a, b, _ in gold.spans] == [(0, 1), (2, 3), (0, 5)]
    assert dropped.counts == {"not on token boundaries": 1}


def test_gold_on_other_tokens_is_learnt():
    nlp = pipeline()
    predicted = nlp.make_doc("New England")
    reference = of_words(nlp, ["Ne", "w", "Eng", "land"], [(0, 2, "A"), (0, 4, "B")])
    train(nlp, [Example(predicted, reference)])
    assert found(nlp("New England")) == [(0, 1, "A"), (0, 2, "B")]


def words_of(text, rng):
    """Tokens of a text, cut at random: also within white space and words."""
    places = sorted(rng.sample(range(1, len(text)), rng.randint(0, len(text) - 1)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)])]


@pytest.mark.parametrize("seed", range(60))
def test_gold_and_candidates_are_aligned_as_spacy_does(nlp, seed):
    """spaCy's own alignment is the oracle, with white space in and at the edges of
    tokens, and with texts that differ."""
    rng = random.Random(seed)
    text = "".join(rng.choices("aabB \n银", k=rng.randint(2, 12)))
    texts = [text, text]
    if seed % 3 == 0:
        texts[1] = text.swapcase()
    elif seed % 3 == 1:
        texts[1] = "".join(c + " " * rng.randint(0, 1) for c in text)
    predicted, reference = (of_words(nlp, words_of(t, rng)) for t in texts)
    n = len(reference)
    spans = [(a, b, "ORG") for a in range(n) for b in range(a + 1, n + 1)]
    # White space alone is no mention, and spaCy's function finds it anywhere.
    spans = [span for span in spans if reference[span[0] : span[1]].text.strip()]
    set_spans(reference, spans)
    set_spans(reference, spans, "mentions")
    eg = Example(predicted, reference)
    dropped = DropReport()
    gold = GoldReader("spans", KEY).read(eg, dropped)
    candidates = aligned_candidates(eg, "mentions", DropReport())
    places = [(start, end) for start, end, _ in gold.spans]
    assert places == [(span.start, span.end) for span in candidates]
    assert len(places) + sum(dropped.counts.values()) == len(spans)
    found = {(x.start, x.end): place for *place, x in gold.spans}
    tokens = [(token.i, squeeze(token.text)) for token in predicted]
    tokens = [(i, word) for i, word in tokens if word]
    for span in reference.spans[KEY]:
        place = found.get((span.start, span.end))
        by_spacy = eg.get_aligned_spans_y2x([span], allow_overlap=True)
        if by_spacy:
            trimmed = by_spacy[0].start, by_spacy[0].end
            assert trim(predicted, *place) == trim(predicted, *trimmed)
        if seed % 3 == 0:
            assert bool(place) == bool(by_spacy)
            continue
        # spaCy misses some of them where there is white space.
        before = squeeze(reference[: span.start].text)
        words = [
            (tokens[i][0], tokens[j][0])
            for i in range(len(tokens))
            for j in range(i, len(tokens))
            if "".join(word for _, word in tokens[:i]) == before
            and "".join(word for _, word in tokens[i : j + 1]) == squeeze(span.text)
        ]
        assert ([trim(predicted, *place)] if place else []) == words


def squeeze(text):
    return "".join(text.split())


def trim(doc, start, end):
    """The first and the last token of a span that are no white space."""
    tokens = [token.i for token in doc[start:end] if not token.is_space]
    return tokens[0], tokens[-1]


@pytest.mark.parametrize("words", [["Bob\n", "met"], ["Bob", "\nmet"], ["Bob\nmet"]])
def test_a_gold_span_is_never_trained_as_no_entity(words):
    """White space at the edge of a token does not hide the span."""
    nlp = pipeline()
    reference = set_spans(of_words(nlp, ["Bob", "\n", "met"]), [(0, 1, "PER")])
    eg = Example(of_words(nlp, words), reference)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        initialize(nlp, [eg, example(nlp, "Ann", [(0, 1, "PER")])])
    _, gradient = loss_and_gradient(nlp, [eg])
    dropped = nlp.get_pipe(NAME).dropped_gold.counts
    if len(words) == 1:
        # There is no candidate "Bob"; the one token is none.
        assert dropped == {"not on token boundaries": 1}
    else:
        assert gradient[0, 0, 0] < 0
        assert dropped == {}


def test_unknown_tokens_are_not_trained_where_white_space_is_a_token():
    """A document of unknown status adds no loss, whatever its tokens."""
    nlp = pipeline(gold="ents")
    reader = GoldReader("ents", KEY)
    for known, expected in ((0, [0, 0, 0, 1]), (1, [1, 1, 1, 1]), (2, [1, 1, 0, 0])):
        reference = of_words(nlp, ["Bob", " ", "met"])
        outside = [reference[known : known + 1]]
        reference.set_ents([], outside=outside, default="missing")
        eg = Example(of_words(nlp, ["Bo", "b", " ", "met"]), reference)
        assert reader.read(eg, DropReport()).unknown.tolist() == expected


def test_gold_of_which_none_can_be_used_is_an_error_that_says_why():
    nlp = pipeline()
    reference = set_spans(of_words(nlp, ["B", "ob"]), [(0, 1, "PER")])
    eg = Example(of_words(nlp, ["Bob"]), reference)
    with pytest.raises(
        ValueError, match=r"none of the gold.*Not on token .*: 1, .*'B'"
    ):
        initialize(nlp, [eg])


# Nothing is lost in silence


def bad_corpus(nlp):
    """Examples with gold of each kind that cannot be used, and some that can."""
    split = of_words(
        nlp,
        ["Old", "To", "wn"],
        [(0, 2, "ORG"), (2, 3, "ORG"), (1, 2, "GPE"), (1, 2, "ORG"), (1, 3, "GPE")],
    )
    return [
        Example(of_words(nlp, ["Old", "Town"]), split),
        example(nlp, TEXTS[0], [(0, 9, "ORG"), (0, 6, "GPE"), (1, 2, "ORG")]),
        example(
            nlp,
            "she left Boston for the banks of the river",
            [(0, 1, "WHO"), (0, 8, "WHAT"), (2, 3, "GPE")],
        ),
    ]


BAD_COUNTS = {
    "not on token boundaries": 4,
    "longer than max_length = 5": 2,
    "unknown label": 2,
}


def bad_nlp():
    nlp = pipeline(max_length=5)
    nlp.config["initialize"]["components"][NAME] = {"labels": ["ORG", "GPE"]}
    return nlp


def test_what_cannot_be_used_is_counted_and_reported_once():
    nlp = bad_nlp()
    with pytest.warns(UserWarning) as caught:
        initialize(nlp, bad_corpus(nlp))
    assert nlp.get_pipe(NAME).dropped_gold.counts == BAD_COUNTS
    assert len(caught) == 1
    message = str(caught[0].message)
    assert NAME in message
    for reason, count in BAD_COUNTS.items():
        assert f"{reason}: {count}".lower() in message.lower()
    for span in ("OldTo", "wn", "To", "members of the Bank of New", "she"):
        assert f"{span!r} (" in message
    # The first three of a kind are shown: "To" as GPE, but not as ORG.
    assert message.count("'To' (") == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            update(nlp, bad_corpus(nlp), Adam(0.01))


def test_a_new_reason_in_training_is_reported_once():
    nlp = initialize(pipeline(max_length=9))
    assert nlp.get_pipe(NAME).dropped_gold.counts == {}
    corpus = [example(nlp, TEXTS[0], [(0, 1, "NEW"), (0, 2, "NEW"), (0, 1, "ORG")])]
    with pytest.warns(UserWarning, match="label: 2, for example 'members' .NEW, 1 to"):
        update(nlp, corpus, Adam(0.01))
    assert nlp.get_pipe(NAME).dropped_gold.counts == {"unknown label": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        update(nlp, corpus, Adam(0.01))


def test_a_second_reason_is_reported_without_counting_the_first_twice():
    nlp = initialize(pipeline(max_length=9))
    corpus = [example(nlp, TEXTS[0], [(0, 1, "NEW"), (0, 2, "NEW"), (0, 1, "ORG")])]
    with pytest.warns(UserWarning, match="label: 2"):
        update(nlp, corpus, Adam(0.01))
    # The same two spans again, and one that is too long.
    corpus[0].reference.spans[KEY].append(Span(corpus[0].reference, 0, 10, "ORG"))
    with pytest.warns(UserWarning, match="max_length = 9: 1"):
        update(nlp, corpus, Adam(0.01))
    assert nlp.get_pipe(NAME).dropped_gold.counts == {
        "unknown label": 2,
        "longer than max_length = 9": 1,
    }


def test_gold_that_can_be_used_is_learnt_beside_gold_that_cannot():
    nlp = bad_nlp()
    corpus = bad_corpus(nlp)
    corpus[0].reference.spans[KEY].append(Span(corpus[0].reference, 0, 3, "ORG"))
    with pytest.warns(UserWarning):
        train(nlp, corpus, steps=60)
    predicted = [nlp(eg.predicted.copy()) for eg in corpus]
    expected = [[(0, 2, "ORG"), (1, 2, "GPE")], [(1, 2, "ORG")], [(2, 3, "GPE")]]
    assert list(map(found, predicted)) == expected


@pytest.mark.parametrize("seed", range(10))
def test_every_gold_span_is_used_or_counted(nlp, seed):
    rng = random.Random(seed)
    corpus, n_gold = [], 0
    for _ in range(4):
        text = "".join(rng.choices("abc", k=12))
        predicted, reference = (
            Doc(nlp.vocab, *cut(text, rng, spaces=False)) for _ in range(2)
        )
        spans = {
            (start, rng.randint(start + 1, len(reference)), rng.choice("ABC"))
            for start in rng.choices(range(len(reference)), k=8)
        }
        set_spans(reference, sorted(spans))
        n_gold += len(spans)
        corpus.append(Example(predicted, reference))
    label_ids = {nlp.vocab.strings.add(label): i for i, label in enumerate("AB")}
    dropped = DropReport()
    reader = GoldReader("spans", KEY)
    golds = [reader.read(eg, dropped) for eg in corpus]
    gold = batch_gold(golds, label_ids, 3, dropped)
    assert len(gold.starts) + sum(dropped.counts.values()) == n_gold
    assert len(set(zip(*map(torch.Tensor.tolist, gold.index)))) == len(gold.starts)
    n_tokens = sum(len(eg.predicted) for eg in corpus)
    assert ((gold.starts >= 0) & (gold.starts < n_tokens)).all()
    assert ((gold.offsets >= 0) & (gold.offsets < 3)).all()


def test_a_span_given_twice_counts_once(nlp):
    spans = sorted(GOLD[0])
    once, twice = (
        loss_and_gradient(nlp, [example(nlp, TEXTS[0], gold)])
        for gold in (spans, [*spans, *spans[:3]])
    )
    assert twice[0] == once[0]
    assert torch.equal(twice[1], once[1])


def test_a_label_of_two_tokenisations_is_one(nlp):
    """The same span, exact and found by alignment, on two documents."""
    label = LABELS[0]
    same = example(nlp, "New England", [(0, 2, label)])
    other = Example(
        nlp.make_doc("New England"),
        of_words(nlp, ["New", "Eng", "land"], [(0, 3, label)]),
    )
    assert loss_of_batch(nlp, [other]) == loss_of_batch(nlp, [same])


@pytest.mark.parametrize("start", [2, 9])
def test_an_empty_gold_span_is_no_candidate(start):
    """spaCy allows spans of no tokens; they must not stand for another cell."""
    nlp = initialize(pipeline(max_length=9))
    plain = example(nlp, TEXTS[0], [(0, 3, "ORG")])
    loss, gradient = loss_and_gradient(nlp, [plain])
    with_empty = example(nlp, TEXTS[0], [(0, 3, "ORG"), (start, start, "ORG")])
    with pytest.warns(UserWarning, match=NAME):
        new_loss, new_gradient = loss_and_gradient(nlp, [with_empty])
    assert sum(nlp.get_pipe(NAME).dropped_gold.counts.values()) == 1
    assert new_loss == loss
    assert torch.equal(new_gradient, gradient)


# Totals


def long_spans(nlp, n, text="Bank"):
    """Documents with a span that is too long each."""
    return [
        example(nlp, f"{text} {i} of New England", [(0, 5, "ORG"), (0, 1, "ORG")])
        for i in range(n)
    ]


def in_batches(nlp, corpus, size=2):
    for start in range(0, len(corpus), size):
        nlp.update(corpus[start : start + size], sgd=False)


def counts_of(nlp):
    return nlp.get_pipe(NAME).dropped_gold.counts


LONG = "longer than max_length = 3"


@pytest.mark.parametrize("same_text", [True, False])
@pytest.mark.parametrize("how", ["list", "read again"])
def test_the_total_of_a_resumed_training_is_right(tmp_path, how, same_text):
    nlp = pipeline(max_length=3)
    initialize(nlp, [example(nlp, "Bank of England", [(0, 3, "ORG")])])
    nlp.to_disk(tmp_path / "first")
    nlp = spacy.load(tmp_path / "first")
    nlp.resume_training()

    def read():
        if same_text:
            return [eg for _ in range(10) for eg in long_spans(nlp, 1)]
        return long_spans(nlp, 10)

    corpus = read()
    with pytest.warns(UserWarning, match=f"{LONG}: 2".capitalize()):
        in_batches(nlp, corpus)
    assert counts_of(nlp) == {LONG: 10}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            if how == "read again":
                corpus = None
                corpus = read()
            in_batches(nlp, corpus)
    assert counts_of(nlp) == {LONG: 10}
    # Once more on saving, and only once.
    with pytest.warns(UserWarning, match=f"{LONG}: 10".capitalize()):
        nlp.to_disk(tmp_path / "second")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp.to_bytes()
        nlp.to_disk(tmp_path / "second")


@pytest.mark.parametrize("copies", [1, 3])
def test_what_was_counted_at_initialization_is_not_counted_again(copies):
    nlp = pipeline(max_length=3)
    corpus = [eg for _ in range(copies) for eg in long_spans(nlp, 10)]
    with pytest.warns(UserWarning, match=f"{LONG}: {10 * copies}".capitalize()):
        initialize(nlp, corpus)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            in_batches(nlp, corpus)
            # A reader that makes its documents anew.
            in_batches(nlp, [eg for _ in range(copies) for eg in long_spans(nlp, 10)])
            nlp.to_bytes()
    assert counts_of(nlp) == {LONG: 10 * copies}
    # New documents are.
    in_batches(nlp, long_spans(nlp, 4, text="House"))
    assert counts_of(nlp) == {LONG: 10 * copies + 4}
    with pytest.warns(UserWarning, match=f"{LONG}: {10 * copies + 4}".capitalize()):
        nlp.to_bytes()


# Initialization


def test_two_passes_at_most_and_no_document_is_kept():
    nlp = pipeline()
    kept = weakref.WeakSet()
    passes = []

    def read():
        passes.append(0)
        for i in range(200):
            eg = example(nlp, f"Bank {i} of New England", [(0, 5, "ORG"), (0, 1, "X")])
            kept.add(eg.reference)
            passes[-1] = max(passes[-1], len(kept))
            yield eg

    nlp.get_pipe(NAME).initialize(read, nlp=nlp)
    gc.collect()
    assert len(passes) <= 2
    assert max(passes) < 20
    assert len(kept) == 0
    assert nlp.get_pipe(NAME).labels == ("ORG", "X")
    assert nlp.get_pipe(NAME).cfg["max_length"] == 5


@pytest.mark.parametrize("gold", ["spans", "ents"])
def test_documents_without_annotation_are_counted_at_initialization(gold):
    nlp = pipeline(gold=gold)
    corpus = [
        with_ents(nlp, TEXTS[0], [(0, 2, "ORG")]),
        unannotated(nlp, TEXTS[1]),
        unannotated(nlp, "New England"),
        unannotated(nlp, ""),
    ]
    set_spans(corpus[0].reference, [(0, 2, "ORG")])
    place = r"doc.spans\['sc'\]" if gold == "spans" else "doc.ents"
    with pytest.warns(UserWarning, match=f"from 2 of 3 documents.* {place}") as caught:
        initialize(nlp, corpus)
    assert "max_length" not in str(caught[0].message)


@pytest.mark.parametrize("max_length", [0, 12])
def test_a_corpus_that_spacy_cuts_is_named_as_the_cause(tmp_path, max_length):
    nlp = spacy.blank("xx")
    docs = []
    for _ in range(4):
        doc = set_spans(nlp.make_doc(" ".join(TEXTS)), [(0, 2, "ORG")])
        for token in doc:
            token.is_sent_start = token.i in (0, 10)
        docs += [doc, set_spans(nlp.make_doc("New England"), [(0, 2, "GPE")])]
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    nlp = pipeline()
    reader = {"@readers": "spacy.Corpus.v1", "path": str(tmp_path / "train.spacy")}
    nlp.config["corpora"]["train"] = {**reader, "max_length": max_length}
    corpus = Corpus(tmp_path / "train.spacy", max_length=max_length)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nlp.initialize(lambda: corpus(nlp))
    messages = [str(warning.message) for warning in caught]
    if not max_length:
        assert messages == []
        return
    (message,) = messages
    assert "nothing from 8 of 12 documents" in message
    assert f"[corpora.train] has max_length = {max_length}" in message
