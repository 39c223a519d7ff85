"""Random documents with random spans survive writing and reading, in every format
that can hold them, and so do real corpora."""

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
import srsly
from hypothesis import assume, given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span

from spacy_globalpointer.core.span_table import crossing
from spacy_globalpointer.corpora import Conversion, Options, find_format
from spacy_globalpointer.corpora.corpus_table import CorpusTable
from spacy_globalpointer.corpora.span_statistics import depth, identical, nested
from tests.util.corpus_files import KEY, TOOLS, read
from tests.util.lattices import few_examples
from tests.util.pipelines import found

DATA = os.environ.get("GLOBALPOINTER_DATA")

WORD = st.text("abcABC019é银🙂ßﷺ#-.'\"\\|_", min_size=1, max_size=6).filter(
    lambda word: word not in ("-DOCSTART-",)
)
LABEL = st.sampled_from(["PER", "LOC", "B-x", "Ä b", "a=b", "🙂"])


@st.composite
def documents(draw, flat=False, label=LABEL, min_words=1):
    """Tokens and spans (start, end, label), each once."""
    words = draw(st.lists(WORD, min_size=min_words, max_size=12))
    place = st.tuples(st.integers(0, len(words)), st.integers(0, len(words)))
    spans = {}
    taken = set()
    for place_, name in draw(st.lists(st.tuples(place, label), max_size=8)):
        start, end = sorted(place_)
        if start == end or (flat and taken & {*range(start, end)}):
            continue
        spans[start, end, name] = None
        taken |= {*range(start, end)}
    return words, list(spans)


def characters(words, spans):
    """Text and offsets of spans, words a space apart."""
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word) + 1)
    text = " ".join(words)
    return text, [(starts[s], starts[e] - 1, label) for s, e, label in spans]


def one_layer(words, spans):
    tags = ["O"] * len(words)
    for start, end, label in spans:
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags


# Writers: (words, spans) of each document to the text of a file.


def as_jsonl(docs):
    return rows({"tokens": words, "spans": spans} for words, spans in docs)


def as_jsonl_with_text(docs):
    return rows(
        {"tokens": words, "spans": spans, "text": " ".join(words)}
        for words, spans in docs
    )


def rows(objects, ascii=False):
    return "".join(json.dumps(row, ensure_ascii=ascii) + "\n" for row in objects)


def as_prodigy(docs):
    objects = []
    for words, spans in docs:
        text, offsets = characters(words, spans)
        _, places = characters(words, [(i, i + 1, "") for i in range(len(words))])
        tokens = [
            {"text": word, "start": start, "end": end, "id": i}
            for i, (word, (start, end, _)) in enumerate(zip(words, places))
        ]
        entities = [{"start": s, "end": e, "label": label} for s, e, label in offsets]
        row = {"text": text, "tokens": tokens, "spans": entities}
        objects.append({**row, "answer": "accept"})
    return rows(objects, ascii=True)


def as_doccano(docs):
    return rows(
        {"text": text, "label": spans}
        for text, spans in (characters(*doc) for doc in docs)
    )


def as_label_studio(docs):
    tasks = []
    for text, spans in (characters(*doc) for doc in docs):
        results = [
            {
                "type": "labels",
                "value": {"start": s, "end": e, "text": text[s:e], "labels": [label]},
            }
            for s, e, label in spans
        ]
        tasks.append({"data": {"text": text}, "annotations": [{"result": results}]})
    return json.dumps(tasks, indent=1)


def as_cmeee(docs):
    return json.dumps(
        [
            {
                "text": text,
                "entities": [
                    {"start_idx": s, "end_idx": e - 1, "type": x, "entity": text[s:e]}
                    for s, e, x in spans
                ],
            }
            for text, spans in (characters(*doc) for doc in docs)
        ]
    )


def as_cluener(docs):
    objects = []
    for text, spans in (characters(*doc) for doc in docs):
        labels = {}
        for s, e, label in spans:
            labels.setdefault(label, {}).setdefault(text[s:e], []).append([s, e - 1])
        objects.append({"text": text, "label": labels})
    return rows(objects)


def as_pubtator(docs):
    blocks = []
    for i, (text, spans) in enumerate(characters(*doc) for doc in docs):
        lines = [f"{i}\t{s}\t{e}\t{text[s:e]}\t{label}\tD0" for s, e, label in spans]
        blocks.append("\n".join([f"{i}|t|{text}", f"{i}|a|", *lines]))
    return "\n\n".join(blocks) + "\n\n"


def as_spert(docs):
    return json.dumps(
        [
            {
                "tokens": words,
                "entities": [{"start": s, "end": e, "type": x} for s, e, x in spans],
            }
            for words, spans in docs
        ]
    )


def as_dygie(docs):
    return rows(
        {
            "doc_key": str(i),
            "sentences": [words],
            "ner": [[[s, e - 1, label] for s, e, label in spans]],
        }
        for i, (words, spans) in enumerate(docs)
    )


def as_layers(docs):
    """A column a span, as many as the fullest document needs."""
    n = max(1, *(len(spans) for _, spans in docs))
    blocks = []
    for words, spans in docs:
        layers = [one_layer(words, [span]) for span in spans]
        layers += [["O"] * len(words)] * (n - len(layers))
        blocks.append("\n".join("\t".join(row) for row in zip(words, *layers)))
    return "\n\n".join(blocks)


def as_columns(docs):
    return "\n\n".join(
        "\n".join(map(" ".join, zip(words, one_layer(words, spans))))
        for words, spans in docs
    )


def as_spacy_json(docs):
    return json.dumps(
        [
            {
                "id": i,
                "paragraphs": [
                    {
                        "sentences": [
                            {
                                "tokens": [
                                    {"orth": word, "ner": tag}
                                    for word, tag in zip(words, one_layer(words, spans))
                                ]
                            }
                        ]
                    }
                ],
            }
            for i, (words, spans) in enumerate(docs)
        ]
    )


def as_train_data(docs):
    return json.dumps(
        [[text, {"entities": spans}] for text, spans in (characters(*d) for d in docs)]
    )


def as_entities(docs):
    return rows(
        {
            "text": text,
            "entities": [{"start": s, "end": e, "label": x} for s, e, x in spans],
        }
        for text, spans in (characters(*doc) for doc in docs)
    )


def as_dataturks(docs):
    return rows(
        {
            "content": text,
            "annotation": [
                {
                    "label": [label],
                    "points": [{"start": s, "end": e - 1, "text": text[s:e]}],
                }
                for s, e, label in spans
            ],
        }
        for text, spans in (characters(*doc) for doc in docs)
    )


def as_token_tags(docs):
    return rows(
        {"tokens": words, "ner_tags": one_layer(words, spans)} for words, spans in docs
    )


def as_biaffine(docs):
    return rows(
        {
            "doc_key": str(i),
            "sentences": [["first"], words],
            "ners": [[], [[s, e - 1, label] for s, e, label in spans]],
        }
        for i, (words, spans) in enumerate(docs)
    )


def as_w2ner(docs):
    return json.dumps(
        [
            {
                "sentence": words,
                "ner": [{"index": [*range(s, e)], "type": x} for s, e, x in spans],
            }
            for words, spans in docs
        ]
    )


def as_oneie(docs):
    return rows(
        {
            "tokens": words,
            "entity_mentions": [
                {"id": str(i), "entity_type": x, "start": s, "end": e}
                for i, (s, e, x) in enumerate(spans)
            ],
        }
        for words, spans in docs
    )


def as_gliner(docs):
    return json.dumps(
        [
            {"tokenized_text": words, "ner": [[s, e - 1, x] for s, e, x in spans]}
            for words, spans in docs
        ]
    )


# Those with tokens give the tokens back; the others are compared by characters.
def as_bioc(docs):
    collection = ElementTree.Element("collection")
    for words, spans in docs:
        text, places = characters(words, spans)
        document = ElementTree.SubElement(collection, "document")
        passage = ElementTree.SubElement(document, "passage")
        ElementTree.SubElement(passage, "offset").text = "0"
        ElementTree.SubElement(passage, "text").text = text
        for start, end, label in places:
            annotation = ElementTree.SubElement(passage, "annotation")
            ElementTree.SubElement(annotation, "infon", key="type").text = label
            place = {"offset": str(start), "length": str(end - start)}
            ElementTree.SubElement(annotation, "location", place)
            ElementTree.SubElement(annotation, "text").text = text[start:end]
    return ElementTree.tostring(collection, encoding="unicode")


def as_bioc_json(docs):
    documents_ = []
    for words, spans in docs:
        text, places = characters(words, spans)
        annotations = [
            {
                "infons": {"type": label},
                "text": text[start:end],
                "locations": [{"offset": start, "length": end - start}],
            }
            for start, end, label in places
        ]
        passage = {"offset": 0, "text": text, "annotations": annotations}
        documents_.append({"passages": [passage]})
    return json.dumps({"documents": documents_})


def as_inline_xml(docs):
    """Each sentence with a word before it, so that there is text beside elements."""
    corpus = ElementTree.Element("corpus")
    for words, spans in [(["a", "b"], [(0, 1, "PER")]), *docs]:
        sentence = last = ElementTree.SubElement(corpus, "s")
        sentence.text = "first"
        tags = [None] * len(words)
        for start, end, label in spans:
            tags[start:end] = [(start, label)] * (end - start)
        for word, tag, before in zip(words, tags, [None, *tags]):
            if tag is not None and tag == before:
                last.text += f" {word}"
                continue
            if last is sentence:
                last.text += " "
            else:
                last.tail = (last.tail or "") + " "
            if tag is not None:
                last = ElementTree.SubElement(sentence, "name", type=tag[1])
                last.text = word
            elif last is sentence:
                last.text += word
            else:
                last.tail += word
    return ElementTree.tostring(corpus, encoding="unicode")


WITH_TOKENS = {
    "jsonl": as_jsonl,
    "prodigy": as_prodigy,
    "spert": as_spert,
    "dygie": as_dygie,
    "w2ner": as_w2ner,
    "oneie": as_oneie,
    "gliner": as_gliner,
}
WITH_TEXT = {
    "jsonl": as_jsonl_with_text,
    "doccano": as_doccano,
    "label-studio": as_label_studio,
    "cmeee": as_cmeee,
    "cluener": as_cluener,
    "pubtator": as_pubtator,
    "train-data": as_train_data,
    "entities": as_entities,
    "dataturks": as_dataturks,
    "bioc": as_bioc,
    "bioc-json": as_bioc_json,
}
FLAT = {
    "columns": as_columns,
    "spacy-json": as_spacy_json,
    "token-tags": as_token_tags,
}
corpora = st.lists(documents(), min_size=1, max_size=4)
# A label that ends with white space would end the line.
flat_corpora = st.lists(
    documents(flat=True, label=st.sampled_from(["PER", "L-x", "🙂"])),
    min_size=1,
    max_size=4,
)


def tokens_and_spans(doc):
    return [token.text for token in doc], found(doc, KEY)


def same(docs, expected):
    assert [(words, {*spans}) for words, spans in map(tokens_and_spans, docs)] == [
        (words, {*spans}) for words, spans in expected
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("round") / "a.txt"


@pytest.mark.parametrize("name", WITH_TOKENS)
@few_examples
@given(corpora)
def test_tokens_and_spans_survive(path, name, docs):
    path.write_text(WITH_TOKENS[name](docs), encoding="utf8", newline="")
    same(read(path, format=name), docs)


@pytest.mark.parametrize("name", WITH_TEXT)
@few_examples
@given(corpora)
def test_texts_and_characters_survive(path, name, docs):
    """By character, so that no token is cut; white space there is part of a token
    before it."""
    path.write_text(WITH_TEXT[name](docs), encoding="utf8", newline="")
    kind = "bioc" if name == "bioc-json" else name
    for doc, expected in zip(read(path, format=kind, lang="zh"), docs, strict=True):
        text, spans = characters(*expected)
        assert doc.text == text + ("\n" if name == "pubtator" else "")
        group = doc.spans[KEY]
        assert {(s.start_char, s.end_char, s.label_) for s in group} == {*spans}
        assert len(group) == len(spans)


@few_examples
@given(st.lists(documents(label=st.sampled_from(["PER", "Ä b"])), min_size=1))
def test_layers_survive(path, docs):
    """Where two columns tag the same words, the reader asks which one is meant."""
    assume(all(len({span[:2] for span in spans}) == len(spans) for _, spans in docs))
    path.write_text(as_layers(docs), encoding="utf8", newline="")
    same(read(path, format="columns"), docs)


@few_examples
@given(corpora)
def test_spans_of_sentences_survive(path, docs):
    path.write_text(as_biaffine(docs), encoding="utf8", newline="")
    shifted = [
        (["first", *words], [(s + 1, e + 1, label) for s, e, label in spans])
        for words, spans in docs
    ]
    same(read(path, format="biaffine"), shifted)


@pytest.mark.parametrize("name", FLAT)
@few_examples
@given(flat_corpora)
def test_flat_spans_survive(path, name, docs):
    path.write_text(FLAT[name](docs), encoding="utf8", newline="")
    same(read(path, format=name), docs)


@few_examples
@given(flat_corpora)
def test_elements_in_texts_survive(path, docs):
    path.write_text(as_inline_xml(docs), encoding="utf8", newline="")
    results = read(path, format="inline-xml", lang="zh")[1:]
    for doc, expected in zip(results, docs, strict=True):
        text, spans = characters(*expected)
        assert doc.text == f"first {text}"
        found_ = {(s.start_char - 6, s.end_char - 6, s.label_) for s in doc.spans[KEY]}
        assert found_ == {*spans}


@few_examples
@given(documents())
def test_standoff_survives(path, doc):
    text, spans = characters(*doc)
    lines = [
        f"T{i}\t{label.replace(' ', '_')} {s} {e}\t{text[s:e]}\n"
        for i, (s, e, label) in enumerate(spans)
    ]
    path.write_text(text, encoding="utf8", newline="")
    path.with_suffix(".ann").write_text("".join(lines), encoding="utf8", newline="")
    (result,) = read(path, format="brat", lang="zh")
    path.with_suffix(".ann").unlink()
    expected = {(s, e, label.replace(" ", "_")) for s, e, label in spans}
    group = result.spans[KEY]
    assert {(s.start_char, s.end_char, s.label_) for s in group} == expected


@few_examples
@given(corpora)
def test_spacy_files_survive(path, docs):
    doc_bin = DocBin()
    for words, spans in docs:
        doc = Doc(TOOLS["xx"].vocab, words=words)
        doc.spans[KEY] = [Span(doc, s, e, label) for s, e, label in spans]
        doc_bin.add(doc)
    doc_bin.to_disk(path)
    Conversion(path, path.with_suffix(".spacy"), Options(spans_key=KEY)).run()
    same(
        DocBin().from_disk(path.with_suffix(".spacy")).get_docs(TOOLS["xx"].vocab), docs
    )


@pytest.mark.parametrize("name", [*WITH_TOKENS, *WITH_TEXT, *FLAT])
def test_what_the_writers_write_is_found_by_content(path, name):
    docs = [(["Ann", "of", "York"], [(0, 1, "PER"), (2, 3, "LOC")])] * 3
    path.write_text({**WITH_TOKENS, **WITH_TEXT, **FLAT}[name](docs), encoding="utf8")
    assert find_format(path) == ("bioc" if name == "bioc-json" else name)


# Real corpora


def statistics():
    """(corpus, part, counts) of each part that stats.jsonl describes."""
    if DATA is None:
        return []
    return [
        (stats["name"], part, stats[part])
        for stats in srsly.read_jsonl(Path(DATA) / "stats.jsonl")
        for part in (sorted({*stats} & {"train", "dev", "test"}) or ["all"])
    ]


@pytest.mark.slow
@pytest.mark.skipif(
    DATA is None, reason="GLOBALPOINTER_DATA names no folder of corpora"
)
@pytest.mark.parametrize("name, part, stats", statistics())
def test_a_real_corpus_round_trips(tmp_path, name, part, stats):
    """Counts of the published statistics, and word by word and span by span what
    the file has."""
    source = Path(DATA) / name / f"{part}.jsonl.gz"
    lang = {"cluener": "zh", "germeval14": "de", "anercorp": "ar"}.get(name, "en")
    conversion = Conversion(source, tmp_path / "a.spacy", Options(lang=lang))
    converted = conversion.run()
    rows = list(srsly.read_gzip_jsonl(source))
    table = CorpusTable.read(tmp_path / "a.spacy", "sc")
    words = [table.strings[orth] for orth in table.orths.tolist()]
    spans = zip(table.starts.tolist(), table.ends.tolist(), table.ids.tolist())
    # White space that is a token is none of the corpus.
    written = [word for word in words if not word.isspace()]
    expected = [word for row in rows for word in row["tokens"] if not word.isspace()]
    assert written == expected
    assert [("".join(words[s:e]).split(), table.labels[i]) for s, e, i in spans] == [
        ("".join(row["tokens"][s:e]).split(), label)
        for row in rows
        for s, e, label in row["spans"]
    ]
    assert len(table.lengths) == stats["sentences"]
    assert len(table.starts) == stats["entities"]
    assert len(table.labels) == stats["types"]
    assert table.annotated.all()
    counts = converted.report.counts
    assert counts["discontinuous"] == stats.get("fragments", 0)
    del counts["discontinuous"]
    assert counts.keys() <= {"same offsets as another span", "crosses another span"}
    docs = DocBin().from_disk(tmp_path / "a.spacy").get_docs(TOOLS["xx"].vocab)
    relations = [doc.spans["sc"].attrs.get("relations") for doc in docs]
    assert relations == [row.get("relations") for row in rows]
    bounds = table.starts, table.ends
    assert crossing(*bounds).sum() == counts["crosses another span"]
    assert identical(*bounds).sum() == counts["same offsets as another span"]
    assert depth(*bounds) == stats["depth"]
    if "crossing" in stats:
        assert crossing(*bounds).sum() == stats["crossing"]
        assert identical(*bounds).sum() == 2 * stats["same boundary pairs"]
    overlapping = nested(*bounds) | crossing(*bounds) | identical(*bounds)
    assert overlapping.sum() == stats["overlapping"]
