"""Write the demo corpus: invented provenance notes of a maritime museum.

The sentences come from the grammar in `assets/demo_grammar.yaml`, which also states the
annotation guideline. A *name* is an open-class proper-name atom: a given name, a
surname, a town, a ship, the fancy title of a work or the brand of a company. Names are
coined from stems and endings and dealt out to train, dev and test so that no name of
one part occurs in another. What may recur are the closed-class words around them
("Museum", "director", "Portrait"), dates, and the few `shared` names, which are
ordinary words elsewhere in every part ("Reading", "May", "Bishop").
"""

import os
import random
import re
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from spacy.tokens import Doc
from wasabi import msg

GRAMMAR_PATH = Path(__file__).parents[1] / "assets" / "demo_grammar.yaml"
# The share of the sentences, and of the coined names, that each part gets.
PART_SENTENCES = {"train": 0.8, "dev": 0.1, "test": 0.1}
PART_NAMES = {"train": 0.7, "dev": 0.15, "test": 0.15}
IDLE_SHARE = 0.15  # sentences without an entity
SHARED_SHARE = 0.1  # draws of a name that give one of the shared, ambiguous ones

CHOICE = re.compile(r"\{([^{}]*)\}")
SYMBOL = re.compile(r"<(\w+)>")
MARKUP = re.compile(r"\[([A-Z]+) |\]")
TRIPLED = re.compile(r"(.)\1\1")  # "Hess" and "son" make no surname
# What is between a person and an office, and behind that person.
APPOSITION = re.compile(r",? (the |was |was appointed |became )?")
SUCCESSION = re.compile(r" (followed|succeeded) ")
PLACED = ("ORG", "FACILITY")

Names = dict[str, list[str]]
CharSpan = tuple[int, int, str]
Relation = tuple[int, int, str]
Row = dict[str, Any]


@dataclass
class Grammar:
    """The rewriting rules, and what the names are made of."""

    rules: dict[str, list[str]]
    coined: Names
    shared: Names

    @classmethod
    def read(cls, path: Path) -> "Grammar":
        data = srsly.read_yaml(path)
        rules = {symbol: text.splitlines() for symbol, text in data["rules"].items()}
        kinds = data["names"]
        if clash := rules.keys() & kinds.keys():
            raise ValueError(f"Both a rule and a kind of name: {sorted(clash)}")
        shared = {kind: made.get("shared", "").split() for kind, made in kinds.items()}
        # A coined name must be no word of the grammar, nor stand in two lists.
        words = " ".join([*data["rules"].values(), *chain(*shared.values())])
        taken = set(re.findall(r"\w+", words.lower()))
        coined: Names = {kind: [] for kind in kinds}
        for kind, made in kinds.items():
            for stem in made["stems"].split():
                for ending in made["endings"].split():
                    name = stem + ending
                    if name.lower() not in taken and not TRIPLED.search(name):
                        taken.add(name.lower())
                        coined[kind].append(name)
        return cls(rules, coined, shared)


@dataclass
class Part:
    """One part of the corpus, with the coined names that only it may use."""

    names: Names
    rows: list[Row] = field(default_factory=list)


class Writer:
    """Writes sentences with the names of one part."""

    def __init__(self, grammar: Grammar, names: Names, rng: random.Random) -> None:
        self.grammar = grammar
        self.names = names
        self.rng = rng
        self.used: list[str] = []

    def write(self, symbol: str) -> str:
        """Marked-up text for a symbol, in which no name occurs twice."""
        while True:
            self.used.clear()
            text = self._expand(symbol)
            if len(set(self.used)) == len(self.used):
                return text

    def _expand(self, symbol: str) -> str:
        if symbol in self.names:
            return self._name(symbol)
        text = self.rng.choice(self.grammar.rules[symbol])
        # The choices come first, so that only what was chosen is written out.
        while choice := CHOICE.search(text):
            chosen = self.rng.choice(choice[1].split("|"))
            text = text[: choice.start()] + chosen + text[choice.end() :]
        return SYMBOL.sub(lambda match: self._expand(match[1]), text)

    def _name(self, kind: str) -> str:
        shared = self.grammar.shared[kind]
        ambiguous = shared and self.rng.random() < SHARED_SHARE
        name = self.rng.choice(shared if ambiguous else self.names[kind])
        self.used.append(name)
        return name


def read_markup(marked: str) -> tuple[str, list[CharSpan]]:
    """Split "[ORG Museum of [GPE Norby]]" in its text and its spans of characters."""
    text = ""
    spans: list[CharSpan] = []
    opened: list[tuple[int, str]] = []
    last = 0
    for match in MARKUP.finditer(marked):
        text += marked[last : match.start()]
        last = match.end()
        if match[1]:
            opened.append((len(text), match[1]))
        else:
            start, label = opened.pop()
            spans.append((start, len(text), label))
    text += marked[last:]
    return text[0].upper() + text[1:], sorted(spans)


def deal_names(coined: Names, rng: random.Random) -> dict[str, Names]:
    """Deal every coined name to one part."""
    dealt: dict[str, Names] = {part: {} for part in PART_NAMES}
    for kind, names in coined.items():
        deck = rng.sample(names, len(names))
        start = 0.0
        for part, share in PART_NAMES.items():
            end = start + share * len(deck)
            dealt[part][kind] = deck[round(start) : round(end)]
            start = end
    return dealt


def find_relations(text: str, spans: list[CharSpan]) -> list[Relation]:
    """The relations of a sentence, as guideline 7 in the grammar states them: head and
    tail, as positions in the spans, and the label."""
    rows = list(enumerate(spans))

    def around(inner: CharSpan) -> list[int]:
        """What holds a span, the smallest first."""
        start, end, _ = inner
        held = [
            (last - first, i)
            for i, (first, last, _) in rows
            if first <= start and end <= last and (first, last) != (start, end)
        ]
        return [i for _, i in sorted(held)]

    found: list[Relation] = []
    for i, span in rows:
        outer = around(span)
        if outer and span[2] == "GPE" and spans[outer[0]][2] in PLACED:
            found.append((outer[0], i, "LOCATED_IN"))
        if outer and span[2] in ("ORG", "GPE") and spans[outer[0]][2] == "ROLE":
            found.append((outer[0], i, "AT"))
        if span[2] == "ROLE":
            people = [x for x in rows if x[1][2] == "PERSON" and not around(x[1])]
            before = [
                x for x in people if APPOSITION.fullmatch(text[x[1][1] : span[0]])
            ]
            behind = [
                x for x in people if APPOSITION.fullmatch(text[span[1] : x[1][0]])
            ]
            followers = [
                x
                for x in people
                for y in people
                if SUCCESSION.fullmatch(text[x[1][1] : y[1][0]])
                and text[y[1][1] : span[0]] == " as "
            ]
            holders = [] if outer else before or followers or behind
            found += [(person, i, "HOLDS") for person, _ in holders]
    return sorted(found)


def make_row(doc: Doc, char_spans: list[CharSpan]) -> Row:
    """The row of a sentence, with its spans counted in tokens."""
    spans = []
    for start, end, label in char_spans:
        span = doc.char_span(start, end)
        if span is None:
            raise ValueError(f"{doc.text[start:end]!r} cuts a token of: {doc.text}")
        spans.append([span.start, span.end, label])
    return {
        "text": doc.text,
        "tokens": [token.text for token in doc],
        "spans": spans,
        "relations": [list(x) for x in find_relations(doc.text, char_spans)],
    }


def make_corpus(seed: int, n_sentences: int) -> dict[str, Part]:
    """Generate the three parts. The same arguments give the same corpus."""
    nlp = spacy.blank("en")
    grammar = Grammar.read(GRAMMAR_PATH)
    rng = random.Random(seed)
    parts = {
        name: Part(names) for name, names in deal_names(grammar.coined, rng).items()
    }
    seen: set[str] = set()
    for name, part in parts.items():
        writer = Writer(grammar, part.names, rng)
        size = round(n_sentences * PART_SENTENCES[name])
        n_idle = round(size * IDLE_SHARE)
        symbols = ["idle"] * n_idle + ["sentence"] * (size - n_idle)
        rng.shuffle(symbols)
        for number, symbol in enumerate(symbols):
            text, spans = read_markup(writer.write(symbol))
            while text in seen:
                text, spans = read_markup(writer.write(symbol))
            seen.add(text)
            doc = nlp.make_doc(text)
            part.rows.append({"id": f"{name}-{number:05}", **make_row(doc, spans)})
    return parts


def make_demo(
    out_dir: Annotated[Path, typer.Argument(help="Folder for the three .jsonl files")],
    seed: Annotated[int, typer.Option(help="Another seed: another corpus")] = 0,
    sentences: Annotated[int, typer.Option(min=20, help="Sentences in all")] = 2000,
) -> None:
    """Write a seeded demo corpus of sentences with nested entities.

    OUT_DIR gets train.jsonl, dev.jsonl and test.jsonl (80/10/10), one
    sentence a line: its id, text, tokens, spans and relations. A span is a list of
    its start, end and label, counted in tokens, with the end exclusive. A relation is
    a list of its head and its tail, positions in the spans, and its label.

    The sentences are invented provenance notes of a maritime museum. The
    names in dev and test do not occur in train.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, part in make_corpus(seed, sentences).items():
        path = out_dir / f"{name}.jsonl"
        partial = path.with_suffix(".partial")
        srsly.write_jsonl(partial, part.rows)
        os.replace(partial, path)
        msg.good(f"{path}: {len(part.rows)} sentences")


if __name__ == "__main__":
    typer.run(make_demo)
