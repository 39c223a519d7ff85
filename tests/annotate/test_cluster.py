"""A local Ray cluster of two workers, with the single process as the oracle."""

import os
import signal
import subprocess
import sys

import pytest

from tests.util.annotation_runs import (
    OPTIONS,
    check_output,
    make_folder,
    places,
    wait_for_parts,
)

pytest.importorskip("ray", reason="needs the extra `ray`")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("cluster"), 3000)


class Call:
    """A call of the command in a process of its own, which starts a cluster."""

    def __init__(self, folder, target):
        self.folder, self.target = folder, target
        self.log = folder / f"{target}.log"
        command = [sys.executable, "-m", "spacy", "global-pointer", "annotate"]
        command += [*places(folder, target), *OPTIONS, "--ray", "local"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_for_parts(self, n):
        def is_running():
            return self.process.poll() is None

        wait_for_parts(self.folder, self.target, n, is_running, self.log.read_text)

    def actors(self):
        """The processes of the actors of its cluster, which descend from it."""
        listed = subprocess.run(
            ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True
        )
        rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
        parents = {int(pid): int(parent) for pid, parent, _ in rows}

        def is_own(pid):
            while pid in parents and pid != self.process.pid:
                pid = parents[pid]
            return pid == self.process.pid

        named = (int(pid) for pid, _, args in rows if "MapWorker" in args)
        return [pid for pid in named if is_own(pid)]

    def finish(self):
        assert self.process.wait() == 0, self.log.read_text()
        check_output(self.folder, self.target)


def test_equal_to_one_process(folder):
    Call(folder, "equal.jsonl").finish()


def test_killed_worker(folder):
    call = Call(folder, "worker.jsonl")
    call.wait_for_parts(3)
    os.kill(call.actors()[0], signal.SIGKILL)
    call.finish()


def test_killed_driver(folder):
    call = Call(folder, "driver.jsonl")
    call.wait_for_parts(3)
    call.process.kill()
    call.process.wait()
    assert not (folder / "driver.jsonl").exists()
    Call(folder, "driver.jsonl").finish()
