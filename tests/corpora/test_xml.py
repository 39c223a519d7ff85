"""BioC, and XML or SGML with entities as elements."""

import pytest

from spacy_globalpointer.corpora import (
    Conversion,
    ConversionReport,
    CorpusError,
    Options,
    find_format,
    xml_events,
)
from spacy_globalpointer.corpora.bioc import is_bioc
from spacy_globalpointer.corpora.inline_xml import is_inline_xml
from spacy_globalpointer.corpora.preview import Preview
from tests.util.corpora_samples import BIOC, INLINE_XML
from tests.util.corpus_files import KEY, read, write


def texts_and_spans(path, **options):
    return [
        (doc.text, [(span.text, span.label_) for span in doc.spans[KEY]])
        for doc in read(path, lang="en", **options)
    ]


BOMB = """<!DOCTYPE a [
<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]>
<a>He said <b>&y;</b> twice.</a>
"""


@pytest.mark.parametrize("name", ["a.xml", "a.txt"])
def test_entities_are_never_expanded(tmp_path, name):
    path = write(tmp_path / name, BOMB)
    with pytest.raises(CorpusError, match="line 1: entities are declared"):
        find_format(path)


def test_nothing_outside_of_the_file_is_read(tmp_path):
    secret = write(tmp_path / "secret.dtd", '<!ENTITY x "secret">')
    content = f'<!DOCTYPE a SYSTEM "{secret}">\n<a>He said <b>&x;</b> twice.</a>'
    path = write(tmp_path / "a.xml", content)
    with pytest.raises(CorpusError, match=r"line 2: invalid XML \(undefined entity\)"):
        list(read(path))


def test_entities_of_html_and_of_xml_are_characters(tmp_path):
    content = "<a>caf&eacute; &lt;<b>&amp;nbsp;&#228;&nbsp;x</b>&gt;</a>"
    path = write(tmp_path / "a.xml", content)
    assert texts_and_spans(path) == [("café <&nbsp;ä\xa0x>", [("&nbsp;ä\xa0x", "b")])]


@pytest.mark.parametrize("offset", range(0, 40, 3))
def test_what_the_border_of_a_chunk_cuts(tmp_path, offset):
    """The file is read in pieces of 64 KiB."""
    filler = "x y " * ((65536 - 40) // 4) + "z" * offset
    content = f"<a><s>{filler} <b>Ann</b> caf&eacute; é <b>Bo</b></s></a>"
    path = write(tmp_path / "a.xml", content)
    ((text, spans),) = texts_and_spans(path)
    assert text == f"{filler} Ann café é Bo"
    assert spans == [("Ann", "b"), ("Bo", "b")]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_the_encoding_of_the_declaration(tmp_path, encoding):
    content = f'<?xml version="1.0" encoding="{encoding}"?>\n<a>Café <b>Ann</b>.</a>'
    path = write(tmp_path / "a.xml", content.encode(encoding))
    assert texts_and_spans(path, format="inline-xml") == [("Café Ann.", [("Ann", "b")])]
    if encoding != "utf-16":
        assert find_format(path) == "inline-xml"


def test_what_is_no_xml_is_said_with_its_line(tmp_path):
    path = write(tmp_path / "a.xml", INLINE_XML.replace("</s>\n</doc>", "\n</doc>"))
    with pytest.raises(CorpusError, match=r"line 7: invalid XML \(mismatched tag\)"):
        list(read(path))
    report = ConversionReport(on_error="skip")
    assert len(read(path, report)) == 1
    assert report.counts == {"record cannot be read": 1}


def test_an_entity_outside_of_a_text_is_counted(tmp_path):
    content = "<c><s>In <b>Cork</b>.</s><s>No.</s><list><b>Bo</b></list></c>"
    report = ConversionReport()
    (first, second) = read(write(tmp_path / "a.xml", content), report)
    assert [span.label_ for span in first.spans[KEY]] == ["b"]
    assert not second.spans[KEY]
    assert report.counts == {"unsupported annotation (relation, event)": 1}


def test_empty_elements_and_elements_without_a_label_are_counted(tmp_path):
    names = '<n type="A">Ann</n> ' * 10
    content = f"<a><s>So {names}<n>Bo</n> and <pb/> all.</s></a>"
    report = ConversionReport()
    read(write(tmp_path / "a.xml", content), report)
    assert report.counts == {"without a label": 1, "empty": 1}


def test_the_user_names_the_attribute_and_the_text(tmp_path):
    content = '<d><p>It is <s>in <n type="x" kind="LOC">Cork</n></s></p></d>'
    path = write(tmp_path / "a.xml", content)
    options = Options(columns={"ner": "kind", "word": "p"})
    converted = Conversion(path, tmp_path / "a.spacy", options)
    assert converted.describe()[-1] == "first record: 'It is in Cork'; " + (
        "'in Cork' s, 'Cork' LOC"
    )


def test_a_document_of_several_sentences_stays_together(tmp_path):
    from spacy_globalpointer.corpora import read_corpus

    content = "".join(
        f"<d><s>In <b>A{i}</b></s><s>So <b>B{i}</b></s></d>" for i in range(3)
    )
    path = write(tmp_path / "a.xml", f"<c>{content}</c>")
    docs = [record.doc_id for record in read_corpus(path)]
    assert docs[0::2] == docs[1::2]


@pytest.mark.parametrize("base", [0, 100])
@pytest.mark.parametrize("by_passage", [False, True])
def test_offsets_of_passages(tmp_path, base, by_passage):
    """Offsets count the document, the document from its passage on, or a passage."""
    passages = ""
    for offset, text, place in ((0, "Bo left.", 0), (20, "Then Ann came.", 5)):
        start = place + (0 if by_passage else offset + base)
        surface = text[place : place + 3].strip()
        passages += (
            f"<passage><offset>{offset + base}</offset><text>{text}</text>"
            f'<annotation><infon key="type">PER</infon><location offset="{start}" '
            f'length="{len(surface)}"/><text>{surface}</text></annotation></passage>'
        )
    content = f"<collection><document>{passages}</document></collection>"
    ((text, spans),) = texts_and_spans(write(tmp_path / "a.xml", content))
    assert text.split() == ["Bo", "left.", "Then", "Ann", "came."]
    assert spans == [("Bo", "PER"), ("Ann", "PER")]


def test_relations_and_pieces_of_bioc(tmp_path):
    path = write(tmp_path / "a.xml", BIOC)
    (doc,) = read(path, lang="en", fragments="keep")
    group = doc.spans[KEY]
    assert group.attrs["relations"] == [[0, 1, "treats"]]
    assert [group[i].text for i in (0, 1)] == ["Aspirin", "right leg pain"]
    assert [[group[i].text for i in places] for places in group.attrs["fragments"]] == [
        ["Left", "leg pain"]
    ]


def test_folders_of_xml(tmp_path):
    for split in ("train", "dev"):
        write(tmp_path / "in" / split / "a.xml", INLINE_XML)
        write(tmp_path / "in" / split / "b.xml", INLINE_XML)
    converted = Conversion(tmp_path / "in", tmp_path / "out", Options()).run()
    assert [written.spans for written in converted.written.values()] == [8, 8, 8]


def test_the_beginning_is_read_once(tmp_path, monkeypatch):
    """Though several formats look at it."""
    path = write(tmp_path / "a.xml", "<a><b>Ada Nolan</b></a>")
    opened = []
    monkeypatch.setattr(xml_events, "_chunks", lambda s: opened.append(s) or iter(()))
    preview = Preview.of(path)
    for look in (is_bioc, is_inline_xml, xml_events.xml_error):
        look(preview)
    assert len(opened) == 1
