"""Learning rates by hand, and their number by spaCy's own batches."""

import random
from itertools import islice

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import create_train_batches
from spacy.training.loop import train as spacy_train
from spacy.util import load_model_from_config, registry
from thinc.api import Config, Optimizer

from spacy_globalpointer.training.schedules import (
    _warmup_linear,
    warmup_linear_epochs_v1,
    warmup_linear_epochs_v2,
)


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


def write(nlp, path, n_docs, n_empty=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    docs = [Doc(nlp.vocab, words=["one", "document"]) for _ in range(n_docs)]
    docs += [Doc(nlp.vocab, words=[]) for _ in range(n_empty)]
    DocBin(docs=docs).to_disk(path)
    return path


def steps_of_spacy(nlp, path, epochs, batch_size):
    """How many batches `spacy train` makes."""
    batcher = registry.batchers.get("spacy.batch_by_sequence.v1")(batch_size)
    return len(list(create_train_batches(nlp, Corpus(path), batcher, epochs)))


@pytest.mark.parametrize(
    "n_docs, batch_size, epochs, warmup, expected",
    [
        # Three batches an epoch, the last of one document; six steps.
        (7, 3, 2, 0.5, [1 / 3, 2 / 3, 1, 3 / 4, 2 / 4, 1 / 4]),
        (6, 3, 3, 0.5, [1 / 3, 2 / 3, 1, 3 / 4, 2 / 4, 1 / 4]),
        (3, 1, 1, 0.0, [3 / 4, 2 / 4, 1 / 4]),
        (4, 1, 1, 1.0, [1 / 4, 2 / 4, 3 / 4, 1]),
        (5, 8, 4, 0.25, [1, 3 / 4, 2 / 4, 1 / 4]),
        (20, 2, 1, 0.1, [1, *(n / 10 for n in range(9, 0, -1))]),
        (1, 1, 1, 0.0, [1 / 2]),
    ],
)
def test_rates_rise_and_fall_to_zero(
    nlp, tmp_path, n_docs, batch_size, epochs, warmup, expected
):
    """A rate for each step, none of them 0, and 0 from then on."""
    path = write(nlp, tmp_path / "train.spacy", n_docs)
    rates = warmup_linear_epochs_v1(2.0, warmup, epochs, batch_size, path)
    n_steps = steps_of_spacy(nlp, path, epochs, batch_size)
    got = list(islice(rates, n_steps))
    assert got == pytest.approx([2.0 * rate for rate in expected])
    assert min(got) > 0
    assert list(islice(rates, 3)) == [0.0, 0.0, 0.0]


def n_rates(path, epochs, batch_size, warmup=0.1):
    """How many rates there are before the 0."""
    rates = warmup_linear_epochs_v1(1.0, warmup, epochs, batch_size, path)
    n = sum(rate > 0 for rate in islice(rates, 10_000))
    assert n < 10_000
    return n


@pytest.mark.parametrize("n_docs", [1, 11, 12, 13])
@pytest.mark.parametrize("batch_size", [1, 4, 12, 50])
@pytest.mark.parametrize("epochs", [1, 3])
def test_there_are_as_many_rates_as_spacy_takes_steps(
    nlp, tmp_path, n_docs, batch_size, epochs
):
    path = write(nlp, tmp_path / "train.spacy", n_docs)
    expected = steps_of_spacy(nlp, path, epochs, batch_size)
    assert n_rates(path, epochs, batch_size) == expected


def test_a_folder_is_one_corpus(nlp, tmp_path):
    """Batches go over the borders of its files; what spaCy does not read does not
    count."""
    write(nlp, tmp_path / "a.spacy", 5)
    write(nlp, tmp_path / "deep" / "er" / "b.spacy", 3)
    write(nlp, tmp_path / ".hidden" / "c.spacy", 90)
    write(nlp, tmp_path / ".d.spacy", 90)
    (tmp_path / "notes.txt").write_text("not a corpus")
    assert n_rates(tmp_path, 2, 4) == 4
    assert steps_of_spacy(nlp, tmp_path, 2, 4) == 4
    assert n_rates(tmp_path, 1, 5) == steps_of_spacy(nlp, tmp_path, 1, 5) == 2


def test_documents_that_spacy_skips_take_no_steps(nlp, tmp_path):
    """spaCy's reader passes over documents without tokens."""
    path = write(nlp, tmp_path / "train.spacy", 4, n_empty=5)
    assert steps_of_spacy(nlp, path, 2, 2) == 4
    assert n_rates(path, 2, 2) == 4


def test_a_missing_corpus_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        warmup_linear_epochs_v1(1.0, 0.1, 1, 1, tmp_path / "none.spacy")


def test_a_config_names_the_schedule(nlp, tmp_path):
    path = write(nlp, tmp_path / "train.spacy", 4)
    schedule = registry.resolve(
        {
            "schedule": {
                "@schedules": "spacy_globalpointer.WarmupLinearEpochs.v1",
                "rate": 0.4,
                "warmup": 0.5,
                "epochs": 2,
                "batch_size": 2,
                "path": str(path),
            }
        }
    )["schedule"]
    assert list(islice(schedule, 5)) == pytest.approx(
        [0.2, 0.4, 0.4 * 2 / 3, 0.4 / 3, 0]
    )


# Version 2, against trainings by spaCy

CONFIG = """
[nlp]
lang = "en"
pipeline = ["global_pointer"]

[nlp.tokenizer]
@tokenizers = "spacy.Tokenizer.v1"

[components]

[components.global_pointer]
factory = "global_pointer"
gold = "ents"

[components.global_pointer.model]
@architectures = "spacy_globalpointer.EfficientGlobalPointer.v1"
head_width = 2

[components.global_pointer.model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
width = 4
depth = 1
embed_size = 10
window_size = 1
maxout_pieces = 2
subword_features = false
pretrained_vectors = null

[paths]
train = null

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.train}
limit = 1

[training]
max_epochs = 2
max_steps = 0
patience = 0
eval_frequency = 1000

[training.batcher]
@batchers = "spacy.batch_by_sequence.v1"
size = 3

[training.logger]
@loggers = "spacy.ConsoleLogger.v3"
console_output = false

[training.optimizer]
@optimizers = "Adam.v1"

[training.optimizer.learn_rate]
@schedules = "spacy_globalpointer.WarmupLinearEpochs.v2"
rate = 0.5
warmup = 0.25
epochs = ${training.max_epochs}
max_steps = ${training.max_steps}
corpus = ${corpora.train}
batcher = ${training.batcher}
lang = ${nlp.lang}
tokenizer = ${nlp.tokenizer}
"""
WORDS = {"@batchers": "spacy.batch_by_words.v1", "size": 12, "tolerance": 0.2}
WORDS["discard_oversize"] = False
AUGMENTER = {"@augmenters": "spacy.lower_case.v1", "level": 0.5}
GROWING = {"@schedules": "compounding.v1", "start": 1, "stop": 5, "compound": 1.3}


@pytest.fixture(scope="module")
def folder_of_files(nlp, tmp_path_factory):
    """Documents of two sentences and different lengths, in two files."""
    folder = tmp_path_factory.mktemp("corpus")
    for name, n_docs in [("a", 13), ("b", 7)]:
        docs = []
        for i in range(n_docs):
            words = ["Ann", "left", "."] + ["Bob"] * (i % 5 + 1)
            starts = [place in (0, 3) for place in range(len(words))]
            doc = Doc(nlp.vocab, words=words, sent_starts=starts)
            doc.set_ents([Span(doc, 0, 1, "PER")])
            docs.append(doc)
        DocBin(docs=docs).to_disk(folder / f"{name}.spacy")
    return folder


def rates_of_training(path, monkeypatch, changes):
    """The learning rate of each step that `spacy train` takes."""
    rates = []
    step_schedules = Optimizer.step_schedules

    def record(self):
        rates.append(float(self.learn_rate))
        step_schedules(self)

    config = Config().from_str(CONFIG, interpolate=False)
    for section, values in changes.items():
        part = config
        for name in section.split("."):
            part = part[name]
        part.update(values)
    config["paths"]["train"] = str(path)
    nlp = load_model_from_config(config, auto_fill=True)
    nlp = init_nlp(nlp.config)
    with monkeypatch.context() as patch:
        patch.setattr(Optimizer, "step_schedules", record)
        spacy_train(nlp, None, use_gpu=-1)
    return rates


@pytest.mark.parametrize(
    "changes, exact",
    [
        ({}, True),
        ({"corpora.train": {"limit": 5}}, True),
        ({"corpora.train": {"max_length": 7}}, True),
        ({"corpora.train": {"gold_preproc": True}}, True),
        ({"training": {"accumulate_gradient": 3}}, True),
        ({"training": {"max_steps": 5}}, True),
        ({"training": {"max_steps": 500}}, True),
        ({"training": {"max_epochs": 0, "max_steps": 9}}, True),
        ({"training": {"max_epochs": -1, "max_steps": 9}}, True),
        ({"training.batcher": {"size": GROWING}}, True),
        ({"training": {"batcher": WORDS}}, False),
        ({"corpora.train": {"augmenter": AUGMENTER}}, True),
    ],
    ids=str,
)
def test_the_rate_falls_with_the_last_step_of_spacy(
    folder_of_files, monkeypatch, changes, exact
):
    rates = rates_of_training(folder_of_files, monkeypatch, changes)
    n = len(rates)
    expected = list(islice(_warmup_linear(0.5, 0.25, n), n))
    if exact:
        assert rates == pytest.approx(expected)
    else:
        assert rates == pytest.approx(expected, abs=0.1)
    assert 0 < rates[-1] <= 0.5 * 2 / n + 0.05


def test_what_cannot_be_counted_is_an_error(folder_of_files, nlp):
    def schedule(epochs, max_steps, limit=0):
        batcher = registry.batchers.get("spacy.batch_by_sequence.v1")(3)
        corpus = Corpus(folder_of_files, max_length=limit)
        tokenizer = registry.tokenizers.get("spacy.Tokenizer.v1")()
        return warmup_linear_epochs_v2(
            0.5, 0.1, epochs, max_steps, corpus, batcher, "en", tokenizer
        )

    for epochs in (0, -1):
        with pytest.raises(
            ValueError, match=f"max_epochs = {epochs} and max_steps = 0"
        ):
            schedule(epochs, 0)
    with pytest.raises(ValueError, match="no documents"):
        schedule(1, 0, limit=1)
    random.seed(3)
    expected = random.random()
    random.seed(3)
    schedule(2, 0)
    assert random.random() == expected
