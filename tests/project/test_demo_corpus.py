"""The demo corpus holds what it promises: nesting of every kind, and unseen names."""

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from typer.testing import CliRunner

from tests.util.files import PROJECT, load_script

make_demo = load_script(PROJECT / "scripts" / "make_demo.py")
PARTS = ["train", "dev", "test"]


@pytest.fixture(scope="module", params=[0, 1], ids=lambda seed: f"seed{seed}")
def corpus(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The parts of a corpus of the default size."""
    parts: dict[str, Any] = make_demo.make_corpus(request.param, 2000)
    return parts


@pytest.fixture(params=PARTS)
def part(corpus: dict[str, Any], request: pytest.FixtureRequest) -> Any:
    return corpus[request.param]


@pytest.fixture(scope="module")
def shared() -> set[str]:
    """The names that are ordinary words elsewhere."""
    grammar = make_demo.Grammar.read(make_demo.GRAMMAR_PATH)
    return set(chain(*grammar.shared.values()))


def holds(outer: list[Any], inner: list[Any]) -> bool:
    """Whether a span nests another; one span with two labels nests neither."""
    within = outer[0] <= inner[0] and inner[1] <= outer[1]
    return within and outer[:2] != inner[:2]


def depth(spans: list[Any], span: list[Any]) -> int:
    """How deep the spans lie that begin with this one, inwards."""
    inner = [depth(spans, other) for other in spans if holds(span, other)]
    return 1 + max(inner, default=0)


def test_sizes(corpus: dict[str, Any]) -> None:
    assert [len(corpus[name].rows) for name in PARTS] == [1600, 200, 200]


def test_rows_are_well_formed(part: Any) -> None:
    nlp = spacy.blank("en")
    assert len({row["id"] for row in part.rows}) == len(part.rows)
    for row in part.rows:
        doc = nlp.make_doc(row["text"])
        assert row["tokens"] == [token.text for token in doc]
        assert not any(token.is_space for token in doc)
        assert not set(row["text"]) & set("<>[]{}|")
        keys = [tuple(span) for span in row["spans"]]
        assert len(set(keys)) == len(keys)
        assert all(0 <= start < end <= len(doc) for start, end, _ in keys)


def test_spans_leave_out_articles_and_quotes(part: Any) -> None:
    for row in part.rows:
        for start, end, _ in row["spans"]:
            assert row["tokens"][start].lower() not in {"the", "a", "an", '"'}
            assert row["tokens"][end - 1] not in {'"', ",", ";", "?"}


def test_spans_do_not_cross(part: Any) -> None:
    for row in part.rows:
        for a in row["spans"]:
            assert not any(a[0] < b[0] < a[1] < b[1] for b in row["spans"])


def test_labels(part: Any) -> None:
    counts = Counter(span[2] for row in part.rows for span in row["spans"])
    assert len(counts) >= 6
    assert min(counts.values()) >= 20


def test_nested_share(part: Any) -> None:
    nested = [
        any(holds(span, other) or holds(other, span) for other in row["spans"])
        for row in part.rows
        for span in row["spans"]
    ]
    assert sum(nested) >= 0.3 * len(nested)


def test_three_deep(part: Any) -> None:
    deep = [
        any(depth(row["spans"], span) >= 3 for span in row["spans"])
        for row in part.rows
    ]
    assert sum(deep) >= 0.02 * len(deep)


@pytest.mark.parametrize("label", ["ORG", "FACILITY", "WORK", "DATE"])
def test_label_inside_itself(part: Any, label: str) -> None:
    spans = [[s for s in row["spans"] if s[2] == label] for row in part.rows]
    assert any(holds(a, b) for same in spans for a in same for b in same)


def test_two_labels_on_one_span_follow_a_rule(part: Any) -> None:
    """A ship with the name of a person, or a town, always has both labels."""
    pairs: Counter[tuple[str, ...]] = Counter()
    for row in part.rows:
        labels: dict[tuple[int, int], list[str]] = {}
        for start, end, label in row["spans"]:
            labels.setdefault((start, end), []).append(label)
        for (start, _), found in labels.items():
            pairs[tuple(sorted(found))] += len(found) == 2
            if "VESSEL" in found and row["tokens"][start] in part.names["given"]:
                assert sorted(found) == ["PERSON", "VESSEL"]
            if "VESSEL" in found and row["tokens"][start] in part.names["place"]:
                assert sorted(found) == ["GPE", "VESSEL"]
            assert len(found) <= 2
    double = {pair for pair, count in pairs.items() if count}
    assert double == {("GPE", "VESSEL"), ("PERSON", "VESSEL"), ("PERSON", "WORK")}


def test_long_spans(part: Any) -> None:
    lengths = [end - start for row in part.rows for start, end, _ in row["spans"]]
    assert sum(length > 12 for length in lengths) >= 5


def test_sentences_without_entities(part: Any) -> None:
    idle = [row["tokens"] for row in part.rows if not row["spans"]]
    assert 0.1 * len(part.rows) <= len(idle) <= 0.2 * len(part.rows)
    assert len({tuple(tokens[:2]) for tokens in idle}) >= 15


def test_words_that_are_entities_only_in_context(part: Any, shared: set[str]) -> None:
    inside: set[str] = set()
    outside: set[str] = set()
    for row in part.rows:
        covered = {i for start, end, _ in row["spans"] for i in range(start, end)}
        for i, token in enumerate(row["tokens"]):
            (inside if i in covered else outside).add(token)
    assert len(shared & inside) >= 10
    assert len(shared & inside & outside) >= 5


def test_names_are_dealt_to_one_part(corpus: dict[str, Any], shared: set[str]) -> None:
    names = {name: set(chain(*corpus[name].names.values())) for name in PARTS}
    assert len(names["train"]) >= 500
    assert min(len(names["dev"]), len(names["test"])) >= 100
    assert sum(map(len, names.values())) == len(set().union(*names.values()))
    assert not shared & set().union(*names.values())


def test_names_are_not_seen_elsewhere(corpus: dict[str, Any]) -> None:
    """No name of a part is a token of another, in whatever case."""
    for name in PARTS:
        names = {n.lower() for n in chain(*corpus[name].names.values())}
        for other in PARTS:
            rows = corpus[other].rows
            tokens = {token.lower() for row in rows for token in row["tokens"]}
            assert bool(names & tokens) == (name == other)


def test_whole_entities_are_not_seen_in_train(
    corpus: dict[str, Any], shared: set[str]
) -> None:
    """What recurs are dates, roles, and names made of shared words alone."""

    def entities(name: str) -> set[tuple[str, ...]]:
        return {
            tuple(row["tokens"][start:end])
            for row in corpus[name].rows
            for start, end, label in row["spans"]
            if label not in {"DATE", "ROLE"}
        }

    train = entities("train")
    for name in ["dev", "test"]:
        assert all(shared & set(tokens) for tokens in entities(name) & train)


def test_no_sentence_twice(corpus: dict[str, Any]) -> None:
    texts = [row["text"] for name in PARTS for row in corpus[name].rows]
    assert len(set(texts)) == len(texts)


def test_grammar_is_varied_and_whole() -> None:
    grammar = make_demo.Grammar.read(make_demo.GRAMMAR_PATH)
    assert len(set(grammar.rules["sentence"])) >= 60
    used = {
        symbol
        for lines in grammar.rules.values()
        for line in lines
        for symbol in make_demo.SYMBOL.findall(line)
    }
    roots = {"sentence", "idle"}
    assert used | roots == grammar.rules.keys() | grammar.coined.keys()


def test_markup() -> None:
    text, spans = make_demo.read_markup("the [ORG Museum of [GPE Norby]] paid")
    assert text == "The Museum of Norby paid"
    assert spans == [(4, 19, "ORG"), (14, 19, "GPE")]


def test_span_that_cuts_a_token_is_refused() -> None:
    doc = spacy.blank("en").make_doc("Norby paid")
    with pytest.raises(ValueError, match="cuts a token"):
        make_demo.make_row(doc, [(0, 3, "GPE")])


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder, seed in [("a", 3), ("b", 3), ("c", 4)]:
        make_demo.make_demo(tmp_path / folder, seed=seed, sentences=60)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["dev.jsonl", "test.jsonl", "train.jsonl"]
    for name in files:
        content = (tmp_path / "a" / name).read_bytes()
        assert content == (tmp_path / "b" / name).read_bytes()
        assert content != (tmp_path / "c" / name).read_bytes()
    rows = list(srsly.read_jsonl(tmp_path / "a" / "train.jsonl"))
    assert len(rows) == 48


def test_command_line(tmp_path: Path) -> None:
    app = make_demo.typer.Typer()
    app.command()(make_demo.make_demo)
    result = CliRunner().invoke(app, [str(tmp_path), "--sentences", "20"])
    assert result.exit_code == 0
    assert len(list(srsly.read_jsonl(tmp_path / "dev.jsonl"))) == 2


def test_relations(part: Any) -> None:
    ends = {
        "LOCATED_IN": {("ORG", "GPE"), ("FACILITY", "GPE")},
        "AT": {("ROLE", "ORG"), ("ROLE", "GPE")},
        "HOLDS": {("PERSON", "ROLE")},
    }
    found = Counter()
    for row in part.rows:
        spans, relations = row["spans"], row["relations"]
        assert len({tuple(x) for x in relations}) == len(relations)
        for head, tail, label in relations:
            assert (spans[head][2], spans[tail][2]) in ends[label]
            # An office is of one person, and beside it rather than around it.
            if label == "HOLDS":
                assert not holds(spans[head], spans[tail])
                assert [x[1:] for x in relations].count([tail, label]) == 1
            else:
                assert holds(spans[head], spans[tail])
            found[label] += 1
    assert found.keys() == ends.keys()
    assert min(found.values()) > len(part.rows) / 10


@pytest.mark.parametrize(
    ("text", "spans", "expected"),
    [
        (
            "Ann Bo followed Al Lee as head of the Club of Ulby",
            "Ann Bo PERSON; Al Lee PERSON; head of the Club of Ulby ROLE; "
            "Club of Ulby ORG; Ulby GPE",
            [(0, 2, "HOLDS"), (2, 3, "AT"), (3, 4, "LOCATED_IN")],
        ),
        (
            "Captain Bo met Al, the clerk of Ulby, Lee",
            "Captain ROLE; Bo PERSON; Al PERSON; clerk of Ulby ROLE; Ulby GPE; "
            "Lee PERSON",
            [(1, 0, "HOLDS"), (2, 3, "HOLDS"), (3, 4, "AT")],
        ),
        ("Bo and the clerk", "Bo PERSON; clerk ROLE", []),
    ],
)
def test_relations_of_sentences(
    text: str, spans: str, expected: list[tuple[int, int, str]]
) -> None:
    places = []
    for span in spans.split("; "):
        words, label = span.rsplit(" ", 1)
        places.append((text.index(words), text.index(words) + len(words), label))
    assert make_demo.find_relations(text, places) == expected
