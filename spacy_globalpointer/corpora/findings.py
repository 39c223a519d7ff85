"""Statistics of the splits of a corpus, and likely problems for training."""

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Dict, List, Optional, Tuple

import numpy

from ..core.span_table import overlap_of
from .corpus_summary import (
    counts_of,
    cut_by,
    lengths_of,
    shared_sentences,
    unseen_shares,
)
from .corpus_table import CorpusTable
from .language import LanguageTools

# Fewer spans of a label in training are few, as `spacy debug data` counts.
RARE = 50
ERROR, WARNING, INFO = "error", "warning", "info"


@dataclass
class Findings:
    """Findings, each with its severity. An error blocks training.

    entries (List[Tuple[str, str]]): (level, message).
    """

    entries: List[Tuple[str, str]] = field(default_factory=list)

    def add(self, level: str, message: str) -> None:
        self.entries.append((level, message))

    @property
    def has_no_errors(self) -> bool:
        return all(level != ERROR for level, _ in self.entries)


def check(
    splits: Dict[str, CorpusTable],
    key: str,
    gold: str = "spans",
    tools: Optional[LanguageTools] = None,
) -> Dict[str, Any]:
    """Measure the splits of a corpus.

    splits (Dict[str, CorpusTable]): "train", "dev" and, if there is one, "test".
    key (str): Key of doc.spans.
    gold (str): "spans", or "ents" for doc.ents.
    tools (Optional[LanguageTools]): The language of the pipeline, to find the spans
        that begin or end inside one of its tokens.
    RETURNS (Dict[str, Any]): What JSON can hold: "splits", "labels", "lengths",
        "shared", "unseen", "links" (see `LinkStatistics.summary`), "recommended",
        "findings" and "ok".
    """
    findings = Findings()
    measured = {name: counts_of(table) for name, table in splits.items()}
    place = "doc.ents" if gold == "ents" else f"doc.spans[{key!r}]"
    for name, table in splits.items():
        if tools is not None:
            measured[name]["boundary inside a token"] = int(cut_by(table, tools).sum())
        _find_in_split(name, table, measured[name], place, findings)
        for reason, n in table.links.unusable.items():
            findings.add(WARNING, f"{name}: {n:,} relations {reason} are not learned.")
    labels = _labels(splits)
    _find_in_labels(labels, list(splits), findings)
    pairs = combinations(splits, 2)
    shared = [shared_sentences(splits, later, name) for name, later in pairs]
    for row in shared:
        _find_shared(row, findings)
    train = splits["train"]
    others = [name for name in splits if name != "train"]
    unseen = {name: unseen_shares(splits[name], train) for name in others}
    lengths = lengths_of(train)
    return {
        "splits": measured,
        "labels": labels,
        "lengths": lengths,
        "shared": shared,
        "unseen": unseen,
        "links": {name: table.links.summary() for name, table in splits.items()},
        "recommended": _recommended(splits, key, gold, lengths),
        "findings": [
            {"level": level, "message": text} for level, text in findings.entries
        ],
        "ok": findings.has_no_errors,
    }


def _find_in_split(
    name: str,
    table: CorpusTable,
    counts: Dict[str, Any],
    place: str,
    findings: Findings,
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
        ("empty", ERROR, "empty spans"),
        (
            "without annotation",
            WARNING,
            "documents without annotation contribute no loss",
        ),
        ("duplicates", WARNING, "duplicate spans"),
        (
            "boundary inside a token",
            WARNING,
            "spans have a boundary inside a token of the pipeline and are not learned",
        ),
        ("whitespace at boundary", WARNING, "spans begin or end with whitespace"),
        ("punctuation at boundary", INFO, "spans begin or end with punctuation"),
        ("repeated sentences", INFO, "sentences are duplicates"),
    ):
        if counts.get(key):
            findings.add(level, f"{name}: {counts[key]:,} {text}.")
    if "" in table.labels:
        findings.add(ERROR, f"{name} has spans without a label.")


def _labels(splits: Dict[str, CorpusTable]) -> Dict[str, Dict[str, int]]:
    """How many spans of each label are in each split."""
    names = sorted({label for table in splits.values() for label in table.labels})
    found: Dict[str, Dict[str, int]] = {label: {} for label in names}
    for name, table in splits.items():
        counts = numpy.bincount(table.ids.astype(int), minlength=len(table.labels))
        by_label = dict(zip(table.labels, counts.tolist()))
        for label in names:
            found[label][name] = by_label.get(label, 0)
    return found


def _find_in_labels(
    labels: Dict[str, Dict[str, int]], splits: List[str], findings: Findings
) -> None:
    alike: Dict[str, List[str]] = {}
    for label, counts in labels.items():
        plain = "".join(sign for sign in label.casefold() if sign.isalnum())
        alike.setdefault(plain, []).append(label)
        missing = [split for split in splits if not counts[split]]
        if "train" in missing:
            where = ", ".join(f"{n} in {split}" for split, n in counts.items() if n)
            findings.add(
                WARNING,
                f"Label {label!r} is not in train ({where}): it is not learned.",
            )
        elif missing:
            findings.add(
                WARNING,
                f"Label {label!r} is not in {' and '.join(missing)}: it is not scored.",
            )
        if 0 < counts["train"] < RARE:
            findings.add(
                WARNING,
                f"Label {label!r} has only {counts['train']} training spans "
                f"(fewer than {RARE}).",
            )
    for same in alike.values():
        if len(same) > 1:
            names = ", ".join(map(repr, same))
            findings.add(
                WARNING, f"Labels differ only in case or punctuation: {names}."
            )


def _find_shared(row: Dict[str, Any], findings: Findings) -> None:
    n = row["same annotation"] + row["different annotation"]
    if n:
        findings.add(
            WARNING,
            f"{n:,} of {row['sentences']:,} sentences of {row['split']} also occur "
            f"in {row['in']}, {row['different annotation']:,} of them with different "
            "annotation.",
        )


def _recommended(
    splits: Dict[str, CorpusTable], key: str, gold: str, lengths: List[Dict[str, Any]]
) -> Dict[str, Any]:
    """Settings of the component that fit the training data."""
    train = splits["train"]
    if not lengths:
        return {}
    overlap = overlap_of(train.starts, train.ends)
    *_, most, all_of_them = lengths
    # A few long spans multiply the number of scores.
    too_costly = all_of_them["max_length"] > 4 * most["max_length"]
    found: Dict[str, Any] = {"gold": gold}
    if gold == "spans":
        found["spans_key"] = key
    found["overlap"] = overlap
    if overlap == "flat":
        # On flat corpora it has the higher F1 on dev: docs/what-did-not-help.md.
        found["objective"] = {"@misc": "spacy_globalpointer.SemiMarkovCRF.v1"}
    found["max_length"] = (most if too_costly else all_of_them)["max_length"]
    return found
