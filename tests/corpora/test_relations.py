"""Relations and discontinuous mentions: the spans that they link are those of the
source, whatever becomes of the positions."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_globalpointer.corpora import (
    Conversion,
    ConversionReport,
    CorpusError,
    DocSplitter,
    Mention,
    Options,
    Record,
)
from spacy_globalpointer.corpora.corpus_table import CorpusTable
from spacy_globalpointer.pipeline.gold import GoldReader
from tests.util.corpora_samples import ONEIE
from tests.util.corpus_files import KEY, builder, read, write
from tests.util.lattices import few_examples

NO_SPAN = "unsupported annotation (relation, event)"
WORDS = [*"abcdefgh"]


def entity(span, offset=0):
    return span.start + offset, span.end + offset, span.label_


def contents(doc, key=KEY, offset=0):
    """Entities, relations and discontinuous entities of a document by their tokens,
    without positions."""
    group = doc.spans[key]
    spans = [entity(span, offset) for span in group]
    fragments = group.attrs.get("fragments", [])
    pieces = {place for places in fragments for place in places}
    return (
        {span for i, span in enumerate(spans) if i not in pieces},
        {
            (spans[h], spans[t], label)
            for h, t, label in group.attrs.get("relations", [])
        },
        {tuple(sorted(spans[i] for i in places)) for places in fragments},
    )


@st.composite
def records(draw):
    """Mentions of tokens, some of them empty or without a label, some in pieces, and
    relations between them."""
    place = st.integers(0, len(WORDS))
    label = st.sampled_from(["A", "B", ""])
    mentions = []
    for bounds, name in draw(st.lists(st.tuples(st.tuples(place, place), label))):
        mentions.append(Mention(*sorted(bounds), name))
    cuts = st.lists(place, min_size=4, max_size=4, unique=True).map(sorted)
    for a, b, c, d in draw(st.lists(cuts, max_size=3)):
        mentions.append(Mention(a, d, "A", fragments=[(a, b), (c, d)]))
    order = draw(st.permutations(range(len(mentions))))
    mentions = [mentions[i] for i in order]
    number = st.integers(0, max(len(mentions) - 1, 0))
    relation = st.tuples(number, number, st.sampled_from("xy"))
    relations = draw(st.lists(relation)) if mentions else []
    return Record("a", 1, mentions, tokens=WORDS, relations=relations)


def expected(record):
    """What a document of a record holds: (entities, relations, discontinuous)."""
    names = {}
    pieces = set()
    for i, mention in enumerate(record.mentions):
        if mention.fragments:
            pieces.add(tuple((start, end, "A") for start, end in mention.fragments))
        elif mention.start < mention.end and mention.label:
            names[i] = mention.start, mention.end, mention.label
    relations = {
        (names[head], names[tail], label)
        for head, tail, label in record.relations
        if head in names and tail in names
    }
    return {*names.values()}, relations, pieces


@few_examples
@given(records())
def test_positions_are_those_of_the_same_spans(record):
    report = ConversionReport()
    doc = builder(report, fragments="keep")(record)
    assert contents(doc) == expected(record)
    relations = doc.spans[KEY].attrs["relations"]
    assert report.counts[NO_SPAN] == len(record.relations) - len(relations)
    entities, _, pieces = expected(record)
    dropped = report.counts["empty"] + report.counts["without a label"]
    n_kept = len(record.mentions) - dropped - report.counts["duplicate"]
    assert len(entities) + len(pieces) == n_kept
    # Pieces are no entities for the component that learns spans.
    assert {entity(s) for s in GoldReader("spans", KEY).spans(doc)} == entities
    table = CorpusTable.of([doc], KEY)
    bounds = zip(table.starts, table.ends, (table.labels[i] for i in table.ids))
    assert {*bounds} == entities


@few_examples
@given(records(), st.integers(1, 4))
def test_positions_survive_cutting(record, size):
    doc = builder(fragments="keep")(record)
    entities, relations, discontinuous = contents(doc)
    found = set(), set(), set()
    starts = []
    offset = 0
    for piece in DocSplitter(sentences=False, max_tokens=size).pieces(doc):
        for every, inside in zip(found, contents(piece, offset=offset)):
            every |= inside
        starts.append(offset)
        offset += len(piece)
    assert found[0] == entities
    assert found[2] == discontinuous

    def window(span):
        return sum(start <= span[0] for start in starts)

    together = {r for r in relations if window(r[0]) == window(r[1])}
    assert found[1] == together


def test_relations_across_a_cut_are_counted(tmp_path):
    row = {
        "tokens": ["Ann", "left", ".", "Bo", "saw", "Cy"],
        "spans": [[0, 1, "PER"], [3, 4, "PER"], [5, 6, "PER"]],
        "relations": [[0, 1, "knows"], [2, 1, "knows"]],
    }
    path = write(tmp_path / "a.jsonl", json.dumps(row))
    options = Options(sentences=True)
    converted = Conversion(path, tmp_path / "a.spacy", options).run()
    assert converted.report.counts == {NO_SPAN: 1}
    docs = list(DocBin().from_disk(tmp_path / "a.spacy").get_docs(Vocab()))
    assert [doc.spans["sc"].attrs["relations"] for doc in docs] == [
        [],
        [[1, 0, "knows"]],
    ]


@pytest.mark.parametrize("fragments", ["drop", "cover", "parts"])
def test_relations_of_discontinuous_mentions(fragments):
    mentions = [
        Mention(0, 4, "A", fragments=[(0, 1), (3, 4)]),
        Mention(5, 6, "B"),
        Mention(5, 6, "B"),
    ]
    relations = [(0, 1, "x"), (1, 2, "x")]
    report = ConversionReport()
    doc = builder(report, fragments=fragments)(
        Record("a", 1, mentions, tokens=WORDS, relations=relations)
    )
    cover, other = (0, 4, "A"), (5, 6, "B")
    kept = {(other, other, "x")} | (
        {(cover, other, "x")} if fragments == "cover" else set()
    )
    assert contents(doc)[1] == kept
    assert report.counts[NO_SPAN] == 2 - len(kept)


def test_the_own_format_has_both(tmp_path):
    row = {
        "tokens": ["left", "and", "right", "leg", "hurt"],
        "spans": [[2, 4, "PART"], [4, 5, "SIGN"]],
        "relations": [[1, 0, "in"]],
        "fragments": [[[[0, 1], [3, 4]], "PART"]],
    }
    path = write(tmp_path / "a.jsonl", json.dumps(row))
    (doc,) = read(path, fragments="keep")
    leg, sign = (2, 4, "PART"), (4, 5, "SIGN")
    pieces = ((0, 1, "PART"), (3, 4, "PART"))
    assert contents(doc) == ({leg, sign}, {(sign, leg, "in")}, {pieces})
    report = ConversionReport()
    (doc,) = read(path, report)
    assert contents(doc) == ({leg, sign}, {(sign, leg, "in")}, set())
    assert report.counts == {"discontinuous": 1}


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("relations", [[0, 2, "x"]], "positions of 1 spans"),
        ("relations", [[0, 0]], "a relation must be"),
        ("relations", {}, "'relations' must be a list"),
        ("fragments", [[[[0, 1], [1, 9]], "x"]], "'fragments' must be"),
        ("fragments", [[0, 1, "x"]], "'fragments' must be"),
    ],
)
def test_what_is_no_relation_is_an_error(tmp_path, key, value, message):
    row = {"tokens": ["a", "b"], "spans": [[0, 1, "X"]], key: value}
    path = write(tmp_path / "a.jsonl", json.dumps(row))
    with pytest.raises(CorpusError, match=f"line 1: .*{message}"):
        read(path)


SPERT = """[{"tokens": ["Ann", "of", "York"], "entities": [
 {"type": "Loc", "start": 2, "end": 3}, {"type": "Peop", "start": 0, "end": 1}],
 "relations": [{"type": "Live_In", "head": 1, "tail": 0}], "orig_id": 1}]"""
DYGIE = """{"doc_key": "a", "sentences": [["."], ["Ann", "of", "York"]],
"ner": [[], [[3, 3, "Loc"], [1, 1, "Peop"]]],
"relations": [[], [[1, 1, 3, 3, "Live_In", 0.9], [1, 2, 3, 3, "Other"]]]}"""
PUBTATOR = """1|t|Ann of York
1|a|York
1\t0\t3\tAnn\tPeop\tD1|D9
1\t7\t11\tYork\tLoc\tD2
1\t12\t16\tYork\tLoc\tD2
1\tLive_In\tD9\tD2\tNovel
1\tLive_In\tD1\tD3
"""
RELATION = (("Ann", "Peop"), ("York", "Loc"), "Live_In")


@pytest.mark.parametrize(
    "content, format, counts",
    [
        (SPERT, "spert", {}),
        (DYGIE.replace("\n", ""), "dygie", {NO_SPAN: 1}),
        (
            PUBTATOR,
            "pubtator",
            {
                NO_SPAN: 1,
                "relation between concepts (linked to the nearest mentions)": 1,
            },
        ),
    ],
)
def test_relations_of_formats(tmp_path, content, format, counts):
    report = ConversionReport()
    path = write(tmp_path / "a.txt", content)
    (doc,) = read(path, report, format=format, lang="en")
    group = doc.spans[KEY]
    names = [(span.text, span.label_) for span in group]
    ((head, tail, label),) = group.attrs["relations"]
    assert (names[head], names[tail], label) == RELATION
    assert group[tail].start < 4
    assert report.counts == Counter(counts)


def test_relations_of_brat(tmp_path):
    write(tmp_path / "a.txt", "left and right leg of Ann")
    annotation = """R1\tOf Arg1:T2 Arg2:T3
T1\tPart 0 4;15 18\tleft leg
T2\tPart 9 18\tright leg
T3\tPer 22 25\tAnn
R2\tOf Arg1:T1 Arg2:T9
R3\tOf Arg1:T1 Arg2:T3
E1\tOf:T2
"""
    write(tmp_path / "a.ann", annotation)
    report = ConversionReport()
    (doc,) = read(tmp_path / "a.txt", report, lang="en", fragments="keep")
    right, ann = (2, 4, "Part"), (5, 6, "Per")
    left = ((0, 1, "Part"), (3, 4, "Part"))
    assert contents(doc) == ({right, ann}, {(right, ann, "Of")}, {left})
    # An event, a relation to nothing, and one of a discontinuous mention.
    assert report.counts == {NO_SPAN: 3}


def test_the_form_is_read_back_from_spacy_files(tmp_path):
    row = {
        "tokens": ["left", "and", "right", "leg", "hurt"],
        "spans": [[2, 4, "PART"], [4, 5, "SIGN"]],
        "relations": [[1, 0, "in"]],
        "fragments": [[[[0, 1], [3, 4]], "PART"]],
    }
    path = write(tmp_path / "a.jsonl", json.dumps(row))
    for source, target in ("a.jsonl", "b.spacy"), ("b.spacy", "c.spacy"):
        options = Options(fragments="keep", ents=True)
        run = Conversion(tmp_path / source, tmp_path / target, options).run()
        assert run.report.counts == {}
        assert run.written[""].spans == 3
        assert run.written[""].not_in_ents == 1
    docs = [
        next(DocBin().from_disk(tmp_path / name).get_docs(Vocab()))
        for name in ("b.spacy", "c.spacy")
    ]
    assert contents(docs[0], "sc") == contents(docs[1], "sc")
    assert [ent.text for ent in docs[0].ents] == ["right leg", "hurt"]
    assert path.exists()


@pytest.mark.parametrize("fragments", ["keep", "cover", "parts"])
@pytest.mark.parametrize(
    "surface, is_kept",
    [
        ("left leg", True),
        ("left and right leg", True),
        ("left arm", False),
        (None, True),
    ],
)
def test_the_surface_of_a_discontinuous_mention(fragments, surface, is_kept):
    pieces = [(0, 4), (15, 18)]
    mention = Mention(0, 18, "PART", surface, pieces)
    report = ConversionReport()
    doc = builder(report, "en", fragments=fragments)(
        Record("a", 1, [mention], text="left and right leg", unit="characters")
    )
    assert (len(doc.spans[KEY]) > 0) == is_kept
    assert report.counts["surface text does not match offsets"] == (not is_kept)


def test_the_tokens_of_w2ner(tmp_path):
    """Against the tokens of each entity as the file has them."""
    index = [[0, 1], [4, 3], [0, 4], [1, 3, 4], [2]]
    row = {"sentence": WORDS, "ner": [{"index": i, "type": "ADR"} for i in index]}
    path = write(tmp_path / "a.json", json.dumps([row]))
    (doc,) = read(path, fragments="keep")
    entities, _, discontinuous = contents(doc)
    tokens = [[*range(start, end)] for start, end, _ in entities]
    for pieces in discontinuous:
        tokens.append([i for start, end, _ in pieces for i in range(start, end)])
    assert sorted(tokens) == sorted(sorted(i) for i in index)
    # A piece may be one of two entities, and it may be the whole of another.
    assert len(doc.spans[KEY]) == 3 + 4


def test_relations_of_oneie(tmp_path):
    path = write(tmp_path / "a.json", ONEIE)
    report = ConversionReport()
    (doc,) = read(path, report)
    person, place = (0, 1, "PER"), (2, 3, "GPE")
    assert contents(doc)[1] == {(person, place, "PHYS")}
    assert report.counts == {NO_SPAN: 1}  # the event


def linked(path, **options):
    """Relations of the documents of a file, by the words of their ends."""
    report = ConversionReport()
    docs = read(path, report, lang="en", **options)
    found = []
    for doc in docs:
        group = doc.spans[KEY]
        rows = group.attrs.get("relations", [])
        found.append({(group[h].text, group[t].text, label) for h, t, label in rows})
    return found, report.counts[NO_SPAN]


def test_relations_of_doccano(tmp_path):
    text = "Ann and Bo left Cork"
    entities = [
        {"id": i, "label": label, "start_offset": start, "end_offset": end}
        for i, label, start, end in [(7, "P", 0, 3), (9, "P", 8, 10), (8, "L", 16, 20)]
    ]
    relations = [
        {"id": 1, "from_id": 7, "to_id": 8, "type": "left"},
        {"id": 2, "from_id": 8, "to_id": 9, "type": "left by"},
        {"id": 3, "from_id": 8, "to_id": 70, "type": "left by"},
    ]
    row = {"id": 1, "text": text, "entities": entities, "relations": relations}
    path = write(tmp_path / "a.jsonl", json.dumps(row) + "\n")
    assert linked(path) == (
        [{("Ann", "Cork", "left"), ("Cork", "Bo", "left by")}],
        1,
    )


@pytest.mark.parametrize("with_spans", [False, True])
def test_relations_of_prodigy(tmp_path, with_spans):
    """As rel.manual writes them, and as spaCy's rel_component reads them: by the last
    token of a span. The span that was rejected has no position."""
    words = ["Ann", "Lee", "hit", "Bo", "hard", "."]
    places, start = [], 0
    for word in words:
        places.append((start, start + len(word)))
        start += len(word) + 1
    tokens = [
        {"text": word, "start": a, "end": b, "id": i}
        for i, (word, (a, b)) in enumerate(zip(words, places))
    ]

    def span(first, last, label, **more):
        return {
            "start": places[first][0],
            "end": places[last][1],
            "token_start": first,
            "token_end": last,
            "label": label,
            **more,
        }

    spans = [span(4, 4, "HOW", answer="reject"), span(0, 1, "P"), span(3, 3, "P")]
    relations = [
        {"head": 1, "child": 3, "label": "hits"},
        {"head": 3, "child": 4, "label": "how"},
    ]
    if with_spans:
        relations[0].update(head_span=spans[1], child_span=spans[2])
        relations[1].update(head_span=spans[2], child_span=spans[0])
    row = {
        "text": " ".join(words),
        "tokens": tokens,
        "spans": spans,
        "answer": "accept",
    }
    path = write(tmp_path / "a.jsonl", json.dumps({**row, "relations": relations}))
    assert linked(path) == ([{("Ann Lee", "Bo", "hits")}], 1)


@pytest.mark.parametrize(
    "direction, expected",
    [
        ("right", {("Ann", "Cork", "in")}),
        ("left", {("Cork", "Ann", "in")}),
        ("bi", {("Ann", "Cork", "in"), ("Cork", "Ann", "in")}),
        (None, {("Ann", "Cork", "in")}),
    ],
)
def test_relations_of_label_studio(tmp_path, direction, expected):
    def region(name, start, end, text, label):
        value = {"start": start, "end": end, "text": text, "labels": [label]}
        return {"id": name, "to_name": "text", "type": "labels", "value": value}

    relation = {"from_id": "a", "to_id": "b", "type": "relation", "labels": ["in"]}
    if direction is not None:
        relation["direction"] = direction
    result = [
        relation,
        region("b", 7, 11, "Cork", "L"),
        region("a", 0, 3, "Ann", "P"),
        {"from_id": "a", "to_id": "gone", "type": "relation", "labels": ["in"]},
        {"from_id": "a", "to_id": "b", "type": "relation", "labels": []},
    ]
    row = {"data": {"text": "Ann in Cork"}, "annotations": [{"result": result}]}
    path = write(tmp_path / "a.json", json.dumps([row]))
    assert linked(path) == ([expected], 2)
