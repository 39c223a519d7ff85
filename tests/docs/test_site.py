"""The site is built without a warning: no broken links, no missing pages, no unknown
names in the reference."""

import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
import srsly

from spacy_globalpointer import __version__
from spacy_globalpointer.cli import COMMANDS
from spacy_globalpointer.pipeline.settings import (
    RELATION_SETTINGS,
    SPAN_SETTINGS,
    TAG_SETTINGS,
)
from tests.util.files import ROOT, load_script


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for name in ("material", "mkdocstrings"):
        if find_spec(name) is None:
            pytest.skip(f"needs the extra docs ({name})")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_reference_has_all_settings_and_commands(site):
    settings = (site / "reference/settings/index.html").read_text(encoding="utf8")
    for name in {**RELATION_SETTINGS, **SPAN_SETTINGS, **TAG_SETTINGS}:
        assert f"<td><code>{name}</code></td>" in settings, name
    assert "<td><code>0.5</code></td>" in settings
    commands = (site / "reference/commands/index.html").read_text(encoding="utf8")
    for name in COMMANDS:
        assert f"global-pointer {name} [OPTIONS]" in commands
    functions = (site / "reference/python/index.html").read_text(encoding="utf8")
    for name in ("visualize", "build_efficient_global_pointer_v2", "NestedCRF"):
        assert name in functions
    # Arguments are lists.
    assert "<code>RETURNS</code>" in functions and "RETURNS (" not in functions


@pytest.mark.slow
def test_no_placeholder_is_left(site):
    for path in site.rglob("*.html"):
        assert "{{ " not in path.read_text(encoding="utf8"), path


def test_the_tables_of_settings_are_current():
    """If this fails: python docs/write_settings.py"""
    script = load_script(ROOT / "docs" / "write_settings.py")
    page = script.PAGE.read_text(encoding="utf8")
    assert script.with_tables(page) == page
    names = {**RELATION_SETTINGS, **SPAN_SETTINGS, **TAG_SETTINGS}
    assert all(f"\n| `{name}` | {x.meaning} | `" in page for name, x in names.items())


def test_the_citation_is_of_this_version():
    citation = srsly.read_yaml(ROOT / "CITATION.cff")
    assert citation["version"] == __version__
    assert f"## [{__version__}] - {citation['date-released']}" in (
        ROOT / "CHANGELOG.md"
    ).read_text(encoding="utf8")


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf8")
    links = [x for x in re.findall(r"\]\(([^)]+)\)", text) if "://" not in x]
    assert len(links) > 15
    assert all((ROOT / link).exists() for link in links), links
