"""The JSON that spaCy trained on before version 3, which `spacy convert` reads and
writes.

    [{"id": 0, "paragraphs": [{"raw": "Apple rose.", "sentences": [{"tokens": [
        {"id": 0, "orth": "Apple", "ner": "U-ORG"}, ...]}]}]}]

Entities are given as tags of tokens, so they are flat.
"""

from pathlib import Path
from typing import Any, Iterator, List, Optional

from .conversion_report import ConversionReport
from .fields import require_list, require_object, require_string
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source
from .tags import TAG, tags_to_spans


def read_spacy_json(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, paragraph by paragraph. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        for number, row in enumerate(source.json_values()):
            with source.record():
                row = require_object(row)
                for paragraph in require_list(row, "paragraphs"):
                    record = _to_record(require_object(paragraph), source, report)
                    record.doc_id = f"{path}:{row.get('id', number)}"
                    yield record


def is_spacy_json(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(lambda row: isinstance(row.get("paragraphs"), list))


def _to_record(paragraph: Any, source: Source, report: ConversionReport) -> Record:
    tokens: List[str] = []
    tags: List[Optional[str]] = []
    starts: List[int] = []
    for sentence in map(require_object, require_list(paragraph, "sentences")):
        starts.append(len(tokens))
        for token in map(require_object, require_list(sentence, "tokens")):
            tokens.append(require_string(token, "orth"))
            tag = token.get("ner")
            # "-" is a token whose entity status is unknown.
            tags.append(None if tag in (None, "-") else _tag(tag))
    text = paragraph.get("raw")
    if text is not None and not isinstance(text, str):
        raise LineError(f"'raw' must be a string, got {text!r:.80}")
    record = Record(
        source.path,
        source.line,
        None,
        text=text,
        tokens=tokens,
        sent_starts=[start for start in starts if start < len(tokens)],
    )
    if any(tag is not None for tag in tags):
        spans, n_begun = tags_to_spans([tag or "O" for tag in tags])
        record.mentions = [Mention(*span) for span in spans]
        if None in tags:
            outside = [i for i, tag in enumerate(tags) if tag == "O"]
            record.outside = [(i, i + 1) for i in outside]
        report.add("I- tag without B- (treated as B-)", record, n=n_begun)
    return record


def _tag(value: Any) -> str:
    if not isinstance(value, str) or not TAG.fullmatch(value):
        raise LineError(f"'ner' must be a tag such as 'B-ORG', got {value!r:.80}")
    return value


FORMAT = Format(
    name="spacy-json",
    description="The JSON of spaCy 2, which `spacy convert` writes: tags of tokens.",
    matches=is_spacy_json,
    read=read_spacy_json,
    example={
        "train.json": """\
[{"paragraphs": [{"raw": "Apple rose", "sentences": [{"tokens": [
  {"id": 0, "orth": "Apple", "ner": "U-ORG"},
  {"id": 1, "orth": "rose", "ner": "O"}]}]}]}]
"""
    },
)
