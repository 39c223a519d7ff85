"""Columns of any layout: which hold words, which the tags of entities."""

import pytest

from spacy_globalpointer.corpora import (
    Conversion,
    ConversionReport,
    CorpusError,
    Options,
    find_format,
    read_corpus,
)
from spacy_globalpointer.corpora.layout import parse_columns
from tests.util.corpus_files import write


def table(*sentences, sign="\t"):
    """A file of sentences, each of rows as "Ann B-PER"."""
    return "\n\n".join(
        "\n".join(sign.join(row.split()) for row in sentence.split(", "))
        for sentence in sentences
    )


def found(tmp_path, content, columns=None, report=None):
    """Words and spans of each sentence, after the format was found by content."""
    path = write(tmp_path / "a.txt", content)
    name = find_format(path)
    assert name in ("columns", "csv")
    options = {} if columns is None else {"columns": parse_columns(columns)}
    return [
        (
            " ".join(record.tokens),
            [(m.start, m.end, m.label) for m in record.mentions or ()],
        )
        for record in read_corpus(path, report, name, **options)
    ]


ANN = ("Ann left York", [(0, 1, "PER"), (2, 3, "LOC")])
BO = ("Bo rose", [(0, 1, "PER")])


@pytest.mark.parametrize(
    "first, second",
    [
        # Tags before, between and behind other columns.
        ("Ann B-PER, left O, York B-LOC", "Bo B-PER, rose O"),
        ("B-PER Ann, O left, B-LOC York", "B-PER Bo, O rose"),
        ("Ann N B-PER x, left V O x, York N B-LOC y", "Bo N B-PER x, rose V O y"),
        # Identifiers.
        ("1 Ann B-PER, 2 left O, 3 York B-LOC", "1 Bo B-PER, 2 rose O"),
        ("1-1 Ann B-PER, 1-2 left O, 1-3 York B-LOC", "2-1 Bo B-PER, 2-2 rose O"),
        ("s1_0 Ann B-PER, s1_1 left O, s1_2 York B-LOC", "s2_0 Bo B-PER, s2_1 rose O"),
        ("a 1 Ann B-PER, a 2 left O, a 3 York B-LOC", "b 1 Bo B-PER, b 2 rose O"),
        # Chunks of any labels.
        (
            "Ann B-NC B-PER, left B-VC O, York B-NC B-LOC",
            "Bo B-NC B-PER, rose B-VC O",
        ),
        (
            "Ann I-Xa I-PER, left I-Xb O, York I-Xa I-LOC",
            "Bo I-Xa I-PER, rose I-Xb O",
        ),
        # Names of columns.
        ("TOKEN NE LEMMA, Ann B-PER a, left O b, York B-LOC c", "Bo B-PER d, rose O e"),
        # Labels alone, with O or 0 for none.
        ("Ann PER, left O, York LOC", "Bo PER, rose O"),
        ("Ann PER, left 0, York LOC", "Bo PER, rose 0"),
    ],
)
@pytest.mark.parametrize("sign", ["\t", " ", ","])
def test_words_and_tags_are_found(tmp_path, first, second, sign):
    content = table(first, second, sign=sign) + "\n"
    assert found(tmp_path, content) == [ANN, BO]


def test_bare_tags_get_a_label(tmp_path):
    content = table("Ann B, Lee I, left O", "Bo B, rose O")
    expected = [("Ann Lee left", [(0, 2, "ENTITY")]), ("Bo rose", [(0, 1, "ENTITY")])]
    assert found(tmp_path, content) == expected
    first, _ = found(tmp_path, content, "word=1,Disease=2")
    assert first == ("Ann Lee left", [(0, 2, "Disease")])


def test_columns_by_number_and_name(tmp_path):
    content = table(
        "WORD NER COARSE, Ann B-a.b B-a, left O O, Lee B-a.b B-a, Bo B-a.c B-a"
    )
    with pytest.raises(CorpusError, match=r"tag the same words .* --columns ner=NER"):
        found(tmp_path, content)
    spans = [(0, 1, "a"), (2, 3, "a"), (3, 4, "a")]
    assert found(tmp_path, content, "ner=COARSE") == [("Ann left Lee Bo", spans)]
    assert found(tmp_path, content, "word=1,ner=3") == [("Ann left Lee Bo", spans)]
    with pytest.raises(CorpusError, match="no column ner=9; there are 3 columns"):
        found(tmp_path, content, "ner=9")
    with pytest.raises(ValueError, match="word=1,ner=4"):
        parse_columns("word")


def test_given_columns_are_read_without_tags_that_are_known(tmp_path):
    path = write(tmp_path / "a.txt", "Ann\tPER\tx\nleft\tnone\ty\n")
    with pytest.raises(CorpusError, match="--columns word=1,ner=2 names columns"):
        Conversion(path, tmp_path / "a.spacy", Options())
    options = Options(columns=parse_columns("word=3,ner=2"))
    conversion = Conversion(path, tmp_path / "a.spacy", options)
    assert conversion.formats == {path: "columns"}
    assert "'x' PER" in conversion.describe()[-1]


def test_a_table_beside_another_is_an_error_that_names_the_columns(tmp_path):
    content = table(
        "Ann B-PER Ann B-X, left O left O", "Bo B-PER Bo O, rose O rose B-Y"
    )
    with pytest.raises(CorpusError, match="both sides of another column of words, 3"):
        found(tmp_path, content)
    assert found(tmp_path, content, "word=1,ner=2")[1] == BO


def test_conllu_plus_names_its_columns(tmp_path):
    content = "# global.columns = ID FORM CONLL:NER XX\n" + table(
        "1-2 Annleft _ _, 1 Ann B-PER x, 2 left O x, 3 York B-LOC x"
    )
    assert found(tmp_path, content) == [ANN]


def test_documents_and_what_else_is_on_their_line(tmp_path):
    content = (
        "-DOCSTART- (7)\n\nAnn\tN\tB-PER\n\n-DOCSTART-\t-X-\tO\n\nBo\tN\tB-PER\n"
        "-DOCSTART- (9) O\nBo\tN\tB-PER\n"
    )
    path = write(tmp_path / "a.txt", content)
    docs = [record.doc_id for record in read_corpus(path)]
    assert docs == ["7", f"{path}:2", "9"]


@pytest.mark.parametrize("word", ["[", "{", "x^", "1|t|x", "#", '"'])
def test_a_first_word_that_looks_like_another_format(tmp_path, word):
    content = f"{word}\tB-PER\nAnn\tO\nleft\tO\n\nBo\tB-PER\nrose\tO\n"
    assert found(tmp_path, content)[1] == BO


def test_a_token_without_characters_is_counted(tmp_path):
    report = ConversionReport()
    content = "Ann\tB-PER\n\tO\n \tO\nleft\tO\nYork\tB-LOC\n"
    assert found(tmp_path, content, report=report) == [ANN]
    assert report.counts == {"empty token": 2}
    with pytest.raises(CorpusError, match="line 2: empty token"):
        found(tmp_path, "Ann\tB-PER\n\tB-PER\nleft\tO\n")


def test_unknown_tokens_stay_unknown(tmp_path):
    path = write(tmp_path / "a.txt", table("Ann B-PER, left -, York O", "Bo -, rose -"))
    first, second = read_corpus(path)
    assert first.outside == [(2, 3)]
    assert second.mentions is None


def test_iob_is_no_change(tmp_path):
    iob = table("Ann I-PER, Lee I-PER, Bo B-PER, York I-LOC", "Bo I-PER, rose O")
    report = ConversionReport()
    found(tmp_path, iob, report=report)
    assert report.counts == {}
    # With B where IOB has I it is BIO, and an I behind O is a change.
    found(
        tmp_path,
        iob.replace("Ann\tI", "Ann\tB").replace("York\tI", "York\tB"),
        report=report,
    )
    assert report.counts == {"I- tag without B- (treated as B-)": 1}


def test_bad_lines_are_left_out_and_counted(tmp_path):
    content = "Ann\tB-PER\nleft\nleft\tO\nx\tXX\nYork\tB-LOC\n"
    path = write(tmp_path / "a.txt", content)
    with pytest.raises(CorpusError, match="line 2: expected 2 columns"):
        Conversion(path, tmp_path / "a.spacy", Options()).run()
    done = Conversion(path, tmp_path / "a.spacy", Options(on_error="skip")).run()
    assert done.written[""].tokens == 3 and done.written[""].spans == 2
    assert done.report.counts == {"record cannot be read": 2}


def test_another_encoding(tmp_path):
    path = write(tmp_path / "a.csv", "Word,Tag\nJosé,B-PER\nleft,O\n".encode("latin-1"))
    with pytest.raises(
        CorpusError, match=r"line 2: .* set another encoding with --encoding"
    ):
        Conversion(path, tmp_path / "a.spacy", Options()).run()
    for encoding in ("latin-1", "utf-16"):
        write(path, "Word,Tag\nJosé,B-PER\nleft,O\n".encode(encoding))
        conversion = Conversion(path, tmp_path / "a.spacy", Options(encoding=encoding))
        assert conversion.run().written[""].tokens == 2
        assert "'José' PER" in conversion.describe()[-1]


HIPE = """TOKEN\tNE-COARSE-LIT\tNE-COARSE-METO\tNE-FINE-LIT\tNE-NESTED\tNEL-LIT\tMISC
# language = de
Der\tO\tO\tO\tO\t_\t_
Kaiser\tB-pers\tO\tB-pers.ind\tO\tQ1\tEndOfLine
Wien\tI-pers\tO\tI-pers.ind\tB-loc.adm.town\tQ1\tNoSpaceAfter

Bern\tB-loc\tB-org\tB-loc.adm.town\tO\tQ70\t_
"""


def test_two_columns_for_the_same_words_are_asked_for(tmp_path):
    """Also where there are few of them, and with the names of the header."""
    for content, first, second in (
        (table("Ann B-PER B-PER-real, left O O"), "2", "3"),
        (HIPE, "NE-COARSE-LIT", "NE-COARSE-METO"),
    ):
        path = write(tmp_path / "a.tsv", content)
        pattern = f"tag the same words .* --columns ner={first}, or the layers: "
        with pytest.raises(
            CorpusError, match=pattern + f"--columns ner={first},more={second}"
        ):
            list(read_corpus(path))
    columns = {"ner": "NE-FINE-LIT", "nested": "NE-NESTED"}
    (first, second) = read_corpus(path, columns=columns)
    assert [(m.start, m.end, m.label) for m in first.mentions] == [
        (1, 3, "pers.ind"),
        (2, 3, "loc.adm.town"),
    ]
    assert second.tokens == ["Bern"] and len(second.mentions) == 1


def test_nested_layers_share_some_places(tmp_path):
    content = table("a B-X B-Y, b O I-Y, c B-X B-Y, d B-X B-Z, e O I-Z")
    spans = [
        (0, 1, "X"),
        (2, 3, "X"),
        (3, 4, "X"),
        (0, 2, "Y"),
        (2, 3, "Y"),
        (3, 5, "Z"),
    ]
    assert found(tmp_path, content) == [("a b c d e", spans)]


@pytest.mark.parametrize("empty", ["", "NaN", "nan"])
def test_sentences_that_are_numbered_on_their_first_row(tmp_path, empty):
    rows = [
        "Sentence #,Word,POS,Tag",
        "Sentence: 1,Ann,NNP,B-per",
        f"{empty},left,VBD,O",
    ]
    rows += ["Sentence: 2,Bo,NNP,B-per", f"{empty},rose,VBD,O", f"{empty},nan,NNP,O"]
    assert found(tmp_path, "\n".join(rows)) == [
        ("Ann left", [(0, 1, "per")]),
        ("Bo rose nan", [(0, 1, "per")]),
    ]
