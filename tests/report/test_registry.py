"""A plot of another package is one function, which is declared in one place."""

import subprocess
import sys

from spacy_globalpointer.evaluation import compare
from tests.util.corpus_files import write
from tests.util.documents import random_pairs, result, to_docs
from tests.util.files import ROOT

OTHER_PACKAGE = """
from matplotlib.figure import Figure
from spacy_globalpointer.report.registry import Plot


def draw(data):
    figure = Figure(figsize=(2, 2))
    axes = figure.add_subplot()
    axes.bar(data.names, [model["summary"]["micro"]["f"] for model in data.models])
    return figure


PLOT = Plot("my-plot", "ideas", "F1 as <bars>.", draw, of_each=True)
EMPTY = Plot("no-plot", "errors", "Nothing.", lambda data: None)
"""

REPORT = """
import sys
from pathlib import Path
from tests.report.test_registry import write_two
write_two(Path(sys.argv[1]))
"""


def write_two(folder):
    """A report of two models."""
    from spacy_globalpointer.report.write import write_report

    docs = to_docs(random_pairs(0, n_docs=4))
    results = [result(docs, name) for name in ("one", "two")]
    metrics = compare(results, n_bootstrap=0)
    return write_report(folder, results, metrics, title="Title")


def test_a_plot_of_another_package_is_drawn(tmp_path):
    """In a new process, since entry points are looked up once."""
    write(tmp_path / "other_plots.py", OTHER_PACKAGE)
    folder = tmp_path / "other_plots-1.0.dist-info"
    write(folder / "METADATA", "Metadata-Version: 2.1\nName: other-plots\n")
    entries = "my-plot = other_plots:PLOT\nno-plot = other_plots:EMPTY\n"
    write(folder / "entry_points.txt", f"[spacy_globalpointer_plots]\n{entries}")
    done = subprocess.run(
        [sys.executable, "-c", REPORT, str(tmp_path / "report")],
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    plots = {path.name for path in (tmp_path / "report" / "plots").iterdir()}
    assert {"my-plot-1.svg", "my-plot-2.png"} <= plots
    assert not any(name.startswith("no-plot") for name in plots)
    page = (tmp_path / "report" / "report.html").read_text("utf8")
    section = page[page.index('<section id="ideas">') :]
    assert "<h2>Ideas</h2>" in section and '<a href="#ideas">Ideas</a>' in page
    assert "two: F1 as &lt;bars&gt;." in section
