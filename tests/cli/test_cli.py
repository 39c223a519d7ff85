"""The commands, from a corpus in JSONL to scores, with a pipeline trained here."""

import re

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.tokens import DocBin
from spacy.training import Corpus
from spacy.util import fix_random_seed, load_config
from thinc.compat import has_cupy_gpu
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from spacy_globalpointer.cli.calibrate import save_with_settings

PARTS = ("train", "dev", "test")
SENTENCES = [
    (
        "the Bank of New England in Boston",
        [[1, 5, "ORG"], [3, 5, "GPE"], [6, 7, "GPE"]],
    ),
    ("they met at the University of York", [[4, 7, "ORG"], [6, 7, "GPE"]]),
    ("nothing of note was found here", []),
    ("York is older than Boston", [[0, 1, "GPE"], [4, 5, "GPE"]]),
]


def run(*args, code=0):
    result = CliRunner().invoke(app, ["global-pointer", *map(str, args)])
    assert result.exit_code == code, (result.output, result.exception)
    return " ".join(result.output.split())  # without the line breaks of a terminal


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A corpus in JSONL, the same corpus converted, and a pipeline trained on it."""
    folder = tmp_path_factory.mktemp("cli")
    write_corpus(folder / "raw", SENTENCES)
    run("convert", folder / "raw", folder / "corpus", "--ents")
    train(folder / "corpus" / "train.spacy").to_disk(folder / "model")
    return folder


def write_corpus(folder, sentences, parts=("train", "dev", "test")):
    folder.mkdir()
    rows = [
        {"id": str(i), "tokens": text.split(), "spans": spans, "text": text}
        for i, (text, spans) in enumerate(sentences)
    ]
    for part in parts:
        srsly.write_jsonl(folder / f"{part}.jsonl", rows)


def train(path):
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("global_pointer")
    examples = list(Corpus(path)(nlp))
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    return nlp


def read(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def test_convert_keeps_text_and_spans(folder):
    for part in ("train", "dev", "test"):
        docs = read(folder / "corpus" / f"{part}.spacy")
        assert [doc.text for doc in docs] == [text for text, _ in SENTENCES]
        for doc, (_, spans) in zip(docs, SENTENCES):
            found = [[s.start, s.end, s.label_] for s in doc.spans["sc"]]
            assert found == spans
    # doc.ents has the outermost spans.
    assert [ent.text for ent in docs[0].ents] == ["Bank of New England", "Boston"]


def test_convert_says_what_it_wrote(folder, tmp_path):
    output = run("convert", folder / "raw", tmp_path / "corpus", "--ents")
    assert re.search(r"train 4 25 7 2 ", output)
    output = run("convert", folder / "raw", tmp_path / "corpus", "--spans-key", "x")
    assert re.search(r"train 4 25 7 - ", output)
    assert "x" in read(tmp_path / "corpus" / "dev.spacy")[0].spans


def test_convert_tests_on_dev_where_there_is_no_test(tmp_path):
    write_corpus(tmp_path / "raw", SENTENCES, parts=("train", "dev"))
    output = run("convert", tmp_path / "raw", tmp_path / "corpus")
    assert "dev split is also written as test" in output
    paths = [tmp_path / "corpus" / f"{part}.spacy" for part in ("dev", "test")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_convert_without_training_part(tmp_path):
    write_corpus(tmp_path / "raw", SENTENCES, parts=("dev",))
    assert "train.jsonl" in run("convert", tmp_path / "raw", tmp_path / "o", code=1)


def test_convert_of_a_damaged_file_writes_nothing(tmp_path):
    write_corpus(tmp_path / "raw", SENTENCES)
    with (tmp_path / "raw" / "dev.jsonl").open("a") as file:
        file.write('{"tokens": ["a"], "spans": [[0, 2, "X"]]}\n')
    output = run("convert", tmp_path / "raw", tmp_path / "corpus", code=1)
    assert "dev.jsonl, line 5" in output
    assert list((tmp_path / "corpus").iterdir()) == []


def test_convert_of_one_file_with_options(tmp_path):
    rows = [
        {"id": i, "text": f"Ann of New-York. It is {i}.", "label": [[0, 3, "PER"]]}
        for i in range(20)
    ]
    rows[3]["label"] += [[7, 15, "LOC"], [7, 15, "LOC"]]
    srsly.write_jsonl(tmp_path / "all.jsonl", rows)
    output = run("convert", tmp_path / "all.jsonl", tmp_path / "a.spacy")
    nlp = spacy.blank("en")
    n_tokens = sum(len(nlp.make_doc(row["text"])) for row in rows)
    assert f"all 20 {n_tokens} 21 - 0 " in output
    assert re.search(r"dropped duplicate 1 ", output)
    assert "Details of dropped and changed annotation: " in output
    docs = read(tmp_path / "a.spacy")
    assert [span.text for span in docs[3].spans["sc"]] == ["Ann", "New-York"]
    rows[3]["label"] = [[7, 13, "LOC"]]
    srsly.write_jsonl(tmp_path / "all.jsonl", rows)
    options = ["--align", "expand", "--sentences", "--split", "80,10,10", "--seed", 1]
    output = run("convert", tmp_path / "all.jsonl", tmp_path / "out", *options)
    assert "changed boundary inside a token (expanded) 1" in output
    parts = [read(tmp_path / "out" / f"{part}.spacy") for part in PARTS]
    assert [len(docs) for docs in parts] == [32, 4, 4]
    (entry,) = srsly.read_jsonl(tmp_path / "out" / "report.jsonl")
    assert entry["became"][2] == "New-York"
    assert entry["line"] == 4


@pytest.mark.parametrize(
    "options, message",
    [
        (["--format", "xml"], "`--format` must be one of jsonl, prodigy"),
        (["--align", "loose"], "one of strict, expand, contract"),
        (["--fragments", "all"], "one of drop, cover, parts"),
        (["--split", "80"], "80,10,10"),
        (["--lang", "qqq"], "qqq"),
        (["--format", "pubtator"], "train.jsonl, line 1"),
    ],
)
def test_convert_says_what_is_wrong(folder, tmp_path, options, message):
    source = folder / "raw" / "train.jsonl"
    output = run("convert", source, tmp_path / "a", *options, code=1)
    assert message in output
    assert not (tmp_path / "a").exists() or not [*(tmp_path / "a").iterdir()]


def test_convert_of_a_target_that_is_in_the_way(folder, tmp_path):
    (tmp_path / "a").write_bytes(b"")
    assert "Cannot convert" in run("convert", folder / "raw", tmp_path / "a", code=1)
    (tmp_path / "b.spacy" / "mine").mkdir(parents=True)
    source = folder / "raw" / "dev.jsonl"
    output = run("convert", source, tmp_path / "b.spacy", code=1)
    assert "other files" in output
    assert (tmp_path / "b.spacy" / "mine").exists()


def test_check_finds_nothing_wrong(folder):
    paths = [folder / "corpus" / f"{part}.spacy" for part in PARTS]
    output = run("check", *paths[:2], "--test", paths[2])
    assert "documents 4 4 4" in output
    assert "nested 4 4 4" in output
    assert "GPE 5 5 5" in output
    assert "dev train 4 4 0" in output
    assert 'overlap = "nested"' in output
    assert "No blocking problems." in output
    assert run("check", *paths[:2], "--gold", "ents")
    assert "boundary inside a token 0 0" in run("check", *paths[:2], "--lang", "en")
    assert "qqq" in run("check", *paths[:2], "--lang", "qqq", code=1)


def test_check_of_what_cannot_be_learned(folder, tmp_path):
    paths = [folder / "corpus" / f"{part}.spacy" for part in PARTS]
    output = run("check", *paths[:2], "--spans-key", "x", code=1)
    assert "train has no annotation in doc.spans['x']" in output
    assert "7 under doc.spans['sc']" in output
    (tmp_path / "broken.spacy").write_bytes(b"text")
    output = run("check", paths[0], tmp_path / "broken.spacy", code=1)
    assert "broken.spacy, line 1" in output
    assert "--gold" in run("check", *paths[:2], "--gold", "both", code=1)


def test_check_for_machines(folder, tmp_path):
    paths = [folder / "corpus" / f"{part}.spacy" for part in PARTS]
    result = srsly.json_loads(run("check", *paths[:2], "--json"))
    assert result["ok"]
    assert result["labels"]["ORG"] == {"train": 2, "dev": 2}
    result = srsly.json_loads(run("check", *paths[:2], "--json", "-sk", "x", code=1))
    assert not result["ok"]
    assert result["findings"][0]["level"] == "error"
    (tmp_path / "b.spacy").write_bytes(b"")
    result = srsly.json_loads(
        run("check", paths[0], tmp_path / "b.spacy", "--json", code=1)
    )
    assert "b.spacy, line 1" in result["findings"][0]["message"]


def test_evaluate_agrees_with_spacy(folder, tmp_path):
    data = folder / "corpus" / "test.spacy"
    output = run("evaluate", folder / "model", data, "-o", tmp_path / "m" / "s.json")
    metrics = srsly.read_json(tmp_path / "m" / "s.json")
    nlp = spacy.load(folder / "model")
    scores = nlp.evaluate(list(Corpus(data)(nlp)))
    for name in "prf":
        assert metrics["micro"][name] == pytest.approx(scores[f"spans_sc_{name}"])
        assert metrics["flat"][name] == pytest.approx(scores[f"ents_{name}"])
    assert metrics["macro"]["f"] == pytest.approx(scores["spans_sc_macro_f"])
    assert metrics["words"] == 25
    assert metrics["words_per_second"] > 0
    assert f"{100 * metrics['micro']['f']:.2f}" in output


def test_a_component_that_learned_from_entities_is_scored_on_them(folder, tmp_path):
    """Its test data has no spans, only entities, the outermost gold spans."""
    nlp = spacy.load(folder / "model")
    nlp.get_pipe("global_pointer").cfg.update(gold="ents", overlap="flat")
    nlp.to_disk(tmp_path / "model")
    docs = read(folder / "corpus" / "test.spacy")
    for doc in docs:
        doc.spans.clear()
    data = tmp_path / "ents.spacy"
    DocBin(docs=docs).to_disk(data)
    run("evaluate", tmp_path / "model", data, "-o", tmp_path / "m.json")
    metrics = srsly.read_json(tmp_path / "m.json")
    assert metrics["micro"] == pytest.approx(metrics["flat"])
    assert sum(scores["gold"] for scores in metrics["per_label"].values()) == 5
    run("report", tmp_path / "model", data, tmp_path / "r", "--train", data)
    assert "not annotated" not in (tmp_path / "r" / "report.html").read_text("utf8")
    report = srsly.read_json(tmp_path / "r" / "metrics.json")["models"][0]
    assert report["summary"]["micro"]["gold"] == report["summary"]["flat"]["gold"] == 5
    consistency = report["buckets"]["consistency"]["buckets"]
    assert [bucket["gold"] for bucket in consistency] == [0, 0, 0, 5]


def test_calibrate_finds_thresholds_that_recover_f1(folder, tmp_path):
    """A model made far too strict is right again on the data it is calibrated on."""
    nlp = spacy.load(folder / "model")
    nlp.get_pipe("global_pointer").cfg["threshold"] = 1.0
    nlp.to_disk(tmp_path / "strict")
    data = folder / "corpus" / "dev.spacy"
    strict = spacy.load(tmp_path / "strict")
    examples = list(Corpus(data)(strict))
    assert strict.evaluate(examples)["spans_sc_f"] == 0.0
    output = run("calibrate", tmp_path / "strict", data, tmp_path / "calibrated")
    assert "0.00 before" in output
    nlp = spacy.load(tmp_path / "calibrated")
    assert nlp.evaluate(examples)["spans_sc_f"] == 1.0
    cfg = nlp.get_pipe("global_pointer").cfg
    assert cfg["threshold"] < 1
    assert cfg["label_thresholds"].keys() <= {"GPE", "ORG"}
    # A user finds them in the config too, and can override them with any value.
    block = nlp.config["components"]["global_pointer"]
    assert block["threshold"] == cfg["threshold"]
    override = {"components": {"global_pointer": {"threshold": 1.0}}}
    nlp = spacy.load(tmp_path / "calibrated", config=override)
    assert nlp.get_pipe("global_pointer").cfg["threshold"] == 1.0


@pytest.mark.parametrize("measure", ["precision", "recall"])
def test_calibrate_reaches_a_precision_or_a_recall(folder, tmp_path, measure):
    data = folder / "corpus" / "dev.spacy"
    options = [f"--{measure}", 0.9]
    output = run("calibrate", folder / "model", data, tmp_path / "calibrated", *options)
    assert "closest" not in output
    run("evaluate", tmp_path / "calibrated", data, "-o", tmp_path / "scores.json")
    assert srsly.read_json(tmp_path / "scores.json")["micro"][measure[0]] >= 0.9


def test_calibrate_says_if_a_recall_cannot_be_reached(folder, tmp_path):
    """Gold spans longer than all candidates are never found."""
    nlp = spacy.load(folder / "model")
    nlp.get_pipe("global_pointer").cfg["max_length"] = 1
    nlp.to_disk(tmp_path / "short")
    data = folder / "corpus" / "dev.spacy"
    output = run("calibrate", tmp_path / "short", data, tmp_path / "c", "-r", 1)
    assert "No thresholds reach a recall of 1" in output
    both = ["--precision", 0.9, "--recall", 0.9]
    output = run("calibrate", tmp_path / "short", data, tmp_path / "d", *both, code=1)
    assert "not both" in output
    assert not (tmp_path / "d").exists()


def test_calibrate_leaves_thresholds_that_are_best(folder, tmp_path):
    """On the training data the model is right already, so nothing changes."""
    data = folder / "corpus" / "dev.spacy"
    run("calibrate", folder / "model", data, tmp_path / "calibrated")
    before, now = (
        spacy.load(path).get_pipe("global_pointer").cfg
        for path in (folder / "model", tmp_path / "calibrated")
    )
    assert before == now


def test_calibrate_forbids_overlap_that_gold_never_has(folder, tmp_path):
    """What a flat model would say is gold here. The same model, nested, says more,
    and no threshold takes just that away: what it says beside is no less sure."""
    nlp = spacy.load(folder / "model")
    nlp.get_pipe("global_pointer").cfg["overlap"] = "flat"
    docs = list(nlp.pipe(text for text, _ in SENTENCES))
    flat = [
        (doc.text, [[s.start, s.end, s.label_] for s in doc.spans["sc"]])
        for doc in docs
    ]
    nested = sum(len(spans) for _, spans in SENTENCES)
    assert 0 < sum(len(spans) for _, spans in flat) < nested
    write_corpus(tmp_path / "raw", flat)
    run("convert", tmp_path / "raw", tmp_path / "corpus")
    data = tmp_path / "corpus" / "dev.spacy"
    output = run("calibrate", folder / "model", data, tmp_path / "calibrated")
    assert "overlap: 'any' before, 'flat' now" in output
    nlp = spacy.load(tmp_path / "calibrated")
    assert nlp.get_pipe("global_pointer").cfg["overlap"] == "flat"
    assert nlp.evaluate(list(Corpus(data)(nlp)))["spans_sc_f"] == 1.0
    # Where gold nests, nesting stays.
    nested_data = folder / "corpus" / "dev.spacy"
    output = run("calibrate", folder / "model", nested_data, tmp_path / "nested")
    assert "overlap: 'any' before, 'any' now" in output


@pytest.mark.parametrize("sign", ["=", ":", ":$"])
def test_calibrate_with_labels_that_no_key_of_a_config_can_be(tmp_path, sign):
    sentences = [
        (text, [[start, end, f"a{sign}{label}"] for start, end, label in spans])
        for text, spans in SENTENCES
    ]
    write_corpus(tmp_path / "raw", sentences)
    run("convert", tmp_path / "raw", tmp_path / "corpus")
    data = tmp_path / "corpus" / "train.spacy"
    nlp = train(data)
    # Too strict, so that calibration changes it.
    nlp.get_pipe("global_pointer").cfg["threshold"] = 1.0
    nlp.to_disk(tmp_path / "model")
    run("calibrate", tmp_path / "model", data, tmp_path / "calibrated", "-s", 0)
    nlp = spacy.load(tmp_path / "calibrated")
    assert nlp.evaluate(list(Corpus(data)(nlp)))["spans_sc_f"] == 1.0
    # Values for each label are also in the config, if it can hold them in any form.
    by_label = {f"a{sign}GPE": 0.25, f"a{sign}ORG": 0.75}
    chosen = dict.fromkeys(("label_thresholds", "label_temperatures"), by_label)
    save_with_settings(nlp, "global_pointer", chosen, tmp_path / "chosen")
    config = load_config(tmp_path / "chosen" / "config.cfg")
    cfg = spacy.load(tmp_path / "chosen").get_pipe("global_pointer").cfg
    for setting in chosen:
        written = config["components"]["global_pointer"][setting]
        assert dict(written) == ({} if "$" in sign else by_label)
        assert cfg[setting] == by_label


def test_calibrate_replaces_another_pipeline(folder, tmp_path):
    """The tokenizer of Chinese is saved as a folder, that of English as a file."""
    spacy.blank("zh").to_disk(tmp_path / "out")
    data = folder / "corpus" / "dev.spacy"
    run("calibrate", folder / "model", data, tmp_path / "out")
    assert spacy.load(tmp_path / "out").lang == "en"


def test_calibrate_makes_the_folders_of_its_output(folder, tmp_path):
    data = folder / "corpus" / "dev.spacy"
    run("calibrate", folder / "model", data, tmp_path / "new" / "out")
    assert spacy.load(tmp_path / "new" / "out").pipe_names == ["global_pointer"]


def test_calibrate_without_annotation_says_where_there_is_some(folder, tmp_path):
    run("convert", folder / "raw", tmp_path / "corpus", "--spans-key", "other")
    data = tmp_path / "corpus" / "dev.spacy"
    output = run("calibrate", folder / "model", data, tmp_path / "c", code=1)
    assert "'other'" in output and "GPE, ORG" in output
    assert not (tmp_path / "c").exists()


def test_a_pipeline_without_span_recognizer_is_an_error(folder, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    data = folder / "corpus" / "dev.spacy"
    assert "No span recognizer" in run("evaluate", tmp_path / "blank", data, code=1)
    output = run("evaluate", folder / "model", data, "-c", "typo", code=1)
    assert "'typo'" in output and "global_pointer" in output


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "report", "check"])
@pytest.mark.parametrize("name, content", [("a.txt", b"text"), ("a.spacy", b"text")])
def test_data_that_is_no_docbin_is_an_error(folder, tmp_path, command, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    arguments = [path, path] if command == "check" else [folder / "model", path]
    if command in ("calibrate", "report"):
        arguments.append(tmp_path / "out")
    output = " ".join(run(command, *arguments, code=1).split())
    assert name in output
    assert "convert" in output or "damaged" in output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "command, options",
    [
        ("evaluate", []),
        ("train", ["--output", "out"]),
        ("annotate", []),
        ("compare", ["--systems", "x"]),
    ],
)
def test_a_gpu_that_is_not_there_is_an_error(folder, tmp_path, command, options):
    if has_cupy_gpu:
        pytest.skip("there is a GPU")
    first = folder / "model"
    second = folder / "corpus" / "dev.spacy"
    if command == "train":
        first = first / "config.cfg"
    arguments = [first] if command == "train" else [first, second]
    if command == "annotate":
        arguments.append(tmp_path / "out.jsonl")
    if command == "compare":
        arguments, options = [folder, "x"], [*options, "--configs", folder]
    options = [str(tmp_path / x) if x == "out" else x for x in options]
    output = run(command, *arguments, *options, "--gpu-id", 0, code=1)
    assert "[E174] GPU 0 cannot be used" in " ".join(output.split())


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "report", "unbundle"])
def test_a_pipeline_that_is_not_there_is_an_error(folder, tmp_path, command):
    second = "name" if command == "unbundle" else folder / "corpus" / "dev.spacy"
    more = [] if command == "evaluate" else [tmp_path / "out"]
    output = run(command, tmp_path / "nowhere", second, *more, code=1)
    assert "Cannot load the pipeline" in output and "nowhere" in output
    assert not (tmp_path / "out").exists()


def test_half_of_the_documents_annotated(folder, tmp_path):
    """The others are counted and named, and count in no score."""
    docs = read(folder / "corpus" / "test.spacy")
    DocBin(docs=docs[:2]).to_disk(tmp_path / "half.spacy")
    for doc in docs[2:]:
        doc.spans.clear()
    for number, doc in enumerate(docs):
        ents = list(doc.ents) if number < 2 else []
        doc.set_ents(ents, default="outside" if number < 2 else "missing")
    DocBin(docs=docs).to_disk(tmp_path / "all.spacy")
    results = []
    for name in ("half", "all"):
        data, scores = tmp_path / f"{name}.spacy", tmp_path / f"{name}.json"
        for command, *more in (
            ("evaluate", "-o", scores),
            ("calibrate", tmp_path / "c"),
            ("report", tmp_path / name, "--bootstrap", 0),
        ):
            output = run(command, folder / "model", data, *more)
            assert ("2 of 4 documents in" in output) == (name == "all")
            if command == "calibrate":
                scores_now = output[output.index("Micro P, R, F1 on") :]
                ents = "doc.ents against those of gold: 100.00, 100.00, 100.00 before"
                assert ents in scores_now
                assert "Gold spans" in output and "ORG 0.500" in output
        metrics = srsly.read_json(scores)
        report = srsly.read_json(tmp_path / name / "metrics.json")
        assert metrics["annotated_documents"] == report["annotated_documents"] == 2
        parts = ("micro", "macro", "flat", "outermost", "inner", "per_label")
        summary = report["models"][0]["summary"]
        results.append(([metrics[part] for part in parts], summary))
    assert results[0] == results[1]


def test_calibrate_scores_doc_ents_without_gold_entities(folder, tmp_path):
    """Against the outermost gold spans, which these are of a model that is right."""
    docs = read(folder / "corpus" / "dev.spacy")
    for doc in docs:
        doc.set_ents([], default="missing")
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    nlp = spacy.load(folder / "model")
    nlp.get_pipe("global_pointer").cfg["threshold"] = 1.0
    nlp.to_disk(tmp_path / "strict")
    output = run(
        "calibrate", tmp_path / "strict", tmp_path / "dev.spacy", tmp_path / "c"
    )
    assert (
        "doc.ents against the outermost gold spans: 0.00, 0.00, 0.00 before, "
        "100.00, 100.00, 100.00 now" in output
    )
    nlp = spacy.load(tmp_path / "c")
    assert (
        nlp.evaluate(list(Corpus(folder / "corpus" / "dev.spacy")(nlp)))["ents_f"] == 1
    )


@pytest.mark.parametrize("gold", ["spans", "ents"])
def test_evaluate_without_gold_is_an_error_and_no_score(folder, tmp_path, gold):
    nlp = spacy.load(folder / "model")
    nlp.get_pipe("global_pointer").cfg["gold"] = gold
    nlp.to_disk(tmp_path / "model")
    docs = [nlp.make_doc(text) for text, _ in SENTENCES]
    DocBin(docs=docs).to_disk(tmp_path / "none.spacy")
    data, scores = tmp_path / "none.spacy", tmp_path / "scores.json"
    output = run("evaluate", tmp_path / "model", data, "-o", scores, code=1)
    place = "doc.spans['sc']" if gold == "spans" else "doc.ents"
    assert f"gold spans in {place}" in output and "4 of 4 documents" in output
    assert "0.00" not in output
    metrics = srsly.read_json(scores)
    for name in ("micro", "macro", "flat"):
        assert metrics[name] == {"p": None, "r": None, "f": None}
    for command in ("calibrate", "report"):
        output = run(command, tmp_path / "model", data, tmp_path / "out", code=1)
        assert f"gold spans in {place}" in output
        assert not (tmp_path / "out").exists()
