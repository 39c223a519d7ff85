"""The JSONL of SciERC and DyGIE++: documents of tokenised sentences; spans count
the tokens of the document, ends inclusive.

    {"doc_key": "a1", "sentences": [["We", "use", "CRFs", "."], ...],
     "ner": [[[2, 2, "Method"]], ...]}
"""

from itertools import accumulate
from pathlib import Path
from typing import Any, Iterator, List, Optional

from .fields import a_list, an_object, count_of, is_offset, is_strings
from .head import Head
from .record import LineError, Mention, Record
from .source import Source
from .tally import Tally


def read_dygie(path: Path, tally: Tally) -> Iterator[Record]:
    """Read a file, document by document. Arguments as for `read_corpus`."""
    with Source(path, tally.advance) as source:
        for row in source.json_values():
            row = an_object(row)
            sentences = a_list(row, "sentences")
            if not all(map(is_strings, sentences)):
                raise LineError(
                    f"'sentences' must be lists of strings, not {sentences!r:.80}"
                )
            lengths = [len(sentence) for sentence in sentences]
            starts = [0, *accumulate(lengths)]
            doc = row.get("doc_key")
            yield Record(
                path,
                source.line,
                _mentions(row, len(sentences)),
                tokens=[token for sentence in sentences for token in sentence],
                inclusive=True,
                sent_starts=[s for s, length in zip(starts, lengths) if length],
                doc=None if doc is None else str(doc),
                others=_others(row),
            )


def is_dygie(head: Head) -> bool:
    """Whether a file is of this format."""
    return head.has_rows(
        lambda row: (
            isinstance(row.get("sentences"), list)
            and all(map(is_strings, row["sentences"]))
        )
    )


def _others(row: Any) -> int:
    """Relations and events, listed by sentence."""
    found = (row.get(key) for key in ("relations", "events"))
    lists = (sentences for sentences in found if isinstance(sentences, list))
    return sum(count_of({"": entry}, "") for entries in lists for entry in entries)


def _mentions(row: Any, n_sentences: int) -> Optional[List[Mention]]:
    if "ner" not in row:
        return None
    ner = a_list(row, "ner")
    if not all(isinstance(spans, list) for spans in ner):
        raise LineError(f"'ner' must be lists of spans, not {ner!r:.80}")
    if len(ner) != n_sentences:
        raise LineError(
            f"'ner' must have an entry for each of {n_sentences} sentences, not "
            f"{len(ner)}"
        )
    mentions = []
    for span in (span for spans in ner for span in spans):
        # What stands behind the label is a score or the like.
        if not (
            isinstance(span, list)
            and len(span) >= 3
            and is_offset(span[0])
            and is_offset(span[1])
            and isinstance(span[2], str)
        ):
            raise LineError(f"a span must be [start, end, label], not {span!r:.80}")
        mentions.append(Mention(span[0], span[1], span[2]))
    return mentions
