"""A local Ray cluster of two workers, with the single process as the oracle."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from spacy_globalpointer.annotate import Options
from spacy_globalpointer.annotate.job import Job, annotate
from tests.util.pipelines import TEXTS, pipeline, train

pytest.importorskip("ray", reason="needs the extra `ray`")
pytestmark = pytest.mark.slow
WORDS = " ".join(TEXTS).split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    train(pipeline(), steps=20).to_disk(folder / "model")
    draw = random.Random(0)
    with (folder / "in.jsonl").open("w") as file:
        for i in range(3000):
            text = " ".join(draw.choices(WORDS, k=30))
            file.write(json.dumps({"text": text, "id": i}) + "\n")
            if i % 500 == 0:
                file.write("no json\n")
    job = Job(
        [str(folder / "in.jsonl")],
        str(folder / "whole.jsonl"),
        Options(str(folder / "model")),
        block_size=20_000,
    )
    annotate(job, lambda *args: None)
    return folder


def start(folder, target):
    command = [sys.executable, "-m", "spacy", "global-pointer", "annotate"]
    places = [folder / name for name in ("model", "in.jsonl", target)]
    options = ["--ray", "local", "--on-error", "skip", "--block-size", "0.019073487"]
    return subprocess.Popen(
        [*map(str, (*command, *places, *options))],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(folder, target, process):
    assert process.wait() == 0, process.stderr.read()
    process.stderr.close()
    for suffix in ("", ".errors.jsonl"):
        expected = (folder / f"whole.jsonl{suffix}").read_bytes()
        assert (folder / f"{target}{suffix}").read_bytes() == expected


def wait_for_parts(folder, target, process, n):
    parts = folder / f"{target}.parts"
    while len(list(parts.glob("*.summary"))) < n:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


def actors():
    """The processes of the actors."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,sess=,args="], capture_output=True, text=True
    )
    return [
        int(line.split()[0])
        for line in listed.stdout.splitlines()
        if "ray::MapWorker" in line or "ray::_MapWorker" in line
    ]


def test_equal_to_one_process(folder):
    finish(folder, "equal.jsonl", start(folder, "equal.jsonl"))


def test_killed_worker(folder):
    before = actors()
    process = start(folder, "worker.jsonl")
    wait_for_parts(folder, "worker.jsonl", process, 3)
    own = [pid for pid in actors() if pid not in before]
    os.kill(own[0], signal.SIGKILL)
    finish(folder, "worker.jsonl", process)


def test_killed_driver(folder):
    process = start(folder, "driver.jsonl")
    wait_for_parts(folder, "driver.jsonl", process, 3)
    process.kill()
    process.wait()
    process.stderr.close()
    assert not (folder / "driver.jsonl").exists()
    finish(folder, "driver.jsonl", start(folder, "driver.jsonl"))
