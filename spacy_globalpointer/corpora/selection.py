"""Which files of a corpus are read, and in which format."""

from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import combinations
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set

from ..errors import Errors
from .columns import is_columns
from .formats import FORMATS, find_format, matching_formats, read_corpus
from .head import Head
from .parts import Parts
from .record import CorpusError, Mention, Record
from .tally import Tally


@dataclass
class Selection:
    """The files that are read.

    formats (Dict[Path, Optional[str]]): The format of each file; None for one of
        nothing.
    left_out (Dict[str, List[Path]]): Files that are not read, by the reason.
    without_spans (List[str]): Splits with annotation, but without a span.
    """

    formats: Dict[Path, Optional[str]] = field(default_factory=dict)
    left_out: Dict[str, List[Path]] = field(default_factory=dict)
    without_spans: List[str] = field(default_factory=list)


def select_files(
    parts: Parts,
    format: Optional[str] = None,
    encoding: Optional[str] = None,
    columns: Optional[Mapping[str, str]] = None,
) -> Selection:
    """Find the format of each file of a corpus, and leave out what is not to be read.

    parts (Parts): The files; those that are left out are taken off.
    format (Optional[str]): The only format that is read; None: it is found for each.
    encoding (Optional[str]): That of the files; None: UTF-8.
    columns (Optional[Mapping[str, str]]): Columns that are given: what has them is of a
        format of columns, even if no tags are found in it.
    RAISES (CorpusError): If a file is of no known format.
    RAISES (ValueError): If there are the same documents in several formats.
    """
    selection = Selection()
    if format is not None:
        _select_by_format(parts, format, encoding, selection)
        return selection
    for part, paths in [*parts.files.items()]:
        try:
            found = {path: _find_format(path, encoding, columns) for path in paths}
        except CorpusError:
            if part in ("", "train") or "train" not in parts.files:
                raise
            of_train = parts.files["train"][0]
            kind = selection.formats[of_train]
            if kind is None or not all(
                _lacks_annotation(path, of_train, kind, encoding) for path in paths
            ):
                raise
            reason = f"{part} has no annotation and is left out"
            selection.left_out[reason] = parts.files.pop(part)
            continue
        _check_copies(part, found, encoding)
        selection.formats.update(found)
    return selection


def leave_out_unlabeled(
    parts: Parts, selection: Selection, tally: Tally, options: Dict[str, Any]
) -> None:
    """Leave out dev or test if no document in it has annotation, and note one whose
    documents have annotation but not a span, although train has some.

    parts (Parts): The files.
    selection (Selection): Their formats; gets what is left out or noted.
    tally (Tally): How to read; nothing is counted in it.
    options (Dict[str, Any]): As for `read_corpus`.
    """
    uncounted = Tally(None, None, tally.on_error, tally.encoding)

    def annotations(part: str) -> Iterator[Optional[List[Mention]]]:
        for path in parts.files[part]:
            kind = selection.formats[path]
            if kind is not None:
                for record in read_corpus(path, uncounted, kind, **options):
                    yield record.mentions

    others = [part for part in parts.files if part in ("dev", "test")]
    # What cannot be read is named later.
    with suppress(CorpusError):
        if "train" not in parts.files or not others or not any(annotations("train")):
            return
    for part in others:
        with suppress(CorpusError):
            found: Optional[List[Mention]] = None
            has_docs = False
            for mentions in annotations(part):
                has_docs = True
                found = found if mentions is None else mentions
                if found:
                    break
            if has_docs and found is None:
                reason = f"{part} has no annotation and is left out"
                selection.left_out[reason] = parts.files.pop(part)
            elif has_docs and not found:
                selection.without_spans.append(part)


def _find_format(
    path: Path, encoding: Optional[str], columns: Optional[Mapping[str, str]]
) -> Optional[str]:
    try:
        return find_format(path, encoding)
    except CorpusError:
        if columns is None:
            raise
        tally = Tally(encoding=encoding)
        for name, format in FORMATS.items():
            if format.describe is not None and "columns" in format.options:
                with suppress(ValueError):
                    if format.describe(path, tally, columns=columns):
                        return name
        raise


def _select_by_format(
    parts: Parts, format: str, encoding: Optional[str], selection: Selection
) -> None:
    for part, paths in parts.files.items():
        other = [
            path
            for path in paths
            if len(paths) > 1 and _is_of_another(path, format, encoding)
        ]
        kept = [path for path in paths if path not in other]
        if kept and other:
            parts.files[part] = kept
            reason = f"{part or 'corpus'}: of another format than {format}, left out"
            selection.left_out[reason] = other
        selection.formats.update(dict.fromkeys(kept or paths, format))


def _is_of_another(path: Path, format: str, encoding: Optional[str]) -> bool:
    head = Head.of(path, encoding)
    return not FORMATS[format].matches(head) and bool(matching_formats(head))


def _lacks_annotation(
    path: Path, of_train: Path, format: str, encoding: Optional[str]
) -> bool:
    """Whether a file of no format is one of the format of train without its annotation:
    objects that lack keys which all in train have, columns without those of tags, or a
    text alone."""
    head, labelled = (Head.of(p, encoding) for p in (path, of_train))
    if labelled.rows:
        shared = set.intersection(*({*row} for row in labelled.rows))
        seen = {k for row in head.rows for k, v in row.items() if v not in (None, [])}
        return bool(shared & seen) and bool(shared - seen)
    if format == "brat":
        return path.suffix == ".txt" and not path.with_suffix(".ann").exists()
    if not is_columns(labelled) or head.is_json:
        return False

    def width(head: Head) -> Set[int]:
        lines = [line for line in head.lines if line.strip() and line[0] != "#"]
        return {len(line.split("\t" if "\t" in line else None)) for line in lines}

    return len(width(head)) == 1 and max(width(head)) <= max(width(labelled))


def _check_copies(
    part: str, formats: Dict[Path, Optional[str]], encoding: Optional[str]
) -> None:
    """RAISES (ValueError): If documents are there in several formats."""
    names = sorted({name for name in formats.values() if name is not None})
    if len(names) < 2:
        return
    files: Dict[str, Set[bytes]] = {name: set() for name in names}
    documents: Dict[str, Set[bytes]] = {name: set() for name in names}
    for path, name in formats.items():
        if name is None:
            continue
        whole = blake2b()
        try:
            for record in read_corpus(path, Tally(None, None, "skip", encoding), name):
                characters = _characters(record)
                documents[name].add(blake2b(characters).digest())
                whole.update(characters)
        except CorpusError:
            # It is named when the file is read.
            continue
        files[name].add(whole.digest())
    for a, b in combinations(names, 2):
        n_files = len(files[a] & files[b])
        n_documents = len(documents[a] & documents[b])
        least = min(len(documents[a]), len(documents[b]))
        if n_files or (n_documents and 2 * n_documents >= least):
            raise ValueError(
                Errors.E022.format(
                    part=part or "all",
                    formats=", ".join(
                        f"{name} {list(formats.values()).count(name)}" for name in names
                    ),
                    n=n_documents or n_files,
                )
            )


def _characters(record: Record) -> bytes:
    """The text of a document without white space."""
    if record.text is not None:
        text = record.text
    elif record.tokens is not None:
        text = "".join(record.tokens)
    else:
        text = "" if record.made is None else record.made.text
    return "".join(text.split()).encode("utf8", "surrogatepass")
