"""Damaged files end in a clear error with file and line, or are read, with every
annotation that is not kept counted."""

import os
import random
import re

import pytest

from spacy_globalpointer.corpora import (
    Conversion,
    ConversionReport,
    CorpusError,
    Options,
    Record,
    read_corpus,
)
from spacy_globalpointer.corpora.conversion_report import OUTCOMES
from spacy_globalpointer.corpora.corpus_table import CorpusTable
from tests.util.corpus_files import write
from tests.util.damage import damaged

N_FILES = int(os.environ.get("GLOBALPOINTER_DAMAGED", "300"))
# What the reader itself leaves out, before there is a mention.
BY_READERS = {
    "empty token",
    "document rejected or skipped",
    "another annotator of the same text",
    "unsupported annotation (relation, event)",
}


def convert(folder, number):
    """Convert a damaged file. Gives the error or what the file holds, and checks
    that nothing is left behind or lost."""
    file_name, content, annotation = damaged(number)[1:]
    path = write(folder / "in" / file_name, content)
    if annotation is not None:
        write(path.with_suffix(".ann"), annotation)
    target = folder / "out" / "a.spacy"
    try:
        converted = Conversion(path, target, Options()).run()
    except CorpusError as error:
        message = str(error)
        place = rf"\[E009\] {re.escape(str(folder))}\S*, line \d+: "
        assert re.match(place, message), message
        assert len(message) < 700 + len(str(path)), message
        assert not target.parent.exists() or not [*target.parent.iterdir()]
        return "refused"
    table = CorpusTable.read(target, "sc")
    counts = converted.report.counts
    dropped = sum(
        n
        for reason, n in counts.items()
        if OUTCOMES[reason] == "dropped" and reason not in BY_READERS
    )
    records = list(read_corpus(path, ConversionReport()))
    given = sum(len(record.mentions or ()) for record in records)
    assert len(table.lengths) == len(records)
    assert len(table.starts) + dropped == given
    unannotated = sum(record.mentions is None for record in records)
    assert unannotated == counts["document without annotation"]
    assert {p.name for p in target.parent.iterdir()} <= {"a.spacy", "a.report.jsonl"}
    return "read"


def clear(folder):
    for path in [*folder.glob("*/*")]:
        path.unlink()


def test_damaged_files(tmp_path):
    outcomes = set()
    for number in range(N_FILES):
        try:
            outcomes.add(convert(tmp_path, number))
        except Exception as error:
            raise AssertionError(f"file {number}: {damaged(number)}") from error
        clear(tmp_path)
    assert outcomes == {"read", "refused"}


def test_damage_is_the_same_each_time():
    assert [damaged(i) for i in range(50)] == [damaged(i) for i in range(50)]


@pytest.mark.parametrize("place", range(0, 400, 13))
def test_damaged_spacy_files(tmp_path, place):
    write(tmp_path / "a.iob", "Ann\tB-PER\nrose\tO\n")
    Conversion(tmp_path / "a.iob", tmp_path / "a.spacy", Options()).run()
    content = bytearray((tmp_path / "a.spacy").read_bytes())
    if place % 2:
        content = content[: place % len(content)]
    else:
        content[place % len(content)] ^= 0x55
    path = write(tmp_path / "b.spacy", bytes(content))
    with pytest.raises(CorpusError, match=r"b\.spacy, line 1: "):
        Conversion(path, tmp_path / "c.spacy", Options(format="spacy")).run()
    with pytest.raises(CorpusError, match=r"b\.spacy, line 1: "):
        CorpusTable.read(path, "sc")
    assert not (tmp_path / "c.spacy").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "tokens", "array", "junk"])
def test_lines_of_ten_megabytes(tmp_path, kind):
    word = "Ann rose. "
    n = 10_000_000 // len(word)
    if kind == "text":
        content = f'{{"text": "{word * n}", "label": [[0, 3, "PER"]]}}\n'
    elif kind == "tokens":
        tokens = ",".join(['"Ann"', '"rose"'] * (n // 2))
        content = f'{{"tokens": [{tokens}], "spans": [[0, 1, "PER"]]}}\n'
    elif kind == "array":
        sentence = '{"tokens": ["Ann"], "entities": [], "orig_id": 1},'
        content = f"[{sentence * (10_000_000 // len(sentence))}{sentence[:-1]}]"
    else:
        content = '{"text": "' + "(" * 10_000_000
    path = write(tmp_path / "a.jsonl", content)
    if kind == "junk":
        with pytest.raises(CorpusError, match="line 1: invalid JSON"):
            Conversion(path, tmp_path / "a.spacy", Options())
        return
    Conversion(path, tmp_path / "a.spacy", Options()).run()
    table = CorpusTable.read(tmp_path / "a.spacy", "sc")
    assert len(table.starts) == (kind != "array")
    assert len(table.orths) > 100_000


def test_links(tmp_path):
    path = write(tmp_path / "real" / "a.iob", "Ann\tB-PER\nrose\tO\n")
    (tmp_path / "link.iob").symlink_to(path)
    (tmp_path / "folder").symlink_to(path.parent)
    (path.parent / "loop").symlink_to(path.parent)
    for source in (tmp_path / "link.iob", tmp_path / "folder"):
        converted = Conversion(source, tmp_path / "a.spacy", Options()).run()
        assert converted.written[""].spans == 1
    (path.parent / "broken.iob").symlink_to(tmp_path / "nothing")
    with pytest.raises(CorpusError, match=r"broken\.iob, line 1: "):
        Conversion(tmp_path / "folder", tmp_path / "a.spacy", Options())


def test_an_output_that_is_a_link_stays_inside_its_folder(tmp_path):
    path = write(tmp_path / "a.iob", "Ann\tB-PER\nrose\tO\n")
    other = write(tmp_path / "other", "what was there")
    (tmp_path / "a.spacy").symlink_to(other)
    Conversion(path, tmp_path / "a.spacy", Options()).run()
    assert other.read_text() == "what was there"
    assert len(CorpusTable.read(tmp_path / "a.spacy", "sc").starts) == 1


def test_random_bytes(tmp_path):
    rng = random.Random(0)
    for _ in range(30):
        path = write(tmp_path / "a.dat", rng.randbytes(rng.randint(1, 3000)))
        with pytest.raises(CorpusError):
            Conversion(path, tmp_path / "a.spacy", Options()).run()
    assert [*tmp_path.iterdir()] == [path]
    assert Record(path, 1, None).mentions is None
