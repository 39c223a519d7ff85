"""`cfg`: settings are checked when they are set, and each of them is saved, with labels
of any spelling."""

import copy
import pickle
import re
import warnings

import numpy
import pytest
import spacy
from spacy.tokens import Span
from spacy.training import Example
from spacy.util import fix_random_seed, load_model_from_config
from thinc.api import Adam, Config

from spacy_globalpointer.pipeline.settings import SPAN_SETTINGS, TAG_SETTINGS, to_config
from tests.util.pipelines import (
    KEY,
    LANG,
    NESTED,
    TEXTS,
    by_bytes,
    by_copy,
    by_disk,
    by_pickle,
    ents,
    example,
    set_spans,
    tok2vec,
    update,
)

MODELS = {
    "global_pointer": {
        "@architectures": "spacy_globalpointer.GlobalPointer.v1",
        "head_width": 16,
    },
    "span_classifier": {
        "@architectures": "spacy_globalpointer.SpanClassifier.v1",
        "length_width": 8,
    },
    "sequence_ner": {"@architectures": "spacy_globalpointer.SequenceNER.v1"},
}
DECLARED = {
    "global_pointer": SPAN_SETTINGS,
    "span_classifier": SPAN_SETTINGS,
    "sequence_ner": TAG_SETTINGS,
}
# A value of each setting that is not the default and changes what the component does.
CHANGED = {
    "spans_key": "other",
    "gold": "ents",
    "set_ents": False,
    "overwrite_ents": True,
    "loss_weight": 0.25,
    "threshold": 1.0,
    "label_thresholds": {"ORG": 0.0, "GPE": 1.0},
    "label_temperatures": {"ORG": 3.0},
    "max_length": 2,
    "overlap": "flat",
    "flat": "optimal",
    "max_spans": 2,
    "candidates_key": "mentions",
    "negative_spans_key": "rejected",
    "pieces": True,
    "scheme": "BILUO",
    "crf": False,
}
EVERY_SETTING = [(name, setting) for name in DECLARED for setting in DECLARED[name]]
WAYS = {"disk": by_disk, "bytes": by_bytes, "pickle": by_pickle, "copy": by_copy}


def pipeline(name, **settings):
    nlp = spacy.blank(LANG)
    model = {**MODELS[name], "tok2vec": tok2vec()}
    nlp.add_pipe(name, config={"model": model, **settings})
    return nlp


def corpus_of(nlp):
    """Examples with spans under two keys, entities and candidates."""
    corpus = []
    for text, spans in NESTED:
        spans = [span for span in spans if span[2] != "LOC"]
        eg = example(nlp, text, spans)
        set_spans(eg.reference, spans[:2], "other")
        set_spans(eg.reference, [(0, 1, "ORG")], "rejected")
        eg.reference.set_ents([Span(eg.reference, 8, 9, "GPE")], default="outside")
        eg.predicted.spans["mentions"] = [eg.predicted[2:3], eg.predicted[4:9]]
        corpus.append(eg)
    # Two pieces of one entity.
    corpus[0].reference.spans[KEY].attrs["fragments"] = [[1, 2]]
    return corpus


def learn(nlp):
    """A little: many spans, none of them sure."""
    steps = 15 if "span_classifier" in nlp.pipe_names else 3
    corpus = corpus_of(nlp)
    fix_random_seed(0)
    nlp.initialize(lambda: corpus)
    optimizer = Adam(0.01)
    for _ in range(steps):
        update(nlp, corpus, optimizer)
    return nlp


def behavior(nlp):
    """All that a component writes, of documents with entities and candidates, and the
    loss of a batch."""
    corpus = corpus_of(nlp)
    docs = []
    for text in TEXTS:
        doc = nlp.make_doc(text)
        doc.set_ents([Span(doc, 0, 1, "KEPT")], default="missing")
        doc.spans["mentions"] = [doc[2:3], doc[4:9]]
        docs.append(doc)
    written = [
        (
            {
                key: [(span.start, span.end, span.label_) for span in group]
                for key, group in doc.spans.items()
            },
            {
                key: [round(float(p), 6) for p in group.attrs.get("scores", ())]
                for key, group in doc.spans.items()
            },
            ents(doc),
        )
        for doc in nlp.pipe(docs)
    ]
    (loss,) = nlp.update(corpus, sgd=False).values()
    return written, round(loss, 6)


@pytest.fixture(scope="module")
def learned():
    """A pipeline of each factory, and what it does."""
    with warnings.catch_warnings():
        # The corpus is nested.
        warnings.simplefilter("ignore")
        pipelines = {name: learn(pipeline(name)) for name in MODELS}
    return {name: (nlp, behavior(nlp)) for name, nlp in pipelines.items()}


@pytest.mark.parametrize("name, setting", EVERY_SETTING)
@pytest.mark.filterwarnings("ignore:.*Component")
def test_every_setting_acts_and_is_saved(learned, tmp_path, name, setting):
    value = CHANGED[setting]
    nlp, before = learned[name]
    if setting in ("scheme", "crf"):
        nlp = learn(pipeline(name, **{setting: value}))
    else:
        nlp = by_bytes(nlp, tmp_path)
        if setting == "flat":
            # As many spans that overlap as possible.
            nlp.get_pipe(name).cfg["threshold"] = 0.01
            before = behavior(nlp)
        nlp.get_pipe(name).cfg[setting] = value
    assert nlp.get_pipe(name).cfg[setting] != DECLARED[name][setting].default
    expected = behavior(nlp)
    assert expected != before
    for way, save_and_load in WAYS.items():
        loaded = save_and_load(nlp, tmp_path)
        assert loaded.get_pipe(name).cfg == nlp.get_pipe(name).cfg, way
        assert behavior(loaded) == expected, way


@pytest.mark.parametrize("name, setting", EVERY_SETTING)
def test_every_setting_is_in_the_config(tmp_path, name, setting):
    value = CHANGED[setting]
    nlp = pipeline(name, **{setting: value})
    nlp.config.to_disk(tmp_path / "config.cfg")
    loaded = load_model_from_config(Config().from_disk(tmp_path / "config.cfg"))
    assert loaded.get_pipe(name).cfg[setting] == value
    before, after = (x.config.interpolate() for x in (nlp, loaded))
    assert after == before
    filled = load_model_from_config(loaded.config, auto_fill=True)
    assert filled.config == loaded.config


@pytest.mark.parametrize("name", MODELS)
def test_the_factory_takes_the_declared_settings_and_no_others(name):
    meta = spacy.blank(LANG).get_factory_meta(name)
    arguments = {"model", "objective", "scorer"}
    assert set(meta.default_config) - arguments == set(DECLARED[name])
    for setting, declared in DECLARED[name].items():
        assert meta.default_config[setting] == declared.default
        assert declared.read(declared.default) == declared.default
        assert declared.meaning
    with pytest.raises(ValueError, match="thresold"):
        pipeline(name, thresold=0.5)


# What is set is checked


def test_numbers_of_numpy_are_numbers(learned, tmp_path):
    nlp = by_bytes(learned["global_pointer"][0], tmp_path)
    cfg = nlp.get_pipe("global_pointer").cfg
    cfg["max_length"] = numpy.int64(5)
    cfg["threshold"] = numpy.float32(0.25)
    cfg["set_ents"] = numpy.bool_(False)
    cfg["label_thresholds"] = {numpy.str_("ORG"): numpy.float64(0.5)}
    cfg["label_thresholds"]["GPE"] = numpy.float16(0.75)
    cfg.setdefault("max_spans", numpy.int8(3))
    expected = {
        "max_length": 5,
        "threshold": 0.25,
        "set_ents": False,
        "label_thresholds": {"ORG": 0.5, "GPE": 0.75},
        "max_spans": 1000,
    }
    loaded = by_disk(nlp, tmp_path).get_pipe("global_pointer").cfg
    for setting, value in expected.items():
        for found in (cfg[setting], loaded[setting]):
            assert found == value
            assert type(found) is type(value) or isinstance(found, dict)
    assert all(type(x) is float for x in cfg["label_thresholds"].values())


@pytest.mark.parametrize("write", ["item", "update", "or", "default", "attribute"])
@pytest.mark.parametrize("name", MODELS)
def test_an_unknown_setting_is_an_error_that_names_the_closest(name, write):
    nlp = pipeline(name)
    pipe = nlp.get_pipe(name)
    with pytest.raises(
        ValueError, match=r"no setting 'los_weight'. Did you mean 'loss"
    ):
        if write == "item":
            pipe.cfg["los_weight"] = 0.5
        elif write == "update":
            pipe.cfg.update(set_ents=False, los_weight=0.5)
        elif write == "or":
            pipe.cfg |= {"los_weight": 0.5}
        elif write == "default":
            pipe.cfg.setdefault("los_weight", 0.5)
        else:
            pipe.cfg = {"los_weight": 0.5}
    assert "los_weight" not in pipe.cfg
    assert pipe.cfg["set_ents"]


@pytest.mark.parametrize("name, setting", EVERY_SETTING)
def test_a_setting_is_no_attribute(name, setting):
    pipe = pipeline(name).get_pipe(name)
    with pytest.raises(AttributeError, match=rf"cfg\['{setting}'\]"):
        setattr(pipe, setting, CHANGED[setting])


def test_a_bad_entry_is_named_when_it_is_set(learned):
    cfg = learned["global_pointer"][0].get_pipe("global_pointer").cfg
    for setting, value in (("label_thresholds", 1.5), ("label_temperatures", 0)):
        before = dict(cfg[setting])
        message = rf"`{setting}` must be .* it is {{'ORG': {value}}}"
        with pytest.raises(ValueError, match=message):
            cfg[setting]["ORG"] = value
        with pytest.raises(ValueError, match=message):
            cfg[setting] = {"GPE": 0.5, "ORG": value}
        assert cfg[setting] == before


def pickled(x):
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_of_cfg_checks_too(duplicate):
    cfg = pipeline("global_pointer", label_thresholds={"A": 0.5})
    cfg = cfg.get_pipe("global_pointer").cfg
    other = duplicate(cfg)
    assert other == cfg
    for target, key in ((other, "overlap"), (other["label_thresholds"], "A")):
        with pytest.raises(ValueError, match="must be"):
            target[key] = -1


# max_length


@pytest.mark.parametrize("way", WAYS)
def test_a_loaded_pipeline_measures_max_length_again(learned, tmp_path, way):
    nlp = WAYS[way](learned["global_pointer"][0], tmp_path)
    cfg = nlp.get_pipe("global_pointer").cfg
    assert cfg["max_length"] == 9
    for length in (3, 6):
        corpus = [example(nlp, TEXTS[0], [(0, length, "ORG")])]
        nlp.initialize(lambda corpus=corpus: corpus)
        assert cfg["max_length"] == length
    # A number that the user sets stays, even the one that was measured.
    cfg["max_length"] = 6
    nlp = WAYS[way](nlp, tmp_path)
    corpus = [example(nlp, TEXTS[0], [(0, 2, "ORG")])]
    nlp.initialize(lambda: corpus)
    assert nlp.get_pipe("global_pointer").cfg["max_length"] == 6


@pytest.mark.parametrize("length", [4, 9])
def test_an_overridden_max_length_stays(learned, tmp_path, length):
    learned["global_pointer"][0].to_disk(tmp_path)
    config = {"components": {"global_pointer": {"max_length": length}}}
    nlp = spacy.load(tmp_path, config=config)
    corpus = [example(nlp, TEXTS[0], [(0, 2, "ORG")])]
    nlp.initialize(lambda: corpus)
    assert nlp.get_pipe("global_pointer").cfg["max_length"] == length


# Labels of any spelling

SPELLINGS = [
    *(
        "ORG:CO",
        "A=B",
        " a",
        "a ",
        " a b ",
        "# a",
        "; a",
        "#",
        "[a]",
        "[a",
        "${x}",
        "$",
    ),
    *("$$", "US$", "a.b", ".", "Ü", "组织", "🙂", "org", "ORG", "Org", "a b", '"q"'),
    *("'q'", "\\", "a\\nb", "a\nb", "a\tb", "@misc", "*", "true", "null", "1", "1.5"),
    *("{}", "%", "%(x)s", "DEFAULT", "a:", "=", ":", "rem a", "a;b", "a #b", "\u2028"),
    *("__name__", "copy", "nlp", "validate", "model_config"),
]
# A "$" is for mappings, a ":" for lists.
HARD = [["${x}", "a:b"], ["${a:b}"], ["a=$"]]
SETTINGS = ("label_thresholds", "label_temperatures")


def labeled(labels, **settings):
    nlp = pipeline("global_pointer", **settings)
    doc = nlp.make_doc(TEXTS[0])
    spans = [(i, i + 1, label) for i, label in enumerate(labels)]
    corpus = [Example(nlp.make_doc(TEXTS[0]), set_spans(doc, spans))]
    fix_random_seed(0)
    nlp.initialize(lambda: corpus)
    return nlp


def check_everywhere(nlp, value, folder):
    """A value of both settings survives all ways of saving."""
    config = Config().from_str(nlp.config.to_str())
    copies = [by_disk(nlp, folder), by_bytes(nlp, folder)]
    copies += [load_model_from_config(config), load_model_from_config(nlp.config)]
    for other in copies:
        for setting in SETTINGS:
            assert other.get_pipe("global_pointer").cfg[setting] == value
    nlp.config.interpolate()


@pytest.mark.parametrize("label", SPELLINGS)
def test_a_label_of_any_spelling_has_a_threshold_and_a_temperature(tmp_path, label):
    value = {label: 0.25, "OTHER": 0.75}
    written = to_config(value)
    assert written is not None
    settings = dict.fromkeys(SETTINGS, written)
    nlp = labeled([label, "OTHER"], **settings)
    check_everywhere(nlp, value, tmp_path)
    assert nlp(TEXTS[0]).spans.keys() == {KEY}
    # As a mapping, it is the same or an error that has the other form.
    mapping = dict.fromkeys(SETTINGS, value)
    if isinstance(written, dict):
        check_everywhere(labeled([label, "OTHER"], **mapping), value, tmp_path)
    else:
        # spaCy itself refuses the name of a registry.
        if label == "@misc":
            return  # spaCy itself refuses the name of a registry.
        with pytest.raises(ValueError, match="as pairs instead: label_thr") as error:
            labeled([label, "OTHER"], **mapping)
        for pairs in re.findall(r"label_thresholds = (.*)", str(error.value)):
            assert Config().from_str(f"[a]\nb = {pairs}")["a"]["b"] == written


@pytest.mark.parametrize("label", SPELLINGS)
def test_a_label_of_any_spelling_can_be_overridden_at_loading(tmp_path, label):
    nlp = labeled([label, "OTHER"])
    nlp.to_disk(tmp_path)
    value = {label: 0.25, "OTHER": 0.75}
    pairs = [list(pair) for pair in value.items()]
    if "$" in label:
        with pytest.raises(ValueError):
            load_with(tmp_path, pairs)
        pairs = value
    loaded = load_with(tmp_path, pairs)
    check_everywhere(loaded, value, tmp_path)
    # And once more, over what was saved.
    loaded.to_disk(tmp_path / "again")
    changed = {label: 0.5, "OTHER": 0.5}
    pairs = changed if "$" in label else [list(pair) for pair in changed.items()]
    again = load_with(tmp_path / "again", pairs)
    for setting in SETTINGS:
        assert again.get_pipe("global_pointer").cfg[setting] == changed


def load_with(path, value):
    settings = dict.fromkeys(SETTINGS, value)
    return spacy.load(path, config={"components": {"global_pointer": settings}})


@pytest.mark.parametrize("labels", HARD)
@pytest.mark.parametrize("way", WAYS)
def test_labels_that_no_config_can_hold_are_refused_and_can_be_set_in_cfg(
    tmp_path, way, labels
):
    value = dict.fromkeys(labels, 0.25)
    for form in (value, [list(pair) for pair in value.items()]):
        for setting in SETTINGS:
            with pytest.raises(ValueError, match=r"cfg\['label_") as error:
                labeled(labels, **{setting: form})
            assert setting in str(error.value)
    nlp = labeled(labels)
    for setting in SETTINGS:
        nlp.get_pipe("global_pointer").cfg[setting] = value
    nlp = WAYS[way](nlp, tmp_path)
    for setting in SETTINGS:
        assert nlp.get_pipe("global_pointer").cfg[setting] == value
    assert nlp(TEXTS[0]).spans.keys() == {KEY}


def test_a_label_given_twice_is_an_error():
    with pytest.raises(ValueError, match="`label_thresholds` must be"):
        pipeline("global_pointer", label_thresholds=[["A", 0.5], ["A", 0.25]])
