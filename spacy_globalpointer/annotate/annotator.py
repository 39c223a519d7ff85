"""A pipeline over the documents of a block."""

import ctypes
import json
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from spacy.tokens import Doc
from spacy.util import import_file

from ..environment import use_gpu
from ..errors import Errors
from .blocks import Block, Item, Unreadable
from .loading import backend_of, find_key, load_pipeline
from .outputs import OUTPUTS, Output, model_name
from .selection import SelectedOutput, Selection, make_ranker


@dataclass(frozen=True)
class Options:
    """What the annotation depends on, beside the input.

    model (str): Folder or package of the pipeline.
    format (str): Form of the output, one of OUTPUTS.
    spans_key (Optional[str]): Key of doc.spans. None: that of the last component
        which has one.
    text_field (str): Field or column of the text.
    batch_size (int): Most characters that are annotated at a time. Larger batches do
        not fit into the caches of a processor, and gain on a GPU alone.
    gpu_id (int): GPU, -1 for the CPU.
    backend (Optional[str]): Matrix products of thinc, where the pipeline measures
        which are faster, "blis" or "numpy". None: measure.
    selection (Optional[Selection]): Which documents are written. None: all.
    code (Optional[str]): Python file with registered functions of the pipeline.
    """

    model: str
    format: str = "jsonl"
    spans_key: Optional[str] = None
    text_field: str = "text"
    batch_size: int = 16_000
    gpu_id: int = -1
    backend: Optional[str] = None
    selection: Optional[Selection] = None
    code: Optional[str] = None


@dataclass
class Part:
    """An annotated block.

    key (str): Key of the block.
    content (bytes): What is written.
    summary (Summary): What is said of it.
    """

    key: str
    content: bytes
    summary: "Summary"


@dataclass
class Summary:
    """What is said of an annotated block.

    path (str): The file.
    docs, words, spans (int): How many were written.
    n_bytes (int): How much of the input this is.
    n_lines (int): Lines of the file.
    by_lines (bool): Whether failures name lines of the block.
    failures (List[Tuple[str, int, str]]): File, number and reason of each document
        that failed.
    lost (Dict[str, int]): What the form of output cannot hold.
    digest (str): Of the content of standard input.
    """

    path: str
    docs: int = 0
    words: int = 0
    spans: int = 0
    n_bytes: int = 0
    n_lines: int = 0
    by_lines: bool = False
    failures: List[Tuple[str, int, str]] = field(default_factory=list)
    lost: Dict[str, int] = field(default_factory=dict)
    digest: str = ""

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode("utf8")

    @classmethod
    def from_bytes(cls, content: bytes) -> "Summary":
        return cls(**json.loads(content))


class Annotator:
    """Loads a pipeline once and annotates blocks, each as a function of the block
    alone.

    options (Options): The options.
    """

    def __init__(self, options: Options) -> None:
        use_gpu(options.gpu_id)
        if options.code is not None:
            import_file("python_code", options.code)
        self.options = options
        self.nlp = load_pipeline(options.model, options.backend)
        self.backend = backend_of(self.nlp)
        self.key = options.spans_key or find_key(self.nlp)
        self.output: Output = OUTPUTS[options.format](self.key, model_name(self.nlp))
        self.ranker = make_ranker(options.selection, self.nlp, self.key, self.backend)
        if options.selection is not None:
            self.output = SelectedOutput(self.output, options.selection)

    def annotate(self, block: Block) -> Part:
        """Annotate a block.

        block (Block): The block.
        RETURNS (Part): Its documents in the order of the input, without those that
            failed, which are listed.
        """
        summary = Summary(
            block.path,
            n_bytes=block.n_bytes,
            n_lines=block.n_lines,
            by_lines=block.kind in ("lines", "jsonl"),
        )
        lost: Counter = Counter()
        failures: Dict[int, str] = {}
        inputs: Dict[int, Tuple[Union[str, bytes], Dict[str, Any]]] = {}
        for i, item in enumerate(block.items):
            try:
                inputs[i] = self._parse(item, block.kind)
            except (ValueError, RecursionError, MemoryError) as error:
                failures[i] = _reason(error)
        rendered: Dict[int, Any] = {}
        for batch in batches(
            {i: len(text) for i, (text, _) in inputs.items()}, self.options.batch_size
        ):
            # What the documents add to the vocabulary goes with them.
            with self.nlp.memory_zone():
                for i, doc in self._pipe([(i, inputs[i][0]) for i in batch]):
                    if isinstance(doc, Exception):
                        failures[i] = _reason(doc)
                        continue
                    try:
                        item = block.items[i]
                        rendered[i] = self.output.render(
                            doc, inputs[i][1], item.name, lost
                        )
                    except Exception as error:
                        failures[i] = _reason(error)
                    else:
                        summary.docs += 1
                        summary.words += len(doc)
                        summary.spans += len(doc.spans.get(self.key, ()))
                    del doc
        summary.failures = [
            (block.items[i].path, block.items[i].number, failures[i])
            for i in sorted(failures)
        ]
        summary.lost = {key: n for key, n in sorted(lost.items()) if n}
        content = self.output.pack([rendered[i] for i in sorted(rendered)])
        _give_back_memory()
        return Part(block.key, content, summary)

    def _parse(self, item: Item, kind: str) -> Tuple[Union[str, bytes], Dict[str, Any]]:
        """The text, or the bytes of a document, and the other fields."""
        content = item.content
        if isinstance(content, Unreadable):
            raise ValueError(content.reason)
        if kind == "spacy":
            assert isinstance(content, bytes)
            return content, {}
        if isinstance(content, bytes) and kind != "jsonl":
            text: Any = content.decode("utf8")
            return text.rstrip("\r\n") if kind == "lines" else text, {}
        row = json.loads(content) if isinstance(content, bytes) else content
        if not isinstance(row, dict):
            raise ValueError(f"expected a JSON object, got {row!r:.80}")
        name = self.options.text_field
        text = row.get(name)
        if not isinstance(text, str):
            found = f"{text!r:.80}" if name in row else f"the fields {[*row]!r:.200}"
            raise ValueError(f"expected a string in the field {name!r}, got {found}")
        return text, {key: value for key, value in row.items() if key != name}

    def _pipe(
        self, batch: Sequence[Tuple[int, Union[str, bytes]]]
    ) -> Iterator[Tuple[int, Any]]:
        """Each document of a batch, or the error. After an error the documents of the
        batch run one by one."""
        try:
            docs = [self._make_doc(content) for _, content in batch]
            for (i, _), doc in zip(batch, self.ranker(docs)):
                yield i, doc
            return
        except GeneratorExit:
            raise
        except Exception:
            pass
        for i, content in batch:
            try:
                (doc,) = self.ranker([self._make_doc(content)])
            except Exception as error:
                yield i, error
            else:
                yield i, doc

    def _make_doc(self, content: Union[str, bytes]) -> Doc:
        if isinstance(content, str):
            return self.nlp.make_doc(content)
        doc = Doc(self.nlp.vocab).from_bytes(content)
        if len(doc.text) > self.nlp.max_length:
            raise ValueError(
                Errors.E163.format(length=len(doc.text), longest=self.nlp.max_length)
            )
        return doc


def _give_back_memory() -> None:
    """Give free memory back to the system. What batches of many sizes leave free is
    too scattered to be used again, and would grow for hours."""
    # Of glibc alone.
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def batches(lengths: Dict[int, int], size: int) -> Iterator[List[int]]:
    """Documents of similar length together.

    lengths (Dict[int, int]): Characters of each document.
    size (int): Most characters of a batch, counted as if all documents were as long
        as the longest.
    YIELDS (List[int]): The documents of a batch.
    """
    batch: List[int] = []
    for i in sorted(lengths, key=lambda i: (lengths[i], i)):
        if batch and (len(batch) + 1) * lengths[i] > size:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _reason(error: BaseException) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"invalid JSON ({error})"
    if isinstance(error, UnicodeDecodeError):
        return f"not valid UTF-8 ({error.reason} at byte {error.start})"
    if isinstance(error, UnicodeEncodeError):
        return f"half of a surrogate pair at character {error.start}"
    if isinstance(error, MemoryError):
        return "not enough memory for this document"
    if isinstance(error, (ValueError, RecursionError)):
        return " ".join(str(error).split())
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
