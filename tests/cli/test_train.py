"""`global-pointer train`: as `spacy train`, interrupted, and with several workers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
import srsly
import torch
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from spacy_globalpointer.training.checkpoint import FILE_NAME
from tests.util.files import PROJECT
from tests.util.pipelines import NESTED, set_spans

CONFIG = PROJECT / "configs" / "tok2vec.cfg"
CHILDREN = Path("/proc/self/task")
# What `--paths.train` and the like are for `spacy train` too.
SMALL = {
    "components.tok2vec.model.encode.width": 32,
    "components.global_pointer.model.content_width": 8,
    "training.batcher.size": 3,
    "training.max_epochs": 0,
}


def options(**settings):
    named = {**SMALL, **settings}
    return [x for k, v in named.items() for x in (f"--{k}", str(v))]


def run(*args, code=0):
    result = CliRunner().invoke(app, [*map(str, args)])
    assert result.exit_code == code, (result.output, result.exception)
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    nlp = spacy.blank("en")
    docs = [set_spans(nlp.make_doc(text), spans) for text, spans in NESTED * 4]
    path = tmp_path_factory.mktemp("data") / "corpus.spacy"
    DocBin(docs=docs).to_disk(path)
    return {"paths.train": path, "paths.dev": path, "training.eval_frequency": 5}


def weights(output):
    """All weights of the pipeline that was saved last."""
    nlp = spacy.load(output / "model-last")
    return {name: pipe.model.to_bytes() for name, pipe in nlp.pipeline}


def test_one_worker_is_spacy_train_and_resumes(data, tmp_path):
    logs = {name: tmp_path / f"{name}.jsonl" for name in ("whole", "spacy", "cut")}
    outputs = {name: tmp_path / name for name in logs}

    def args(name, n_steps):
        log = {"training.logger.output_file": logs[name]}
        steps = {"training.max_steps": n_steps}
        return [CONFIG, "--output", outputs[name], *options(**data, **log, **steps)]

    run("train", *args("spacy", 22))
    run("global-pointer", "train", *args("whole", 22))
    run("global-pointer", "train", *args("cut", 11))
    # The last two steps were behind the last evaluation: they are made again.
    run("global-pointer", "train", *args("cut", 22), "--resume")
    assert weights(outputs["whole"]) == weights(outputs["spacy"])
    assert weights(outputs["whole"]) == weights(outputs["cut"])
    rows = {name: list(srsly.read_jsonl(log)) for name, log in logs.items()}
    assert [row["step"] for row in rows["cut"]] == [0, 5, 10, 15, 20]
    for name in ("spacy", "cut"):
        for here, there in zip(rows["whole"], rows[name], strict=True):
            assert here["losses"] == pytest.approx(there["losses"], rel=1e-6)
            assert here["score"] == there["score"] and here["step"] == there["step"]
    best = [spacy.load(path / "model-best") for path in outputs.values()]
    f1 = [nlp.meta["performance"]["spans_f"] for nlp in best]
    assert f1[0] == f1[1] == f1[2] > 0
    # Another training begins without the checkpoint of this one, and cannot resume it.
    other = {"components.tok2vec.model.encode.width": 16}
    changed = [*args("cut", 22), *options(**other)]
    failed = run("global-pointer", "train", *changed, "--resume", code=1)
    assert "is of another pipeline: tok2vec: " in failed
    (outputs["cut"] / FILE_NAME).unlink()
    failed = run("global-pointer", "train", *args("cut", 22), "--resume", code=1)
    assert "no checkpoint" in failed


def test_workers_need_a_seed_and_torchrun_counts_them(data, tmp_path, monkeypatch):
    args = [CONFIG, "--output", tmp_path, *options(**data)]
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    failed = run("global-pointer", "train", *args, "--workers", 2, code=1)
    assert "torchrun has started 2 workers" in failed


def command(output, data, *args):
    settings = {**data, "training.eval_frequency": 20, "training.max_steps": 200}
    base = [sys.executable, "-m", "spacy", "global-pointer", "train", CONFIG]
    arguments = ["--output", output, "--workers", 2, *args, *options(**settings)]
    return [*map(str, [*base, *arguments])]


def start_and_wait(arguments, checkpoint):
    """Start a training and wait until it has saved something new."""
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    return process


def workers(process):
    """Process ids of the workers, without multiprocessing's own helper."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    children = map(int, path.read_text().split())
    return [
        pid
        for pid in children
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


@pytest.mark.slow
@pytest.mark.skipif(not CHILDREN.exists(), reason="finds processes as Linux shows them")
def test_killed_and_interrupted_trainings_go_on(data, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(whole, data), check=True, capture_output=True)
    checkpoint = cut / FILE_NAME

    process = start_and_wait(command(cut, data), checkpoint)
    pids = workers(process)
    assert len(pids) == 2
    os.kill(pids[1], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "was ended by the signal SIGKILL" in " ".join(output.split())
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    spacy.load(cut / "model-last")
    first = torch.load(checkpoint, weights_only=False)["progress"].step

    process = start_and_wait(command(cut, data, "--resume"), checkpoint)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Go on with --resume" in output
    second = torch.load(checkpoint, weights_only=False)["progress"].step
    assert 0 <= first < second < 200

    subprocess.run(command(cut, data, "--resume"), check=True, capture_output=True)
    assert weights(cut) == weights(whole)


@pytest.mark.slow
def test_torchrun(data, tmp_path):
    """Two workers that torchrun has started learn what two that we start learn."""
    outputs = []
    for starter, n in (
        (["-m", "torch.distributed.run", "--nproc-per-node", "2"], 1),
        ([], 2),
    ):
        outputs.append(tmp_path / str(n))
        settings = options(**data, **{"training.max_steps": 10})
        command = [sys.executable, *starter, "-m", "spacy", "global-pointer", "train"]
        command += [CONFIG, "--output", outputs[-1], "--workers", n, *settings]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert weights(outputs[0]) == weights(outputs[1])
