"""The standoff of the BioNLP shared tasks: a text in `NAME.txt`, its entities in
`NAME.a1`, and its events and their triggers in `NAME.a2`.
"""

from pathlib import Path
from typing import Iterator

from .brat import is_standoff, read_standoff
from .conversion_report import ConversionReport
from .preview import Preview
from .record import Record
from .registry import Format

SUFFIXES = (".a1", ".a2")


def read_bionlp(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read the document of a text or of its annotation. Arguments as for
    `read_corpus`."""
    yield read_standoff(path, SUFFIXES, report)


def is_bionlp(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return is_standoff(preview.path, SUFFIXES)


FORMAT = Format(
    name="bionlp",
    description="BioNLP's standoff: NAME.txt, entities in NAME.a1, events in NAME.a2.",
    matches=is_bionlp,
    read=read_bionlp,
    example={
        "a.txt": "IL-2 activates NF-kB.\n",
        "a.a1": "T1\tProtein 0 4\tIL-2\nT2\tProtein 15 20\tNF-kB\n",
        "a.a2": "T3\tPositive_regulation 5 14\tactivates\n",
    },
    is_certain=True,
)
