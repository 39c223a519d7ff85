"""spaCy's own files keep all that they hold, and unknown tokens stay unknown."""

import json

import numpy
import pytest
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_globalpointer.corpora import Conversion, CorpusError, Options
from tests.util.corpus_files import write


def convert(path, **options):
    target = path.parent / "out.spacy"
    run = Conversion(path, target, Options(**options)).run()
    return list(DocBin().from_disk(target).get_docs(Vocab())), dict(run.report.counts)


def save(path, *docs):
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


def linked_doc():
    doc = Doc(
        Vocab(),
        words=["Ann", "left", ".", "Bo", "sat"],
        sent_starts=[True, False, False, True, False],
    )
    for key, number in ("sc", 1), ("other", 2):
        ids = {"kb_id": f"Q{number}", "span_id": f"x{number}"}
        spans = [Span(doc, 0, 1, "PER", **ids), Span(doc, 3, 4, "PER", **ids)]
        attrs = {
            "scores": numpy.array([0.5, 0.75], dtype="float32"),
            "source": "a model",
            "relations": [[1, 1, "self"]],
        }
        doc.spans[key] = SpanGroup(doc, name="n", attrs=attrs, spans=spans)
    doc.user_data["origin"] = "a book"
    return doc


@pytest.mark.parametrize("sentences", [False, True])
def test_identifiers_attributes_and_user_data_are_kept(tmp_path, sentences):
    path = save(tmp_path / "a.spacy", linked_doc())
    docs, counts = convert(path, sentences=sentences)
    assert counts == {}
    assert [doc.user_data for doc in docs] == [{"origin": "a book"}] * len(docs)
    for key, kb_id, span_id in ("sc", "Q1", "x1"), ("other", "Q2", "x2"):
        groups = [doc.spans[key] for doc in docs]
        spans = [span for group in groups for span in group]
        assert [(s.text, s.kb_id_, s.id_) for s in spans] == [
            ("Ann", kb_id, span_id),
            ("Bo", kb_id, span_id),
        ]
        scores = [list(group.attrs["scores"]) for group in groups]
        relations = [group.attrs["relations"] for group in groups]
        if sentences:
            assert scores == [[0.5], [0.75]]
            assert relations == [[], [[0, 0, "self"]]]
        else:
            assert scores == [[0.5, 0.75]]
            assert relations == [[[1, 1, "self"]]]
        assert all(group.attrs["source"] == "a model" for group in groups)


def test_attributes_follow_spans_that_are_dropped(tmp_path):
    doc = linked_doc()
    spans = [Span(doc, 0, 1), Span(doc, 3, 4, "PER"), Span(doc, 0, 1, "PER")]
    attrs = {"scores": [0.1, 0.2, 0.3], "relations": [[0, 1, "a"], [2, 1, "b"]]}
    doc.spans["sc"] = SpanGroup(doc, attrs=attrs, spans=spans)
    (found,), counts = convert(save(tmp_path / "a.spacy", doc))
    assert [span.text for span in found.spans["sc"]] == ["Bo", "Ann"]
    assert found.spans["sc"].attrs == {"scores": [0.2, 0.3], "relations": [[1, 0, "b"]]}
    assert counts == {
        "without a label": 1,
        "unsupported annotation (relation, event)": 1,
    }


def test_several_keys_are_named(tmp_path):
    doc = linked_doc()
    path = save(tmp_path / "a.spacy", doc)
    message = r"line 1: there are spans under \['other', 'sc'\]; name one with"
    with pytest.raises(CorpusError, match=message):
        convert(path, spans_key="x")


@pytest.mark.parametrize("sentences", [False, True])
def test_unknown_entities_stay_unknown(tmp_path, sentences):
    words = ["Ann", "met", "Bo", ".", "We", "left", ".", "No", "one", "."]
    starts = [i in (0, 4, 7) for i in range(len(words))]
    doc = Doc(Vocab(), words=words, sent_starts=starts)
    known = [Span(doc, 1, 2), Span(doc, 7, 10)]
    doc.set_ents([Span(doc, 0, 1, "PER")], outside=known, default="missing")
    expected = [3, 2, 0, 0, 0, 0, 0, 2, 2, 2]
    assert doc.to_array("ENT_IOB").tolist() == expected
    json_doc = {
        "paragraphs": [
            {
                "sentences": [
                    {
                        "tokens": [
                            {"orth": words[i], "ner": tags[i]} for i in range(a, b)
                        ]
                    }
                    for tags in [["U-PER", "O", *"-----", *"OOO"]]
                    for a, b in ((0, 4), (4, 7), (7, 10))
                ]
            }
        ]
    }
    paths = [
        save(tmp_path / "a.spacy", doc),
        write(tmp_path / "a.json", json.dumps([json_doc])),
    ]
    for path in paths:
        docs, counts = convert(path, ents=True, sentences=sentences)
        assert [i for d in docs for i in d.to_array("ENT_IOB").tolist()] == expected
        assert counts == {"token with unknown entity status": 5}
        annotated = ["sc" in d.spans for d in docs]
        assert annotated == ([True, False, True] if sentences else [True])


def test_what_a_group_does_not_hold_is_outside(tmp_path):
    doc = Doc(Vocab(), words=["Ann", "left"])
    doc.spans["sc"] = [Span(doc, 0, 1, "PER")]
    (found,), counts = convert(save(tmp_path / "a.spacy", doc), ents=True)
    assert found.to_array("ENT_IOB").tolist() == [3, 2]
    assert counts == {}
