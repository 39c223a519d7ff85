"""What is read of a corpus, said before it is read."""

from pathlib import Path
from typing import Any, Dict, List, Optional

from .conversion_report import ConversionReport
from .formats import FORMATS, read_corpus
from .record import Record
from .source import Source

N_NAMES = 3
N_SPANS = 5
LENGTH = 100


def describe_corpus(
    files: Dict[str, List[Path]],
    formats: Dict[Path, Optional[str]],
    report: ConversionReport,
    options: Dict[str, Any],
) -> List[str]:
    """Lines that say the format of each split, its files, what of them is read as what,
    and the first record.

    files (Dict[str, List[Path]]): The files by split.
    formats (Dict[Path, Optional[str]]): The format of each file.
    report (ConversionReport): How to read; nothing is counted in it.
    options (Dict[str, Any]): As for `read_corpus`.
    RAISES (CorpusError): If the beginning cannot be read.
    """
    uncounted = ConversionReport(None, None, report.on_error, report.encoding)
    lines: List[str] = []
    said: List[str] = []
    for split, paths in files.items():
        names = [path.name for path in paths[:N_NAMES]]
        rest = f" and {len(paths) - N_NAMES:,} more" if len(paths) > N_NAMES else ""
        kinds = dict.fromkeys(formats[path] or "nothing" for path in paths)
        lines.append(f"{split or 'all'}: {', '.join(kinds)}; {', '.join(names)}{rest}")
        for kind in filter(FORMATS.get, kinds):
            path = next(path for path in paths if formats[path] == kind)
            said_now = _describe(path, kind, uncounted, options)
            if said_now != said:
                lines += [f"  {line}" for line in said_now]
            said = said_now or said
    first = next(
        (
            record
            for paths in files.values()
            for path in paths
            if formats[path] is not None
            for record in read_corpus(path, uncounted, formats[path], **options)
        ),
        None,
    )
    if first is not None:
        lines.append(f"first record: {_shown(first)}")
    return lines


def _describe(
    path: Path, name: str, report: ConversionReport, options: Dict[str, Any]
) -> List[str]:
    describe = FORMATS[name].describe
    if describe is None:
        return []
    taken = {key: options[key] for key in FORMATS[name].options if key in options}
    with Source(path, report):
        return describe(path, report, **taken)


def _shown(record: Record) -> str:
    """The text of a record, and its first spans."""
    units: Any = record.text
    joined = ""
    if record.doc is not None:
        units, joined = [token.text for token in record.doc], " "
    elif record.unit == "tokens" or record.text is None:
        units, joined = record.tokens or [], " "
    text = joined.join(units) if joined else str(units)
    if record.mentions is None:
        return f"{text!r:.{LENGTH}}, without annotation"
    spans = [
        f"{joined.join(units[m.start : m.end + record.inclusive])!r:.40} "
        + m.label.encode("utf8", "backslashreplace").decode("utf8")
        for m in record.mentions[:N_SPANS]
    ]
    return f"{text!r:.{LENGTH}}; {', '.join(spans) or 'no spans'}"
