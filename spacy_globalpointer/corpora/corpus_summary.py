"""What is in the splits of a corpus, as numbers."""

from typing import Any, Callable, Dict, List, Tuple

import numpy
from numpy.typing import NDArray
from spacy.lang.lex_attrs import is_punct

from ..core.span_table import crossing
from .corpus_table import CorpusTable
from .language import LanguageTools
from .span_statistics import (
    Hashes,
    Mask,
    Words,
    depth,
    identical,
    mixed,
    nested,
    percentiles,
)

PERCENTS = (50, 95, 99, 100)


def counts_of(table: CorpusTable) -> Dict[str, Any]:
    """Counts of a split."""
    bounds = table.starts, table.ends
    doc_ends = numpy.cumsum(table.lengths)
    docs_of_spans = numpy.searchsorted(doc_ends, table.starts, side="right")
    has_spans = numpy.bincount(docs_of_spans, minlength=len(doc_ends)) > 0
    space, punctuation = _word_masks(table)
    real = table.ends > table.starts
    firsts, lasts = table.starts[real], table.ends[real] - 1
    sentences = _sentence_hashes(table)
    return {
        "documents": len(table.lengths),
        "sentences": len(table.sentences),
        "tokens": len(table.orths),
        "spans": len(table.starts),
        "without annotation": int((~table.annotated).sum()),
        "annotated without spans": int((table.annotated & ~has_spans).sum()),
        "with known text": int(table.known_text.sum()),
        "nested": int(nested(*bounds).sum()),
        "crossing": int(crossing(*bounds).sum()),
        "identical": int(identical(*bounds).sum()),
        "depth": depth(*bounds),
        "empty": int((~real).sum()),
        "duplicates": _n_duplicates(table),
        "whitespace at boundary": int((space[firsts] | space[lasts]).sum()),
        "punctuation at boundary": int(
            (punctuation[firsts] | punctuation[lasts]).sum()
        ),
        "repeated sentences": len(sentences) - len(numpy.unique(sentences)),
    }


def cut_by(table: CorpusTable, tools: LanguageTools) -> Mask:
    """Which spans begin or end inside a token that the language's tokenizer makes,
    in documents whose text is known; the pipeline takes the tokens of others.
    *Shape:* (n_spans,)"""
    orths, inverse = numpy.unique(table.orths, return_inverse=True)
    strings = [table.strings[orth] for orth in orths.tolist()]
    sizes = numpy.array([len(string) for string in strings], dtype=int)[inverse]
    # Where each token begins in the texts laid end to end, and the end of all.
    places = numpy.concatenate(([0], numpy.cumsum(sizes + table.spaces)))
    begins, ends = [numpy.zeros(0, dtype=int)], [numpy.zeros(0, dtype=int)]
    borders = numpy.concatenate(([0], numpy.cumsum(table.lengths)))
    for start, end in borders[numpy.flatnonzero(table.known_text)[:, None] + [0, 1]]:
        words = (strings[i] for i in inverse[start:end].tolist())
        spaces = table.spaces[start:end].tolist()
        text = "".join(word + " " * space for word, space in zip(words, spaces))
        tokens = tools.make_doc(text).to_array(["IDX", "LENGTH"]).astype(int)
        begins.append(places[start] + tokens[:, 0])
        ends.append(begins[-1] + tokens[:, 1])
    docs = numpy.searchsorted(borders, table.starts, side="right") - 1
    known = table.known_text[docs] & (table.ends > table.starts)
    first, last = table.starts[known], table.ends[known] - 1
    cut = numpy.zeros(len(table.starts), dtype=bool)
    cut[known] = ~(
        numpy.isin(places[first], numpy.concatenate(begins))
        & numpy.isin(places[last] + sizes[last], numpy.concatenate(ends))
    )
    return cut


def _n_duplicates(table: CorpusTable) -> int:
    keys = mixed(table.starts, table.ends, table.ids)
    return len(keys) - len(numpy.unique(keys))


def _word_masks(table: CorpusTable) -> Tuple[Mask, Mask]:
    """Which tokens are whitespace, and which punctuation. *Shapes:* (n_tokens,)"""
    words, inverse = numpy.unique(table.orths, return_inverse=True)
    strings = [table.strings[word] for word in words.tolist()]
    tests: Tuple[Callable[[str], bool], ...] = (str.isspace, is_punct)
    space, punctuation = (
        numpy.array([test(string) for string in strings], dtype=bool)[inverse]
        for test in tests
    )
    return space, punctuation


def _sentence_bounds(table: CorpusTable) -> Tuple[NDArray[Any], NDArray[Any]]:
    return table.sentences, numpy.append(table.sentences[1:], len(table.orths))


def _sentence_hashes(table: CorpusTable) -> Words:
    return Hashes(table.orths)(*_sentence_bounds(table))


def _annotation_hashes(table: CorpusTable) -> Words:
    """A hash of the spans that begin in each sentence, whatever their order."""
    sums = numpy.zeros(len(table.sentences), dtype="uint64")
    if len(table.starts):
        places = numpy.searchsorted(table.sentences, table.starts, side="right") - 1
        first = table.sentences[places]
        names = [table.strings.add(label) for label in table.labels]
        labels = numpy.array(names, dtype="uint64")[table.ids.astype(int)]
        spans = mixed(table.starts - first, table.ends - first, labels)
        numpy.add.at(sums, places, spans)
    return sums


def shared_sentences(
    splits: Dict[str, CorpusTable], split: str, other: str
) -> Dict[str, Any]:
    """How many sentences of a split also occur in another one, with the same spans
    there or only with different ones."""
    here, there = splits[split], splits[other]
    words, others = _sentence_hashes(here), _sentence_hashes(there)
    both = mixed(words, _annotation_hashes(here))
    both_others = mixed(others, _annotation_hashes(there))
    found = numpy.isin(words, others)
    same = numpy.isin(both, both_others) & found
    return {
        "split": split,
        "in": other,
        "sentences": len(words),
        "same annotation": int(same.sum()),
        "different annotation": int((found & ~same).sum()),
    }


def unseen_shares(table: CorpusTable, train: CorpusTable) -> Dict[str, float]:
    """Shares of a split that do not occur in train."""
    known = numpy.isin(table.orths, train.orths)
    unknown_before = numpy.concatenate(([0], numpy.cumsum(~known)))
    inside = unknown_before[table.ends] - unknown_before[table.starts]
    surfaces = Hashes(table.orths)(table.starts, table.ends)
    trained = Hashes(train.orths)(train.starts, train.ends)
    return {
        "tokens": _share(~known),
        "spans with an unseen token": _share(inside > 0),
        "spans unseen as a whole": _share(~numpy.isin(surfaces, trained)),
    }


def _share(mask: NDArray[Any]) -> float:
    return round(float(mask.mean()), 4) if len(mask) else 0.0


def lengths_of(train: CorpusTable) -> List[Dict[str, Any]]:
    """For each percentage the `max_length` that covers so many spans of train, the
    spans that are longer, and the scores a token then costs."""
    lengths = train.ends - train.starts
    if not len(lengths):
        return []
    return [
        {
            "percent": percent,
            "max_length": int(length),
            "longer spans": int((lengths > length).sum()),
            "scores a token": int(length) * len(train.labels),
        }
        for percent, length in zip(PERCENTS, percentiles(lengths, PERCENTS))
    ]
