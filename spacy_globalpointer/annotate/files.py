"""Files here and on the file systems that pyarrow knows (`s3://`, `gs://`, ...)."""

import dataclasses
import gzip
import io
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any, BinaryIO, Iterator, List, Sequence, Tuple, cast

from ..errors import Errors
from ..files import PARTIAL, write_whole

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
STDIN = "-"
BUFFER = 1 << 20
CHUNK = 1 << 16


@dataclass(frozen=True)
class InputFile:
    """A file of the input.

    path (str): Where it is; "-" is standard input.
    name (str): Its path below the folder that was given, its name otherwise.
    size (int): Its bytes, packed as they are; 0 for standard input.
    modified (int): When it was modified, in nanoseconds.
    """

    path: str
    name: str
    size: int = 0
    modified: int = 0


def is_uri(path: str) -> bool:
    """Whether a path is one of another file system."""
    return "://" in path


def find_files(paths: Sequence[str]) -> List[InputFile]:
    """The files of paths, folders, globs and URIs. Those of a folder or a glob are
    sorted by name; hidden ones are left out.

    paths (Sequence[str]): What is given.
    RETURNS (List[InputFile]): The files.
    RAISES (FileNotFoundError): If there is no file for one of the paths.
    """
    found: List[InputFile] = []
    for path in paths:
        if path == STDIN:
            files = [InputFile(STDIN, "stdin")]
        elif is_uri(path):
            files = list(_remote_files(path))
        else:
            files = list(_local_files(path))
        if not files:
            raise FileNotFoundError(Errors.E160.format(path=path))
        found += files
    # Of equal names, which name their documents, each gets the number of its file.
    counts = Counter(stem(file.name) for file in found)
    return [
        file
        if counts[stem(file.name)] == 1
        else dataclasses.replace(file, name=f"{i}/{file.name}")
        for i, file in enumerate(found)
    ]


def stem(name: str) -> str:
    """A name without its suffixes."""
    name = name[: len(name) - len(packing(name))]
    return os.path.splitext(name)[0]


def _local_files(path: str) -> Iterator[InputFile]:
    if os.path.exists(path):
        roots = [Path(path)]
    else:
        roots = [Path(p) for p in sorted(glob(path, recursive=True))]
        roots = roots if has_magic(path) else []
    for root in roots:
        if root.is_dir():
            names = sorted(
                os.path.join(folder, name)
                for folder, folders, names in os.walk(root)
                for name in names
            )
            for name in names:
                below = Path(name).relative_to(root)
                if not any(part.startswith(".") for part in below.parts):
                    yield _local_file(Path(name), below.as_posix())
        elif not (has_magic(path) and root.name.startswith(".")):
            yield _local_file(root, root.name)


def _local_file(path: Path, name: str) -> InputFile:
    stat = path.stat()
    # A pipe has no size, and no second read.
    return InputFile(str(path), name, stat.st_size, stat.st_mtime_ns)


def _remote_files(uri: str) -> Iterator[InputFile]:
    from pyarrow.fs import FileSelector, FileType

    system, path = _remote(uri)
    prefix = uri[: len(uri) - len(path)] if uri.endswith(path) else f"{uri}#"
    info = system.get_file_info(path)
    if info.type == FileType.File:
        infos = [info]
    elif info.type == FileType.Directory:
        infos = system.get_file_info(FileSelector(path, recursive=True))
    else:
        infos = []
    for info in sorted(infos, key=lambda info: info.path):
        if info.type == FileType.File and not info.base_name.startswith("."):
            name = info.path[len(path) :].lstrip("/") or info.base_name
            yield InputFile(prefix + info.path, name, info.size, info.mtime_ns or 0)


def _remote(uri: str) -> Tuple[Any, str]:
    try:
        from pyarrow.fs import FileSystem
    except ImportError:
        raise ImportError(Errors.E161.format(what=uri, extra="parquet")) from None
    system, path = FileSystem.from_uri(uri)
    return system, path


def open_input(path: str) -> BinaryIO:
    """Open a file to be read, not unpacked.

    path (str): A path, a URI or "-".
    """
    if path == STDIN:
        return os.fdopen(os.dup(0), "rb", BUFFER)
    if is_uri(path):
        system, path = _remote(path)
        # pyarrow's files have no lines.
        return cast(BinaryIO, io.BufferedReader(system.open_input_file(path), BUFFER))
    return open(path, "rb", BUFFER)


def packing(name: str) -> str:
    """How a file is packed, by its name: ".gz", ".zst" or "" for not at all."""
    suffix = os.path.splitext(name)[1].lower()
    return {".gz": ".gz", ".zst": ".zst", ".zstd": ".zst"}.get(suffix, "")


def unpack(file: BinaryIO, name: str) -> BinaryIO:
    """The bytes of a file, unpacked. What is packed shows in its name, and for
    standard input in its first bytes.

    file (BinaryIO): The file.
    name (str): Its path.
    """
    packed = packing(name)
    if name == STDIN:
        beginning = cast(io.BufferedReader, file).peek(4)
        packed = ".gz" if beginning[:2] == GZIP else packed
        packed = ".zst" if beginning[:4] == ZSTD else packed
    if packed == ".gz":
        return cast(BinaryIO, gzip.open(file, "rb"))
    if packed == ".zst":
        return cast(BinaryIO, io.BufferedReader(_Zstd(file, name), BUFFER))
    return file


class _Zstd(io.RawIOBase):
    """The bytes of a file packed with zstd. The package's own reader takes a file that
    ends too early for a whole one.

    file (BinaryIO): The file.
    name (str): Its path.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        try:
            import zstandard
        except ImportError:
            message = Errors.E161.format(what=name, extra="zstd")
            raise ImportError(message) from None
        self._file = file
        self._new_frame = zstandard.ZstdDecompressor().decompressobj
        self._error = zstandard.ZstdError
        self._frame = self._new_frame()
        self._packed = b""
        self._unpacked = memoryview(b"")
        self._is_within = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacked:
            self._packed = self._packed or self._file.read(CHUNK)
            if not self._packed:
                if self._is_within:
                    raise EOFError("the last frame of zstd has no end")
                return 0
            try:
                self._unpacked = memoryview(self._frame.decompress(self._packed))
            except self._error as error:
                raise OSError(str(error)) from None
            self._packed, self._is_within = b"", True
            if self._frame.eof:
                self._packed = self._frame.unused_data
                self._frame, self._is_within = self._new_frame(), False
        n = min(len(buffer), len(self._unpacked))
        buffer[:n] = self._unpacked[:n]
        self._unpacked = self._unpacked[n:]
        return n


def join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def read_file(path: str) -> bytes:
    """The content of a file."""
    with open_input(path) as file:
        return file.read()


def write_file(path: str, content: bytes, durable: bool = True) -> None:
    """Write a file.

    path (str): A path or a URI. Folders that are missing are made.
    content (bytes): What is written.
    durable (bool): Whether the file is there as a whole or not at all, whatever
        happens, and on the disk before this returns.
    """
    if is_uri(path):
        # Object stores show a file once it is complete.
        system, path = _remote(path)
        if "/" in path:
            system.create_dir(path.rsplit("/", 1)[0], recursive=True)
        partial = f"{path}{PARTIAL}"
        is_local = system.type_name == "local"
        with system.open_output_stream(partial if is_local else path) as stream:
            stream.write(content)
        if is_local:
            system.move(partial, path)
        return
    if durable:
        write_whole(Path(path), content, durable=True)
        return
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    Path(path).write_bytes(content)


def list_names(folder: str) -> List[str]:
    """The sorted names of the files in a folder; none if there is no folder."""
    if is_uri(folder):
        from pyarrow.fs import FileSelector

        system, path = _remote(folder)
        infos = system.get_file_info(FileSelector(path, allow_not_found=True))
        return sorted(info.base_name for info in infos)
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def exists(path: str) -> bool:
    """Whether there is a file or a folder with files in it."""
    if is_uri(path):
        from pyarrow.fs import FileType

        system, inner = _remote(path)
        kind = system.get_file_info(inner).type
        return kind == FileType.File or bool(list_names(path))
    return bool(list_names(path)) if os.path.isdir(path) else os.path.exists(path)


def remove(path: str) -> None:
    """Remove a file or a folder, if it is there."""
    if is_uri(path):
        from pyarrow.fs import FileType

        system, inner = _remote(path)
        kind = system.get_file_info(inner).type
        if kind == FileType.Directory:
            system.delete_dir(inner)
        elif kind == FileType.File:
            system.delete_file(inner)
    elif os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.unlink(path)
