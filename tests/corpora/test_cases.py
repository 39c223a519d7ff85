"""Small files of the layouts that are met, each with what it is to become.

They lie in the folder that GLOBALPOINTER_CASES names, else in `cases` beside the folder
of GLOBALPOINTER_DATA: a folder a case, with its files and `expected.txt`, which says
what is right, and why. What that is in spans is here.
"""

import os
import re
import shlex
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

import pytest
from spacy.cli._util import app
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_globalpointer import cli  # noqa: F401

FOLDER = os.environ.get("GLOBALPOINTER_CASES") or (
    os.environ.get("GLOBALPOINTER_DATA")
    and str(Path(os.environ["GLOBALPOINTER_DATA"]).parent / "cases")
)
pytestmark = pytest.mark.skipif(
    not (FOLDER and Path(FOLDER).is_dir()), reason="GLOBALPOINTER_CASES is not set"
)

Spans = List[Tuple[str, str]]


class Expected(NamedTuple):
    """What `convert` is to make of an input.

    splits (Dict[str, List[Optional[Spans]]]): By name of the file written, the spans
        of each document as (text, label); None: a document without annotation.
    counts (Dict[str, int]): Rows of the table of what was dropped or changed.
    says (str): A pattern that the output holds.
    fails (bool): Whether the exit status is 1.
    """

    splits: Dict[str, List[Optional[Spans]]] = {}  # noqa: RUF012
    counts: Dict[str, int] = {}  # noqa: RUF012
    says: str = ""
    fails: bool = False


# By case, and the file in it where there are several inputs.
EXPECTED: Dict[str, Expected] = {
    "refused_biored_relations": Expected(
        {"train": [[("flu", "Disease"), ("Flu", "Disease")]]},
        {"unsupported annotation (relation, event)": 1},
    ),
    "brat_bom/a": Expected({"a": [[("Ann", "PER"), ("Cork", "LOC")]]}),
    "brat_bom/b": Expected({"b": [[("Ann", "PER"), ("Cork", "LOC")]]}),
    "noise_iob1_counted_as_changed": Expected(
        {"train": [[("010", "MISC"), ("Japanese", "MISC")]]}
    ),
    "refused_docstart_with_id": Expected(
        {"train": [[("Tricuspid valve", "Entity")], [("lithium", "Entity")]]}
    ),
    "refused_empty_token": Expected({"train": [[("Ann", "PER")]]}, {"empty token": 1}),
    "refused_tag_column_not_last": Expected(
        {"train": [[("Ann", "PER"), ("Norby", "LOC")]]}
    ),
    "silent_chunks_vlsp2016": Expected({"train": [[("Norby", "LOC")]]}),
    "silent_ids_are_read_as_words": Expected(
        {"train": [[("Ann Lee", "PER")], [("Bob", "PER")]]}
    ),
    "silent_last_column_is_not_ner": Expected(
        says="both sides of another column of words, 3 .* --columns ner=2", fails=True
    ),
    "unsupported_conllu_misc_name": Expected(
        {"train": [[("Ann", "PER"), ("Norby", "LOC")]]}
    ),
    "unsupported_io_without_prefix": Expected(
        {
            "train": [
                [("Ann Lee", "person-actor"), ("Paris", "location-GPE")],
                [("Bob", "person-other")],
            ]
        }
    ),
    "unsupported_entities_start_end": Expected(
        {"train": [[("Ann Lee", "PER"), ("Paris", "LOC")]]}
    ),
    "unsupported_gliner": Expected(
        {"train": [[("Ann Lee", "person"), ("Paris", "city")]]}
    ),
    "unsupported_spacy_train_data": Expected(
        {"train": [[("Ann Lee", "PER"), ("Paris", "LOC")], [("Bob", "PER")]]}
    ),
    "unsupported_tokens_and_tags": Expected(
        {"train": [[("Ann Lee", "PER"), ("Paris", "LOC")], [("Bob", "PER")]]}
    ),
    "unsupported_w2ner": Expected(
        {"train": [[("Brain fog", "ADR"), ("decreased skills", "ADR")]]},
        {"discontinuous": 1},
    ),
    "silent_label_studio_empty_labels": Expected(
        {"train": [[("Ann Lee", "PER")]]}, {"without a label": 1}
    ),
    "refused_label_studio_min_other_name": Expected({"train": [[("Ann Lee", "PER")]]}),
    "ls_backslash_n/1_path.json": Expected(
        {"1_path": [[("C:\\new\\notes.txt", "FILE")]]}
    ),
    "ls_backslash_n/2_control.json": Expected({"2_control": [[("C:\\data", "FILE")]]}),
    "ls_collapsed_spaces/1_double_space.json": Expected(
        {"1_double_space": [[("Berlin,  Germany", "LOC")]]}
    ),
    "ls_collapsed_spaces/6_control.json": Expected(
        {"6_control": [[("Bank\nof\nEngland", "ORG")]]}
    ),
    "ls_region_without_label/1_absent.json": Expected(
        {"1_absent": [[("Ann", "PER")]]}, {"without a label": 1}
    ),
    "ls_two_text_tags/1_to_name.json": Expected(
        {"1_to_name": [[("Acme", "BUYER"), ("Bob", "PER")], [("Bob Lee", "PER")]]}
    ),
    "ls_url_text/1_url.json": Expected(
        says="line 2: the text is not in the export", fails=True
    ),
    "prodigy_binary/1_teach.jsonl": Expected(
        {"1_teach": [[("Ann", "PER"), ("Bob", "PER"), ("Cork", "LOC")]]},
        {"answer about one span (merged by text)": 4},
    ),
    "prodigy_wordpieces/1_bert.jsonl": Expected({"1_bert": [[("Ada Nolan", "PER")]]}),
    "prodigy_wordpieces/2_lower_case_only.jsonl": Expected(
        {"2_lower_case_only": [[("Ada", "PER")]]}
    ),
    "spacy_docbin/2_keys.spacy": Expected(
        says=r"there are spans under \['a', 'b'\]; name one with --spans-key",
        fails=True,
    ),
    "loss_of_all_spans_wrong_language": Expected(
        {"train": [[], []]},
        {"boundary inside a token": 4},
        says="4 spans, .* have a boundary inside a token .* --lang zh",
        fails=True,
    ),
    "refused_brat_mention_over_two_lines": Expected(
        {
            "train": [
                [("LAW OF NORBY\nOn the union of towns", "MISC"), ("Bob", "PER")],
            ]
        }
    ),
    "refused_brat_text_without_ann": Expected(
        {"train": [[("Ann", "PER")], None]}, {"document without annotation": 1}
    ),
    "refused_folder_of_csv": Expected(
        {"train": [[("Ann", "PER")]], "dev": [[("Bob", "PER")]]}
    ),
    "refused_unlabelled_test": Expected(
        {
            "train": [[("李明", "name"), ("北京", "address")]],
            "dev": [[("北京", "address")]],
            "test": [[("北京", "address")]],
        },
        says="test has no annotation and is left out: test.json",
    ),
    "silent_parts_merged_by_name": Expected(
        {split: [[("flu", "Disease")]] for split in ("train", "dev", "test")}
    ),
    "silent_same_corpus_in_two_formats": Expected(
        says="in several formats: brat 1, columns 1; 1 of them .* --format", fails=True
    ),
    # 'NF-kB' ends inside a token of the English tokenizer, so a third is lost.
    "unsupported_bionlp_a1_a2": Expected(
        {"train": [[("IL-2", "Protein"), ("activates", "Positive_regulation")]]},
        {"unsupported annotation (relation, event)": 1, "boundary inside a token": 1},
        says="--align expand",
        fails=True,
    ),
    "unsupported_kaggle_csv": Expected(
        {"input": [[("London", "geo")], [("Ann", "per")]]}
    ),
    "unsupported_webanno_tsv": Expected(
        {"train": [[("Ann Lee", "PERSON"), ("Norby", "LOCATION")]]}
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_case_becomes_what_it_is_to_become(tmp_path, name):
    folder = next(Path(FOLDER).glob(f"*/{name.partition('/')[0]}"))
    source = folder / (name.partition("/")[2] or "input")
    arguments = folder / "args.txt"
    more = shlex.split(arguments.read_text()) if arguments.exists() else []
    expected = EXPECTED[name]
    target = tmp_path / "out"
    command = ["global-pointer", "convert", str(source), str(target), *more]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == expected.fails, done.output
    output = " ".join(done.output.split())
    assert re.search(expected.says, output), done.output
    for reason, n in expected.counts.items():
        assert re.search(rf"{re.escape(reason)} +{n}\b", output), done.output
    for split, documents in expected.splits.items():
        found = DocBin().from_disk(target / f"{split}.spacy").get_docs(Vocab())
        assert [spans_of(doc) for doc in found] == documents
    for reason in ("dropped", "changed"):
        # What is not expected to be lost is not lost.
        if expected.splits and not expected.counts:
            assert not re.search(rf"{reason}  ", done.output), done.output


def spans_of(doc):
    group = doc.spans.get("sc")
    return None if group is None else [(span.text, span.label_) for span in group]
