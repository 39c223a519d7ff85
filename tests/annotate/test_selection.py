"""The documents most worth a look, against priorities computed document by document."""

import json
import math

import pyarrow.parquet
import pytest
import spacy
import srsly
import torch
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401
from spacy_globalpointer.annotate.selection import PRIORITY, Selection
from tests.util.pipelines import EVERY_HEAD, KEY, TEXTS, examples, tok2vec, train

WORDS = " ".join(TEXTS).split()
DOCUMENTS = [
    " ".join(WORDS[(7 * i + j * j) % len(WORDS)] for j in range(i % 9))
    for i in range(40)
]
# Gold spans that every component can learn.
FLAT = [
    (TEXTS[0], [(2, 7, "ORG"), (8, 9, "GPE")]),
    (TEXTS[1], [(2, 3, "GPE"), (4, 9, "ORG")]),
]
N = 7


def trained(name, **settings):
    """A pipeline with a head, trained too little to be certain."""
    factory, config = EVERY_HEAD[name]
    model = {**config["model"], "tok2vec": tok2vec()}
    nlp = spacy.blank("xx")
    nlp.add_pipe(factory, name="pipe", config={**config, "model": model, **settings})
    return train(nlp, examples(nlp, FLAT), steps=15)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Saved pipelines by head, made when they are asked for."""
    made = {}

    def make(name, **settings):
        key = json.dumps([name, settings], sort_keys=True)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("model")
            trained(name, **settings).to_disk(made[key])
        return made[key]

    return make


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("in") / "in.jsonl"
    srsly.write_jsonl(
        path, [{"text": text, "id": i} for i, text in enumerate(DOCUMENTS)]
    )
    return path


def run(model, source, target, *args, code=0):
    command = ["global-pointer", "annotate", model, source, target]
    command += ["--block-size", "0.0005", *args]
    result = CliRunner().invoke(app, [*map(str, command)])
    assert result.exit_code == code, (result.output, result.exception)
    return " ".join(result.output.split())


def select(model, source, folder, *args):
    """The numbers of the documents that are chosen, and their priorities."""
    target = folder / "chosen.jsonl"
    output = run(model, source, target, "--select", N, "--overwrite", *args)
    assert f"{N} of {len(DOCUMENTS)} documents" in output
    rows = list(srsly.read_jsonl(target))
    assert [row["text"] for row in rows] == [DOCUMENTS[row["id"]] for row in rows]
    return [row["id"] for row in rows], [row[PRIORITY] for row in rows]


def check(found, expected):
    """Whether those of the highest priority were chosen, ties by the input's order."""
    expected = [round(x, 4) for x in expected]
    ids, priorities = found
    assert priorities == pytest.approx([expected[i] for i in ids], abs=2e-4)
    best = sorted(expected, reverse=True)[:N]
    assert priorities == pytest.approx(best, abs=2e-4)
    assert priorities == sorted(priorities, reverse=True)
    assert len({*ids}) == N


def entropy(*ps):
    return -sum(p * math.log(p) for p in ps if p > 0)


def of_spans(nlp, by, thresholds):
    """Priorities from the scores of each candidate of each document alone."""
    pipe = nlp.get_pipe("pipe")
    for text in DOCUMENTS:
        doc = nlp.make_doc(text)
        lattice = pipe.predict([doc])
        cells = lattice.layout.valid.nonzero().tolist() if len(doc) else []
        exclusive = pipe.task.objective.mutually_exclusive
        margins, total = [], 0.0
        for i, w in cells:
            scores = lattice.scores[:, i, w].double()
            if exclusive:
                p = scores.softmax(0).tolist()
                total += entropy(*p)
            else:
                p = scores.sigmoid().tolist()
                total += sum(entropy(x, 1 - x) for x in p)
            margins += [abs(x - t) for x, t in zip(p, thresholds)]
        yield total if by == "entropy" else (1 - min(margins) if margins else 0.0)


@pytest.mark.parametrize("by", ["margin", "entropy"])
@pytest.mark.parametrize("name", ["gp", "egp7", "boundary"])
def test_by_the_scores_of_all_candidates(models, source, tmp_path, name, by):
    path = models(name)
    nlp = spacy.load(path)
    thresholds = [0.5] * len(nlp.get_pipe("pipe").labels)
    expected = list(of_spans(nlp, by, thresholds))
    check(select(path, source, tmp_path, "--by", by), expected)


def test_margins_are_those_of_each_labels_threshold(models, source, tmp_path):
    settings = {"threshold": 0.3, "label_thresholds": {"GPE": 0.9}}
    path = models("gp", **settings)
    nlp = spacy.load(path)
    labels = nlp.get_pipe("pipe").labels
    thresholds = [0.9 if label == "GPE" else 0.3 for label in labels]
    expected = list(of_spans(nlp, "margin", thresholds))
    check(select(path, source, tmp_path), expected)


@pytest.mark.parametrize("objective", ["SemiMarkovCRF", "NestedCRF"])
def test_by_the_marginals_of_whole_answers(models, source, tmp_path, objective):
    """The probabilities that a threshold of 0 and no best answer would give."""
    kind = {
        "@misc": f"spacy_globalpointer.{objective}.v1",
        "best_answer": False,
    }
    path = models("gp", objective=kind)
    nlp = spacy.load(path)
    pipe = nlp.get_pipe("pipe")
    expected = []
    for text in DOCUMENTS:
        doc = nlp.make_doc(text)
        odds = pipe.task.objective.log_odds(pipe.predict([doc])).scores.double()
        p = odds.sigmoid().flatten().tolist() if len(doc) else []
        expected.append(sum(entropy(x, 1 - x) for x in p))
    check(select(path, source, tmp_path, "--by", "entropy"), expected)


@pytest.mark.parametrize("name", ["crf", "softmax"])
def test_by_tags(models, source, tmp_path, name):
    """Marginals of tags, by the derivative of the logarithm of all paths."""
    path = models(name)
    nlp = spacy.load(path)
    pipe = nlp.get_pipe("pipe")
    expected = {"margin": [], "entropy": []}
    for text in DOCUMENTS:
        doc = nlp.make_doc(text)
        scores = pipe.predict([doc])
        emissions = scores.emissions.double().requires_grad_()
        if not len(doc):
            p = emissions
        elif name == "softmax":
            p = emissions.softmax(1)
        else:
            borders, transitions = scores.borders.double(), scores.transitions.double()
            alpha = borders[0] + emissions[0]
            for row in emissions[1:]:
                alpha = (alpha.unsqueeze(1) + transitions).logsumexp(0) + row
            log_z = (alpha + borders[1]).logsumexp(0)
            (p,) = torch.autograd.grad(log_z, emissions)
        rows = p.tolist()
        expected["entropy"].append(sum(entropy(*row) for row in rows))
        gaps = [sorted(row)[-1] - sorted(row)[-2] for row in rows]
        expected["margin"].append(1 - min(gaps) if gaps else 0.0)
    for by, values in expected.items():
        check(select(path, source, tmp_path, "--by", by), values)


def test_by_the_disagreement_of_two_pipelines(models, source, tmp_path):
    path, other = models("gp"), models("crf")
    found = []
    for model in (path, other):
        nlp = spacy.load(model)
        docs = nlp.pipe(DOCUMENTS)
        found.append(
            [
                {(span.start, span.end, span.label) for span in doc.spans[KEY]}
                for doc in docs
            ]
        )
    expected = [len(a ^ b) for a, b in zip(*found)]
    assert len({*expected}) >= 3
    got = select(path, source, tmp_path, "--by", "disagreement", "--other", other)
    check(got, expected)
    # Of the same priority, the first in the input.
    order = sorted(range(len(expected)), key=lambda i: (-expected[i], i))
    assert got[0] == order[:N]


def test_at_random(models, source, tmp_path):
    path = models("gp")
    seeds = [
        select(path, source, tmp_path, "--by", "random", "--seed", seed)
        for seed in (0, 0, 1, 2)
    ]
    assert seeds[0] == seeds[1]
    assert len({tuple(ids) for ids, _ in seeds}) == 3
    # Neither blocks nor processes matter.
    more = ("--by", "random", "--block-size", "1")
    assert select(path, source, tmp_path, *more) == seeds[0]
    chosen = [0] * len(DOCUMENTS)
    for seed in range(12):
        more = ("--by", "random", "--seed", seed, "--block-size", "1")
        for i in select(path, source, tmp_path, *more)[0]:
            chosen[i] += 1
    # 84 draws of 40: each is expected 2.1 times.
    assert max(chosen) < 9 and sum(map(bool, chosen)) > 25


@pytest.mark.parametrize(
    "format", ["spacy", "parquet", "brat", "prodigy", "doccano", "label-studio"]
)
def test_every_form_of_output(models, source, tmp_path, format):
    path = models("gp")
    ids, priorities = select(path, source, tmp_path, "--by", "entropy")
    suffix = {"spacy": ".spacy", "parquet": ".parquet", "label-studio": ".json"}
    target = tmp_path / f"out{suffix.get(format, '' if format == 'brat' else '.jsonl')}"
    run(path, source, target, "--select", N, "--by", "entropy", "-f", format)
    if format == "spacy":
        docs = list(DocBin().from_disk(target).get_docs(spacy.blank("xx").vocab))
        rows = [doc.user_data["fields"] for doc in docs]
        assert all(PRIORITY not in doc.user_data for doc in docs)
    elif format == "parquet":
        table = pyarrow.parquet.read_table(target).to_pylist()
        rows = [json.loads(row["fields"]) for row in table]
    elif format == "brat":
        texts = [path.read_text() for path in target.glob("*.txt")]
        assert sorted(texts) == sorted(DOCUMENTS[i] for i in ids)
        return
    elif format == "label-studio":
        rows = [row["data"] for row in json.loads(target.read_text())]
    else:
        rows = list(srsly.read_jsonl(target))
    assert [row["id"] for row in rows] == ids
    assert [row[PRIORITY] for row in rows] == priorities


def test_more_than_there_are(models, source, tmp_path):
    output = run(models("gp"), source, tmp_path / "all.jsonl", "--select", 100)
    assert "40 of 40 documents" in output
    assert len(list(srsly.read_jsonl(tmp_path / "all.jsonl"))) == 40


def test_what_is_counted_is_of_the_chosen_documents(models, source, tmp_path):
    """brat has no place for the two fields of a document."""
    args = ("--select", N, "-f", "brat")
    output = run(models("gp"), source, tmp_path / "out", *args)
    assert f"{N} x field 'id' of the input" in output
    assert f"{N} x field 'priority' of the input" in output


def test_another_selection_is_another_run(models, source, tmp_path):
    target = tmp_path / "out.jsonl"
    run(models("gp"), source, target, "--select", N)
    output = run(models("gp"), source, target, "--select", N + 1, code=1)
    assert "another selection" in output
    run(models("gp"), source, target, "--select", N)


@pytest.mark.parametrize(
    "target, args, message",
    [
        ("a.jsonl", ["--by", "size"], "`by` must be one of"),
        ("a.jsonl", ["--by", "disagreement"], "--other MODEL"),
        ("a.jsonl", ["--other", "model"], "--other MODEL"),
        ("folder", [], "to one file"),
        ("-", [], "to one file"),
    ],
)
def test_what_cannot_be_selected(models, source, tmp_path, target, args, message):
    target = target if target == "-" else tmp_path / target
    assert message in run(models("gp"), source, target, "--select", 3, *args, code=1)


def test_a_pipeline_without_probabilities(source, tmp_path):
    nlp = spacy.blank("xx")
    ruler = nlp.add_pipe("span_ruler", config={"spans_key": KEY})
    ruler.add_patterns([{"label": "GPE", "pattern": "Boston"}])
    nlp.to_disk(tmp_path / "rules")
    args = ("--select", 3, "-sk", KEY)
    message = run(tmp_path / "rules", source, tmp_path / "a.jsonl", *args, code=1)
    assert "needs a component of this package" in message
    more = ("--by", "random")
    run(tmp_path / "rules", source, tmp_path / "a.jsonl", *args, *more)


@pytest.mark.slow
def test_several_processes_choose_the_same(models, source, tmp_path):
    args = ("--select", N, "--by", "entropy")
    for n in (1, 2):
        run(models("gp"), source, tmp_path / f"{n}.jsonl", *args, "-n", n)
    one, two = ((tmp_path / f"{n}.jsonl").read_bytes() for n in (1, 2))
    assert one == two


def test_components_behind_run_once(models, source, tmp_path):
    """The pipeline is run in parts, and each component sees each document once."""
    nlp = spacy.load(models("gp"))
    nlp.add_pipe("sentencizer", first=True)
    nlp.add_pipe("test_counts_spans")
    nlp.to_disk(tmp_path / "model")
    target = tmp_path / "a.spacy"
    run(tmp_path / "model", source, target, "--select", N)
    docs = list(DocBin().from_disk(target).get_docs(nlp.vocab))
    for doc in docs:
        assert [*doc.user_data["n_spans"]] == [len(doc.spans[KEY])]
    assert all(doc.has_annotation("SENT_START") for doc in docs if len(doc))


@spacy.Language.component("test_counts_spans")
def count_spans(doc):
    doc.user_data.setdefault("n_spans", []).append(len(doc.spans[KEY]))
    return doc


def test_selection_checks_its_arguments():
    assert Selection(3).by == "margin"
    with pytest.raises(ValueError, match="disagreement"):
        Selection(3, "margin", "other")
