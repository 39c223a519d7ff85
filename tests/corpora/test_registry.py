"""Formats: each says all of itself in one place, and other packages can add theirs."""

import subprocess
import sys

import pytest

from spacy_globalpointer.corpora import (
    FORMATS,
    ConversionReport,
    find_format,
    read_corpus,
)
from tests.util.corpus_files import write

OTHER_PACKAGE = """
from spacy_globalpointer.corpora import Mention, Record
from spacy_globalpointer.corpora.registry import Format
from spacy_globalpointer.corpora.source import Source


def read(path, report):
    with Source(path, report) as source:
        for line in source.lines():
            word, _, label = line.removeprefix("%%").partition("=")
            yield Record(path, source.line, [Mention(0, 1, label)], tokens=[word])


FORMAT = Format(
    name="percent",
    description="A word and its label behind two percent signs.",
    matches=lambda head: head.text.startswith("%%"),
    read=read,
    example={"train.txt": "%%Ann=PER\\n"},
)
"""


@pytest.mark.parametrize("name", [name for name in FORMATS if FORMATS[name].example])
def test_the_example_of_a_format_is_of_it(tmp_path, name):
    format = FORMATS[name]
    assert format.name == name
    assert format.description.endswith(".")
    for file_name, content in format.example.items():
        write(tmp_path / file_name, content)
    for file_name in format.example:
        path = tmp_path / file_name
        assert find_format(path) == name
        report = ConversionReport()
        records = list(read_corpus(path, report))
        assert records and records[0].mentions
        assert not report.counts


def test_a_format_of_another_package_is_found(tmp_path):
    """In a new process, since entry points are looked up once."""
    write(tmp_path / "other_package.py", OTHER_PACKAGE)
    folder = tmp_path / "other_package-1.0.dist-info"
    write(folder / "METADATA", "Metadata-Version: 2.1\nName: other-package\n")
    entry = "[spacy_globalpointer_formats]\npercent = other_package:FORMAT\n"
    write(folder / "entry_points.txt", entry)
    write(tmp_path / "a.txt", "%%Ann=PER\n%%York=LOC\n")
    command = [sys.executable, "-m", "spacy", "global-pointer", "convert"]
    kwargs = {"cwd": tmp_path, "capture_output": True, "text": True}
    done = subprocess.run([*command, "a.txt", "a.spacy"], **kwargs)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.spacy").exists()
    shown = subprocess.run([*command, "--list-formats"], **kwargs).stdout
    for format in FORMATS.values():
        assert format.name in shown
        assert all(content in shown for content in format.example.values())
    assert "%%Ann=PER" in shown
