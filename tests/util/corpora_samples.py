"""Small corpora in the layout of published ones, with invented texts."""

import json


def lines(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def array(*rows, indent=None):
    return json.dumps(rows, ensure_ascii=False, indent=indent)


CONLL2003 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
German JJ B-NP B-MISC
call NN I-NP O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER
"""
GENIA = """NF\tB-protein\tB-DNA\tO\tO
-\tI-protein\tI-DNA\tO\tO
kappa\tI-protein\tI-DNA\tO\tO
site\tO\tI-DNA\tO\tO
.\tO\tO\tO\tO

#\tO\tO\tO\tO
1\tO\tO\tO\tO
"""
LITBANK = """CHAPTER\tO\tO\tO\tO\t
off\tO\tO\tO\tO\t
the\tO\tB-FAC\tO\tO\t
top\tO\tI-FAC\tO\tO\t
of\tO\tI-FAC\tO\tO\t
the\tB-FAC\tI-FAC\tO\tO\t
house\tI-FAC\tI-FAC\tO\tO\t

Alice\tB-PER\tO\tO\tO\t
"""
GERMEVAL = """#\thttp://de.wikipedia.org/wiki/Koeln [2009-10-17]
1\tDer\tO\tO
2\t1.\tB-ORG\tO
3\tFC\tI-ORG\tO
4\tKöln\tI-ORG\tB-LOC
5\t#\tO\tO

#\thttp://de.wikipedia.org/wiki/Bonn [2009-10-17]
1\tBonner\tB-LOCderiv\tO
2\tRathaus\tO\tO
"""
BIOES = "Ann\tB-PER\nLee\tE-PER\nof\tO\nYork\tS-LOC\nRome\tS-LOC\n"
BILUO = "Ann\tB-PER\nB\tI-PER\nLee\tL-PER\nof\tO\nYork\tU-LOC\n"
IOB1 = "Ann I-PER\nLee I-PER\nBo B-PER\nat O\nYork I-LOC\n"
PRODIGY = lines(
    {
        "text": "Apple  Inc. rose",
        "_input_hash": 1,
        "_task_hash": 2,
        "tokens": [
            {"text": "Apple", "start": 0, "end": 5, "id": 0, "ws": True},
            {"text": " ", "start": 6, "end": 7, "id": 1, "ws": False},
            {"text": "Inc.", "start": 7, "end": 11, "id": 2, "ws": True},
            {"text": "rose", "start": 12, "end": 16, "id": 3, "ws": False},
        ],
        "_view_id": "ner_manual",
        "spans": [
            {"start": 0, "end": 11, "token_start": 0, "token_end": 2, "label": "ORG"}
        ],
        "answer": "accept",
    },
    {"text": "No", "spans": [], "answer": "accept"},
    {
        "text": "Ann",
        "spans": [{"start": 0, "end": 3, "label": "PER"}],
        "answer": "reject",
    },
)
DOCCANO_LISTS = lines(
    {"id": 1, "text": "Ann of York", "label": [[0, 3, "PER"], [7, 11, "LOC"]]},
    {"id": 2, "text": "nobody", "label": []},
)
DOCCANO_OBJECTS = lines(
    {
        "id": 1,
        "text": "Ann of York",
        "entities": [
            {"id": 7, "label": "PER", "start_offset": 0, "end_offset": 3},
            {"id": 8, "label": "LOC", "start_offset": 7, "end_offset": 11},
        ],
        "relations": [{"id": 1, "from_id": 7, "to_id": 8, "type": "of"}],
        "Comments": [],
    }
)


def result(start, end, text, *labels, kind="labels"):
    value = {"start": start, "end": end, "text": text, "labels": [*labels]}
    names = {"from_name": "label", "to_name": "text", "type": kind}
    return {"id": "x", **names, "value": value, "origin": "manual"}


LABEL_STUDIO = array(
    {
        "id": 1,
        "annotations": [
            {
                "id": 9,
                "completed_by": 1,
                "was_cancelled": False,
                "result": [
                    result(0, 3, "Ann", "PER"),
                    result(7, 11, "York", "LOC", "ORG"),
                    {"type": "relation", "from_id": "x", "to_id": "x"},
                ],
            },
            {"id": 10, "was_cancelled": False, "result": [result(0, 3, "Ann", "X")]},
            {"id": 11, "was_cancelled": True, "result": [result(0, 3, "Ann", "X")]},
        ],
        "predictions": [],
        "data": {"text": "Ann of York"},
        "meta": {},
    },
    {"id": 2, "annotations": [], "predictions": [], "data": {"text": "not yet"}},
    indent=2,
)
LABEL_STUDIO_MIN = array(
    {
        "text": "Ann of York",
        "id": 1,
        "label": [{"start": 0, "end": 3, "text": "Ann", "labels": ["PER"]}],
        "annotator": 1,
        "annotation_id": 9,
        "lead_time": 4.2,
    }
)
PUBTATOR = """10192393|t|A common skin tumour.
10192393|a|Caused by mutations in beta-catenin.
10192393\t9\t20\tskin tumour\tDisease\tD012878
10192393\t45\t57\tbeta-catenin\tGene\t1499
10192393\tCID\tD012878\tD1499

7\t0\t4\tMale\tSpecies\t9606
""".replace("7\t0", "7|t|Male rats.\n7|a|\n7\t0")
CLUENER = lines(
    {
        "text": "浙商银行企业信贷部叶老桂博士",
        "label": {
            "name": {"叶老桂": [[9, 11]]},
            "company": {"浙商银行": [[0, 3]]},
        },
    },
    {"text": "没有", "label": {}},
)
CMEEE = array(
    {
        "text": "（5）房室结消融",
        "entities": [
            {"start_idx": 3, "end_idx": 7, "type": "pro", "entity": "房室结消融"},
            {"start_idx": 3, "end_idx": 5, "type": "bod", "entity": "房室结"},
        ],
    },
    indent=4,
)
SPERT = array(
    {
        "tokens": ["Ann", "of", "New", "York"],
        "entities": [
            {"type": "Peop", "start": 0, "end": 1},
            {"type": "Loc", "start": 2, "end": 4},
        ],
        "relations": [{"type": "Live_In", "head": 0, "tail": 1}],
        "orig_id": 5,
    }
)
SCIERC = lines(
    {
        "clusters": [],
        "sentences": [["We", "use", "CRFs", "."], ["Linear", "CRFs", "."]],
        "ner": [[[2, 2, "Method"]], [[4, 5, "Method"], [5, 5, "Generic"]]],
        "relations": [[], []],
        "doc_key": "J87-1003",
    }
)
JSONL = lines({"tokens": ["Ann", "of", "York"], "spans": [[0, 1, "PER"]]})

ANNOTATION = """T1\tOrganization 0 5\tApple
T2\tLocation 9 14;25 32\tNorth America
T3\tGroup 9 32\tNorth and\tSouth America
E1\tMERGE:T1 Org:T2
*\tEquiv T1 T2
A1\tNegation E1
#1\tAnnotatorNotes T1\tbought
N1\tReference T1 Wikipedia:1\tApple
"""
TEXT = "Apple in North and\tSouth America\n"
TEXT_AND_ANNOTATION = (TEXT, ANNOTATION)
SPACY_JSON = json.dumps(
    [
        {
            "id": 0,
            "paragraphs": [
                {
                    "raw": "Ann rose.",
                    "sentences": [
                        {
                            "tokens": [
                                {"id": 0, "orth": "Ann", "ner": "U-PER"},
                                {"id": 1, "orth": "rose", "ner": "O"},
                                {"id": 2, "orth": ".", "ner": "-"},
                            ]
                        }
                    ],
                    "cats": [],
                }
            ],
        }
    ]
)
TRAIN_DATA = array(
    ["Ann Lee lives in York.", {"entities": [[0, 7, "PER"], [17, 21, "LOC"]]}],
    ["Bob left.", {"entities": []}],
    indent=1,
)
TRAIN_DATA_LINES = lines(
    ["Ann Lee lives in York.", {"entities": [[0, 7, "PER"], [17, 21, "LOC"]]}],
    ["Bob left.", {"entities": []}],
)
NER_ANNOTATOR = json.dumps(
    {
        "classes": ["PER", "LOC"],
        "annotations": [
            ["Ann Lee lives in York.", {"entities": [[0, 7, "PER"], [17, 21, "LOC"]]}],
            None,
            ["Bob left.", {"entities": []}],
        ],
    }
)
ENTITIES = lines(
    {
        "text": "Ann Lee lives in York.",
        "entities": [
            {"start": 0, "end": 7, "label": "PER"},
            {"start": 17, "end": 21, "label": "LOC", "text": "York"},
        ],
    },
    {"text": "Bob left.", "entities": []},
)
TOKEN_TAGS = lines(
    {
        "id": "0",
        "tokens": ["Ann", "Lee", "of", "York"],
        "pos_tags": [1, 1, 2, 1],
        "ner_tags": ["B-PER", "I-PER", "O", "B-LOC"],
    },
    {"id": "1", "tokens": ["Bob"], "pos_tags": [1], "ner_tags": ["O"]},
)
BIAFFINE = lines(
    {
        "doc_key": "a1",
        "sentences": [["Ann", "Lee", "left", "."], ["Bob", "saw", "New", "York", "."]],
        "ners": [[[0, 1, "PER"]], [[2, 3, "LOC"], [3, 3, "X"]]],
    }
)
W2NER = array(
    {
        "sentence": ["left", "and", "right", "leg", "of", "Bob"],
        "ner": [
            {"index": [2, 3], "type": "PART"},
            {"index": [0, 3], "type": "PART"},
            {"index": [5], "type": "PER"},
        ],
    },
)
ONEIE = lines(
    {
        "doc_id": "a",
        "sent_id": "a-1",
        "tokens": ["Ann", "of", "York"],
        "pieces": ["Ann", "of", "York"],
        "sentence": "Ann of York",
        "entity_mentions": [
            {"id": "E1", "text": "Ann", "entity_type": "PER", "start": 0, "end": 1},
            {"id": "E2", "text": "York", "entity_type": "GPE", "start": 2, "end": 3},
        ],
        "relation_mentions": [
            {
                "id": "R1",
                "relation_type": "PHYS",
                "arguments": [
                    {"entity_id": "E2", "text": "York", "role": "Arg-2"},
                    {"entity_id": "E1", "text": "Ann", "role": "Arg-1"},
                ],
            }
        ],
        "event_mentions": [{"id": "V1", "event_type": "Life"}],
    }
)
GLINER = array(
    {
        "tokenized_text": ["Ann", "Lee", "of", "York"],
        "ner": [[0, 1, "person"], [3, 3, "city"]],
    }
)
DATATURKS = lines(
    {
        "content": "Ann Lee of York",
        "annotation": [
            {"label": ["PER"], "points": [{"start": 0, "end": 6, "text": "Ann Lee"}]},
            {"label": [], "points": [{"start": 8, "end": 9, "text": "of"}]},
            {
                "label": ["LOC", "X"],
                "points": [{"start": 11, "end": 14, "text": "York"}],
            },
        ],
        "extras": None,
        "metadata": {"first_done_at": 1},
    },
    {"content": "Bob", "annotation": None, "extras": None},
)
CONLLU = """# newdoc id = d
# text = Ann left York.
1\tAnn\tAnn\tPROPN\t_\t_\t2\tnsubj\t_\tname=B-PER
2\tleft\tleave\tVERB\t_\t_\t0\troot\t_\tname=O
3\tYork\tYork\tPROPN\t_\t_\t2\tobj\t_\tSpaceAfter=No|name=B-LOC
4\t.\t.\tPUNCT\t_\t_\t2\tpunct\t_\tname=O

1\tBo\tBo\tPROPN\t_\t_\t0\troot\t_\tname=B-PER
"""
CSV = """Sentence #,Word,POS,Tag
Sentence: 1,Ann,NNP,B-per
,left,VBD,O
,"10,000",CD,O
Sentence: 2,York,NNP,B-geo
,rose,VBD,O
"""
LABELS = "Ann\tPER\nLee\tPER\nleft\tO\nYork\tLOC\n\nBo\tPER\nrose\tO\n"
WEBANNO = """#FORMAT=WebAnno TSV 3.2
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value


#Text=Ann Lee left York.
1-1\t0-3\tAnn\t*[1]\tPER[1]\t
1-2\t4-7\tLee\t*[1]|*[2]\tPER[1]|NAME[2]\t
1-3\t8-12\tleft\t_\t_\t
1-4\t13-17\tYork\t*\tLOC\t
1-5\t17-18\t.\t_\t_\t
"""
BIOC = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE collection SYSTEM "BioC.dtd">
<collection>
  <source>PubTator</source><date>2020</date><key>collection.key</key>
  <document>
    <id>7</id>
    <infon key="license">none</infon>
    <passage>
      <infon key="type">title</infon>
      <offset>0</offset>
      <text>Aspirin &amp; co.</text>
      <annotation id="1">
        <infon key="identifier">D001</infon>
        <infon key="type">Chemical</infon>
        <location offset="0" length="7"/>
        <text>Aspirin</text>
      </annotation>
    </passage>
    <passage>
      <infon key="type">abstract</infon>
      <offset>14</offset>
      <text>Left and right leg pain.</text>
      <annotation id="2">
        <infon key="type">Symptom</infon>
        <location offset="14" length="4"/>
        <location offset="29" length="8"/>
        <text>Left leg pain</text>
      </annotation>
      <annotation id="3">
        <infon key="type">Symptom</infon>
        <location offset="23" length="14"/>
        <text>right leg pain</text>
      </annotation>
    </passage>
    <relation id="R0">
      <infon key="type">treats</infon>
      <node refid="1" role="drug"/>
      <node refid="3" role="symptom"/>
    </relation>
    <relation id="R1">
      <infon key="type">Association</infon>
      <infon key="entity1">D001</infon>
    </relation>
  </document>
</collection>
"""
BIOC_JSON = json.dumps(
    {
        "documents": [
            {
                "id": "7",
                "passages": [
                    {
                        "offset": 0,
                        "text": "Aspirin helps.",
                        "annotations": [
                            {
                                "id": "1",
                                "infons": {"type": "Chemical"},
                                "text": "Aspirin",
                                "locations": [{"offset": 0, "length": 7}],
                            }
                        ],
                    }
                ],
                "relations": [],
            }
        ]
    },
    indent=1,
)
INLINE_XML = """<?xml version="1.0"?>
<corpus>
<doc id="1">
<title>Caf&eacute; &amp; more</title>
<s>In <place>Cork</place>, <person>Ann <name>Lee</name></person> left.</s>
<s><person>Bo</person></s>
</doc>
</corpus>
"""
SGML = """<ENAMEX TYPE="PERSON">Ann</ENAMEX> left
for <ENAMEX TYPE="CITY">Cork</ENAMEX>.

Bo <TIMEX TYPE="DATE">today</TIMEX>
"""
TOKENS_XML = """<text><s><w>In</w> <ne type="LOC"><w>New</w> <w>York</w></ne></s>
<s><w>Oh</w> <w>!</w></s></text>
"""
SAMPLES = {
    "conll2003": ("eng.train", CONLL2003),
    "genia": ("genia.iob2", GENIA),
    "litbank": ("a_brat.tsv", LITBANK),
    "germeval": ("NER-de.tsv", GERMEVAL),
    "bioes": ("a.bioes", BIOES),
    "biluo": ("a.biluo", BILUO),
    "iob1": ("a.iob", IOB1),
    "conllu": ("a.conllu", CONLLU),
    "csv": ("a.csv", CSV),
    "labels": ("a.io", LABELS),
    "webanno": ("a.tsv", WEBANNO),
    "prodigy": ("a.jsonl", PRODIGY),
    "doccano_lists": ("a.jsonl", DOCCANO_LISTS),
    "doccano_objects": ("a.jsonl", DOCCANO_OBJECTS),
    "label_studio": ("a.json", LABEL_STUDIO),
    "label_studio_min": ("a.json", LABEL_STUDIO_MIN),
    "pubtator": ("CDR.PubTator.txt", PUBTATOR),
    "cluener": ("a.json", CLUENER),
    "cmeee": ("CMeEE.json", CMEEE),
    "spert": ("conll04.json", SPERT),
    "scierc": ("a.json", SCIERC),
    "jsonl": ("a.jsonl", JSONL),
    "spacy_json": ("b.json", SPACY_JSON),
    "train_data": ("a.json", TRAIN_DATA),
    "train_data_lines": ("a.jsonl", TRAIN_DATA_LINES),
    "ner_annotator": ("a.json", NER_ANNOTATOR),
    "entities": ("a.jsonl", ENTITIES),
    "token_tags": ("a.jsonl", TOKEN_TAGS),
    "biaffine": ("a.jsonlines", BIAFFINE),
    "w2ner": ("a.json", W2NER),
    "oneie": ("a.oneie.json", ONEIE),
    "gliner": ("a.json", GLINER),
    "dataturks": ("a.json", DATATURKS),
    "bioc": ("a.xml", BIOC),
    "bioc_json": ("a.json", BIOC_JSON),
    "inline_xml": ("a.xml", INLINE_XML),
    "sgml": ("a.sgml", SGML),
    "tokens_xml": ("a.xml", TOKENS_XML),
}
