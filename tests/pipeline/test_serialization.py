"""Saved pipelines answer as before; damaged ones say what is wrong."""

import copy
import pickle
import random
import re
import shutil

import pytest
import spacy
import srsly
from spacy.util import load_model_from_config
from thinc.api import Adam, Config

from tests.util.pipelines import (
    GOLD,
    HEADS,
    LABELS,
    LANG,
    NAME,
    TEXTS,
    all_scores,
    by_bytes,
    by_copy,
    by_disk,
    by_pickle,
    by_source,
    example,
    examples,
    found,
    initialize,
    listening_pipeline,
    model,
    pipeline,
    same_scores,
    tok2vec,
    train,
    update,
)

MAKERS = {"own encoder": pipeline, "listener": listening_pipeline}
# Names that are awkward in configs, paths and sorting.
LABELS_ODD = ["U.S.", "a=b", "标签", "two words", 'say "x"', "[x]", "${y}", "é", "0"]


def by_config_and_disk(nlp, folder):
    nlp.to_disk(folder / "saved")
    return load_model_from_config(nlp.config).from_disk(folder / "saved")


def by_source_in_config(nlp, folder):
    nlp.to_disk(folder / "saved")
    sources = {name: {"source": str(folder / "saved")} for name in nlp.pipe_names}
    names = list(nlp.pipe_names)
    config = {"nlp": {"lang": LANG, "pipeline": names}, "components": sources}
    return load_model_from_config(config, auto_fill=True)


WAYS = [
    by_disk,
    by_config_and_disk,
    by_bytes,
    by_pickle,
    by_copy,
    by_source,
    by_source_in_config,
]


@pytest.fixture(scope="module", params=MAKERS)
def trained(request):
    nlp = train(MAKERS[request.param]())
    # A listener keeps a closure of its last update, which cannot be pickled.
    for node in nlp.get_pipe(NAME).model.walk():
        if node.name == "tok2vec-listener":
            node.receive(None, None, None)
    return nlp


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained pipeline, saved; not to be changed."""
    path = tmp_path_factory.mktemp("trained")
    train(pipeline()).to_disk(path)
    return path


@pytest.mark.parametrize("way", WAYS)
def test_a_trained_pipeline_answers_as_before(trained, way, tmp_path):
    nlp = way(trained, tmp_path)
    assert all_scores(nlp, TEXTS) == all_scores(trained, TEXTS)
    assert [set(found(doc)) for doc in nlp.pipe(TEXTS)] == GOLD
    assert nlp.get_pipe(NAME).cfg == trained.get_pipe(NAME).cfg


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("way", [by_disk, by_bytes, by_pickle])
def test_every_head_answers_as_before(head, way, tmp_path):
    nlp = train(pipeline(head), steps=2)
    assert all_scores(way(nlp, tmp_path), TEXTS) == all_scores(nlp, TEXTS)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("way", WAYS)
def test_a_pipeline_that_is_not_initialised_can_be_trained_later(way, make, tmp_path):
    nlp = make(threshold=0.4)
    nlp.get_pipe(NAME).add_label("ZZZ")
    loaded = way(nlp, tmp_path)
    pipe = loaded.get_pipe(NAME)
    assert (pipe.labels, pipe.cfg["threshold"]) == (("ZZZ",), 0.4)
    with pytest.raises(ValueError, match="has not been initialized"):
        pipe(loaded.make_doc(TEXTS[0]))
    train(loaded)
    assert pipe.labels == ("ZZZ", *LABELS)
    assert [set(found(doc)) for doc in loaded.pipe(TEXTS)] == GOLD


@pytest.mark.parametrize("way", [by_disk, by_bytes, by_pickle, by_copy])
def test_training_goes_on_as_if_nothing_had_happened(way, tmp_path):
    nlp = train(pipeline(), steps=5)
    loaded = way(nlp, tmp_path)
    losses = []
    for pipeline_ in (nlp, loaded):
        optimizer = Adam(0.01)
        corpus = examples(pipeline_)
        losses.append([update(pipeline_, corpus, optimizer)[NAME] for _ in range(5)])
    assert losses[0] == pytest.approx(losses[1])
    assert same_scores(all_scores(nlp, TEXTS), all_scores(loaded, TEXTS))


@pytest.mark.parametrize("way", [by_disk, by_bytes, by_pickle])
def test_a_label_added_to_a_loaded_pipeline_is_learnt_and_saved(way, tmp_path):
    nlp = way(train(pipeline()), tmp_path)
    before = all_scores(nlp, TEXTS)
    nlp.get_pipe(NAME).add_label("NEW")
    after = all_scores(nlp, TEXTS)
    old = [{s: p for s, p in scores.items() if s[2] != "NEW"} for scores in after]
    assert same_scores(old, before, tolerance=0)
    assert all_scores(way(nlp, tmp_path), TEXTS) == after
    corpus = [example(nlp, TEXTS[0], [*GOLD[0], (0, 1, "NEW")])]
    optimizer = Adam(0.01)
    for _ in range(40):
        update(nlp, corpus, optimizer)
    assert set(found(nlp(TEXTS[0]))) == {*GOLD[0], (0, 1, "NEW")}


@pytest.mark.parametrize("way", WAYS)
def test_labels_of_any_spelling(way, tmp_path):
    nlp = pipeline(threshold=0.0)
    spans = [(i, i + 1, label) for i, label in enumerate(LABELS_ODD)]
    initialize(nlp, [example(nlp, TEXTS[0], spans)])
    loaded = way(nlp, tmp_path)
    assert loaded.get_pipe(NAME).labels == tuple(sorted(LABELS_ODD))
    assert all_scores(loaded, TEXTS) == all_scores(nlp, TEXTS)


def test_an_encoder_put_in_place_of_a_listener(tmp_path):
    nlp = train(listening_pipeline())
    expected = all_scores(nlp, TEXTS)
    nlp.replace_listeners("tok2vec", NAME, ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    assert all_scores(nlp, TEXTS) == expected
    loaded = by_disk(nlp, tmp_path)
    assert loaded.pipe_names == [NAME]
    assert all_scores(loaded, TEXTS) == expected


def test_a_sourced_component_can_have_another_name(tmp_path):
    nlp = train(pipeline())
    other = spacy.blank(LANG)
    other.add_pipe(NAME, name="spans", source=nlp)
    loaded = by_disk(other, tmp_path)
    assert [set(found(doc)) for doc in loaded.pipe(TEXTS)] == GOLD


# The component alone


def test_the_component_alone_by_disk_bytes_and_pickle(tmp_path):
    nlp = train(pipeline())
    pipe = nlp.get_pipe(NAME)
    pipe.to_disk(tmp_path / "pipe")
    expected = [found(pipe(doc)) for doc in map(nlp.make_doc, TEXTS)]
    copies = [
        pipeline().get_pipe(NAME).from_disk(tmp_path / "pipe"),
        pipeline().get_pipe(NAME).from_bytes(pipe.to_bytes()),
        pickle.loads(pickle.dumps(pipe)),
        copy.deepcopy(pipe),
    ]
    for other in copies:
        blank = spacy.blank(LANG, vocab=other.vocab)
        assert [found(other(blank.make_doc(text))) for text in TEXTS] == expected


def test_a_copy_is_independent():
    nlp = train(pipeline())
    expected = all_scores(nlp, TEXTS)
    other = copy.deepcopy(nlp)
    other.get_pipe(NAME).cfg["threshold"] = 1.0
    other.get_pipe(NAME).add_label("NEW")
    update(other, examples(other), Adam(0.1))
    assert nlp.get_pipe(NAME).cfg["threshold"] == 0.5
    assert nlp.get_pipe(NAME).labels == LABELS
    assert all_scores(nlp, TEXTS) == expected


def test_loading_replaces_what_was_there_before():
    nlp = train(pipeline())
    other = pipeline()
    corpus = [example(other, TEXTS[0], [(0, 2, "X"), (0, 3, "Y")])]
    train(other, corpus, steps=3)
    other.from_bytes(nlp.to_bytes())
    assert other.get_pipe(NAME).labels == LABELS
    assert all_scores(other, TEXTS) == all_scores(nlp, TEXTS)


@pytest.mark.parametrize("field", ["cfg", "model", "vocab"])
def test_fields_can_be_excluded(field, tmp_path):
    pipe = initialize(pipeline()).get_pipe(NAME)
    pipe.cfg["threshold"] = 0.25
    pipe.to_disk(tmp_path, exclude=[field])
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"cfg", "model", "vocab"} - {field}
    assert srsly.msgpack_loads(pipe.to_bytes(exclude=[field])).keys() == files
    other = pipeline().get_pipe(NAME)
    other.from_disk(tmp_path, exclude=sorted({"model", "vocab", field}))
    assert other.cfg["threshold"] == (0.5 if field == "cfg" else 0.25)


def test_saving_to_disk_twice_gives_the_same_settings(folder, tmp_path):
    nlp = spacy.load(folder)
    nlp.to_disk(tmp_path)
    files = [path / NAME / "cfg" for path in (folder, tmp_path)]
    assert files[0].read_bytes() == files[1].read_bytes()
    configs = [Config().from_disk(path / "config.cfg") for path in (folder, tmp_path)]
    assert configs[0] == configs[1]


# Damaged folders


@pytest.fixture
def broken(folder, tmp_path):
    """A copy of the saved pipeline, to be damaged."""
    spacy.load(folder).to_disk(tmp_path)
    return tmp_path


@pytest.mark.parametrize("file", ["cfg", "model"])
def test_a_missing_file_is_named(broken, file):
    path = broken / NAME / file
    path.unlink()
    with pytest.raises(OSError) as error:
        spacy.load(broken)
    assert f"'{NAME}'" in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("file", ["cfg", "model"])
@pytest.mark.parametrize("left", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_truncated_file_is_an_error_that_names_the_component(broken, file, left):
    path = broken / NAME / file
    content = path.read_bytes()
    path.write_bytes(content[: min(int(left * len(content)), len(content) - 1)])
    with pytest.raises(ValueError, match=f"'{NAME}'"):
        spacy.load(broken)


@pytest.mark.parametrize("saved", [{}, [], {"labels": ["ORG"], "width": 16}])
def test_settings_of_another_version_are_an_error(broken, saved):
    srsly.write_json(broken / NAME / "cfg", saved)
    with pytest.raises(ValueError, match=f"'{NAME}'"):
        spacy.load(broken)


def test_a_setting_that_was_not_there_yet_is_taken_from_the_config(broken):
    path = broken / NAME / "cfg"
    saved = srsly.read_json(path)
    for settings in (saved, saved["configured"]):
        del settings["max_spans"], settings["candidates_key"]
    srsly.write_json(path, saved)
    cfg = spacy.load(broken).get_pipe(NAME).cfg
    assert (cfg["max_spans"], cfg["candidates_key"]) == (1000, None)


@pytest.mark.parametrize("setting, value", [("threshold", 7), ("overlap", "x")])
def test_saved_settings_are_checked(broken, setting, value):
    path = broken / NAME / "cfg"
    srsly.write_json(path, {**srsly.read_json(path), setting: value})
    with pytest.raises(ValueError, match=f"`{setting}` must be "):
        spacy.load(broken)


@pytest.mark.parametrize("change", [{"labels": ["ORG"]}, {"width": 8}])
def test_weights_that_do_not_fit_the_settings_are_an_error(broken, change):
    path = broken / NAME / "cfg"
    srsly.write_json(path, {**srsly.read_json(path), **change})
    with pytest.raises(ValueError, match=f"weights of component '{NAME}'"):
        spacy.load(broken)


def test_weights_of_another_architecture_are_an_error(folder):
    settings = {"model": model("egp7")}
    with pytest.raises(ValueError, match=f"weights of component '{NAME}'"):
        spacy.load(folder, config={"components": {NAME: settings}})


@pytest.mark.parametrize("name", ["wordless", "spans"])
def test_errors_name_the_component_by_the_name_it_has(folder, tmp_path, name):
    other = spacy.blank(LANG)
    other.add_pipe(NAME, name=name, source=spacy.load(folder))
    other.to_disk(tmp_path)
    (tmp_path / name / "model").write_bytes(b"")
    with pytest.raises(ValueError, match=f"'{name}'"):
        spacy.load(tmp_path)


def test_bytes_cut_short_are_an_error():
    data = train(pipeline(), steps=1).get_pipe(NAME).to_bytes()
    with pytest.raises(ValueError):
        pipeline().get_pipe(NAME).from_bytes(data[: len(data) // 2])


# Any byte of any file


def damaged(content, rng):
    """Copies of bytes that are cut short, and with one byte changed."""
    places = {0, 1, 2, len(content) - 1, *rng.sample(range(len(content)), 40)}
    for place in sorted(places):
        yield content[:place]
        changed = bytearray(content)
        changed[place] ^= 1 << rng.randrange(8)
        yield bytes(changed)


def tiny(factory):
    nlp = spacy.blank(LANG)
    settings = {"tok2vec": tok2vec(width=4)}
    if factory == NAME:
        settings["head_width"] = 4
    nlp.add_pipe(factory, config={"model": settings})
    flat = [(TEXTS[0], [(2, 7, "ORG"), (8, 9, "GPE")]), (TEXTS[1], [(4, 9, "ORG")])]
    return train(nlp, [example(nlp, *row) for row in flat], steps=15)


FACTORIES = [NAME, "span_classifier", "sequence_ner"]


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_changed_byte_on_disk_is_an_error_or_changes_nothing(factory, tmp_path):
    """The error names the file."""
    nlp = tiny(factory)
    pipe = nlp.get_pipe(factory)
    pipe.cfg["loss_weight"] = 0.75  # Another value than that of the config.
    pipe.to_disk(tmp_path)
    expected = [doc.to_bytes() for doc in nlp.pipe(TEXTS)]
    assert sorted(x.name for x in tmp_path.iterdir()) == ["cfg", "model", "vocab"]
    rng, n_errors = random.Random(0), 0
    for name in ("cfg", "model"):
        path = tmp_path / name
        content = path.read_bytes()
        for other in damaged(content, rng):
            path.write_bytes(other)
            again = tiny_again(nlp)
            try:
                again.get_pipe(factory).from_disk(tmp_path, exclude=["vocab"])
            except ValueError as error:
                assert str(path) in str(error) and f"'{factory}'" in str(error)
                n_errors += 1
            else:
                assert again.get_pipe(factory).cfg == pipe.cfg
                assert [doc.to_bytes() for doc in again.pipe(TEXTS)] == expected
        path.write_bytes(content)
    assert n_errors > 120


def tiny_again(nlp):
    return load_model_from_config(nlp.config)


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("exclude", [[], ["vocab"]])
def test_a_changed_byte_in_memory_is_an_error_or_changes_nothing(factory, exclude):
    nlp = tiny(factory)
    content = nlp.get_pipe(factory).to_bytes(exclude=exclude)
    expected = [doc.to_bytes() for doc in nlp.pipe(TEXTS)]
    n_errors = 0
    for other in damaged(content, random.Random(0)):
        again = tiny_again(nlp)
        try:
            again.get_pipe(factory).from_bytes(other)
        except ValueError as error:
            assert f"'{factory}'" in str(error)
            n_errors += 1
        else:
            assert [doc.to_bytes() for doc in again.pipe(TEXTS)] == expected
    assert n_errors > 70


def test_weights_of_another_save_are_an_error(folder, tmp_path):
    """As if saving over an older pipeline had been interrupted between the files."""
    nlp = spacy.load(folder)
    update(nlp, examples(nlp), Adam(0.01))
    nlp.to_disk(tmp_path)
    shutil.copy(folder / NAME / "model", tmp_path / NAME / "model")
    with pytest.raises(ValueError, match="model is damaged"):
        spacy.load(tmp_path)


def test_what_version_010_saved_still_loads(folder, tmp_path):
    """It had no checksums."""
    nlp = spacy.load(folder)
    nlp.to_disk(tmp_path)
    path = tmp_path / NAME / "cfg"
    saved = srsly.read_json(path)
    del saved["checksums"]
    srsly.write_json(path, saved)
    again = spacy.load(tmp_path)
    assert same_scores(all_scores(again, TEXTS), all_scores(nlp, TEXTS))
    path = tmp_path / NAME / "model"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=re.escape(str(path))):
        spacy.load(tmp_path)


def test_a_value_with_an_old_name_is_read(tmp_path):
    """`flat = "best"` of version 0.1.0, in `cfg` and in the config, changed or not."""
    with pytest.warns(UserWarning, match=r"W035.*'best'.*'optimal'"):
        nlp = train(pipeline(flat="best"))
    assert nlp.get_pipe(NAME).cfg["flat"] == "optimal"
    nlp.to_disk(tmp_path)
    config = Config().from_disk(tmp_path / "config.cfg", interpolate=False)
    config["components"][NAME]["flat"] = "best"
    config.to_disk(tmp_path / "config.cfg")
    for now, expected in (("best", "optimal"), ("greedy", "greedy")):
        path = tmp_path / NAME / "cfg"
        cfg = srsly.read_json(path)
        cfg.pop("checksums", None)
        cfg["flat"], cfg["configured"]["flat"] = now, "best"
        srsly.write_json(path, cfg)
        with pytest.warns(UserWarning, match="W035"):
            loaded = spacy.load(tmp_path)
        assert loaded.get_pipe(NAME).cfg["flat"] == expected
