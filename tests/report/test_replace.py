"""A report that takes the place of another, interrupted at any point."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from spacy_globalpointer import folders
from spacy_globalpointer.evaluation import compare
from spacy_globalpointer.report.write import write_report
from tests.util.documents import make_doc, result
from tests.util.files import ROOT

GOLD = make_doc(3, [(0, 1, "A"), (1, 3, "B")])
RESULTS = {
    "old": result([(GOLD, make_doc(3, [(0, 1, "A")]))]),
    "new": result([(GOLD, make_doc(3, [(1, 3, "B"), (0, 2, "A")]))], "other"),
}


def write(folder, name):
    metrics = compare([RESULTS[name]], n_bootstrap=0)
    write_report(folder, [RESULTS[name]], metrics, title=name)


def read(folder):
    """All files of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The old and the new report, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("reports")
    for name in RESULTS:
        write(folder / name, name)
    for name in RESULTS:  # Plots differ from one drawing to the next.
        (folder / name / "notes.txt").write_text("mine")
        (folder / name / "plots" / "notes.txt").write_text("mine too")
    return folder


def is_new(folder):
    return b"<title>new" in (folder / "report.html").read_bytes()


class Stop(BaseException):
    """As Ctrl-C and SystemExit, it is no Exception."""


CALLS = [(os, "rename"), (os, "replace"), (os, "mkdir"), (os, "unlink"), (os, "link")]
CALLS += [(os, "rmdir"), (io, "open"), (Path, "write_bytes"), (shutil, "copymode")]
CALLS += [(folders, "_exchange_at_once")]
OUTDATED = ("plots/*.svg",)


def write_small(folder, text):
    """What stands for a report, in three files."""
    with folders.replaced_folder(folder, OUTDATED) as new:
        (new / "plots").mkdir()
        for name in (f"plots/{text}.svg", "metrics.json", "report.html"):
            (new / name).write_bytes(text.encode())


class Stopper:
    """Raises at the n-th call that changes files, before or behind it."""

    def __init__(self, patch, n, after):
        self.n, self.after, self.calls = n, after, 0
        for owner, name in CALLS:
            patch.setattr(owner, name, self.counted(getattr(owner, name)))

    def counted(self, function):
        def call(*args, **kwargs):
            self.calls += 1
            stops = self.calls == self.n
            if stops and not self.after:
                raise Stop
            value = function(*args, **kwargs)
            if stops:
                if isinstance(value, io.IOBase):
                    value.close()
                raise Stop
            return value

        return call


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("after", [True, False])
def test_stopped_at_any_call(tmp_path, monkeypatch, at_once, after):
    folder = tmp_path / "report"
    if not at_once:
        monkeypatch.setattr(folders, "_exchange_at_once", lambda *_: False)
    write_small(folder, "old")
    (folder / "mine.txt").write_bytes(b"mine")
    (folder / "plots" / "mine").mkdir()
    (folder / "plots" / "mine" / "mine.txt").write_bytes(b"mine")
    texts = {"old": read(folder)}
    write_small(folder, "new")
    texts["new"] = read(folder)
    assert len(texts["new"]) == 5 and b"old" not in texts["new"].values()
    outcomes = []
    for n in range(1, 200):
        write_small(folder, "old")
        assert read(folder) == texts["old"]
        with monkeypatch.context() as patch:
            stopper = Stopper(patch, n, after)
            with suppress(Stop):
                write_small(folder, "new")
        if stopper.calls < n:
            break
        outcomes.append(read(folder))
        assert outcomes[-1] in texts.values()
    assert len(outcomes) > 15
    assert texts["old"] in outcomes and outcomes[-1] == texts["new"]
    assert read(folder) == texts["new"]


def test_an_error_while_drawing_leaves_the_old_report(reports, tmp_path, monkeypatch):
    folder = tmp_path / "report"
    shutil.copytree(reports / "old", folder)
    drawn = []

    def savefig(self, *args, _function=Figure.savefig, **kwargs):
        _function(self, *args, **kwargs)
        drawn.append(args)
        if len(drawn) == 5:
            raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", savefig)
    with pytest.raises(OSError, match="disk full"):
        write(folder, "new")
    assert read(folder) == read(reports / "old")
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


SCRIPT = """
import sys
from pathlib import Path
from tests.report.test_replace import write
print("ready", flush=True)
for number in range(1000):
    write(Path(sys.argv[1]), ("old", "new")[number % 2])
"""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 2.0, 4.1])
def test_killed(reports, tmp_path, seconds):
    """By a signal that cannot be caught, while reports replace each other."""
    folder = tmp_path / "report"
    shutil.copytree(reports / "old", folder)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    found = read(folder)
    assert found.keys() == read(reports / "old").keys()
    name = "new" if is_new(folder) else "old"
    assert (b'"other"' in found["metrics.json"]) == (name == "new")
    for path in found:
        if path.endswith((".html", ".svg")):
            assert found[path].rstrip().endswith((b"</html>", b"</svg>"))
        if path.endswith(".png"):
            assert found[path].endswith(b"IEND\xaeB`\x82")
    # The next one puts things in order.
    write(folder, "new")
    assert is_new(folder) and [x.name for x in tmp_path.iterdir()] == ["report"]


def test_other_files_are_kept(reports, tmp_path):
    folder = tmp_path / "report"
    shutil.copytree(reports / "old", folder)
    (folder / "more" / "deep").mkdir(parents=True)
    (folder / "more" / "deep" / "a.svg").write_text("drawn")
    (folder / "plots" / "left over.svg").write_text("old")
    link = tmp_path / "link"
    link.symlink_to(folder)
    write(link, "new")
    assert is_new(folder) and link.is_symlink()
    found = read(folder)
    assert found["notes.txt"] == b"mine" and found["plots/notes.txt"] == b"mine too"
    assert found["more/deep/a.svg"] == b"drawn"
    assert "plots/left over.svg" not in found


def test_the_working_folder_cannot_be_replaced(reports, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    for folder in (Path("."), tmp_path):
        with pytest.raises(ValueError, match="a folder for the report alone"):
            write(folder, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.skipif(sys.platform != "linux", reason="a call of Linux")
def test_folders_change_names_at_once(tmp_path):
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.mkdir()
        (path / path.name).touch()
    assert folders._exchange_at_once(*map(bytes, paths))
    assert (tmp_path / "a" / "b").exists() and (tmp_path / "b" / "a").exists()
