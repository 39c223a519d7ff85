"""A Ray cluster of two workers on this machine, with the single process as the oracle.

Two and a half minutes on two cores with other work, most of it the start of Python
processes that import Ray, torch and spaCy.
"""

import gc
import os
import signal
import subprocess
import sys
import warnings

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
N_WORKERS = 2
# Ray gives its processes 30 seconds to start, which a busy machine may need several
# times.
N_TRIES = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("cluster"), 3000)


@pytest.fixture(scope="module")
def address():
    """The address of a cluster, whose processes descend from this one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        for i in range(N_TRIES):
            cluster = Cluster()
            try:
                cluster.add_node(num_cpus=N_WORKERS, include_dashboard=False)
                break
            except Exception:
                cluster.shutdown()
                if i == N_TRIES - 1:
                    raise
    yield cluster.address
    with warnings.catch_warnings():
        # It does not wait for the processes that it has killed.
        warnings.simplefilter("ignore")
        cluster.shutdown()
        del cluster
        gc.collect()


def actors():
    """The processes of the actors of the cluster."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True
    )
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    parents = {int(pid): int(parent) for pid, parent, _ in rows}

    def is_own(pid):
        while pid in parents and pid != os.getpid():
            pid = parents[pid]
        return pid == os.getpid()

    named = (int(pid) for pid, _, args in rows if "MapWorker" in args)
    return [pid for pid in named if is_own(pid)]


class Call:
    """A call of the command in a process of its own."""

    def __init__(self, folder, target, address):
        self.folder, self.target = folder, target
        self.log = folder / f"{target}.log"
        command = [sys.executable, "-m", "spacy", "global-pointer", "annotate"]
        command += [*places(folder, target), *OPTIONS, "--ray", address]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
            )

    def wait_for_parts(self, n):
        def is_running():
            return self.process.poll() is None

        wait_for_parts(self.folder, self.target, n, is_running, self.log.read_text)

    def finish(self):
        assert self.process.wait() == 0, self.log.read_text()
        check_output(self.folder, self.target)


def test_equal_to_one_process(folder, address):
    Call(folder, "equal.jsonl", address).finish()


def test_killed_worker(folder, address):
    call = Call(folder, "worker.jsonl", address)
    call.wait_for_parts(3)
    os.kill(actors()[0], signal.SIGKILL)
    call.finish()


def test_killed_driver(folder, address):
    call = Call(folder, "driver.jsonl", address)
    call.wait_for_parts(3)
    call.process.kill()
    call.process.wait()
    assert not (folder / "driver.jsonl").exists()
    Call(folder, "driver.jsonl", address).finish()
