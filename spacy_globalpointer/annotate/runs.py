"""A run that can be interrupted at any moment and goes on where it was.

    OUTPUT.parts/run.json                the options, the input and the model
    OUTPUT.parts/KEY.jsonl               a part: an annotated block
    OUTPUT.parts/KEY.summary             what is said of it; written after it, so that
                                         the part is finished
    OUTPUT                               all parts, once they are finished
    OUTPUT.report.json                   counts; written last, so that it is whole
    OUTPUT.errors.jsonl                  the documents that failed, if there are any

Each of these files is written under another name, synchronized with the disk, and moved
into place. An OUTPUT without a suffix is a folder, and the parts are its files.
"""

import fcntl
import hashlib
import io
import json
import os
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from .. import __version__
from ..errors import Errors
from ..files import PARTIAL, replace_durably
from .annotator import Options, Part, Summary
from .blocks import Block
from .files import (
    BUFFER,
    STDIN,
    InputFile,
    exists,
    is_uri,
    join,
    list_names,
    read_file,
    remove,
    write_file,
)
from .outputs import Output

RUN, SUMMARY = "run.json", ".summary"
# Failures in the report; all of them are in the file of errors.
N_LISTED = 20


@dataclass
class Report:
    """What a finished run has done.

    docs, words, spans (int): How many were written.
    n_failed (int): Documents that failed.
    failures (List[Dict]): The first of them: file, line or number, and reason.
    lost (Dict[str, int]): What the form of output cannot hold.
    run (Dict): The options, the input and the model.
    """

    docs: int = 0
    words: int = 0
    spans: int = 0
    n_failed: int = 0
    failures: List[Dict[str, Any]] = field(default_factory=list)
    lost: Dict[str, int] = field(default_factory=dict)
    run: Dict[str, Any] = field(default_factory=dict)

    def add(self, summary: Summary, lines: Dict[str, int]) -> List[Dict[str, Any]]:
        """Add the next part.

        summary (Summary): What is said of the part.
        lines (Dict[str, int]): How many lines come before it, by file; is updated.
        RETURNS (List[Dict]): Its failures, each with its place in the file.
        """
        self.docs += summary.docs
        self.words += summary.words
        self.spans += summary.spans
        lost = Counter(self.lost)
        lost.update(summary.lost)
        self.lost = dict(sorted(lost.items()))
        failures = []
        for path, number, reason in summary.failures:
            place: Dict[str, Any] = {"file": path}
            if summary.by_lines:
                # A block of lines does not know how many come before it.
                place["line"] = lines.get(path, 0) + number
            else:
                place["document"] = number
            failures.append({**place, "reason": reason})
        lines[summary.path] = lines.get(summary.path, 0) + summary.n_lines
        self.n_failed += len(failures)
        self.failures += failures[: N_LISTED - len(self.failures)]
        return failures


class Run:
    """The files of a run.

    path (str): The output.
    output (Output): Its form.
    """

    def __init__(self, path: str, output: Output) -> None:
        self.path = path.rstrip("/")
        self.output = output
        self.folder = f"{self.path}.parts"
        self.is_folder = is_folder(path)
        # The files of a folder are there from the beginning, others are made of parts.
        self.parts = self.folder
        if self.is_folder and not output.is_folder:
            self.parts = self.path

    @property
    def report_path(self) -> str:
        return f"{self.path}.report.json"

    def begin(self, about: Dict[str, Any], overwrite: bool) -> Optional[Report]:
        """Begin a run, or go on with it.

        about (Dict): The options, the input and the model.
        overwrite (bool): Whether to remove what is there of another run.
        RETURNS (Optional[Report]): The report, if the run is finished.
        RAISES (FileExistsError): If there is something of another run.
        """
        if overwrite:
            for path in (self.report_path, self.path, self.folder, self.errors_path):
                remove(path)
        if exists(self.report_path):
            report = Report(**json.loads(read_file(self.report_path)))
            self._compare(report.run, about)
            if exists(self.path):
                remove(self.folder)
                return report
        place = join(self.folder, RUN)
        if exists(place):
            self._compare(json.loads(read_file(place)), about)
        elif exists(self.path):
            raise FileExistsError(Errors.E165.format(path=self.path, what="it"))
        else:
            write_file(place, json.dumps(about, indent=1).encode("utf8"))
        for folder in (self.folder, self.parts):
            for name in list_names(folder):
                if name.endswith(PARTIAL):
                    remove(join(folder, name))
        return None

    def _compare(self, before: Dict[str, Any], now: Dict[str, Any]) -> None:
        # As JSON has it.
        now = json.loads(json.dumps(now))
        changed = sorted(
            key for key in {*before, *now} if before.get(key) != now.get(key)
        )
        if changed:
            what = f"another {' and '.join(changed)}"
            raise FileExistsError(Errors.E165.format(path=self.path, what=what))

    def recorded(self, key: str) -> Any:
        """What a run that was begun says of itself under a key; None if there is
        none."""
        for place in (join(self.folder, RUN), self.report_path):
            if exists(place):
                about = json.loads(read_file(place))
                return about.get("run", about).get(key)
        return None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes of this machine out.

        RAISES (BlockingIOError): If there is another one.
        """
        if is_uri(self.path):
            yield
            return
        os.makedirs(self.folder, exist_ok=True)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BlockingIOError(Errors.E166.format(path=self.path)) from None
        finally:
            os.close(folder)
            with suppress(OSError):
                os.rmdir(self.folder)

    def finished(self) -> List[str]:
        """The keys of the parts that are finished, in the order of the input."""
        names = list_names(self.folder)
        return [name[: -len(SUMMARY)] for name in names if name.endswith(SUMMARY)]

    def summary(self, key: str) -> Summary:
        """What is said of a part that is finished."""
        return Summary.from_bytes(read_file(join(self.folder, key + SUMMARY)))

    def add(self, part: Part) -> None:
        """Write a part."""
        write_file(self._part(part.key), part.content)
        place = join(self.folder, part.key + SUMMARY)
        write_file(place, part.summary.to_bytes())

    def _part(self, key: str) -> str:
        suffix = ".jsonl" if self.output.is_folder else self.output.suffix
        return join(self.parts, key + suffix)

    def finish(self, about: Dict[str, Any]) -> Report:
        """Put the parts together.

        about (Dict): The options, the input and the model.
        RETURNS (Report): What was done.
        """
        keys = self.finished()
        if not self.is_folder:
            whole = join(self.folder, f"whole{self.output.suffix}")
            remove(whole)
            self._join(keys, whole)
        elif self.output.is_folder:
            self.output.join(self._contents(keys), self.path)
        elif not keys:
            write_file(self._part("empty"), self.output.pack([]))
        report = self._report(keys, about)
        lost = Counter(report.lost) + self.output.lost
        report.lost = dict(sorted(lost.items()))
        content = json.dumps(asdict(report), indent=1).encode("utf8")
        write_file(self.report_path, content)
        remove(self.folder)
        return report

    def _contents(self, keys: Iterable[str]) -> Iterator[Callable[[], bytes]]:
        for key in keys:
            yield partial(read_file, self._part(key))

    def _join(self, keys: List[str], whole: str) -> None:
        if not is_uri(self.path):
            self.output.join(self._contents(keys), whole)
            replace_durably(Path(whole), Path(self.path))
            return
        from pyarrow.fs import FileSystem

        system, path = FileSystem.from_uri(self.path)
        with system.open_output_stream(path) as stream:
            self.output.write(self._contents(keys), stream)

    @property
    def errors_path(self) -> str:
        return f"{self.path}.errors.jsonl"

    def _report(self, keys: Iterable[str], about: Dict[str, Any]) -> Report:
        report = Report(run=about)
        lines: Dict[str, int] = {}
        listed = io.BytesIO()
        for key in keys:
            for failure in report.add(self.summary(key), lines):
                listed.write(json.dumps(failure, ensure_ascii=False).encode() + b"\n")
        if report.n_failed:
            write_file(self.errors_path, listed.getvalue())
        return report


def is_folder(path: str) -> bool:
    """Whether an output is a folder: its name has no suffix, or ends with "/"."""
    return path.endswith("/") or not os.path.splitext(path.rstrip("/"))[1]


def about_run(
    options: Options, model_path: Path, name: str, key: str, **more: Any
) -> Dict[str, Any]:
    """What the bytes of an output depend on.

    options (Options): The options.
    model_path (Path): The folder of the pipeline.
    name (str): Name and version of the pipeline.
    key (str): Key of doc.spans.
    RETURNS (Dict): As JSON has it.
    """
    return {
        "version": __version__,
        "model": name,
        "model hash": hash_folder(model_path),
        "format": options.format,
        "spans key": key,
        "text field": options.text_field,
        "batch size": options.batch_size,
        **more,
    }


def about_input(files: Iterable[InputFile]) -> str:
    """A hash of the paths, sizes and times of files."""
    found = hashlib.sha256()
    for file in files:
        found.update(repr((file.path, file.size, file.modified)).encode("utf8"))
    return found.hexdigest()


def hash_folder(path: Path) -> str:
    """A hash of the files of a folder."""
    found = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            found.update(str(file.relative_to(path)).encode("utf8"))
            with file.open("rb") as content:
                while piece := content.read(BUFFER):
                    found.update(piece)
    return found.hexdigest()


def digest_of(block: Block) -> str:
    """A hash of what was read from standard input."""
    found = hashlib.sha256()
    for item in block.items:
        found.update(repr(item.content).encode("utf8"))
    return found.hexdigest()


def unfinished(
    blocks: Iterable[Block], run: Run, finished: Iterable[str]
) -> Iterator[Tuple[Block, str]]:
    """The blocks that are to be annotated, with their hashes. What comes from standard
    input again must be what came before.

    RAISES (ValueError): If it is not.
    """
    done = {*finished}
    for block in blocks:
        digest = digest_of(block) if block.path == STDIN else ""
        if block.key not in done:
            yield block, digest
        elif run.summary(block.key).digest != digest:
            raise ValueError(Errors.E167.format(path=run.path))
