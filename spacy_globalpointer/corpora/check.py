"""What is in the parts of a corpus, and what of it will hurt in training."""

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy
from numpy.typing import NDArray
from spacy.lang.lex_attrs import is_punct

from ..decoding import overlap_of
from .language import LanguageTools
from .statistics import (
    Hashes,
    Mask,
    Words,
    crossing,
    depth,
    identical,
    mixed,
    nested,
    percentiles,
)
from .table import SpanTable

PERCENTS = (50, 95, 99, 100)
# Fewer spans of a label in training are few, as `spacy debug data` counts.
RARE = 50
ERROR, WARNING, INFO = "error", "warning", "info"


@dataclass
class Findings:
    """What to say, each with how grave it is: with an error training cannot go on.

    entries (List[Tuple[str, str]]): (level, message).
    """

    entries: List[Tuple[str, str]] = field(default_factory=list)

    def add(self, level: str, message: str) -> None:
        self.entries.append((level, message))

    @property
    def ok(self) -> bool:
        return all(level != ERROR for level, _ in self.entries)


def check(
    parts: Dict[str, SpanTable],
    key: str,
    gold: str = "spans",
    tools: Optional[LanguageTools] = None,
) -> Dict[str, Any]:
    """Measure the parts of a corpus.

    parts (Dict[str, SpanTable]): "train", "dev" and, if there is one, "test".
    key (str): Key of doc.spans.
    gold (str): "spans", or "ents" for doc.ents.
    tools (Optional[LanguageTools]): The language of the pipeline, to find the spans
        that begin or end inside one of its tokens.
    RETURNS (Dict[str, Any]): What JSON can hold: "parts", "labels", "lengths",
        "shared", "unseen", "recommended", "findings" and "ok".
    """
    findings = Findings()
    measured = {name: _measure(table) for name, table in parts.items()}
    place = "doc.ents" if gold == "ents" else f"doc.spans[{key!r}]"
    for name, table in parts.items():
        if tools is not None:
            measured[name]["cut by the tokenizer"] = int(_cut(table, tools).sum())
        _find_in_part(name, table, measured[name], place, findings)
    labels = _labels(parts)
    _find_in_labels(labels, list(parts), findings)
    shared = [_shared(parts, name, other) for other, name in _pairs(list(parts))]
    for row in shared:
        _find_shared(row, findings)
    train = parts["train"]
    unseen = {name: _unseen(parts[name], train) for name in parts if name != "train"}
    lengths = _lengths(train)
    return {
        "parts": measured,
        "labels": labels,
        "lengths": lengths,
        "shared": shared,
        "unseen": unseen,
        "recommended": _recommended(parts, key, gold, lengths),
        "findings": [
            {"level": level, "message": text} for level, text in findings.entries
        ],
        "ok": findings.ok,
    }


def _measure(table: SpanTable) -> Dict[str, Any]:
    """Counts of a part."""
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
        "edged by white space": int((space[firsts] | space[lasts]).sum()),
        "edged by punctuation": int((punctuation[firsts] | punctuation[lasts]).sum()),
        "repeated sentences": len(sentences) - len(numpy.unique(sentences)),
    }


def _cut(table: SpanTable, tools: LanguageTools) -> Mask:
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


def _n_duplicates(table: SpanTable) -> int:
    keys = mixed(table.starts, table.ends, table.ids)
    return len(keys) - len(numpy.unique(keys))


def _word_masks(table: SpanTable) -> Tuple[Mask, Mask]:
    """Which tokens are white space, and which punctuation. *Shapes:* (n_tokens,)"""
    words, inverse = numpy.unique(table.orths, return_inverse=True)
    strings = [table.strings[word] for word in words.tolist()]
    tests: Tuple[Callable[[str], bool], ...] = (str.isspace, is_punct)
    space, punctuation = (
        numpy.array([test(string) for string in strings], dtype=bool)[inverse]
        for test in tests
    )
    return space, punctuation


def _find_in_part(
    name: str, table: SpanTable, counts: Dict[str, Any], place: str, findings: Findings
) -> None:
    if not counts["documents"]:
        findings.add(ERROR, f"{name} has no documents.")
        return
    if not table.annotated.any() or not counts["spans"]:
        elsewhere = ", ".join(
            f"{n} under doc.spans[{key!r}]" if key else f"{n} in doc.ents"
            for key, n in sorted(table.keys.items())
            if n
        )
        found = f" There are spans elsewhere: {elsewhere}." if elsewhere else ""
        what = "gold spans" if table.annotated.any() else "annotation"
        findings.add(ERROR, f"{name} has no {what} in {place}.{found}")
    for key, level, text in (
        ("empty", ERROR, "spans of no tokens"),
        ("without annotation", WARNING, "documents without annotation teach nothing"),
        ("duplicates", WARNING, "spans given twice"),
        (
            "cut by the tokenizer",
            WARNING,
            "spans begin or end inside a token of the pipeline and are not learnt",
        ),
        ("edged by white space", WARNING, "spans begin or end with white space"),
        ("edged by punctuation", INFO, "spans begin or end with punctuation"),
        ("repeated sentences", INFO, "sentences stand there before"),
    ):
        if counts.get(key):
            findings.add(level, f"{name}: {counts[key]:,} {text}.")
    if "" in table.labels:
        findings.add(ERROR, f"{name} has spans without a label.")


def _labels(parts: Dict[str, SpanTable]) -> Dict[str, Dict[str, int]]:
    """How many spans of each label are in each part."""
    names = sorted({label for table in parts.values() for label in table.labels})
    found: Dict[str, Dict[str, int]] = {label: {} for label in names}
    for name, table in parts.items():
        counts = numpy.bincount(table.ids.astype(int), minlength=len(table.labels))
        by_label = dict(zip(table.labels, counts.tolist()))
        for label in names:
            found[label][name] = by_label.get(label, 0)
    return found


def _find_in_labels(
    labels: Dict[str, Dict[str, int]], parts: List[str], findings: Findings
) -> None:
    alike: Dict[str, List[str]] = {}
    for label, counts in labels.items():
        plain = "".join(sign for sign in label.casefold() if sign.isalnum())
        alike.setdefault(plain, []).append(label)
        missing = [part for part in parts if not counts[part]]
        if "train" in missing:
            where = ", ".join(f"{n} in {part}" for part, n in counts.items() if n)
            findings.add(
                WARNING, f"Label {label!r} is not in train ({where}): it is not learnt."
            )
        elif missing:
            findings.add(
                WARNING,
                f"Label {label!r} is not in {' and '.join(missing)}: it is not scored.",
            )
        if 0 < counts["train"] < RARE:
            findings.add(
                WARNING,
                f"Label {label!r} is rare: {counts['train']} spans in train, "
                f"{RARE} would be few.",
            )
    for same in alike.values():
        if len(same) > 1:
            names = ", ".join(map(repr, same))
            findings.add(WARNING, f"These labels are nearly the same: {names}.")


def _pairs(names: List[str]) -> Iterator[Tuple[str, str]]:
    for i, name in enumerate(names):
        for later in names[i + 1 :]:
            yield name, later


def _sentence_bounds(table: SpanTable) -> Tuple[NDArray[Any], NDArray[Any]]:
    return table.sentences, numpy.append(table.sentences[1:], len(table.orths))


def _sentence_hashes(table: SpanTable) -> Words:
    return Hashes(table.orths)(*_sentence_bounds(table))


def _annotation_hashes(table: SpanTable) -> Words:
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


def _shared(parts: Dict[str, SpanTable], part: str, other: str) -> Dict[str, Any]:
    """How many sentences of a part stand in another too, with the same spans there
    or only with different ones."""
    here, there = parts[part], parts[other]
    words, others = _sentence_hashes(here), _sentence_hashes(there)
    both = mixed(words, _annotation_hashes(here))
    both_others = mixed(others, _annotation_hashes(there))
    found = numpy.isin(words, others)
    same = numpy.isin(both, both_others) & found
    return {
        "part": part,
        "in": other,
        "sentences": len(words),
        "same annotation": int(same.sum()),
        "different annotation": int((found & ~same).sum()),
    }


def _find_shared(row: Dict[str, Any], findings: Findings) -> None:
    n = row["same annotation"] + row["different annotation"]
    if n:
        findings.add(
            WARNING,
            f"{n:,} of {row['sentences']:,} sentences of {row['part']} stand in "
            f"{row['in']} too, {row['different annotation']:,} of them with different "
            "annotation.",
        )


def _unseen(table: SpanTable, train: SpanTable) -> Dict[str, float]:
    """Shares of a part that do not occur in train."""
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


def _lengths(train: SpanTable) -> List[Dict[str, Any]]:
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


def _recommended(
    parts: Dict[str, SpanTable], key: str, gold: str, lengths: List[Dict[str, Any]]
) -> Dict[str, Any]:
    """Settings of the component that fit the training data."""
    train = parts["train"]
    if not lengths:
        return {}
    overlap = overlap_of(train.starts, train.ends)
    *_, most, all_of_them = lengths
    # Long spans that are few cost more than they bring.
    dear = all_of_them["max_length"] > 4 * most["max_length"]
    found: Dict[str, Any] = {"gold": gold}
    if gold == "spans":
        found["spans_key"] = key
    found["overlap"] = overlap
    found["max_length"] = (most if dear else all_of_them)["max_length"]
    return found
