"""The page in a browser: filters and order, by clicks."""

import json
import os
import re
import shutil
import signal
import subprocess
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread

import pytest

from spacy_globalpointer.evaluation import compare
from spacy_globalpointer.report.write import write_report
from tests.util.documents import KEY, make_doc, random_pairs, result, to_docs

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
window.tell = (value) => fetch("/", {method: "POST", body: JSON.stringify(value)});
</script>"""
CLICK = """<script>
const state = () => [
  [...document.querySelectorAll(".document")]
    .filter((item) => item.offsetParent !== null)
    .map((item) => Number(item.dataset.number)),
  document.getElementById("shown").textContent,
];
const steps = {start: state()};
for (const box of document.querySelectorAll("#filters input[type=checkbox]")) {
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
const change = (id, value) => {
  const field = document.getElementById(id);
  field.value = value;
  field.dispatchEvent(new Event("input", {bubbles: true}));
};
change("label", "B");
steps["label B"] = state();
change("label", "");
change("search", " W4 W5");
steps.search = state();
change("search", "nowhere");
steps.nowhere = state();
change("search", "");
const press = (key) => document.body.dispatchEvent(
  new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
press("n");
press("n");
steps.next = Number(document.activeElement.dataset.number);
press("/");
steps.focus = document.activeElement.id;
document.querySelector(".spans [title]").click();
steps.note = document.getElementById("note").textContent;
window.scrollTo(0, document.body.scrollHeight);
steps.sticky = document.querySelector("nav").getBoundingClientRect().top;
steps.wide = document.documentElement.scrollWidth - window.innerWidth;
steps.wrong = window.wrong;
tell(steps);
</script>"""


class Handler(SimpleHTTPRequestHandler):
    """Serves the page, and hears what its script tells."""

    def do_POST(self):
        size = int(self.headers["Content-Length"])
        self.server.told.put(json.loads(self.rfile.read(size)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


@contextmanager
def serving(folder):
    handler = partial(Handler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.told = Queue()
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def browse(path, profile, width, script=CLICK):
    """What the browser says of the page, once the script has clicked."""
    markup = path.read_text("utf8")
    markup = markup.replace("<head>", f"<head>{CATCH}", 1)
    path = path.with_name(f"clicked-{width}.html")
    path.write_text(markup.replace("</body>", f"{script}</body>"), "utf8")
    command = [
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
        *("--no-first-run", "--disable-background-networking", "--disable-sync"),
        *("--disable-component-update", "--disable-dev-shm-usage"),
        *("--hide-scrollbars", "--enable-logging=stderr"),
        *(f"--user-data-dir={profile}", f"--window-size={width},900"),
    ]
    with serving(path.parent) as server, (path.parent / "log").open("w") as log:
        address = f"http://127.0.0.1:{server.server_port}/{path.name}"
        browser = subprocess.Popen(
            [*command, address], stdout=log, stderr=log, start_new_session=True
        )
        try:
            answer = server.told.get(timeout=120)
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()
    assert "CONSOLE" not in (path.parent / "log").read_text("utf8")
    return answer


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
    assert steps["sticky"] == 0
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
        "label B": [4],
        "search": worst_first,
        "nowhere": [],
    }
    assert {name: steps[name][0] for name in shown} == shown
    assert steps["next"] == worst_first[1] and steps["focus"] == "search"
    assert steps["note"].startswith("A, 0–5")
    assert steps["start"][1] == "7 of 7 documents"
    assert steps["missed"][1] == "3 of the 7 drawn"


MANY = """<script>
const list = document.getElementById("list");
const wait = () => {
  if (!list.dataset.ready) {
    setTimeout(wait, 10);
    return;
  }
  // From when the page was parsed, so that a busy machine fails no test.
  const [navigation] = performance.getEntriesByType("navigation");
  const milliseconds = performance.now() - navigation.domInteractive;
  const last = list.lastElementChild;
  const before = last.children.length;
  last.scrollIntoView();
  let frames = 0;
  const look = () => {
    if (!last.children.length && ++frames < 100) {
      requestAnimationFrame(look);
      return;
    }
    const n = list.children.length;
    const drawn = last.querySelectorAll(".spans").length;
    tell({milliseconds, n, before, drawn});
  };
  look();
};
wait();
</script>"""


def test_two_thousand_documents_open_fast(tmp_path):
    """Documents are drawn as they come into view."""
    docs = to_docs(random_pairs(0, n_docs=2000, n_tokens=30), n_tokens=30)
    one = result(docs)
    metrics = {**compare([one], n_bootstrap=10), "training": []}
    path = write_report(tmp_path, [one], metrics, title="Title")
    assert path.stat().st_size < 5_000_000
    seen = browse(path, tmp_path / "profile", 1280, MANY)
    assert seen["n"] == 2000 and seen["before"] == 0 and seen["drawn"] == 2
    assert seen["milliseconds"] < 2000


def test_a_report_is_printed_without_documents(tmp_path):
    one = result(to_docs(random_pairs(0, n_docs=500)))
    metrics = {**compare([one], n_bootstrap=10), "training": []}
    path = write_report(tmp_path, [one], metrics, title="Title")
    command = [
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--disable-dev-shm-usage"),
        *(f"--print-to-pdf={tmp_path / 'a.pdf'}", path.as_uri()),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    printed = (tmp_path / "a.pdf").read_bytes()
    assert 0 < len(re.findall(rb"/Type\s*/Page[^s]", printed)) <= 20
