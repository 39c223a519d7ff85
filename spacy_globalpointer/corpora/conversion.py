"""A whole corpus to `.spacy` files: all of its splits or nothing."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..errors import Errors
from .conversion_report import ConversionReport
from .description import describe_corpus
from .doc_builder import DocBuilder
from .doc_splitter import DocSplitter, n_relations
from .docbin import (
    SPAN_ATTRS,
    DocWriter,
    Written,
    all_attrs,
    check_free,
    copy_docs,
    move,
)
from .formats import FORMATS, read_corpus
from .language import LanguageTools
from .record import CorpusError, Record
from .selection import leave_out_unlabeled, select_files
from .splits import REPORT, SPLITS, Splits, find_splits, split_records

# Share of spans that strict alignment may drop before something is wrong.
MOST_MISALIGNED = 0.1
UNANNOTATED = ("keep", "negative")


@dataclass
class Options:
    """How to convert.

    format (Optional[str]): A key of FORMATS; None: found for each file.
    lang (Optional[str]): Language code; None: that of the format, else "en".
    spans_key (str): Key of doc.spans.
    ents (bool): Whether to fill doc.ents too, with the outermost spans.
    sentences (bool): Whether to cut documents into sentences.
    max_tokens (Optional[int]): Most tokens of a document.
    align (str): For offsets inside tokens: "strict", "expand" or "contract".
    fragments (str): For discontinuous spans: "drop", "cover", "parts" or "keep".
    split (Optional[Sequence[float]]): Shares of train, dev and test of a corpus
        without splits; of train and dev of one without dev.
    seed (int): For the split.
    columns (Optional[Mapping[str, str]]): Columns of words and tags, as for
        `find_layout`; None: found by content.
    split_files (Optional[Mapping[str, str]]): A pattern of the names of files for each
        split; None: names tell.
    encoding (Optional[str]): That of all files; None: UTF-8.
    on_error (str): For records and lines that cannot be read: "error" or "skip".
    unannotated (str): For documents without annotation: "keep" them so, or take them as
        "negative", without spans.
    partial (bool): Whether documents are annotated in part: their spans are right,
        those that were shown and rejected are wrong, and nothing is known of all else.
    label_names (Optional[Sequence[str]]): Tag names for numeric tags, in the
        order of the numbers.
    """

    format: Optional[str] = None
    lang: Optional[str] = None
    spans_key: str = "sc"
    ents: bool = False
    sentences: bool = False
    max_tokens: Optional[int] = None
    align: str = "strict"
    fragments: str = "drop"
    split: Optional[Sequence[float]] = None
    seed: int = 0
    columns: Optional[Mapping[str, str]] = None
    split_files: Optional[Mapping[str, str]] = None
    encoding: Optional[str] = None
    on_error: str = "error"
    unannotated: str = "keep"
    partial: bool = False
    label_names: Optional[Sequence[str]] = None


class Conversion:
    """A corpus that is to be converted.

    source (Path): A file or a folder.
    target (Path): A `.spacy` file, or a folder for one a split.
    options (Options): How.
    RAISES (FileNotFoundError, ValueError): If source, target and options do not go
        together.
    RAISES (CorpusError): If a file is of no known format.
    """

    def __init__(self, source: Path, target: Path, options: Options) -> None:
        self.options = options
        self.splits: Splits = find_splits(source, options.split_files)
        files = self.splits.files
        self.divided = _divided(files, options.split)
        if options.split is not None and self.divided is None:
            raise ValueError(Errors.E016.format(path=source, splits=", ".join(files)))
        if "train" not in files and "" not in files:
            names = [path.name for path in self.splits.doubtful]
            more = f" Not read: {', '.join(names)}; " if names else ""
            more += "--split-files train=NAME names one." if names else ""
            raise FileNotFoundError(
                Errors.E010.format(name="train", path=source, more=more)
            )
        selection = select_files(
            self.splits, options.format, options.encoding, options.columns
        )
        self.formats, self.left_out = selection.formats, selection.left_out
        self.without_spans = selection.without_spans
        found = [FORMATS[kind].lang for kind in self.formats.values() if kind]
        langs = {lang for lang in found if lang}
        self.lang = options.lang or (langs.pop() if len(langs) == 1 else "en")
        if options.unannotated == "keep" and options.split_files is None:
            reading = self._reading(LanguageTools(self.lang))
            leave_out_unlabeled(self.splits, selection, self._new_report(), reading)
        self.names = self._names(source, target)
        self.folder = target.parent if target.suffix == ".spacy" else target
        self.report_path = (
            target.with_suffix(f".{REPORT}")
            if target.suffix == ".spacy"
            else target / REPORT
        )
        # The split that is also written as test, if there is no test split.
        missing = "dev" in self.names and "test" not in self.names
        self.copied = "dev" if missing else None
        self.lacks_dev = "train" in self.names and "dev" not in self.names

    def _names(self, source: Path, target: Path) -> Dict[str, str]:
        """File name of each split."""
        files = self.splits.files
        several = self.options.split is not None or "" not in files
        if target.suffix == ".spacy":
            if several:
                raise ValueError(Errors.E017.format(path=target))
            return {"": target.name}
        if several:
            wanted = {*files, *SPLITS[: len(self.options.split or ())]}
            return {split: f"{split}.spacy" for split in SPLITS if split in wanted}
        return {"": f"{source.resolve().name.split('.')[0] or 'corpus'}.spacy"}

    @property
    def n_bytes(self) -> int:
        """How much there is to read."""
        return sum(
            path.stat().st_size * (2 if split == self.divided else 1)
            for split, files in self.splits.files.items()
            for path in files
            if path.exists()
        )

    def run(self, advance: Any = None) -> "Converted":
        """Convert.

        advance (Optional[Callable]): Called with numbers of bytes as they are read.
        RAISES (CorpusError): For the first line that cannot be read; then nothing
            is written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.folder, prefix=".") as name:
            folder = Path(name)
            report = self._new_report(folder / REPORT, advance)
            try:
                written = self._write(folder, report)
            finally:
                report.close()
            names = list(self.names.values())
            if self.copied is not None:
                copy_docs(folder / self.names[self.copied], folder / "test.spacy")
                names.append("test.spacy")
                written["test"] = written[self.copied]
            for file_name in names:
                check_free(self.folder / file_name)
            for file_name in names:
                move(folder / file_name, self.folder / file_name)
            self.report_path.unlink(missing_ok=True)
            if report.listed:
                move(folder / REPORT, self.report_path)
        return Converted(written, report)

    def describe(self) -> List[str]:
        """What is read, and how: lines for people.

        RAISES (CorpusError): If the beginning of a file cannot be read.
        """
        options = self._reading(LanguageTools(self.lang))
        return describe_corpus(
            self.splits.files, self.formats, self._new_report(), options
        )

    def _new_report(
        self, path: Optional[Path] = None, advance: Any = None
    ) -> ConversionReport:
        return ConversionReport(
            path, advance, self.options.on_error, self.options.encoding
        )

    def _reading(self, tools: LanguageTools) -> Dict[str, Any]:
        """What readers may take."""
        return {
            "spans_key": self.options.spans_key,
            "vocab": tools.vocab,
            "label_names": self.options.label_names,
            "columns": self.options.columns,
            "partial": self.options.partial,
        }

    def _write(self, folder: Path, report: ConversionReport) -> Dict[str, Written]:
        options = self.options
        tools = LanguageTools(self.lang)
        builder = DocBuilder(
            tools, options.spans_key, options.align, options.fragments, report
        )
        splitter = DocSplitter(options.sentences, options.max_tokens)
        # What comes from spaCy's own format may have more than spans.
        all_attributes = "spacy" in self.formats.values()
        with ExitStack() as stack:
            writers = {
                split: stack.enter_context(
                    DocWriter(
                        folder / name,
                        spans_key=options.spans_key,
                        ents=options.ents,
                        attrs=all_attrs() if all_attributes else SPAN_ATTRS,
                    )
                )
                for split, name in self.names.items()
            }
            for split, record in self._dealt_records(report, tools):
                try:
                    whole = builder(record)
                except CorpusError as error:
                    if options.on_error != "skip":
                        raise
                    report.add("record cannot be read", record, error=str(error))
                    continue
                n_lost = n_relations(whole)
                for doc in splitter.pieces(whole):
                    n_lost -= n_relations(doc)
                    if options.max_tokens and len(doc) > options.max_tokens:
                        report.add("longer than --max-tokens", record, tokens=len(doc))
                    writers[split].add(doc)
                report.add("unsupported annotation (relation, event)", record, n=n_lost)
        return {split: writer.written for split, writer in writers.items()}

    def _dealt_records(
        self, report: ConversionReport, tools: LanguageTools
    ) -> Iterator[Tuple[str, Record]]:
        """All records, each with its split."""
        for split, files in self.splits.files.items():
            if split != self.divided:
                for record in self._records(files, report, tools):
                    yield split, record
                continue
            assert self.options.split is not None
            # What the first reading finds, the second finds too.
            uncounted = self._new_report(None, report.advance)
            records = self._records(files, uncounted, tools)
            dealt = split_records(records, self.options.split, self.options.seed)
            for place, record in zip(dealt, self._records(files, report, tools)):
                yield SPLITS[place], record

    def _records(
        self, files: List[Path], report: ConversionReport, tools: LanguageTools
    ) -> Iterator[Record]:
        for path in files:
            kind = self.formats[path]
            if kind is None:
                report.add("file without documents", Record(path, 1, None))
                continue
            for record in read_corpus(path, report, kind, **self._reading(tools)):
                if record.mentions is None and self.options.unannotated == "negative":
                    report.add(
                        "document without annotation (treated as negative)", record
                    )
                    record.mentions = []
                if self.options.partial and record.mentions is not None:
                    record.rejected = record.rejected or []
                    record.outside = []
                if record.doc_id is None and len(files) > 1:
                    # LitBank has a file a novel, and does not name them otherwise.
                    record.doc_id = str(path)
                yield record


def _divided(
    files: Dict[str, List[Path]], shares: Optional[Sequence[float]]
) -> Optional[str]:
    """The split that is split: a corpus without splits, or a train split from which
    there is a dev split to be made. None: there is no such split, or no split."""
    if shares is None:
        return None
    if files.keys() == {""}:
        return ""
    return "train" if "dev" not in files and len(shares) == 2 else None


@dataclass
class Converted:
    """What came of a conversion.

    written (Dict[str, Written]): What each split holds.
    report (ConversionReport): What was dropped or changed.
    """

    written: Dict[str, Written]
    report: ConversionReport

    @property
    def n_misaligned(self) -> int:
        """How many spans were dropped because they begin or end inside a token."""
        return self.report.counts["boundary inside a token"]

    @property
    def loses_much(self) -> bool:
        """Whether these are more than a tenth of the spans."""
        n_spans = sum({id(w): w.spans for w in self.written.values()}.values())
        return self.n_misaligned > MOST_MISALIGNED * (n_spans + self.n_misaligned)
