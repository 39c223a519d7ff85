"""Every setting acts: from the config, in `cfg`, and as an override at loading."""

import math
import warnings
from itertools import combinations

import pytest
import spacy
import torch
from spacy.cli.find_threshold import find_threshold
from spacy.tokens import DocBin, Span
from spacy.training import Example
from thinc.api import Adam

from tests.util.pipelines import (
    GOLD,
    KEY,
    LABELS,
    NAME,
    TEXTS,
    all_scores,
    best_total,
    changed,
    ents,
    example,
    examples,
    found,
    initialize,
    logit,
    loss_of_batch,
    overlap,
    pipeline,
    same_scores,
    set_spans,
    train,
    update,
)

BCE = {"@misc": "spacy_globalpointer.BinaryCrossEntropy.v1"}
TEXT = TEXTS[0]


@pytest.fixture(scope="module")
def untrained():
    """Random weights: many candidates, none of them sure."""
    return initialize(pipeline())


@pytest.fixture(scope="module")
def trained():
    return train(pipeline())


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained")
    trained.to_disk(path)
    return path


def load(path, **settings):
    return spacy.load(path, config={"components": {NAME: settings}})


def margins(nlp, text, threshold):
    """Margins of the spans that reach a threshold."""
    (scores,) = all_scores(nlp, [text])
    return {
        span: logit(p) - logit(threshold)
        for span, p in scores.items()
        if p >= threshold
    }


def crossing(a, b):
    return overlap(a, b) and not (
        a[0] <= b[0] <= b[1] <= a[1] or b[0] <= a[0] <= a[1] <= b[1]
    )


# spans_key, gold


def test_the_key_is_read_and_written():
    nlp = pipeline(spans_key="mine")
    corpus = examples(nlp, key="mine")
    set_spans(corpus[0].reference, [(0, 1, "OTHER")])
    train(nlp, corpus)
    doc = nlp.make_doc(TEXT)
    set_spans(doc, [(3, 4, "OTHER")])
    doc = nlp(doc)
    assert set(found(doc, "mine")) == GOLD[0]
    # Another key stays as it is.
    assert found(doc) == [(3, 4, "OTHER")]
    nlp.get_pipe(NAME).cfg["spans_key"] = "new"
    assert nlp(TEXT).spans.keys() == {"new"}


@pytest.mark.parametrize("gold", ["spans", "ents"])
def test_gold_says_what_is_learnt(gold):
    nlp = pipeline(gold=gold)
    corpus = [example(nlp, TEXT, [(0, 2, "A")])]
    reference = corpus[0].reference
    reference.set_ents([Span(reference, 8, 9, "B")])
    train(nlp, corpus)
    doc = nlp(TEXT)
    assert found(doc) == [(0, 2, "A") if gold == "spans" else (8, 9, "B")]


# set_ents, overwrite_ents


@pytest.mark.parametrize("set_ents", [True, False])
def test_set_ents(trained, set_ents):
    with changed(trained, set_ents=set_ents):
        doc = trained(TEXT)
    assert set(found(doc)) == GOLD[0]
    assert doc.has_annotation("ENT_IOB") == bool(doc.ents) == set_ents


def ruled(overwrite, **settings):
    """A trained pipeline behind an entity ruler that knows one name."""
    nlp = train(pipeline(overwrite_ents=overwrite, **settings))
    ruler = nlp.add_pipe("entity_ruler", before=NAME)
    ruler.add_patterns([{"label": "RULE", "pattern": "Bank of New", "id": "b"}])
    return nlp


@pytest.mark.parametrize("set_ents", [True, False])
@pytest.mark.parametrize("overwrite", [True, False])
def test_entities_of_the_entity_ruler(overwrite, set_ents):
    doc = ruled(overwrite, set_ents=set_ents)(TEXT)
    assert set(found(doc)) == GOLD[0]
    if overwrite and set_ents:
        assert all(label != "RULE" for _, _, label in ents(doc))
        return
    # All but the last span share a token with the ruler's entity.
    rest = [(8, 9, "GPE")] if set_ents else []
    assert ents(doc) == [(3, 6, "RULE"), *rest]
    assert doc.ents[0].ent_id_ == "b"


@pytest.mark.parametrize("text", ["the bank in Boston", "New England"])
def test_what_fills_the_room_around_kept_entities_is_the_best(untrained, text):
    (scores,) = all_scores(untrained, [text])
    threshold = sorted(scores.values())[-12] - 1e-4
    for start in range(len(text.split())):
        doc = untrained.make_doc(text)
        kept = Span(doc, start, start + 1, "KEPT")
        doc.set_ents([kept])
        with changed(untrained, threshold=threshold, flat="optimal"):
            doc = untrained(doc)
        chosen = set(ents(doc)) - {(start, start + 1, "KEPT")}
        assert len(chosen) == len(doc.ents) - 1
        free = {
            span: margin
            for span, margin in margins(untrained, text, threshold).items()
            if not overlap(span, (start, start + 1))
        }
        assert chosen <= free.keys()
        total = sum(free[span] for span in chosen)
        assert total == pytest.approx(best_total(free), abs=1e-5)


@pytest.mark.parametrize("overwrite", [True, False])
def test_tokens_blocked_from_entities(trained, overwrite):
    plain = ents(trained(TEXT))
    assert plain == [(0, 9, "GROUP")]
    doc = trained.make_doc(TEXT)
    doc.set_ents([], blocked=[doc[6:7]], default="missing")
    with changed(trained, overwrite_ents=overwrite):
        doc = trained(doc)
    assert set(found(doc)) == GOLD[0]
    assert ents(doc) == (plain if overwrite else [(8, 9, "GPE")])
    # A blocked token begins an entity that has no type.
    is_blocked = (doc[6].ent_iob_, doc[6].ent_type_) == ("B", "")
    assert is_blocked != overwrite


def test_tokens_outside_entities_are_free(trained):
    """What an earlier component has found to be no entity is none to keep."""
    doc = trained.make_doc(TEXT)
    doc.set_ents([], default="outside")
    assert ents(trained(doc)) == ents(trained(TEXT)) != []


# threshold, label_thresholds, max_length, overlap, max_spans


@pytest.mark.parametrize("label_thresholds", [{}, {"ORG": 0.55}, {"ORG": 0, "LOC": 1}])
@pytest.mark.parametrize("threshold", [0.45, 0.5, 0.55])
def test_thresholds(untrained, threshold, label_thresholds):
    settings = {"threshold": threshold, "label_thresholds": label_thresholds}
    with changed(untrained, **settings):
        docs = list(untrained.pipe(TEXTS))
    for doc, scores in zip(docs, all_scores(untrained, TEXTS)):
        expected = {
            (start, end, label)
            for (start, end, label), p in scores.items()
            if p >= label_thresholds.get(label, threshold)
        }
        assert set(found(doc)) == expected


def test_temperatures_change_probabilities(untrained):
    """At a temperature t, a probability p becomes that of a t-th of its log odds."""
    temperatures = {"ORG": 2.0, "GPE": 0.25}
    before = all_scores(untrained, TEXTS)
    with changed(untrained, label_temperatures=temperatures):
        after = all_scores(untrained, TEXTS)
        with changed(untrained, threshold=0.55):
            docs = list(untrained.pipe(TEXTS))
    for doc, old, new in zip(docs, before, after):
        assert old.keys() == new.keys()
        kept = set()
        for span, p in old.items():
            log_odds = math.log(p / (1 - p)) / temperatures.get(span[2], 1.0)
            expected = 1 / (1 + math.exp(-log_odds))
            assert new[span] == pytest.approx(expected, abs=1e-6)
            if new[span] >= 0.55:
                kept.add(span)
        assert set(found(doc)) == kept


@pytest.mark.parametrize("threshold, share", [(0, 1), (0.0, 1), (1, 0), (1.0, 0)])
def test_extreme_thresholds(untrained, threshold, share):
    with changed(untrained, threshold=threshold):
        doc = untrained(TEXT)
    candidates = sum(min(9, len(doc) - start) for start in range(len(doc)))
    assert len(found(doc)) == share * candidates * len(LABELS)


@pytest.mark.parametrize("max_length", [None, 1, 4, 9, 50])
@pytest.mark.filterwarnings("ignore:.*cannot use")
def test_max_length(max_length):
    nlp = initialize(pipeline(max_length=max_length, threshold=0.0))
    # The longest gold span has 9 tokens.
    longest = max_length or 9
    assert nlp.get_pipe(NAME).cfg["max_length"] == longest
    n = len(TEXT.split())
    for new in (longest, 2, 7):
        nlp.get_pipe(NAME).cfg["max_length"] = new
        doc = nlp(TEXT)
        assert len(found(doc)) == len(LABELS) * sum(min(new, n - i) for i in range(n))
        assert max(end - start for start, end, _ in found(doc)) == min(new, n)


def test_scores_do_not_depend_on_max_length(untrained):
    (wide,) = all_scores(untrained, [TEXT])
    with changed(untrained, max_length=3):
        (narrow,) = all_scores(untrained, [TEXT])
    expected = {span: p for span, p in wide.items() if span[1] - span[0] <= 3}
    assert same_scores([narrow], [expected])


@pytest.mark.parametrize("where", ["cfg", "override"])
def test_null_is_no_limit_after_initialisation(tmp_path, where):
    nlp = initialize(pipeline(max_length=9, threshold=0.0))
    if where == "cfg":
        nlp.get_pipe(NAME).cfg["max_length"] = None
    else:
        nlp.to_disk(tmp_path)
        nlp = load(tmp_path, max_length=None)
    n = len(TEXT.split())
    assert len(found(nlp(TEXT))) == len(LABELS) * n * (n + 1) / 2
    assert update(nlp, examples(nlp), Adam(0.01))[NAME] > 0


def test_max_length_is_finite_without_gold_spans():
    nlp = pipeline()
    nlp.get_pipe(NAME).add_label("ORG")
    reference = nlp.make_doc(TEXT)
    reference.spans[KEY] = []
    initialize(nlp, [Example(nlp.make_doc(TEXT), reference)])
    assert nlp.get_pipe(NAME).cfg["max_length"] >= 1
    assert nlp(TEXT).spans.keys() == {KEY}


@pytest.mark.parametrize("text", ["Boston", "the bank in Boston", *TEXTS])
def test_overlap_nested_is_greedy_by_margin(untrained, text):
    threshold = 0.02
    margin = margins(untrained, text, threshold)
    expected = []
    for span in sorted(margin, key=margin.get, reverse=True):
        if not any(crossing(span, other) for other in expected):
            expected.append(span)
    with changed(untrained, overlap="nested", threshold=threshold):
        doc = untrained(text)
    assert found(doc) == sorted(expected)


@pytest.mark.parametrize("text", ["Boston", "New England bank", "the bank in Boston"])
def test_overlap_flat_is_the_best_of_all_choices(untrained, text):
    (scores,) = all_scores(untrained, [text])
    threshold = sorted(scores.values())[-min(12, len(scores))] - 1e-4
    with changed(untrained, overlap="flat", threshold=threshold):
        doc = untrained(text)
    assert found(doc)
    assert not any(overlap(a, b) for a, b in combinations(found(doc), 2))
    assert ents(doc) == found(doc)
    margin = margins(untrained, text, threshold)
    total = sum(margin[span] for span in found(doc))
    assert total == pytest.approx(best_total(margin), abs=1e-5)


def test_overlap_of_nested_gold(trained):
    expected = {
        "any": GOLD[0],
        "nested": GOLD[0],
        "flat": {(start, end) for start, end, _ in ents(trained(TEXT))},
    }
    for setting, spans in expected.items():
        with changed(trained, overlap=setting, flat="longest"):
            doc = trained(TEXT)
        kept = {s[:2] for s in found(doc)} if setting == "flat" else set(found(doc))
        assert kept == spans


@pytest.mark.parametrize("max_spans", [1, 5, 40, 10**6])
def test_max_spans_keeps_the_best_of_each_document(untrained, max_spans):
    texts = [*TEXTS, "", "Boston"]
    with changed(untrained, threshold=0.4, max_spans=max_spans):
        docs = list(untrained.pipe(texts))
    for doc, scores in zip(docs, all_scores(untrained, texts)):
        kept = {span: p for span, p in scores.items() if p >= 0.4}
        best = sorted(kept, key=kept.get, reverse=True)[:max_spans]
        assert found(doc) == sorted(best)


def test_spans_lost_to_max_spans_are_told_once():
    """One warning, not for a document with more spans than tokens."""
    untrained = initialize(pipeline())
    text = " ".join(TEXTS)
    (scores,) = all_scores(untrained, [text])
    n_tokens = len(untrained.make_doc(text))
    ranked = sorted(scores.values(), reverse=True)
    few, many = (sum(ranked[n - 1 : n + 1]) / 2 for n in (n_tokens, n_tokens + 1))
    for threshold, n_warnings in ((many, 0), (few, 1), (few, 0)):
        with (
            changed(untrained, threshold=threshold, max_spans=2),
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            assert len(found(untrained(text))) == 2
        told = [str(w.message) for w in caught if "max_spans" in str(w.message)]
        assert len(told) == n_warnings
        for message in told:
            assert f"up to {n_tokens} in one" in message and "the 2 most" in message


# loss_weight, objective, scorer


@pytest.mark.parametrize("weight", [0, 0.5, 1, 3.0])
def test_loss_weight_scales_loss_and_gradient(weight):
    nlp = initialize(pipeline())
    pipe = nlp.get_pipe(NAME)
    corpus = examples(nlp)
    scores = pipe.predict([eg.predicted for eg in corpus])
    loss, gradient = pipe.get_loss(corpus, scores)
    with changed(nlp, loss_weight=weight):
        weighted, weighted_gradient = pipe.get_loss(corpus, scores)
        reported = loss_of_batch(nlp, corpus)
    assert weighted == reported == pytest.approx(weight * loss)
    assert torch.allclose(weighted_gradient, weight * gradient)
    assert gradient.any()


def test_a_weight_of_zero_teaches_nothing():
    nlp = initialize(pipeline(loss_weight=0.0))
    before = all_scores(nlp, TEXTS)
    for _ in range(3):
        assert update(nlp, examples(nlp), Adam(0.01, L2=0.0))[NAME] == 0.0
    assert all_scores(nlp, TEXTS) == before


def test_objective_binary_cross_entropy():
    nlp = initialize(pipeline(objective=BCE))
    expected = sum(
        -math.log(p if span in gold else 1 - p)
        for scores, gold in zip(all_scores(nlp, TEXTS), GOLD)
        for span, p in scores.items()
    )
    loss = loss_of_batch(nlp, examples(nlp))
    assert loss == pytest.approx(expected / (len(TEXTS) * len(LABELS)), rel=1e-4)
    train(nlp)
    assert [set(found(doc)) for doc in nlp.pipe(TEXTS)] == GOLD


def test_scorer():
    nlp = train(pipeline(scorer={"@scorers": "spacy.spancat_scorer.v1"}))
    scores = nlp.evaluate(examples(nlp))
    assert scores[f"spans_{KEY}_f"] == 1.0
    assert f"spans_{KEY}_macro_f" not in scores


def test_no_scorer(trained):
    nlp = train(pipeline(scorer=None), steps=1)
    assert not any(name.startswith("spans") for name in nlp.evaluate(examples(nlp)))


# Where settings can be set


def answers(nlp):
    """All that is written to documents."""
    return [
        ({key: found(doc, key) for key in doc.spans}, ents(doc))
        for doc in nlp.pipe(TEXTS)
    ]


@pytest.mark.filterwarnings("ignore:.*Component 'global_pointer' found more spans")
@pytest.mark.parametrize(
    "settings",
    [
        {"spans_key": "other"},
        {"set_ents": False},
        {"threshold": 0.0},
        {"label_thresholds": {"ORG": 1.0, "GPE": 0.0}},
        {"max_length": 2},
        {"overlap": "flat"},
        {"max_spans": 2},
    ],
)
def test_an_override_at_loading_acts_like_a_change_in_cfg(trained, folder, settings):
    with changed(trained, **settings):
        expected = answers(trained)
    assert expected != answers(trained)
    assert answers(load(folder, **settings)) == expected
    assert answers(load(folder)) == answers(trained)


def test_an_override_acts_on_training(trained, folder):
    losses = []
    for weight in (1.0, 0.5):
        nlp = load(folder, loss_weight=weight)
        losses.append(loss_of_batch(nlp, examples(nlp)))
    assert losses[1] == pytest.approx(losses[0] / 2)
    with pytest.raises(ValueError, match="ents"):
        initialize(load(folder, gold="ents"), examples(trained))


def test_a_change_in_cfg_acts_on_training():
    nlp = initialize(pipeline(max_length=9))
    corpus = [example(nlp, TEXT, [(0, 2, "ORG")])]
    assert loss_of_batch(nlp, corpus) > 0
    # In doc.ents of this reference there is no annotation.
    with changed(nlp, gold="ents"):
        assert loss_of_batch(nlp, corpus) == 0.0
    with changed(nlp, spans_key="other"):
        assert loss_of_batch(nlp, corpus) == 0.0


DEFAULTS = {
    "spans_key": KEY,
    "gold": "spans",
    "set_ents": True,
    "overwrite_ents": False,
    "threshold": 0.5,
    "label_thresholds": {"ORG": 0.5},
    "max_length": None,
    "overlap": "any",
    "flat": "auto",
    "max_spans": 1000,
    "loss_weight": 1.0,
    "candidates_key": None,
}
OTHERS = {
    "spans_key": "other",
    "gold": "ents",
    "set_ents": False,
    "overwrite_ents": True,
    "threshold": 0.25,
    "label_thresholds": {"ORG": 0.25},
    "max_length": 7,
    "overlap": "flat",
    "flat": "greedy",
    "max_spans": 7,
    "loss_weight": 0.25,
    "candidates_key": "mentions",
}


def values(nlp):
    cfg = nlp.get_pipe(NAME).cfg
    return {setting: cfg[setting] for setting in DEFAULTS}


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """A pipeline saved with a config of which no value is the default."""
    path = tmp_path_factory.mktemp("others")
    nlp = pipeline(**OTHERS)
    nlp.get_pipe(NAME).add_label("ORG")
    nlp.to_disk(path)
    return path


def test_the_defaults_are_those_of_the_documentation():
    assert values(pipeline()) == {**DEFAULTS, "label_thresholds": {}}


def test_values_in_the_config_are_saved(others):
    assert values(spacy.load(others)) == OTHERS


def test_an_override_can_be_the_default(others):
    assert values(load(others, **DEFAULTS)) == DEFAULTS


def test_a_change_in_cfg_is_saved(others, tmp_path):
    nlp = spacy.load(others)
    nlp.get_pipe(NAME).cfg.update(DEFAULTS)
    nlp.to_disk(tmp_path)
    assert values(spacy.load(tmp_path)) == DEFAULTS


@pytest.mark.parametrize("configured", [0.3, 0.7, 1 / 3])
def test_any_number_can_be_changed_in_cfg_and_saved(tmp_path, configured):
    """JSON may hold 0.3 as 0.30000000000000004, which is no override of 0.3."""
    nlp = pipeline(threshold=configured, label_thresholds={"ORG": configured})
    nlp.get_pipe(NAME).add_label("ORG")
    nlp.get_pipe(NAME).cfg.update(threshold=0.25, label_thresholds={"ORG": 0.75})
    nlp.to_disk(tmp_path)
    cfg = spacy.load(tmp_path).get_pipe(NAME).cfg
    assert (cfg["threshold"], cfg["label_thresholds"]) == (0.25, {"ORG": 0.75})


def test_an_override_acts_on_a_change_in_cfg(others, tmp_path):
    """It says another thing than config and cfg. One with the value of the config
    cannot be told from no override: the change in cfg stays."""
    nlp = spacy.load(others)
    nlp.get_pipe(NAME).cfg.update(DEFAULTS, threshold=0.125)
    nlp.to_disk(tmp_path)
    changed = {**DEFAULTS, "threshold": 0.125}
    assert values(load(tmp_path, threshold=0.75)) == {**changed, "threshold": 0.75}
    assert values(load(tmp_path, **OTHERS)) == changed


def test_an_override_is_saved(others, tmp_path):
    load(others, **DEFAULTS).to_disk(tmp_path)
    assert values(spacy.load(tmp_path)) == DEFAULTS
    assert values(load(tmp_path, **OTHERS)) == OTHERS


def test_label_thresholds_are_saved(folder, tmp_path):
    load(folder, label_thresholds={"ORG": 0.25}).to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    assert nlp.get_pipe(NAME).cfg["label_thresholds"] == {"ORG": 0.25}
    nlp.get_pipe(NAME).cfg["label_thresholds"] = {"LOC": 0.75}
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe(NAME).cfg["label_thresholds"] == {"LOC": 0.75}


def test_label_thresholds_changed_in_place_are_saved(tmp_path):
    nlp = pipeline(label_thresholds={"ORG": 0.25})
    nlp.get_pipe(NAME).add_label("ORG")
    nlp.get_pipe(NAME).cfg["label_thresholds"]["ORG"] = 0.75
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe(NAME).cfg["label_thresholds"] == {"ORG": 0.75}


def test_a_change_in_cfg_is_no_change_of_another_pipeline():
    thresholds = {"ORG": 0.25}
    first, second = (pipeline(label_thresholds=thresholds) for _ in range(2))
    first.get_pipe(NAME).cfg["label_thresholds"]["GPE"] = 0.1
    assert second.get_pipe(NAME).cfg["label_thresholds"] == {"ORG": 0.25}
    assert thresholds == {"ORG": 0.25}


def test_find_threshold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Half trained, so that thresholds matter.
    nlp = train(pipeline(), steps=4)
    nlp.to_disk("model")
    DocBin(docs=[eg.reference for eg in examples(nlp)]).to_disk("dev.spacy")
    scores_key = f"spans_{KEY}_f"
    best, best_f, scores = find_threshold(
        "model", tmp_path / "dev.spacy", NAME, "threshold", scores_key, n_trials=9
    )
    everything = all_scores(nlp, TEXTS)
    for threshold, f in scores.items():
        predicted = [{s for s in p if p[s] >= threshold} for p in everything]
        right = sum(len(p & gold) for p, gold in zip(predicted, GOLD))
        total = sum(map(len, predicted)) + sum(map(len, GOLD))
        assert f == pytest.approx(2 * right / total, abs=1e-6)
    assert len(set(scores.values())) > 3
    assert best_f == scores[best] == max(scores.values())


# Values that are not allowed

BAD = [
    *(("threshold", value) for value in (-0.1, 1.5)),
    ("label_thresholds", {"ORG": 1.2}),
    ("label_temperatures", {"ORG": 0.0}),
    ("label_temperatures", {"ORG": -1.0}),
    ("label_thresholds", {"ORG": 0.5, "LOC": -1e-9}),
    *(("max_length", value) for value in (0, -3)),
    *(("max_spans", value) for value in (0, -1)),
    *(("overlap", value) for value in ("crossing", "")),
    *(("flat", value) for value in ("first", "")),
    ("candidates_key", ""),
    *(("gold", value) for value in ("entities", "Spans")),
    ("loss_weight", -1.0),
]
NAN = float("nan")
# A config cannot hold these: its types are checked. The component's cfg can.
BAD_IN_CFG = [
    *(("threshold", value) for value in (NAN, math.inf, None, "0.5", True, [0.5])),
    *(("label_thresholds", value) for value in (None, [0.5], [["ORG"]], "ORG")),
    *(("label_thresholds", {"ORG": value}) for value in (NAN, None, "0.5", True)),
    *(("max_length", value) for value in ("3", 2.5, True)),
    *(("max_spans", value) for value in (None, "3", 2.5, True)),
    *(("overlap", value) for value in (None, [])),
    *(("flat", value) for value in (None, [])),
    ("candidates_key", 3),
    *(("gold", value) for value in (None, [])),
    *(("loss_weight", value) for value in (NAN, None, "1")),
]


@pytest.mark.parametrize("setting, value", BAD)
def test_a_bad_value_is_an_error_at_construction(setting, value):
    with pytest.raises(ValueError, match=f"`{setting}` must be "):
        pipeline(**{setting: value})


def test_a_bad_value_is_an_error_at_loading(folder):
    with pytest.raises(ValueError, match=r"`threshold` must be .* it is 1.5"):
        load(folder, threshold=1.5)


@pytest.mark.parametrize("setting, value", [*BAD, *BAD_IN_CFG])
def test_a_bad_value_is_an_error_when_it_is_set(trained, setting, value):
    cfg = trained.get_pipe(NAME).cfg
    before = dict(cfg)
    writes = [
        lambda: cfg.__setitem__(setting, value),
        lambda: cfg.update({"max_length": 3, setting: value}),
        lambda: cfg.__ior__({setting: value}),
    ]
    for write in writes:
        with pytest.raises(ValueError, match=f"`{setting}` must be "):
            write()
    assert cfg == before


@pytest.mark.parametrize("setting", ["label_thresholds", "label_temperatures"])
def test_a_setting_of_an_unknown_label_is_an_error(trained, folder, setting):
    thresholds = {"ORG": 0.5, "ORF": 0.3}
    message = rf"`{setting}` names \['ORF'\].*'{NAME}'.*'ORG'"
    with pytest.raises(ValueError, match=message):
        initialize(pipeline(**{setting: thresholds}))
    with pytest.raises(ValueError, match=message):
        load(folder, **{setting: thresholds})
    with changed(trained, **{setting: thresholds}):
        with pytest.raises(ValueError, match=message):
            trained(TEXT)
        with pytest.raises(ValueError, match=message):
            next(trained.pipe([TEXT]))
