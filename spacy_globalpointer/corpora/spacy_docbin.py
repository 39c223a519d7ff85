"""spaCy's `.spacy` files. One is read at a time, but whole, as spaCy reads it."""

import zlib
from pathlib import Path
from typing import Iterator, Optional

import numpy
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab

from ..span_groups import FRAGMENTS, RELATIONS, piece_positions, select_positions
from .conversion_report import ConversionReport
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source

# How zlib's streams begin.
BEGINNINGS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")

# ENT_IOB of a token that is known to be in no entity; 0 is not known.
OUTSIDE = 2


def read_spacy(
    path: Path,
    report: ConversionReport,
    spans_key: str = "sc",
    vocab: Optional[Vocab] = None,
) -> Iterator[Record]:
    """Read a file, document by document. Arguments as for `read_corpus`.

    spans_key (str): Key of doc.spans that is read. Where no document has it, the
        only key that there is; where there is none, doc.ents.
    vocab (Optional[Vocab]): The vocabulary of the documents.
    """
    vocab = Vocab() if vocab is None else vocab
    with Source(path, report) as source:
        with source.open() as file:
            content = file.read()
        try:
            doc_bin = DocBin().from_bytes(content)
            del content
            key = _key(doc_bin, vocab, spans_key)
            docs = doc_bin.get_docs(vocab)
        except LineError:
            raise
        except Exception as error:
            # The bytes may be anything, and so may be what spaCy raises.
            raise LineError(f"not a .spacy file, or damaged ({error})") from None
        for number, doc in enumerate(docs, 1):
            record = Record(path, number, None, doc=doc)
            if key is None:
                _read_ents(doc, record)
            elif key in doc.spans:
                _read_group(doc.spans.pop(key), record)
            yield record


def is_spacy(preview: Preview) -> bool:
    """Whether a file is of this format."""
    if preview.content[:2] not in BEGINNINGS:
        return False
    # A text may begin like that too.
    try:
        return bool(zlib.decompressobj().decompress(preview.content, 1))
    except zlib.error:
        return False


def _key(doc_bin: DocBin, vocab: Vocab, wanted: str) -> Optional[str]:
    keys = sorted({key for doc in doc_bin.get_docs(vocab) for key in doc.spans})
    if wanted in keys or not keys:
        return wanted if keys else None
    if len(keys) > 1:
        raise LineError(f"there are spans under {keys}; name one with --spans-key")
    return keys[0]


def _read_ents(doc: Doc, record: Record) -> None:
    iob = doc.to_array("ENT_IOB")
    if len(doc) and not iob.any():
        return
    record.mentions = [_mention(ent) for ent in doc.ents]
    if not iob.all():
        outside = numpy.flatnonzero(iob == OUTSIDE).tolist()
        record.outside = [(i, i + 1) for i in outside]


def _read_group(group: SpanGroup, record: Record) -> None:
    spans = list(group)
    pieces = piece_positions(group.attrs)
    whole = [i for i in range(len(spans)) if i not in pieces]
    record.mentions = [_mention(spans[i]) for i in whole]
    places = {old: new for new, old in enumerate(whole)}
    attrs = select_positions(group.attrs, places, len(spans))
    record.relations = attrs.pop(RELATIONS, None)
    record.attrs = attrs
    for positions in group.attrs.get(FRAGMENTS) or ():
        fragments = sorted((spans[i].start, spans[i].end) for i in positions)
        start, end = fragments[0][0], max(end for _, end in fragments)
        label = spans[positions[0]].label_
        record.mentions.append(Mention(start, end, label, fragments=fragments))


def _mention(span: Span) -> Mention:
    kb_id, span_id = span.kb_id_, span.id_
    return Mention(span.start, span.end, span.label_, kb_id=kb_id, id=span_id)


FORMAT = Format(
    name="spacy",
    description="spaCy's .spacy files: doc.spans, or doc.ents without spans.",
    matches=is_spacy,
    read=read_spacy,
    options=("spans_key", "vocab"),
)
