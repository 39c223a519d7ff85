"""Every format: found by content, and read as its publishers define it. The samples
have the layout of the published files and invented texts."""

import gzip
import json

import pytest
from spacy.tokens import Doc, DocBin, Span
from spacy.training.gold_io import docs_to_json
from spacy.vocab import Vocab

from spacy_globalpointer.corpora import (
    FORMATS,
    ConversionReport,
    CorpusError,
    find_format,
    read_corpus,
    read_spacy,
)
from tests.util.corpora_samples import (
    ANNOTATION,
    BIAFFINE,
    BILUO,
    BIOC,
    BIOC_JSON,
    BIOES,
    CLUENER,
    CMEEE,
    CONLL2003,
    CONLLU,
    CSV,
    DATATURKS,
    DOCCANO_LISTS,
    DOCCANO_OBJECTS,
    ENTITIES,
    GENIA,
    GERMEVAL,
    GLINER,
    INLINE_XML,
    IOB1,
    JSONL,
    LABEL_STUDIO,
    LABEL_STUDIO_MIN,
    LABELS,
    LITBANK,
    NER_ANNOTATOR,
    ONEIE,
    PRODIGY,
    PUBTATOR,
    SCIERC,
    SGML,
    SPERT,
    TEXT,
    TOKEN_TAGS,
    TOKENS_XML,
    TRAIN_DATA,
    TRAIN_DATA_LINES,
    W2NER,
    WEBANNO,
    lines,
    result,
)
from tests.util.corpus_files import KEY, read, write
from tests.util.pipelines import found

# Name of the file, its content, its format, the language, and of each document the
# tokens and spans.
SAMPLES = {
    "conll2003": ("eng.train", CONLL2003, "columns", "en", [
        ("EU rejects German call", [(0, 1, "ORG"), (2, 3, "MISC")]),
        ("Peter Blackburn", [(0, 2, "PER")]),
    ]),
    "genia": ("genia.train.iob2", GENIA, "columns", "en", [
        ("NF - kappa site .", [(0, 3, "protein"), (0, 4, "DNA")]),
        ("# 1", []),
    ]),
    "litbank": ("1023_bleak_house_brat.tsv", LITBANK, "columns", "en", [
        ("CHAPTER off the top of the house", [(5, 7, "FAC"), (2, 7, "FAC")]),
        ("Alice", [(0, 1, "PER")]),
    ]),
    "germeval": ("NER-de-train.tsv", GERMEVAL, "columns", "en", [
        ("Der 1. FC Köln #", [(1, 4, "ORG"), (3, 4, "LOC")]),
        ("Bonner Rathaus", [(0, 1, "LOCderiv")]),
    ]),
    "bioes": ("a.bioes", BIOES, "columns", "en", [
        ("Ann Lee of York Rome", [(0, 2, "PER"), (3, 4, "LOC"), (4, 5, "LOC")]),
    ]),
    "biluo": ("a.biluo", BILUO, "columns", "en", [
        ("Ann B Lee of York", [(0, 3, "PER"), (4, 5, "LOC")]),
    ]),
    "iob1": ("a.iob", IOB1, "columns", "en", [
        ("Ann Lee Bo at York", [(0, 2, "PER"), (2, 3, "PER"), (4, 5, "LOC")]),
    ]),
    "conllu": ("a.conllu", CONLLU, "conllu", "en", [
        ("Ann left York .", [(0, 1, "PER"), (2, 3, "LOC")]),
        ("Bo", [(0, 1, "PER")]),
    ]),
    "csv": ("a.csv", CSV, "csv", "en", [
        ("Ann left 10,000", [(0, 1, "per")]),
        ("York rose", [(0, 1, "geo")]),
    ]),
    "labels": ("a.io", LABELS, "columns", "en", [
        ("Ann Lee left York", [(0, 2, "PER"), (3, 4, "LOC")]),
        ("Bo rose", [(0, 1, "PER")]),
    ]),
    "webanno": ("a.tsv", WEBANNO, "webanno", "en", [
        ("Ann Lee left York .", [(0, 2, "PER"), (1, 2, "NAME"), (3, 4, "LOC")]),
    ]),
    "prodigy": ("a.jsonl", PRODIGY, "prodigy", "en", [
        ("Apple   Inc. rose", [(0, 3, "ORG")]),
        ("No", []),
    ]),
    "doccano lists": ("a.jsonl", DOCCANO_LISTS, "doccano", "en", [
        ("Ann of York", [(0, 1, "PER"), (2, 3, "LOC")]),
        ("nobody", []),
    ]),
    "doccano objects": ("a.jsonl", DOCCANO_OBJECTS, "doccano", "en", [
        ("Ann of York", [(0, 1, "PER"), (2, 3, "LOC")]),
    ]),
    "label studio": ("a.json", LABEL_STUDIO, "label-studio", "en", [
        ("Ann of York", [(0, 1, "PER"), (2, 3, "LOC"), (2, 3, "ORG")]),
        ("not yet", None),
    ]),
    "label studio min": ("a.json", LABEL_STUDIO_MIN, "label-studio", "en", [
        ("Ann of York", [(0, 1, "PER")]),
    ]),
    "pubtator": ("CDR.PubTator.txt", PUBTATOR, "pubtator", "en", [
        (
            "A common skin tumour . \n Caused by mutations in beta - catenin .",
            [(2, 4, "Disease"), (10, 13, "Gene")],
        ),
        ("Male rats . \n", [(0, 1, "Species")]),
    ]),
    "cluener": ("train.json", CLUENER, "cluener", "zh", [
        (
            " ".join("浙商银行企业信贷部叶老桂博士"),
            [(9, 12, "name"), (0, 4, "company")],
        ),
        ("没 有", []),
    ]),
    "cmeee": ("CMeEE_train.json", CMEEE, "cmeee", "zh", [
        (" ".join("（5）房室结消融"), [(3, 8, "pro"), (3, 6, "bod")]),
    ]),
    "spert": ("conll04_train.json", SPERT, "spert", "en", [
        ("Ann of New York", [(0, 1, "Peop"), (2, 4, "Loc")]),
    ]),
    "scierc": ("train.json", SCIERC, "dygie", "en", [
        (
            "We use CRFs . Linear CRFs .",
            [(2, 3, "Method"), (4, 6, "Method"), (5, 6, "Generic")],
        ),
    ]),
    "jsonl": ("train.jsonl", JSONL, "jsonl", "en", [("Ann of York", [(0, 1, "PER")])]),
    **{
        name: (file, content, kind, "en", [
            ("Ann Lee lives in York .", [(0, 2, "PER"), (4, 5, "LOC")]),
            ("Bob left .", []),
        ])
        for name, file, content, kind in [
            ("train data", "train.json", TRAIN_DATA, "train-data"),
            ("train data lines", "train.jsonl", TRAIN_DATA_LINES, "train-data"),
            ("ner annotator", "annotations.json", NER_ANNOTATOR, "train-data"),
            ("entities", "a.jsonl", ENTITIES, "entities"),
        ]
    },
    "token tags": ("train.jsonl", TOKEN_TAGS, "token-tags", "en", [
        ("Ann Lee of York", [(0, 2, "PER"), (3, 4, "LOC")]),
        ("Bob", []),
    ]),
    "biaffine": ("train.jsonlines", BIAFFINE, "biaffine", "en", [
        (
            "Ann Lee left . Bob saw New York .",
            [(0, 2, "PER"), (6, 8, "LOC"), (7, 8, "X")],
        ),
    ]),
    "w2ner": ("train.json", W2NER, "w2ner", "en", [
        ("left and right leg of Bob", [(2, 4, "PART"), (5, 6, "PER")]),
    ]),
    "oneie": ("train.oneie.json", ONEIE, "oneie", "en", [
        ("Ann of York", [(0, 1, "PER"), (2, 3, "GPE")]),
    ]),
    "gliner": ("train.json", GLINER, "gliner", "en", [
        ("Ann Lee of York", [(0, 2, "person"), (3, 4, "city")]),
    ]),
    "dataturks": ("a.json", DATATURKS, "dataturks", "en", [
        ("Ann Lee of York", [(0, 2, "PER"), (3, 4, "LOC"), (3, 4, "X")]),
        ("Bob", None),
    ]),
    "bioc": ("train.xml", BIOC, "bioc", "en", [
        (
            "Aspirin & co. \n Left and right leg pain .",
            [(0, 1, "Chemical"), (6, 9, "Symptom")],
        ),
    ]),
    "bioc json": ("train.json", BIOC_JSON, "bioc", "en", [
        ("Aspirin helps .", [(0, 1, "Chemical")]),
    ]),
    "inline xml": ("train.xml", INLINE_XML, "inline-xml", "en", [
        (
            "In Cork , Ann Lee left .",
            [(1, 2, "place"), (3, 5, "person"), (4, 5, "name")],
        ),
        ("Bo", [(0, 1, "person")]),
    ]),
    "sgml": ("train.sgml", SGML, "inline-xml", "en", [
        ("Ann left", [(0, 1, "PERSON")]),
        ("for Cork .", [(1, 2, "CITY")]),
        ("Bo today", [(1, 2, "DATE")]),
    ]),
    "tokens xml": ("train.xml", TOKENS_XML, "inline-xml", "en", [
        ("In New York", [(1, 3, "LOC")]),
        ("Oh !", []),
    ]),
}  # fmt: skip


def spans_of(doc):
    return found(doc, KEY) if KEY in doc.spans else None


def words(doc):
    return " ".join(token.text for token in doc)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_published_layout_is_found_and_read(tmp_path, name):
    file, content, kind, lang, expected = SAMPLES[name]
    path = write(tmp_path / file, content)
    assert find_format(path) == kind
    docs = read(path, lang=lang)
    assert [(words(doc), spans_of(doc)) for doc in docs] == expected


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("change", ["crlf", "bom", "no last line end", "gzip"])
def test_a_layout_survives_what_editors_and_systems_do(tmp_path, name, change):
    file, content, kind, lang, expected = SAMPLES[name]
    data = content.encode("utf8")
    if change == "crlf":
        data = data.replace(b"\n", b"\r\n")
    elif change == "bom":
        data = b"\xef\xbb\xbf" + data
    elif change == "gzip":
        data = gzip.compress(data)  # without a name that says so
    else:
        data = data.rstrip(b"\n")
    path = write(tmp_path / file, data)
    assert find_format(path) == kind
    docs = read(path, lang=lang)
    assert [(words(doc), spans_of(doc)) for doc in docs] == expected


@pytest.mark.parametrize("name", SAMPLES)
def test_a_format_that_is_named_is_not_looked_for(tmp_path, name):
    file, content, kind, lang, expected = SAMPLES[name]
    docs = read(write(tmp_path / file, content), lang=lang, format=kind)
    assert [(words(doc), spans_of(doc)) for doc in docs] == expected


def test_there_is_a_sample_of_every_format():
    found = {sample[2] for sample in SAMPLES.values()} | {"brat", "spacy", "spacy-json"}
    # Others have their own test, and an example that is read in test_registry.
    assert found <= {*FORMATS}
    assert all(FORMATS[name].example for name in {*FORMATS} - found)


def test_what_readers_leave_out_is_counted(tmp_path):
    report = ConversionReport()
    read(write(tmp_path / "a.jsonl", PRODIGY), report)
    assert report.counts == {"document rejected or skipped": 1}
    report = ConversionReport()
    read(write(tmp_path / "a.json", LABEL_STUDIO), report)
    assert report.counts == {
        "another annotator of the same text": 1,
        "document rejected or skipped": 1,
        "document without annotation": 1,
        "same offsets as another span": 2,
        "unsupported annotation (relation, event)": 1,
    }
    report = ConversionReport()
    read(write(tmp_path / "a.iob", IOB1), report)
    # In IOB spans begin with I; in BIO they do not.
    assert report.counts == {}
    report = ConversionReport()
    read(write(tmp_path / "a.iob", IOB1.replace("Ann I-", "Ann B-")), report)
    assert report.counts == {"I- tag without B- (treated as B-)": 1}


@pytest.mark.parametrize(
    "name, n",
    [("pubtator", 1), ("spert", 0), ("doccano objects", 0), ("scierc", 0), ("bioc", 1)],
)
def test_relations_that_are_not_kept_are_counted(tmp_path, name, n):
    file, content, _, lang, _ = SAMPLES[name]
    report = ConversionReport()
    read(write(tmp_path / file, content), report, lang=lang)
    assert report.counts["unsupported annotation (relation, event)"] == n


def test_documents_of_columns_are_told_apart(tmp_path):
    def docs(content):
        path = write(tmp_path / "a.tsv", content)
        return [record.doc_id for record in read_corpus(path)]

    assert docs(GERMEVAL) == [
        "http://de.wikipedia.org/wiki/Koeln",
        "http://de.wikipedia.org/wiki/Bonn",
    ]
    first, second, third = docs(CONLL2003 + "\n" + CONLL2003)[::2] + docs(CONLL2003)[:1]
    assert first != second and first == third
    assert docs("# newdoc id = x\na\tO\nb\tB-X\n\nc\tO\n") == ["x", "x"]


def test_label_studio_texts_of_other_names_and_line_breaks(tmp_path):
    def task(data, *results):
        return {"data": data, "annotations": [{"result": results}]}

    content = json.dumps(
        [
            task({"url": "http://example.org/a", "body": "Ann rose"}),
            task(
                {"title": "Rome or", "body": "Ann\nLee"},
                result(0, 7, "Ann\\nLee", "PER"),
            ),
            task({"title": "Ann and others", "body": "Bo"}, result(0, 2, "Bo", "PER")),
        ]
    )
    report = ConversionReport()
    path = write(tmp_path / "a.json", content)
    assert find_format(path) == "label-studio"
    docs = read(path, report, lang="en")
    assert [doc.text for doc in docs] == ["Ann rose", "Ann\nLee", "Bo"]
    assert [doc.spans[KEY][0].text for doc in docs[1:]] == ["Ann\nLee", "Bo"]
    assert report.counts == {}


# brat


def brat(folder, name, text, annotation):
    write(folder / f"{name}.txt", text)
    if annotation is not None:
        write(folder / f"{name}.ann", annotation)
    return folder / f"{name}.txt"


@pytest.mark.parametrize(
    "fragments, expected",
    [
        ("drop", []),
        ("cover", [(2, 7, "Location")]),
        ("parts", [(2, 3, "Location"), (6, 7, "Location")]),
    ],
)
def test_brat_and_its_discontinuous_mentions(tmp_path, fragments, expected):
    path = brat(tmp_path, "a", TEXT, ANNOTATION)
    assert find_format(path) == find_format(path.with_suffix(".ann")) == "brat"
    report = ConversionReport()
    (doc,) = read(path, report, lang="en", fragments=fragments)
    assert doc.text == TEXT
    others = [(0, 1, "Organization"), (2, 7, "Group")]
    assert sorted(spans_of(doc)) == sorted({*others, *expected})
    (reason,) = {reason for reason in report.counts if "discontinuous" in reason}
    assert report.counts[reason] == 1
    assert report.counts["unsupported annotation (relation, event)"] == 5


def test_brat_mentions_over_the_end_of_a_line_are_whole(tmp_path):
    path = brat(tmp_path, "a", "in New\nYork", "T1\tLoc 3 6;7 11\tNew York\n")
    (doc,) = read(path, lang="en")
    assert [span.text for span in doc.spans[KEY]] == ["New\nYork"]


@pytest.mark.parametrize("counted", ["\n", "\r\n"])
def test_brat_line_ends_are_counted_as_the_surfaces_say(tmp_path, counted):
    text = "one\r\ntwo\r\nYork"
    start = text.replace("\r\n", counted).index("York")
    path = brat(tmp_path, "a", text, f"T1\tLoc {start} {start + 4}\tYork\n")
    (doc,) = read(path, lang="en")
    assert [span.text for span in doc.spans[KEY]] == ["York"]


def test_brat_without_annotation_is_not_empty_annotation(tmp_path):
    brat(tmp_path, "a", "one", "")
    brat(tmp_path, "b", "two", None)
    docs = [read(tmp_path / f"{n}.txt", format="brat")[0] for n in "ab"]
    assert [spans_of(doc) for doc in docs] == [[], None]


@pytest.mark.parametrize(
    "line", ["T1 Loc 0 3 one", "T1\tLoc 0\tone", "T1\tLoc 0 x\tone", "T1\tLoc", "what"]
)
def test_brat_lines_that_are_none(tmp_path, line):
    path = brat(tmp_path, "a", "one", f"T1\tLoc 0 3\tone\n{line}\n")
    with pytest.raises(CorpusError, match=r"a\.ann, line 2: "):
        read(path)


# spaCy's own


def spacy_docs():
    doc = Doc(
        Vocab(), words=["Ann", "of", "York", "."], ents=["B-PER", "O", "B-LOC", "O"]
    )
    doc[0].is_sent_start = True
    for token in doc[1:]:
        token.is_sent_start = False
    return doc


def test_spacy_files_are_read_with_spans_else_entities(tmp_path):
    doc = spacy_docs()
    DocBin(docs=[doc]).to_disk(tmp_path / "ents.spacy")
    doc.spans["one"] = [Span(doc, 0, 3, "GROUP"), Span(doc, 2, 3, "LOC")]
    DocBin(docs=[doc]).to_disk(tmp_path / "one.spacy")
    doc.spans["two"] = []
    DocBin(docs=[doc]).to_disk(tmp_path / "two.spacy")
    doc.spans[KEY] = [Span(doc, 0, 1, "PER")]
    DocBin(docs=[doc]).to_disk(tmp_path / "key.spacy")

    def found_in(name):
        (record,) = read_spacy(tmp_path / name, ConversionReport(), KEY)
        return [(m.start, m.end, m.label) for m in record.mentions]

    assert find_format(tmp_path / "one.spacy") == "spacy"
    assert found_in("ents.spacy") == [(0, 1, "PER"), (2, 3, "LOC")]
    assert found_in("one.spacy") == [(0, 3, "GROUP"), (2, 3, "LOC")]
    assert found_in("key.spacy") == [(0, 1, "PER")]
    with pytest.raises(CorpusError, match="'one', 'two'"):
        found_in("two.spacy")


def test_spacy_json_is_that_of_spacy(tmp_path):
    doc = spacy_docs()
    path = write(tmp_path / "a.json", json.dumps([docs_to_json([doc])]))
    assert find_format(path) == "spacy-json"
    (read_doc,) = read(path)
    assert read_doc.text == doc.text
    assert spans_of(read_doc) == [(0, 1, "PER"), (2, 3, "LOC")]
    assert [token.is_sent_start for token in read_doc] == [True, False, False, False]


def test_what_docs_write_as_json_is_read(tmp_path):
    doc = spacy_docs()
    one = Span(doc, 0, 3, "GROUP", kb_id="Q1")
    doc.spans[KEY] = [one, *doc.ents]
    path = write(tmp_path / "a.jsonl", lines(doc.to_json()))
    assert find_format(path) == "entities"
    (record,) = read_corpus(path, spans_key=KEY)
    mentions = [(m.start, m.end, m.label, m.kb_id) for m in record.mentions]
    expected = [(s.start_char, s.end_char, s.label_, s.kb_id_) for s in doc.spans[KEY]]
    assert mentions == expected
    assert record.n_unsupported == 0
    doc.spans["x"] = doc.spans[KEY]
    path = write(tmp_path / "a.jsonl", lines(doc.to_json()))
    with pytest.raises(CorpusError, match=f"under .*'{KEY}', 'x'.*--spans-key"):
        list(read_corpus(path))


def test_groups_of_train_data_are_read(tmp_path):
    spans = {"entities": [[0, 3, "PER"]], "spans": {"sc": [[0, 8, "X"]]}}
    path = write(tmp_path / "a.json", json.dumps([["Ann left", spans]]))
    assert find_format(path) == "train-data"
    (record,) = read_corpus(path)
    assert [(m.start, m.end, m.label) for m in record.mentions] == [(0, 8, "X")]
    assert record.n_unsupported == 1


# What is no corpus


@pytest.mark.parametrize(
    "row",
    [
        {"sentences": [["Ann"]], "entities": [[[0, 0, "PER"]]]},
        {"tokens": ["Ann"], "spans": [], "ner": [[0, 0, "PER"]]},
        {"tokens": ["Ann"], "entities": [], "mentions": [{"from": 0, "to": 1}]},
        {"text": "Ann", "label": [], "ner": [[0, 3, "PER"]]},
        {"text": "Ann", "spans": [], "ner": [{"a": 0, "b": 3, "type": "PER"}]},
        {"text": "Ann", "entities": [], "mentions": [[0, 3, "PER"]]},
        {"text": "Ann", "answer": "accept", "mentions": [[0, 3, "PER"]]},
    ],
)
def test_another_layout_is_not_taken_for_a_known_one_without_its_spans(tmp_path, row):
    path = write(tmp_path / "a.jsonl", lines(row, row))
    with pytest.raises(CorpusError, match="no known format matches"):
        find_format(path)


@pytest.mark.parametrize(
    "content",
    [
        "Just a text.\nWith lines.\n",
        '{"a": 1}',
        "[1, 2]",
        "a\tb\nc\td\n",
        "\0\1",
    ],
)
def test_what_is_of_no_format_is_an_error_that_names_them(tmp_path, content):
    path = write(tmp_path / "a.txt", content)
    with pytest.raises(CorpusError, match="set --format to one of jsonl, prodigy"):
        find_format(path)


def test_what_could_be_several_formats_is_an_error(tmp_path):
    path = write(tmp_path / "a.jsonl", lines({"text": "a", "entities": []}))
    with pytest.raises(CorpusError, match="several formats match: doccano, cmeee"):
        find_format(path)


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", " \r\n", "[ ]\n"])
def test_a_file_of_nothing_has_no_format(tmp_path, content):
    path = write(tmp_path / "a.json", content)
    assert find_format(path) is None
    report = ConversionReport()
    assert read(path, report) == []
    assert report.counts == {"file without documents": 1}


def test_a_first_line_that_is_damaged_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"tokens": ["a"], "spa\n')
    with pytest.raises(CorpusError, match="line 1: invalid JSON"):
        find_format(path)
