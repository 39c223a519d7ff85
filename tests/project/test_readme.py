"""The README: what it shows is run with the quickstart, and it is short."""

from tests.util.files import ROOT
from tests.util.snippets import read_blocks


def test_the_readme_is_the_quickstart():
    """Its commands and its example are those of the quickstart, which is run."""
    readme = [x for x in read_blocks(ROOT / "README.md") if x.reason != "tests"]
    assert readme[1:] == read_blocks(ROOT / "docs" / "quickstart.md")
    assert [x.language for x in readme] == ["text", "bash", "bash", "python", "text"]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= 9 * 1024
