"""The JSONL of biaffine NER: documents of tokenized sentences, ends inclusive.

    {"doc_key": "a1", "sentences": [["Ann", "left", "."], ["Bo", "sat", "."]],
     "ners": [[[0, 0, "PER"]], [[0, 0, "PER"]]]}

Spans count the tokens of their sentence. Where they do not fit, they count those of
the document.
"""

from itertools import accumulate
from pathlib import Path
from typing import Any, Iterator, List, Optional

from .conversion_report import ConversionReport
from .fields import (
    is_sentences,
    require_list,
    require_object,
    require_sentences,
    require_span,
)
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source


def read_biaffine(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, document by document. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                sents = require_sentences(row)
                lengths = [len(sent) for sent in sents]
                starts = [0, *accumulate(lengths)]
                doc = row.get("doc_key")
                yield Record(
                    path,
                    source.line,
                    _mentions(row, starts),
                    tokens=[token for sent in sents for token in sent],
                    inclusive=True,
                    sent_starts=[s for s, length in zip(starts, lengths) if length],
                    doc_id=None if doc is None else str(doc),
                )


def is_biaffine(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(lambda row: is_sentences(row.get("sentences"))) and any(
        "ners" in row and "ner" not in row for row in preview.rows
    )


def _mentions(row: Any, starts: List[int]) -> Optional[List[Mention]]:
    """starts (List[int]): The first token of each sentence, and the end."""
    if row.get("ners") is None:
        return None
    ners = require_list(row, "ners")
    if len(ners) != len(starts) - 1 or not all(isinstance(ner, list) for ner in ners):
        raise LineError(
            f"'ners' must have a list for each of {len(starts) - 1} sentences, not "
            f"{ners!r:.80}"
        )
    spans = [(i, *require_span(span)) for i, ner in enumerate(ners) for span in ner]
    in_sentence = all(starts[i] + end < starts[i + 1] for i, _, end, _ in spans)
    return [
        Mention(start + offset, end + offset, label)
        for i, start, end, label in spans
        for offset in [starts[i] if in_sentence else 0]
    ]


FORMAT = Format(
    name="biaffine",
    description="JSONL of biaffine NER: documents as sentences with ners.",
    matches=is_biaffine,
    read=read_biaffine,
    example={
        "a.jsonl": """\
{"doc_key": "a1", "sentences": [["Ann", "left"]], "ners": [[[0, 0, "PER"]]]}
"""
    },
)
