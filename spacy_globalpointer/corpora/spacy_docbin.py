"""spaCy's `.spacy` files. One is read at a time, but whole, as spaCy reads it."""

from pathlib import Path
from typing import Iterator, List, Optional

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .head import Head
from .record import LineError, Mention, Record
from .source import Source
from .tally import Tally

# How zlib's streams begin.
BEGINNINGS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def read_spacy(
    path: Path, tally: Tally, spans_key: str = "sc", vocab: Optional[Vocab] = None
) -> Iterator[Record]:
    """Read a file, document by document. Arguments as for `read_corpus`.

    spans_key (str): Key of doc.spans that is read. Where no document has it, the
        only key that there is; where there is none, doc.ents.
    vocab (Optional[Vocab]): The vocabulary of the documents.
    """
    vocab = Vocab() if vocab is None else vocab
    with Source(path, tally.advance) as source:
        with source.open() as file:
            content = file.read()
        try:
            doc_bin = DocBin().from_bytes(content)
            del content
            key = _key(doc_bin, vocab, spans_key)
            docs = doc_bin.get_docs(vocab)
        except Exception as error:
            # The bytes may be anything, and so may be what spaCy raises.
            raise LineError(f"this is no .spacy file, or damaged ({error})") from None
        for number, doc in enumerate(docs, 1):
            mentions = _mentions(doc, key)
            if key is not None:
                doc.spans.pop(key, None)
            yield Record(path, number, mentions, made=doc)


def is_spacy(head: Head) -> bool:
    """Whether a file is of this format."""
    return head.content[:2] in BEGINNINGS


def _key(doc_bin: DocBin, vocab: Vocab, wanted: str) -> Optional[str]:
    keys = sorted({key for doc in doc_bin.get_docs(vocab) for key in doc.spans})
    if wanted in keys or not keys:
        return wanted if keys else None
    if len(keys) > 1:
        raise LineError(f"there are spans under {keys}; name one with --spans-key")
    return keys[0]


def _mentions(doc: Doc, key: Optional[str]) -> Optional[List[Mention]]:
    if key is None:
        spans = list(doc.ents) if doc.has_annotation("ENT_IOB") else None
    else:
        spans = list(doc.spans[key]) if key in doc.spans else None
    if spans is None:
        return None
    return [Mention(span.start, span.end, span.label_) for span in spans]
