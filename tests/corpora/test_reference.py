"""The page of formats, and what `--list-formats` shows, have the same texts."""

import pytest
from spacy.cli._util import app
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from spacy_globalpointer.corpora import FORMATS
from spacy_globalpointer.corpora.reference import formats_page
from tests.util.files import ROOT

PAGE = ROOT / "docs" / "reference" / "formats.md"


def test_the_page_is_current():
    """If this fails: python -m spacy_globalpointer.corpora.reference > PAGE"""
    assert PAGE.read_text(encoding="utf8") == formats_page()


@pytest.fixture(scope="module")
def shown():
    return CliRunner().invoke(app, ["global-pointer", "convert", "--list-formats"])


@pytest.mark.parametrize("name", FORMATS)
def test_the_command_shows_what_the_page_has(shown, name):
    assert shown.exit_code == 0
    format, page = FORMATS[name], formats_page()
    for text in (format.name, format.description, *format.example.values()):
        assert text in shown.output
        assert text in page
    # A format without an example is one that no text can show.
    assert format.example or name == "spacy"
