"""What is built of this repository: the wheel, and the archive of the sources."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from importlib.util import find_spec

import pytest

from spacy_globalpointer.project import template_files
from tests.util.files import ROOT

# What git does not track, and what a session leaves behind.
LEFT_OUT = ("*.egg-info", ".*_cache", "__pycache__", ".git", ".venv", ".hypothesis")
MADE = ("build", "dist", "site")
RUN = ("raw", "corpus", "vectors", "training", "metrics", "reports", "packages")
RUN += ("project.lock",)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("build") is None, reason="needs the package build"),
]


def run(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with both, the wheel made from the archive."""
    folder = tmp_path_factory.mktemp("built")
    tree = folder / "tree"
    ignore = shutil.ignore_patterns(*LEFT_OUT)
    template = ROOT / "spacy_globalpointer" / "project_template"
    made = {str(ROOT): {*MADE}, str(ROOT / "project"): {*RUN}, str(template): {*RUN}}
    shutil.copytree(
        ROOT,
        tree,
        ignore=lambda path, names: ignore(path, names) | made.get(path, set()),
    )
    output = run("build", "--no-isolation", "--outdir", folder, tree, cwd=folder)
    assert "would be ignored" not in output
    return folder


def files_of(folder):
    """The files of a folder in this checkout, relative to it, with those of the
    project, which the package links to."""
    paths = [*(ROOT / folder).rglob("*")]
    if folder.startswith("spacy_globalpointer"):
        paths += template_files()
    return {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_the_package_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
        (metadata,) = (x for x in file.namelist() if x.endswith("/METADATA"))
        fields = Parser().parsestr(file.read(metadata).decode("utf8"))
    assert names == files_of("spacy_globalpointer")
    assert "spacy_globalpointer/project_template/project.yml" in names
    assert fields["License-Expression"] or fields["License"] == "MIT"
    assert fields["Author"] and fields["Keywords"] and fields["Summary"]
    torch = [x for x in fields.get_all("Requires-Dist") if x.startswith("torch")]
    assert torch and "<" not in torch[0]


def test_a_project_can_be_made_from_the_wheel_alone(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path)
    arguments = ["spacy", "global-pointer", "init", tmp_path / "new"]
    run(*arguments, cwd=tmp_path)
    expected = {
        path.removeprefix("spacy_globalpointer/project_template/")
        for path in files_of("spacy_globalpointer")
        if "/project_template/" in path
    }
    assert expected == {
        path.relative_to(tmp_path / "new").as_posix()
        for path in (tmp_path / "new").rglob("*")
        if path.is_file()
    }


def test_the_archive_has_what_its_tests_need(built, tmp_path):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    for part in ("tests", "docs", "benchmarks", "project", "spacy_globalpointer"):
        there = {
            path.relative_to(folder).as_posix()
            for path in (folder / part).rglob("*")
            if path.is_file()
        }
        assert there == files_of(part), part
    tests = ["tests/test_registry.py", "tests/corpora/test_reference.py"]
    tests += ["tests/cli/test_init.py", "tests/project/test_make_config.py"]
    output = run("pytest", "-q", "-p", "no:cacheprovider", *tests, cwd=folder)
    assert " passed" in output


def test_both_are_fit_for_an_index(built):
    if find_spec("twine") is None:
        pytest.skip("needs the package twine")
    output = run("twine", "check", "--strict", *built.glob("*.*"), cwd=built)
    assert output.count("PASSED") == 2
