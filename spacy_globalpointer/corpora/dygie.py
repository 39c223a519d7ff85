"""The JSONL of SciERC and DyGIE++: documents of tokenised sentences; spans count
the tokens of the document, ends inclusive.

    {"doc_key": "a1", "sentences": [["CRFs", "for", "tagging", "."], ...],
     "ner": [[[0, 0, "Method"], [2, 2, "Task"]], ...],
     "relations": [[[0, 0, 2, 2, "Used-for"]], ...]}

Relations name spans by their offsets.
"""

from itertools import accumulate
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .conversion_report import ConversionReport
from .fields import (
    is_offset,
    is_sentences,
    require_list,
    require_object,
    require_sentences,
    require_span,
)
from .preview import Preview
from .record import LineError, Mention, Record, Relation
from .registry import Format
from .source import Source


def read_dygie(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, document by document. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                sents = require_sentences(row)
                lengths = [len(sent) for sent in sents]
                starts = [0, *accumulate(lengths)]
                doc = row.get("doc_key")
                mentions = _mentions(row, len(sents))
                relations, n_others = _relations(row, mentions or [])
                yield Record(
                    path,
                    source.line,
                    mentions,
                    tokens=[token for sent in sents for token in sent],
                    inclusive=True,
                    sent_starts=[s for s, length in zip(starts, lengths) if length],
                    doc_id=None if doc is None else str(doc),
                    relations=relations,
                    n_unsupported=n_others,
                )


def is_dygie(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(lambda row: is_sentences(row.get("sentences"))) and any(
        "ner" in row for row in preview.rows
    )


def _relations(
    row: Any, mentions: List[Mention]
) -> Tuple[Optional[List[Relation]], int]:
    """The relations between mentions, and how many other relations and events
    there are."""
    # A relation is linked to the first of several labels of a span.
    places: Dict[Tuple[int, int], int] = {}
    for i, mention in enumerate(mentions):
        places.setdefault((mention.start, mention.end), i)
    n_others = len(_flat(row.get("events")))
    if not isinstance(row.get("relations"), list):
        return None, n_others
    relations: List[Relation] = []
    for relation in _flat(row["relations"]):
        # What follows the label is a score or the like.
        if not (
            isinstance(relation, list)
            and len(relation) >= 5
            and all(map(is_offset, relation[:4]))
            and isinstance(relation[4], str)
        ):
            raise LineError(
                f"a relation must be [start, end, start, end, label], not "
                f"{relation!r:.80}"
            )
        a, b, c, d, label = relation[:5]
        if (a, b) in places and (c, d) in places:
            relations.append((places[a, b], places[c, d], label))
        else:
            n_others += 1
    return relations, n_others


def _flat(sentences: Any) -> List[Any]:
    """What is listed by sentence."""
    lists = sentences if isinstance(sentences, list) else []
    return [
        entry for entries in lists if isinstance(entries, list) for entry in entries
    ]


def _mentions(row: Any, n_sentences: int) -> Optional[List[Mention]]:
    if "ner" not in row:
        return None
    ner = require_list(row, "ner")
    if not all(isinstance(spans, list) for spans in ner):
        raise LineError(f"'ner' must be lists of spans, got {ner!r:.80}")
    if len(ner) != n_sentences:
        raise LineError(
            f"'ner' must have an entry for each of {n_sentences} sentences, not "
            f"{len(ner)}"
        )
    return [Mention(*require_span(span)) for spans in ner for span in spans]


FORMAT = Format(
    name="dygie",
    description="The JSONL of SciERC and DyGIE++: documents of tokenized sentences.",
    matches=is_dygie,
    read=read_dygie,
    example={
        "train.json": """\
{"doc_key": "a", "sentences": [["We", "use", "CRFs"]], "ner": [[[2, 2, "Method"]]]}
"""
    },
)
