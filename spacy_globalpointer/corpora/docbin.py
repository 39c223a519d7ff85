"""Documents to `.spacy` files, in little memory."""

import os
import shutil
import struct
import tempfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import (
    IO,
    Any,
    BinaryIO,
    Dict,
    Iterable,
    List,
    Optional,
    Sequence,
    Set,
    Type,
)

from spacy.attrs import IDS
from spacy.strings import StringStore
from spacy.tokens import Doc, Span
from spacy.tokens.doc import DOCBIN_ALL_ATTRS
from spacy.util import filter_spans
from srsly.msgpack import Packer

from ..files import partial_folder
from ..span_groups import FRAGMENTS, contiguous_spans, piece_positions
from ..stored_spans import SPAN_STRUCT
from .doc_builder import UNKNOWN

# Token attributes of a corpus of spans.
SPAN_ATTRS = ("ORTH", "ENT_IOB", "ENT_TYPE", "SENT_START")
# Attributes whose values are strings.
_STRINGS = {
    *("ORTH", "NORM", "LEMMA", "TAG", "DEP", "MORPH"),
    *("ENT_TYPE", "ENT_KB_ID", "ENT_ID"),
}
# Bytes of tokens in one file. To read it spaCy needs several times as much memory.
MAX_BYTES = 1 << 30
CHUNK = 1 << 16


@dataclass
class Written:
    """What a file holds now.

    docs, tokens, spans (int): How many.
    empty (int): Documents with annotation, but without spans.
    not_in_ents (int): Spans that doc.ents has no room for.
    """

    docs: int = 0
    tokens: int = 0
    spans: int = 0
    empty: int = 0
    not_in_ents: int = 0


def convert(
    docs: Iterable[Doc],
    path: Path,
    *,
    spans_key: str,
    ents: bool,
    attrs: Sequence[str] = SPAN_ATTRS,
) -> Written:
    """Write documents to a `.spacy` file. It appears once it is complete.

    docs (Iterable[Doc]): The documents.
    path (Path): The file.
    spans_key (str): Key of doc.spans.
    ents (bool): Whether to fill doc.ents too, with the outermost spans.
    attrs (Sequence[str]): Attributes of tokens to write.
    RETURNS (Written): What was written.
    """
    with DocWriter(path, spans_key=spans_key, ents=ents, attrs=attrs) as writer:
        for doc in docs:
            writer.add(doc)
    return writer.written


class DocWriter:
    """Writes documents to a `.spacy` file, which DocBin and Corpus read. They are
    kept on disk until it is complete, so that memory does not grow with them; when
    the context is left by an error there is no file.

    What is too much for one file goes to a folder of that name, in numbered files:
    spaCy reads it in the same way.

    path (Path): The file.
    spans_key (str): Key of doc.spans.
    ents (bool): Whether to fill doc.ents too, with the outermost spans.
    attrs (Sequence[str]): Attributes of tokens to write.
    max_bytes (int): Most bytes of tokens in a file.
    """

    def __init__(
        self,
        path: Path,
        *,
        spans_key: str,
        ents: bool,
        attrs: Sequence[str] = SPAN_ATTRS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.path = path
        self.spans_key = spans_key
        self.ents = ents
        self.attrs = ["ORTH", *sorted({*attrs} - {"ORTH", "SPACY"}, key=IDS.get)]
        self.max_bytes = max_bytes
        self.written = Written()
        self._stack = ExitStack()
        self._shard: Optional[_Shard] = None
        self._n_shards = 0

    def __enter__(self) -> "DocWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._stack.enter_context(partial_folder(self.path))
        self._folder = Path(partial)
        self._shard = _Shard(self._folder, self.attrs)
        return self

    def add(self, doc: Doc) -> None:
        """Write a document."""
        assert self._shard is not None
        group = doc.spans.get(self.spans_key)
        unknown = doc.user_data.pop(UNKNOWN, ())
        if len(unknown) == len(doc) and unknown:
            # Nothing is known of the document, but perhaps what is wrong.
            del doc.spans[self.spans_key]
            group = None
        n_spans = 0
        if group is not None:
            n_spans = len(group) - len(piece_positions(group.attrs))
            n_spans += len(group.attrs.get(FRAGMENTS) or ())
        if self.ents and group is not None:
            missing = [Span(doc, i, i + 1) for i in unknown]
            doc.set_ents(filter_spans(contiguous_spans(group)), missing=missing)
            self.written.not_in_ents += n_spans - len(doc.ents)
        n_bytes = self._shard.n_bytes + 8 * len(self.attrs) * len(doc)
        if self._shard.n_docs and n_bytes > self.max_bytes:
            self._close_shard()
            self._shard = _Shard(self._folder, self.attrs)
        self._shard.add(doc)
        self.written.docs += 1
        self.written.tokens += len(doc)
        self.written.spans += n_spans
        self.written.empty += group is not None and not n_spans

    def _close_shard(self) -> None:
        assert self._shard is not None
        self._n_shards += 1
        with (self._folder / f"{self._n_shards:05}.spacy").open("wb") as file:
            self._shard.write(file)
        self._shard.close()

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        assert self._shard is not None
        with self._stack, self._shard:
            if kind is not None:
                return
            self._close_shard()
            if self._n_shards == 1:
                move(self._folder / "00001.spacy", self.path)
            else:
                move(self._folder, self.path)


class _Shard:
    """One file: what DocBin would hold in memory is on disk."""

    def __init__(self, folder: Path, attrs: Sequence[str]) -> None:
        self.attrs = attrs
        self.n_docs = 0
        self.n_bytes = 0
        self._strings: Set[int] = set()
        self._columns = [i for i, attr in enumerate(attrs) if attr in _STRINGS]
        self._store: Any = None
        self._has_user_data = False
        self._stack = ExitStack()
        # Those of srsly ask the registry of entry points each time.
        self._pack = Packer(use_bin_type=True).pack
        self._files = [
            self._stack.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
            for _ in range(7)
        ]

    def __enter__(self) -> "_Shard":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def add(self, doc: Doc) -> None:
        array = doc.to_array(self.attrs).reshape(len(doc), len(self.attrs))
        tokens, spaces, lengths, cats, flags, groups, user_data = self._files
        tokens.write(array.tobytes())
        spaces.write(doc.to_array("SPACY").astype(bool).tobytes())
        lengths.write(struct.pack("=i", len(doc)))
        cats.write(self._pack(doc.cats))
        flags.write(self._pack({"has_unknown_spaces": doc.has_unknown_spaces}))
        groups.write(self._pack(self._groups_to_bytes(doc)))
        data = self._pack(doc.user_data) if doc.user_data else None
        user_data.write(self._pack(data))
        self._has_user_data |= data is not None
        self._store = doc.vocab.strings
        self._strings.update(array[:, self._columns].ravel().tolist())
        for group in doc.spans.values():
            for span in group:
                self._strings.update((span.label, span.kb_id, span.id))
        self.n_docs += 1
        self.n_bytes += array.nbytes

    def _groups_to_bytes(self, doc: Doc) -> bytes:
        """What doc.spans.to_bytes() gives."""
        if not len(doc.spans):
            return doc.spans.to_bytes()
        packed: Dict[bytes, List[str]] = {}
        for key, group in doc.spans.items():
            spans = [
                SPAN_STRUCT.pack(
                    *(span.id, span.kb_id, span.label, span.start, span.end),
                    *(span.start_char, span.end_char),
                )
                for span in group
            ]
            content = {"name": group.name, "attrs": group.attrs, "spans": spans}
            packed.setdefault(self._pack(content), []).append(key)
        return self._pack(packed)

    def write(self, file: BinaryIO) -> None:
        """Write the file in DocBin's format: packed msgpack."""
        packer = zlib.compressobj()

        def put(content: bytes) -> None:
            file.write(packer.compress(content))

        items = self._items()
        put(bytes([0x80 | len(items)]))  # a dictionary of so many entries
        for key, value in items.items():
            put(self._pack(key))
            if isinstance(value, _Spool):
                put(value.header)
                value.file.seek(0)
                while content := value.file.read(CHUNK):
                    put(content)
            else:
                put(self._pack(value))
        file.write(packer.flush())

    def _items(self) -> Dict[str, Any]:
        """The entries of DocBin's dictionary."""
        tokens, spaces, lengths, cats, flags, groups, user_data = self._files
        store = self._store or StringStore()
        known = (string for string in self._strings if string in store)
        items = {
            "version": "0.1",
            "attrs": [IDS[attr] for attr in self.attrs],
            "tokens": _Spool.of_bytes(tokens),
            "spaces": _Spool.of_bytes(spaces),
            "lengths": _Spool.of_bytes(lengths),
            "strings": sorted(store[s] for s in known),
            "cats": _Spool.of_list(cats, self.n_docs),
            "flags": _Spool.of_list(flags, self.n_docs),
            "span_groups": _Spool.of_list(groups, self.n_docs),
        }
        if self._has_user_data:
            items["user_data"] = _Spool.of_list(user_data, self.n_docs)
        return items


@dataclass
class _Spool:
    """A value of msgpack whose content is on disk."""

    header: bytes
    file: IO[bytes]

    @classmethod
    def of_bytes(cls, file: IO[bytes]) -> "_Spool":
        return cls(b"\xc6" + struct.pack(">I", file.seek(0, os.SEEK_END)), file)

    @classmethod
    def of_list(cls, file: IO[bytes], n: int) -> "_Spool":
        return cls(b"\xdd" + struct.pack(">I", n), file)


def all_attrs() -> Sequence[str]:
    """What DocBin writes of tokens if it is not told."""
    return tuple(DOCBIN_ALL_ATTRS)


def move(source: Path, target: Path) -> None:
    """Move a file or a folder into place, in place of what `DocWriter` wrote there
    before."""
    check_free(target)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    elif source.is_dir():
        # A folder cannot be moved onto a file.
        target.unlink(missing_ok=True)
    os.replace(source, target)


def check_free(target: Path) -> None:
    """RAISES (IsADirectoryError): If there is a folder that `DocWriter` did not
    write."""
    is_folder = target.is_dir() and not target.is_symlink()
    if is_folder and not all(map(is_shard, target.iterdir())):
        raise IsADirectoryError(f"{target} is a folder with other files in it")


def copy_docs(source: Path, target: Path) -> None:
    """Copy what `DocWriter` wrote."""
    copy = shutil.copytree if source.is_dir() else shutil.copyfile
    copy(source, target)


def is_shard(path: Path) -> bool:
    return path.suffix == ".spacy" and path.stem.isdigit()
