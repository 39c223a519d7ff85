"""Runs that are killed, or find the disk full, and go on: the same bytes."""

import itertools
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
import warnings

import pytest
import torch
from spacy.cli._util import app
from thinc.api import NumpyOps, set_current_ops

from spacy_globalpointer import cli  # noqa: F401
from tests.util.annotation_runs import (
    OPTIONS,
    check_output,
    make_folder,
    n_finished,
    places,
    wait_for_parts,
)

# The number of kills takes minutes.
N_KILLS = int(os.environ.get("GLOBALPOINTER_KILLS", "4"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("interruption"), 4000)


class Call:
    """A call of the command in a process of its own, which is a fork of this one, so
    that it need not import everything again."""

    numbers = itertools.count()

    def __init__(self, folder, target, *args, prepare=None):
        self.folder, self.target = folder, target
        arguments = [*places(folder, target), *OPTIONS, *args]
        self.command = ["global-pointer", "annotate", *arguments]
        self.log = folder / f"log{next(self.numbers)}.txt"
        with warnings.catch_warnings():
            # Torch has one thread here, so that nothing is lost by a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process = multiprocessing.get_context("fork").Process(
                target=self._run, args=(prepare,)
            )
            self.process.start()

    def _run(self, prepare):
        torch.set_num_threads(1)
        with self.log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        # Those of pytest do not write there.
        sys.stdout = sys.stderr = open(1, "w", closefd=False)  # noqa: SIM115
        # Another test may have taken other matrix products; spawned workers do not.
        set_current_ops(NumpyOps())
        if prepare is not None:
            prepare()
        app(self.command)

    @property
    def is_running(self):
        return self.process.is_alive()

    def wait_for_parts(self, n):
        wait_for_parts(
            self.folder,
            self.target,
            n,
            self.process.is_alive,
            self.log.read_text,
        )

    def kill(self):
        self.process.kill()
        self.process.join()

    def check(self, code=0):
        self.process.join()
        assert self.process.exitcode == code, self.log.read_text()


@pytest.mark.slow
def test_killed(folder):
    draw = random.Random(0)
    n_kills = n_within = n_runs = 0
    # How long a whole run takes once it has begun.
    begin = time.time()
    Call(folder, "timed.jsonl").check()
    seconds = time.time() - begin
    while n_kills < N_KILLS:
        n_runs += 1
        target = f"killed{n_runs}.jsonl"
        # A run that is killed again and again, then left alone.
        for _ in range(min(draw.randint(1, 4), N_KILLS - n_kills)):
            call = Call(folder, target)
            time.sleep(draw.uniform(0, seconds))
            n_within += call.is_running and n_finished(folder, target) > 0
            call.kill()
            n_kills += 1
        Call(folder, target).check()
        check_output(folder, target)
    assert n_within >= n_kills // 4


@pytest.mark.slow
def test_killed_with_workers(folder):
    call = Call(folder, "workers.jsonl", "--n-process", "2")
    call.wait_for_parts(2)
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(call.process.pid)], capture_output=True
    )
    workers = [int(pid) for pid in listed.stdout.split()]
    assert len(workers) >= 2
    call.kill()
    Call(folder, "workers.jsonl").check()
    check_output(folder, "workers.jsonl")
    # Those of the call that was killed have ended with it.
    end = time.time() + 60
    while time.time() < end and any(map(is_running, workers)):
        time.sleep(0.1)
    assert not any(map(is_running, workers))


@pytest.mark.slow
def test_killed_worker(folder):
    """A call whose worker is killed ends, and is continued."""
    call = Call(folder, "worker.jsonl", "--n-process", "2")
    call.wait_for_parts(2)
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(call.process.pid)],
        capture_output=True,
        text=True,
    )
    lines = [line for line in listed.stdout.splitlines() if "spawn_main" in line]
    os.kill(int(lines[0].split()[0]), signal.SIGKILL)
    call.check(1)
    assert "worker process was killed" in call.log.read_text()
    Call(folder, "worker.jsonl").check()
    check_output(folder, "worker.jsonl")


@pytest.mark.slow
def test_full_disk(folder):
    """A process may not write files larger than so many bytes, and fails as it does
    on a full disk; the whole output is larger than each part."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    Call(folder, "full.jsonl", prepare=limit).check(1)
    assert not (folder / "full.jsonl").exists()
    assert n_finished(folder, "full.jsonl") > 10
    Call(folder, "full.jsonl").check()
    check_output(folder, "full.jsonl")


@pytest.mark.slow
def test_real_full_disk(folder, tmp_path):
    """A file system that is too small."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        target = f"{disk}/out.jsonl"
        Call(folder, target).check(1)
        assert n_finished(folder, target) > 1
        assert not (disk / "out.jsonl").exists()
        more = ["mount", "-o", "remount,size=50m", str(disk)]
        subprocess.run(more, check=True)
        Call(folder, target).check()
        whole = (folder / "whole.jsonl").read_bytes()
        assert (disk / "out.jsonl").read_bytes() == whole
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_two_at_once(folder):
    """A second call leaves the first one alone."""
    first = Call(folder, "both.jsonl")
    first.wait_for_parts(1)
    os.kill(first.process.pid, signal.SIGSTOP)
    second = Call(folder, "both.jsonl")
    second.check(1)
    assert "Another process is writing" in second.log.read_text()
    os.kill(first.process.pid, signal.SIGCONT)
    first.check()
    check_output(folder, "both.jsonl")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
