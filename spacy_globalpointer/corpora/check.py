"""What is in the parts of a corpus, and what of it will hurt in training."""

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Dict, List, Optional, Tuple

import numpy

from ..core.decoding import overlap_of
from .language import LanguageTools
from .measures import (
    counts_of,
    cut_by,
    lengths_of,
    shared_sentences,
    unseen_shares,
)
from .table import SpanTable

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
    measured = {name: counts_of(table) for name, table in parts.items()}
    place = "doc.ents" if gold == "ents" else f"doc.spans[{key!r}]"
    for name, table in parts.items():
        if tools is not None:
            measured[name]["cut by the tokenizer"] = int(cut_by(table, tools).sum())
        _find_in_part(name, table, measured[name], place, findings)
    labels = _labels(parts)
    _find_in_labels(labels, list(parts), findings)
    pairs = combinations(parts, 2)
    shared = [shared_sentences(parts, later, name) for name, later in pairs]
    for row in shared:
        _find_shared(row, findings)
    train = parts["train"]
    others = [name for name in parts if name != "train"]
    unseen = {name: unseen_shares(parts[name], train) for name in others}
    lengths = lengths_of(train)
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


def _find_shared(row: Dict[str, Any], findings: Findings) -> None:
    n = row["same annotation"] + row["different annotation"]
    if n:
        findings.add(
            WARNING,
            f"{n:,} of {row['sentences']:,} sentences of {row['part']} stand in "
            f"{row['in']} too, {row['different annotation']:,} of them with different "
            "annotation.",
        )


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
