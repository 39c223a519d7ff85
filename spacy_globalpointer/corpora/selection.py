"""Which files of a corpus are read, and in which format."""

from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import combinations
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set

from ..errors import Errors
from .columns import is_columns
from .conversion_report import ConversionReport
from .formats import FORMATS, find_format, matching_formats, read_corpus
from .preview import Preview
from .record import CorpusError, Mention, Record
from .splits import Splits


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
    splits: Splits,
    format: Optional[str] = None,
    encoding: Optional[str] = None,
    columns: Optional[Mapping[str, str]] = None,
) -> Selection:
    """Find the format of each file of a corpus, and leave out what is not to be read.

    splits (Splits): The files; those that are left out are taken off.
    format (Optional[str]): The only format that is read; None: it is found for each.
    encoding (Optional[str]): That of the files; None: UTF-8.
    columns (Optional[Mapping[str, str]]): Columns that are given: what has them is of a
        format of columns, even if no tags are found in it.
    RAISES (CorpusError): If a file is of no known format.
    RAISES (ValueError): If there are the same documents in several formats.
    """
    selection = Selection()
    if format is not None:
        _select_by_format(splits, format, encoding, selection)
        return selection
    for split, paths in [*splits.files.items()]:
        try:
            found = {path: _find_format(path, encoding, columns) for path in paths}
        except CorpusError:
            if split in ("", "train") or "train" not in splits.files:
                raise
            of_train = splits.files["train"][0]
            kind = selection.formats[of_train]
            if kind is None or not all(
                _lacks_annotation(path, of_train, kind, encoding) for path in paths
            ):
                raise
            reason = f"{split} has no annotation and is left out"
            selection.left_out[reason] = splits.files.pop(split)
            continue
        _check_copies(split, found, encoding)
        selection.formats.update(found)
    return selection


def leave_out_unlabeled(
    splits: Splits,
    selection: Selection,
    report: ConversionReport,
    options: Dict[str, Any],
) -> None:
    """Leave out dev or test if no document in it has annotation, and note one whose
    documents have annotation but not a span, although train has some.

    splits (Splits): The files.
    selection (Selection): Their formats; gets what is left out or noted.
    report (ConversionReport): How to read; nothing is counted in it.
    options (Dict[str, Any]): As for `read_corpus`.
    """
    uncounted = ConversionReport(None, None, report.on_error, report.encoding)

    def annotations(split: str) -> Iterator[Optional[List[Mention]]]:
        for path in splits.files[split]:
            kind = selection.formats[path]
            if kind is not None:
                for record in read_corpus(path, uncounted, kind, **options):
                    yield record.mentions

    others = [split for split in splits.files if split in ("dev", "test")]
    # What cannot be read is named later.
    with suppress(CorpusError):
        if "train" not in splits.files or not others or not any(annotations("train")):
            return
    for split in others:
        with suppress(CorpusError):
            found: Optional[List[Mention]] = None
            has_docs = False
            for mentions in annotations(split):
                has_docs = True
                found = found if mentions is None else mentions
                if found:
                    break
            if has_docs and found is None:
                reason = f"{split} has no annotation and is left out"
                selection.left_out[reason] = splits.files.pop(split)
            elif has_docs and not found:
                selection.without_spans.append(split)


def _find_format(
    path: Path, encoding: Optional[str], columns: Optional[Mapping[str, str]]
) -> Optional[str]:
    try:
        return find_format(path, encoding)
    except CorpusError:
        if columns is None:
            raise
        report = ConversionReport(encoding=encoding)
        for name, format in FORMATS.items():
            if format.describe is not None and "columns" in format.options:
                with suppress(ValueError):
                    if format.describe(path, report, columns=columns):
                        return name
        raise


def _select_by_format(
    splits: Splits, format: str, encoding: Optional[str], selection: Selection
) -> None:
    for split, paths in splits.files.items():
        other = [
            path
            for path in paths
            if len(paths) > 1 and _is_of_another(path, format, encoding)
        ]
        kept = [path for path in paths if path not in other]
        if kept and other:
            splits.files[split] = kept
            reason = f"{split or 'corpus'}: of another format than {format}, left out"
            selection.left_out[reason] = other
        selection.formats.update(dict.fromkeys(kept or paths, format))


def _is_of_another(path: Path, format: str, encoding: Optional[str]) -> bool:
    preview = Preview.of(path, encoding)
    return not FORMATS[format].matches(preview) and bool(matching_formats(preview))


def _lacks_annotation(
    path: Path, of_train: Path, format: str, encoding: Optional[str]
) -> bool:
    """Whether a file of no format is one of the format of train without its annotation:
    objects that lack keys which all in train have, columns without those of tags, or a
    text alone."""
    preview, labeled = (Preview.of(p, encoding) for p in (path, of_train))
    if labeled.rows:
        shared = set.intersection(*({*row} for row in labeled.rows))
        seen = {
            k for row in preview.rows for k, v in row.items() if v not in (None, [])
        }
        return bool(shared & seen) and bool(shared - seen)
    if format == "brat":
        return path.suffix == ".txt" and not path.with_suffix(".ann").exists()
    if not is_columns(labeled) or preview.is_json:
        return False

    def width(preview: Preview) -> Set[int]:
        lines = [line for line in preview.lines if line.strip() and line[0] != "#"]
        return {len(line.split("\t" if "\t" in line else None)) for line in lines}

    return len(width(preview)) == 1 and max(width(preview)) <= max(width(labeled))


def _check_copies(
    split: str, formats: Dict[Path, Optional[str]], encoding: Optional[str]
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
            for record in read_corpus(
                path, ConversionReport(None, None, "skip", encoding), name
            ):
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
                    split=split or "all",
                    formats=", ".join(
                        f"{name} {list(formats.values()).count(name)}" for name in names
                    ),
                    n=n_documents or n_files,
                )
            )


def _characters(record: Record) -> bytes:
    """The text of a document without whitespace."""
    if record.text is not None:
        text = record.text
    elif record.tokens is not None:
        text = "".join(record.tokens)
    else:
        text = "" if record.doc is None else record.doc.text
    return "".join(text.split()).encode("utf8", "surrogatepass")
