"""Files and folders that appear once they are complete."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

# Ends the names of files that are not complete.
PARTIAL = ".partial"


@contextmanager
def partial_folder(path: Path) -> Iterator[str]:
    """A hidden folder next to a path, for what is not complete yet. It is removed when
    the context is left.

    path (Path): Where the complete file or folder is moved to.
    YIELDS (str): The folder.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as name:
        # The owner's alone at first; shards keep the permissions of their folder.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o777 & ~umask)
        yield name


def write_whole(path: Path, content: bytes, durable: bool = False) -> None:
    """Write a file under a temporary name, then move it into place.

    path (Path): The file. Its folder is made if it is missing.
    content (bytes): What it is to hold.
    durable (bool): Whether it is on the disk before this returns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if durable:
            replace_durably(partial, path)
        else:
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def replace_durably(source: Path, target: Path) -> None:
    """Move a file into place, and see to it that the folder on the disk knows."""
    os.replace(source, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
