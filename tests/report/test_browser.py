"""The page in a browser: filters and order, by clicks."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

from spacy_globalpointer.evaluation import compare
from spacy_globalpointer.report.write import write_report
from tests.util.documents import KEY, make_doc, result

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="chromium is not installed"),
]

CATCH = """<script>
window.wrong = [];
window.addEventListener("error", (event) => window.wrong.push(String(event.message)));
for (const level of ["error", "warn"]) {
  console[level] = (...args) => window.wrong.push(args.join(" "));
}
</script>"""
CLICK = """<script>
const state = () => [
  [...document.querySelectorAll(".document")]
    .filter((item) => item.offsetParent !== null)
    .map((item) => Number(item.dataset.number)),
  document.getElementById("shown").textContent,
];
const steps = {start: state()};
for (const box of document.querySelectorAll("#filters input")) {
  box.click();
  steps[box.value] = state();
  box.click();
}
for (const kind of ["type", "boundary"]) {
  document.querySelector(`#filters input[value=${kind}]`).click();
}
steps.two = state();
document.querySelectorAll("#filters input:checked").forEach((box) => box.click());
const order = document.getElementById("order");
for (const value of ["number", "errors"]) {
  order.value = value;
  order.dispatchEvent(new Event("change", {bubbles: true}));
  steps[value] = state();
}
steps.wide = document.documentElement.scrollWidth - window.innerWidth;
steps.wrong = window.wrong;
const answer = document.createElement("pre");
answer.id = "answer";
answer.textContent = JSON.stringify(steps);
document.body.append(answer);
</script>"""


def browse(path, profile, width):
    """What the browser says of the page, once the script has clicked."""
    markup = path.read_text("utf8")
    markup = markup.replace("<head>", f"<head>{CATCH}", 1)
    path = path.with_name(f"clicked-{width}.html")
    path.write_text(markup.replace("</body>", f"{CLICK}</body>"), "utf8")
    command = [
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
        *("--no-first-run", "--disable-background-networking", "--disable-sync"),
        *("--disable-component-update", "--disable-dev-shm-usage"),
        *("--hide-scrollbars", "--enable-logging=stderr"),
        *(f"--user-data-dir={profile}", f"--window-size={width},900"),
        *("--dump-dom", path.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr
    answer = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.DOTALL)
    assert answer, done.stderr
    return json.loads(unescape(answer[1]))


@pytest.mark.parametrize("width", [1280, 390])
def test_filters_and_order(tmp_path, width):
    right, none = [(0, 2, "A")], []
    sides = [
        (right, right),  # 1: right
        (right, none),  # 2: missed
        (none, right),  # 3: spurious
        (right, [(0, 2, "B")]),  # 4: type
        (right, [(1, 3, "A"), (4, 5, "C")]),  # 5: boundary
        (none, none),  # 6
        (right, [*right, (0, 3, "A")]),  # 7: nesting
    ]
    docs = [(make_doc(6, gold), make_doc(6, predicted)) for gold, predicted in sides]
    one = result(docs)
    assert one.spans_key == KEY
    metrics = {**compare([one], n_bootstrap=10), "training": []}
    path = write_report(tmp_path, [one], metrics, title="Title")
    steps = browse(path, tmp_path / "profile", width)
    assert steps["wrong"] == []
    assert steps["wide"] <= 0
    worst_first = [5, 4, 2, 3, 7, 1, 6]
    shown = {
        "start": worst_first,
        "right": [7, 1],
        "missed": [5, 4, 2],
        "spurious": [5, 4, 3, 7],
        "boundary": [5],
        "type": [4],
        "nesting": [7],
        "two": [5, 4],
        "number": [1, 2, 3, 4, 5, 6, 7],
        "errors": worst_first,
    }
    assert {name: steps[name][0] for name in shown} == shown
    assert steps["start"][1] == "7 of 7 documents"
    assert steps["missed"][1] == "3 of the 7 drawn"
