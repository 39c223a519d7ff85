"""Each benchmark runs, small, and its dense reference is the same function as the
heads of the package."""

import json
import subprocess
import sys

import pytest
import torch

from spacy_globalpointer.core.lattice import GoldSpans, Layout
from spacy_globalpointer.core.objectives import ClassImbalanceLoss
from spacy_globalpointer.heads import EfficientGlobalPointer, GlobalPointer
from tests.util.files import BENCHMARKS, PROJECT, load_script


@pytest.mark.parametrize("kind", ["GlobalPointer", "EfficientGlobalPointer"])
def test_the_dense_form_is_the_same_function(kind):
    dense = load_script(BENCHMARKS / "dense.py")
    ours_class = {"GlobalPointer": GlobalPointer}.get(kind, EfficientGlobalPointer)
    torch.manual_seed(0)
    ours = ours_class(6, 3, head_width=4).double()
    theirs = getattr(dense, f"Dense{kind}")(6, 3, 4).double()
    theirs.load_state_dict(ours.state_dict())
    hidden = torch.randn(2, 7, 6, dtype=torch.float64)
    lattice = ours(hidden.flatten(0, 1), Layout([7, 7]))
    scores = theirs(hidden, torch.ones(2, 7, dtype=torch.float64))
    for doc in range(2):
        for i in range(7):
            mine = lattice.scores[:, 7 * doc + i, : 7 - i]
            # Angles in float32 there.
            torch.testing.assert_close(mine, scores[doc, :, i, i:], rtol=0, atol=1e-5)
    gold = [(0, 1, 2, 4), (1, 0, 0, 0), (1, 2, 3, 6)]
    docs, labels, heads, tails = torch.tensor(gold).T
    spans = GoldSpans(labels, docs * 7 + heads, tails - heads, None, 2)
    loss, _ = ClassImbalanceLoss()(lattice, spans)
    target = dense.dense_target(gold, scores.shape, scores.device)
    expected = dense.dense_loss(scores, target)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-5)


def run(tmp_path, script, *options):
    """Run a copy, so that no results of the repository are written over."""
    folder = tmp_path / "benchmarks"
    folder.mkdir(exist_ok=True)
    for path in BENCHMARKS.glob("*.py"):
        (folder / path.name).write_text(path.read_text(encoding="utf8"))
    command = [sys.executable, str(folder / script), *map(str, options)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (path,) = (folder / "results").glob("*.json")
    return json.loads(path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("head", ["plain", "efficient"])
def test_head(tmp_path, head):
    options = f"--heads {head} --labels 2 --lengths 16,64 --max-lengths 4,none".split()
    found = run(tmp_path, "head.py", *options, "--tokens", 128, "--rounds", 2)
    assert len(found["rows"]) == 6
    for row in found["rows"]:
        assert row["both"]["wall"] > row["forward"]["wall"] > 0
        assert ("both_ratio" in row) == (row["form"] == "lattice")


@pytest.fixture
def demo(tmp_path):
    script = PROJECT / "scripts" / "make_demo.py"
    subprocess.run([sys.executable, str(script), str(tmp_path / "demo")], check=True)
    return tmp_path / "demo"


@pytest.mark.slow
def test_pipeline(tmp_path, demo):
    options = ["--limit", 64, "--epochs", 1, "--rounds", 1]
    found = run(tmp_path, "pipeline.py", demo, *options)
    rows = {row["system"]: row for row in found["rows"]}
    assert len(rows) == 7
    assert "f" not in rows["encoder alone"]
    for name, row in rows.items():
        for other, ratio in row["predict_times_as_fast_as"].items():
            speeds = (rows[x]["predict_words_per_second"] for x in (name, other))
            # Of one round.
            assert ratio == pytest.approx(next(speeds) / next(speeds))
        for other, ratio in row["train_times_as_fast_as"].items():
            back = rows[other]["train_times_as_fast_as"][name]
            assert ratio > 0 and (ratio - 1) * (back - 1) <= 0


@pytest.mark.slow
def test_stages(tmp_path, demo):
    encoder, *heads = run(tmp_path, "stages.py", demo, "--steps", 3)["rows"]
    assert set(encoder) == {"system", "step"} and len(heads) == 2
    for row in heads:
        parts = [row[x] for x in ("forward", "loss with gold", "backward", "optimizer")]
        assert min(parts) > 0 and sum(parts) < row["step"]
        assert 0 < row["products of the projection"] < row["forward"] + row["backward"]


@pytest.mark.slow
@pytest.mark.long
def test_growth(tmp_path):
    options = ["--lengths", "16,64", "--rounds", 1]
    found = run(tmp_path, "growth.py", *options)
    assert [row["length"] for row in found["rows"]] == [16] * 3 + [64] * 3


@pytest.mark.slow
def test_gpu_check_without_a_gpu(tmp_path):
    options = ["-g", "-1", "--steps", "1", "--layers", "1", "--tokens", "128"]
    rows = run(tmp_path, "gpu_check.py", *options)["rows"]
    by_check = {}
    for row in rows:
        by_check.setdefault(row["check"], []).append(row)
    assert by_check.keys() == {"correctness", "end to end", "steps"}
    # Single precision is compared with double.
    assert all(0 < row["worst"] < 1e-4 for row in by_check["correctness"])
    for row in by_check["steps"]:
        assert row["head_and_loss_ms"] > 0 and 0 < row["share"] < 1 and row["loss"] > 0


@pytest.mark.gpu
def test_gpu_check(tmp_path):
    rows = run(tmp_path, "gpu_check.py", "--no-head-benchmark")["rows"]
    assert any(row.get("mixed_precision") for row in rows)
