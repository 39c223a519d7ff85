"""The comparison of systems: its statistics against plain versions of them, and the
command, interrupted and resumed."""

import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
import spacy
import srsly
from spacy import util
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from typer.testing import CliRunner

from spacy_globalpointer.comparison import predict, run
from spacy_globalpointer.comparison import table as tables
from spacy_globalpointer.comparison.given import end_to_end
from spacy_globalpointer.comparison.speed import prediction_rounds
from spacy_globalpointer.evaluation import (
    label_counts,
    read_table,
    span_metrics,
    spans_under,
)
from spacy_globalpointer.training.configs import assemble
from tests.util.files import PROJECT
from tests.util.pipelines import (
    GOLD,
    KEY,
    TEXTS,
    examples,
    found,
    listening_pipeline,
    pipeline,
    set_spans,
    train,
)

SCRIPTS, CONFIGS = PROJECT / "scripts", PROJECT / "configs"
COMPARE = ["global-pointer", "compare", "--configs", str(CONFIGS)]
LABELS = ["A", "B", "C"]


def random_counts(seed, n_seeds=3, n_docs=40, quality=0.7):
    """Right, predicted and gold spans, as if predicted with some quality."""
    generator = numpy.random.default_rng(seed)
    gold = generator.integers(0, 4, size=(n_seeds, n_docs, len(LABELS)))
    right = generator.binomial(gold, quality)
    predicted = right + generator.binomial(gold, 1 - quality)
    return numpy.stack((right, predicted, gold), axis=-1)


def slow_f1(documents):
    """Micro and macro F1 of one seed, label by label."""
    per_label, totals = [], [0, 0, 0]
    for label in range(len(LABELS)):
        counts = [sum(int(doc[label][x]) for doc in documents) for x in range(3)]
        totals = [a + b for a, b in zip(totals, counts)]
        if counts[1] + counts[2]:
            per_label.append(2 * counts[0] / (counts[1] + counts[2]))
    micro = 2 * totals[0] / max(totals[1] + totals[2], 1)
    return {"micro": micro, "macro": sum(per_label) / max(len(per_label), 1)}


def scored(counts):
    """As if read from the files of the runs."""
    metrics = []
    for documents in counts:
        f = slow_f1(documents)
        metrics.append({x: {"p": 0.5, "r": 0.5, "f": f[x]} for x in f})
    return tables.Scored(metrics, counts)


@pytest.mark.parametrize("empty", [None, 1])
def test_f1_of_counts(empty):
    counts = random_counts(0)
    if empty is not None:
        counts[:, :, empty] = 0
    found = tables.f1(counts.sum(1))
    for seed, documents in enumerate(counts):
        expected = slow_f1(documents)
        assert found["micro"][seed] == pytest.approx(expected["micro"])
        assert found["macro"][seed] == pytest.approx(expected["macro"])


def test_counts_are_those_of_the_metrics():
    nlp = spacy.blank("xx")
    gold = [[(0, 2, "A"), (1, 2, "B")], [], [(3, 4, "C"), (3, 4, "A")]]
    found = [[(0, 2, "A"), (1, 2, "C")], [(0, 1, "B")], [(3, 4, "A")]]
    examples = [
        Example(*(set_spans(nlp.make_doc("a b c d e"), x, KEY) for x in (ours, theirs)))
        for ours, theirs in zip(found, gold)
    ]
    metrics = span_metrics(examples, KEY)
    pairs = [(example.reference, example.predicted) for example in examples]
    counts = label_counts(read_table(pairs, spans_under(KEY)))
    assert counts.shape == (3, 3, 3)
    f = tables.f1(counts.sum(0))
    assert f["micro"] == pytest.approx(metrics["micro"]["f"])
    assert f["macro"] == pytest.approx(metrics["macro"]["f"])
    right, predicted, wanted = counts.sum((0, 1))
    assert metrics["micro"]["p"] == pytest.approx(right / predicted)
    assert metrics["micro"]["r"] == pytest.approx(right / wanted)


def test_one_seed_has_no_deviation():
    assert tables.mean_and_deviation([0.5]) == {"mean": 0.5, "std": None}
    found = tables.mean_and_deviation([0.5, 0.6, 0.8])
    assert found["mean"] == pytest.approx(statistics.mean([0.5, 0.6, 0.8]))
    assert found["std"] == pytest.approx(statistics.stdev([0.5, 0.6, 0.8]))


def test_the_interval_is_that_of_a_bootstrap_draw_by_draw():
    systems = {"a": scored(random_counts(1)), "b": scored(random_counts(2))}
    generator = numpy.random.default_rng(3)
    draws = {"micro": [], "macro": []}
    for _ in range(1500):
        docs = generator.integers(40, size=40)
        means = []
        for system in systems.values():
            seeds = generator.integers(3, size=3)
            f = [slow_f1(system.counts[seed][docs]) for seed in seeds]
            means.append({x: sum(y[x] for y in f) / 3 for x in draws})
        for average, values in draws.items():
            values.append(means[0][average] - means[1][average])
    found = tables.differences(systems)
    assert set(found) == {"a - b", "b - a"}
    for average, values in draws.items():
        width = max(values) - min(values)
        pair = found["a - b"][average]
        low, high = numpy.quantile(values, (0.025, 0.975))
        assert pair["low"] == pytest.approx(low, abs=0.05 * width)
        assert pair["high"] == pytest.approx(high, abs=0.05 * width)
        back = found["b - a"][average]
        assert back["low"] == pytest.approx(-pair["high"])
        assert back["difference"] == pytest.approx(-pair["difference"])


def test_intervals_know_a_difference_from_none():
    same = random_counts(4)
    better = random_counts(5, quality=0.95)
    systems = {"a": scored(same), "b": scored(better), "c": scored(same)}
    found = tables.differences(systems)
    assert found["b - a"]["micro"]["low"] > 0.1
    assert found["c - a"]["micro"]["low"] < 0 < found["c - a"]["micro"]["high"]
    assert found["c - a"]["micro"]["difference"] == 0


PEERS = ["spacy_ner", "spacy_spancat", "spacy_spancat_singlelabel"]


def train_peer(system, path, steps):
    """A pipeline with a component of spaCy, whose training data is written."""
    config = assemble(CONFIGS, f"tok2vec-{system}")
    nlp = util.load_model_from_config(config, auto_fill=True)
    gold = examples(nlp)
    for eg in gold:
        eg.reference.set_ents(util.filter_spans(eg.reference.spans[KEY]))
    DocBin(docs=[eg.reference for eg in gold]).to_disk(path)
    return train(nlp, gold, steps)


@pytest.fixture(scope="module", params=PEERS)
def peer(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("peer") / "test.spacy"
    return train_peer(request.param, path, steps=30), path


def test_peers_are_scored_by_what_they_predict(peer):
    nlp, path = peer
    row = run.score(nlp, path)
    flat = nlp.pipe_names[-1] == "ner"
    predicted = [
        {(e.start, e.end, e.label_) for e in doc.ents} if flat else {*found(doc)}
        for doc in nlp.pipe(TEXTS)
    ]
    n_right = sum(len(a & b) for a, b in zip(predicted, GOLD))
    assert n_right
    expected = 2 * n_right / (sum(map(len, predicted)) + sum(map(len, GOLD)))
    assert row["metrics"]["micro"]["f"] == pytest.approx(expected)
    counts = numpy.array(row["counts"]).sum((0, 1)).tolist()
    assert counts == [n_right, *(sum(map(len, x)) for x in (predicted, GOLD))]
    weights = {
        id(w): w
        for node in nlp.get_pipe(nlp.pipe_names[-1]).model.walk()
        for w in [node.get_param(x) for x in node.param_names]
    }
    assert row["head_parameters"] == sum(w.size for w in weights.values())


def test_the_threshold_of_a_peer_is_the_best(tmp_path):
    path = tmp_path / "dev.spacy"
    nlp = train_peer("spacy_spancat", path, steps=5)
    chosen = predict.choose_threshold(nlp, path)
    f1 = {}
    for threshold in [chosen, *numpy.arange(0.01, 1, 0.01).tolist()]:
        nlp.get_pipe("spancat").cfg["threshold"] = threshold
        f1[threshold] = run.score(nlp, path)["metrics"]["micro"]["f"]
    assert f1[chosen] == max(f1.values()) > min(f1.values())


def test_peers_are_timed(peer, tmp_path):
    nlp, path = peer
    nlp.to_disk(tmp_path)
    prepare, n_words = prediction_rounds(tmp_path, path)
    prepare()()
    assert n_words == sum(len(nlp.make_doc(text)) for text in TEXTS)


def test_head_parameters_are_those_behind_the_encoder():
    nlp = train(listening_pipeline(), steps=1)
    pipe = nlp.get_pipe("global_pointer")
    n_labels, width, head_width = len(pipe.labels), 16, 16
    # Queries and keys of each label, with a bias.
    expected = n_labels * 2 * head_width * (width + 1)
    assert predict.head_parameters(nlp) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--systems", "global_pointer"], "'sequence_crf' is none of the rows"),
        (
            ["--systems", "bundle_span", "--reference", "bundle_span"],
            "['bundle_span/sequence_ner', 'bundle_span/span_classifier']",
        ),
        (["--systems", "sequence_crf crf"], "No config 'crf'"),
        (["--systems", "sequence_crf", "--seeds", "0 x"], "not ['0', 'x']"),
        (["--systems", "sequence_crf", "--seeds", ""], "no seeds"),
        (["--systems", "typing", "--reference", "typing"], "labels given spans"),
    ],
)
def test_what_cannot_be_compared_is_an_error(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    parts = [Path(f"{part}.spacy") for part in run.PARTS]
    for path in parts:
        path.touch()
    done = CliRunner().invoke(app, [*COMPARE, ".", "tok2vec", *options])
    assert done.exit_code == 1
    assert message in " ".join(done.output.split())
    assert sorted(Path().iterdir()) == sorted(parts)


def test_scores_on_given_mentions_are_marked():
    row = {
        **tables.summary(scored(random_counts(0))),
        "head_parameters": 1234,
        "train": {"words_per_second": 1, "times_as_fast": {"wall": 1.0, "cpu": 1.0}},
        "predict": {"words_per_second": 2, "times_as_fast": {"wall": 2.0, "cpu": 0.5}},
    }
    interval = {"difference": 0.25, "low": 0.125, "high": 0.375}
    difference = {"micro": interval, "macro": interval}
    result = {
        "corpus": "demo",
        "encoder": "tok2vec",
        "seeds": ["0"],
        "reference": "found",
        "speed": {"rounds": 1},
        "rows": {"found": row, "typing": row},
        "differences": {"typing - found": difference},
        "given_mentions": {"typing": {"micro": {"f": 0.5}, "macro": {"f": 0.25}}},
    }
    text = tables.markdown(result)
    assert "| typing (given mentions) |" in text and "| found |" in text
    assert "+25.00" not in text
    assert "cannot be compared" in text and "| 2.00 (0.50) |" in text
    assert "spans that found finds (seed 0), it has micro / macro F1 50.00 / 25" in text
    unmarked = tables.markdown({**result, "given_mentions": {}})
    assert "+25.00 [+12.50, +37.50]" in unmarked
    assert "given" not in unmarked and "cannot be compared" not in unmarked


def end_to_end_f1(finder, labeler, path):
    """Micro F1 of the labels that one pipeline gives to the spans of another."""
    right = wanted = given = 0
    for gold in DocBin().from_disk(path).get_docs(finder.vocab):
        words = [token.text for token in gold], [bool(t.whitespace_) for t in gold]
        found, doc = finder(Doc(finder.vocab, *words)), Doc(labeler.vocab, *words)
        doc.spans[KEY] = [Span(doc, s.start, s.end) for s in found.spans[KEY]]
        spans = [
            {(s.start, s.end, s.label_) for s in each.spans[KEY]}
            for each in (labeler(doc), gold)
        ]
        right += len(spans[0] & spans[1])
        given, wanted = given + len(spans[0]), wanted + len(spans[1])
    assert right
    return 2 * right / (given + wanted)


def test_end_to_end_labels_what_another_pipeline_finds(tmp_path):
    """A finder that has not learned all, and a labeler of given spans."""
    finder = train(pipeline(), steps=12)
    labeler = train(pipeline(candidates_key=KEY, threshold=0.0))
    for name, nlp in (("finder", finder), ("labeler", labeler)):
        nlp.to_disk(tmp_path / name)
    path = tmp_path / "test.spacy"
    DocBin(docs=[eg.reference for eg in examples(finder)]).to_disk(path)
    found = end_to_end(tmp_path / "labeler", tmp_path / "finder", path, -1)
    expected = end_to_end_f1(finder, labeler, path)
    assert 0.1 < expected < 0.9
    assert found["micro"]["f"] == pytest.approx(expected)


@pytest.fixture
def corpus(tmp_path):
    """A shrunken demo corpus."""
    raw, folder = tmp_path / "raw" / "demo", tmp_path / "corpus" / "demo"
    python(SCRIPTS / "make_demo.py", raw, "--sentences", 150)
    python("-m", "spacy", "global-pointer", "convert", raw, folder)
    return folder


def python(*args):
    command = [sys.executable, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.long
def test_a_comparison_goes_on_where_it_was_interrupted(corpus, tmp_path):
    systems = ["bundle_span", "sequence_crf", "typing"]
    options = f"--systems {','.join(systems)} --seeds 0,1 --rounds 1"
    arguments = ["-m", "spacy", *COMPARE, corpus, "tok2vec", *options.split()]
    settings = ["--training.max_epochs", 1]
    command = [sys.executable, "-u", *map(str, [*arguments, *settings])]
    folder = tmp_path / "metrics" / "compare-demo-tok2vec"
    first = folder / "bundle_span-0.json"

    with (tmp_path / "log.txt").open("w") as log:
        running = subprocess.Popen(
            command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
        )
        try:
            started = tmp_path / "training" / folder.name / "sequence_crf-0"
            wait_for(lambda: started.exists() or running.poll() is not None)
            assert running.poll() is None, (tmp_path / "log.txt").read_text()
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert [path.name for path in folder.iterdir()] == [first.name]
    # The second run was begun, and what it left is not taken for its result.
    (started / "left").touch()
    before = first.stat().st_ino, first.stat().st_mtime_ns

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 6 runs are finished" in done.stdout
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == before
    assert not (started / "left").exists()
    names = {f"{system}-{seed}.json" for system in systems for seed in (0, 1)}
    others = {"speed.json", "typing-end-to-end.json"}
    assert {path.name for path in folder.iterdir()} == {*names, *others}
    check_table(folder, srsly.read_json(f"{folder}.json"), systems)
    assert folder.with_suffix(".md").read_text("utf8") in done.stdout

    # Nothing is left to do; another setting is another comparison.
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "6 of 6 runs are finished" in again.stdout
    other = [*command, "--training.dropout", "0.3"]
    with subprocess.Popen(
        other, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert "0 of 6 runs are finished" in running.stdout.readline()
        os.killpg(running.pid, signal.SIGKILL)


def wait_for(condition, seconds=900):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def check_table(folder, table, systems):
    """Whether a table has the means and deviations of the runs' files, and the runs'
    files what their pipelines predict."""
    runs = {
        system: [srsly.read_json(folder / f"{system}-{seed}.json") for seed in (0, 1)]
        for system in systems
    }
    bundle = ["bundle_span/sequence_ner", "bundle_span/span_classifier"]
    assert list(table["rows"]) == [*bundle, "sequence_crf", "typing"]
    for name, row in table["rows"].items():
        of_seeds = [run["rows"][name] for run in runs[name.partition("/")[0]]]
        for average in ("micro", "macro"):
            for x in "prf":
                values = [each["metrics"][average][x] for each in of_seeds]
                mean, deviation = statistics.mean(values), statistics.stdev(values)
                assert row[average][x]["mean"] == pytest.approx(mean)
                assert row[average][x]["std"] == pytest.approx(deviation)
        for each in of_seeds:
            counts = numpy.array(each["counts"]).sum(0)
            f = tables.f1(counts)
            for average in ("micro", "macro"):
                assert f[average] == pytest.approx(each["metrics"][average]["f"])
        assert row["head_parameters"] == of_seeds[1]["head_parameters"]
        for phase in ("train", "predict"):
            assert row[phase]["words_per_second"] > 0
    for phase in ("train", "predict"):
        ratios = table["rows"]["sequence_crf"][phase]["times_as_fast"]
        assert ratios == {"wall": 1.0, "cpu": 1.0}
    pair = table["differences"]["bundle_span/sequence_ner - sequence_crf"]["micro"]
    assert pair["low"] <= pair["difference"] <= pair["high"]
