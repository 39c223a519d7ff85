"""The project's JSONL format: one tokenised sentence or document a line.

    {"id": "1", "tokens": ["the", "Bank", "of", "England"],
     "spans": [[1, 4, "ORG"], [3, 4, "GPE"]], "text": "the Bank of England"}

Offsets count tokens, the end is exclusive. "text" is optional: with it a
document keeps its white space, and pipelines use their own tokenizer on it;
without it they use the tokens of the corpus.
"""

import gzip
import json
import zlib
from pathlib import Path
from types import NoneType
from typing import Any, Dict, Iterator, List, Tuple

from spacy.tokens import Doc, Span
from spacy.util import get_words_and_spaces
from spacy.vocab import Vocab

from ..errors import Errors


class CorpusError(ValueError):
    """A file that cannot be read; says which, which line, and why."""


def read_jsonl(path: Path, vocab: Vocab, spans_key: str) -> Iterator[Doc]:
    """Read a file, line by line.

    path (Path): A `.jsonl` file, or a `.jsonl.gz` file.
    vocab (Vocab): The vocabulary of the documents.
    spans_key (str): Key of doc.spans for the spans. Documents without spans get
        an empty group.
    YIELDS (Doc): The documents.
    RAISES (CorpusError): For the first line that is not of the format.
    """
    number = 1
    try:
        with _open(path) as lines:
            for line in lines:
                if not line.isspace():
                    yield _to_doc(json.loads(line.decode("utf8")), vocab, spans_key)
                number += 1
    except json.JSONDecodeError as error:
        reason = f"this is no JSON ({error})"
    except UnicodeDecodeError as error:
        reason = f"this is no UTF-8 ({error})"
    except (EOFError, OSError, zlib.error) as error:
        reason = f"the file is damaged or truncated ({error})"
    except (RecursionError, ValueError) as error:
        reason = str(error)
    else:
        return
    raise CorpusError(Errors.E009.format(path=path, line=number, reason=reason))


class _LineError(ValueError):
    """What is wrong with a line."""


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _to_doc(record: Any, vocab: Vocab, spans_key: str) -> Doc:
    tokens, spans = _validate(record)
    if record.get("text") is None:
        doc = Doc(vocab, words=tokens)
        starts = list(range(len(tokens)))
    else:
        doc, starts = _with_text(record["text"], tokens, vocab)
    doc.spans[spans_key] = [
        Span(doc, starts[start], starts[end - 1] + 1, label=label)
        for start, end, label in spans
    ]
    return doc


def _validate(record: Any) -> Tuple[List[str], List[Tuple[int, int, str]]]:
    if not isinstance(record, dict):
        raise _LineError(f"a JSON object is needed, not {record!r:.80}")
    tokens, spans = record.get("tokens"), record.get("spans")
    if not isinstance(tokens, list) or not all(
        isinstance(token, str) and token for token in tokens
    ):
        raise _LineError(f"'tokens' must be a list of strings, not {tokens!r:.80}")
    if not isinstance(spans, list):
        raise _LineError(f"'spans' must be a list, not {spans!r:.80}")
    if not isinstance(record.get("text"), (str, NoneType)):
        raise _LineError(f"'text' must be a string, not {record['text']!r:.80}")
    unique: Dict[Tuple[int, int, str], None] = {}
    for span in spans:
        if not (
            isinstance(span, list)
            and [type(value) for value in span] == [int, int, str]
            and 0 <= span[0] < span[1] <= len(tokens)
            and span[2]
        ):
            raise _LineError(
                f"a span must be [start, end, label] with 0 <= start < end <= "
                f"{len(tokens)}, the number of tokens, not {span!r:.80}"
            )
        unique[tuple(span)] = None
    return tokens, list(unique)


def _with_text(text: str, tokens: List[str], vocab: Vocab) -> Tuple[Doc, List[int]]:
    """A document with the white space of `text`, and where its tokens stand
    there: white space of more than one space is a token of its own."""
    offsets = []
    end = 0
    for token in tokens:
        if token != token.strip():
            raise _LineError(f"token {token!r} begins or ends with white space")
        start = text.find(token, end)
        if start < 0 or not (text[end:start].isspace() or start == end):
            raise _LineError(f"token {token!r} is not next in the text {text!r:.80}")
        offsets.append(start)
        end = start + len(token)
    if text[end:].strip():
        raise _LineError(f"the text goes on behind the last token: {text[end:]!r:.80}")
    words, spaces = get_words_and_spaces(tokens, text)
    doc = Doc(vocab, words=words, spaces=spaces)
    places = {token.idx: token.i for token in doc}
    return doc, [places[offset] for offset in offsets]
