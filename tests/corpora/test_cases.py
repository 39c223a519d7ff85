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
        {"of a kind that is no span": 1},
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
