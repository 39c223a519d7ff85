"""Learning rates by hand, and their number by spaCy's own batches."""

from itertools import islice

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus
from spacy.training.loop import create_train_batches
from spacy.util import registry

from spacy_globalpointer.schedules import warmup_linear_epochs_v1


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
