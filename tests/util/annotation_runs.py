"""What the tests of interrupted runs and of clusters share: an input, what a run of one
process makes of it, and the parts of a run that goes on."""

import json
import random
import time

from spacy_globalpointer.annotate import Options
from spacy_globalpointer.annotate.job import Job, annotate
from tests.util.pipelines import TEXTS, pipeline, train

BLOCK_SIZE = 20_000
# The same for the command, in megabytes.
OPTIONS = ["--on-error", "skip", "--block-size", str(BLOCK_SIZE / (1 << 20))]
WORDS = " ".join(TEXTS).split()


def make_folder(folder, n_docs):
    """A pipeline `model`, an input `in.jsonl`, some lines of which are damaged, and
    `whole.jsonl`, the output of one process.

    RETURNS (Path): The folder.
    """
    train(pipeline(), steps=20).to_disk(folder / "model")
    draw = random.Random(0)
    with (folder / "in.jsonl").open("w") as file:
        for i in range(n_docs):
            text = " ".join(draw.choices(WORDS, k=30))
            file.write(json.dumps({"text": text, "id": i}) + "\n")
            if i % 500 == 0:
                file.write("no json\n")
    source, target = (str(folder / name) for name in ("in.jsonl", "whole.jsonl"))
    options = Options(str(folder / "model"))
    job = Job([source], target, options, block_size=BLOCK_SIZE)
    annotate(job, lambda *args: None)
    return folder


def places(folder, target):
    """The arguments of the command."""
    return [str(folder / name) for name in ("model", "in.jsonl", target)]


def n_finished(folder, target):
    """How many parts of an output there are."""
    parts = folder / f"{target}.parts"
    return len(list(parts.glob("*.summary"))) if parts.exists() else 0


def wait_for_parts(folder, target, n, is_running, explain):
    """Wait until so many parts are there. A run that ends before is an error."""
    while n_finished(folder, target) < n:
        assert is_running(), explain()
        time.sleep(0.01)


def check_output(folder, target):
    """Whether an output, and what is said of failures, is that of one process."""
    for suffix in ("", ".errors.jsonl"):
        expected = (folder / f"whole.jsonl{suffix}").read_bytes()
        assert (folder / f"{target}{suffix}").read_bytes() == expected
    assert not (folder / f"{target}.parts").exists()
