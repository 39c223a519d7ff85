"""A folder that takes the place of an older one in one step."""

import ctypes
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import Errors

# From <fcntl.h> and <stdio.h> of Linux and macOS.
AT_FDCWD, RENAME_EXCHANGE = -100, 2
RENAME_SWAP = 2


@contextmanager
def replaced_folder(folder: Path, outdated: Collection[str] = ()) -> Iterator[Path]:
    """A new folder beside `folder`, which takes its place when the block has been run
    without an error. Until then, and if the process ends before, `folder` is as it was.

    Files of `folder` that are neither outdated nor written again are kept.

    folder (Path): The folder; it need not exist.
    outdated (Collection[str]): Patterns of the older files that are not kept, such as
        "plots/*.svg".
    YIELDS (Path): The new folder, empty.
    RAISES (ValueError): If it is the working folder, or holds it.
    """
    require_replaceable(folder)
    # What a link points to is replaced, not the link.
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Of a process that was killed, it may be there.
    new = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        if folder.is_dir():
            shutil.copymode(folder, new)
            gone = {path for pattern in outdated for path in folder.glob(pattern)}
            _keep_others(folder, new, gone)
            _take_place(folder, new)
        else:
            os.rename(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def require_replaceable(folder: Path) -> None:
    """Raise a ValueError if a folder cannot be replaced: if it is the working folder,
    or holds it."""
    if Path.cwd().is_relative_to(folder.resolve()):
        raise ValueError(Errors.E044.format(path=folder))


def _keep_others(folder: Path, new: Path, outdated: Collection[Path]) -> None:
    """Take over what the new folder does not have, where possible without copies."""
    for path in folder.iterdir():
        target = new / path.name
        if path.is_dir() and not path.is_symlink():
            target.mkdir(exist_ok=True)
            _keep_others(path, target, outdated)
        elif path not in outdated and not os.path.lexists(target):
            _link(path, target)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(source, target, follow_symlinks=False)


def _take_place(folder: Path, new: Path) -> None:
    """Give a new folder the name of an older one: in one step where the system can do
    that, else in two, of which the first is taken back if the second fails."""
    if _exchange_at_once(bytes(folder), bytes(new)):
        return
    aside = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        os.rename(folder, aside)
        os.rename(new, folder)
    finally:
        if not folder.exists():
            os.rename(aside, folder)
        shutil.rmtree(aside, ignore_errors=True)


def _exchange_at_once(first: bytes, second: bytes) -> bool:
    """Let two folders change names.

    RETURNS (bool): Whether it was possible.
    """
    if os.name != "posix":
        return False
    libc = ctypes.CDLL(None)
    if hasattr(libc, "renameat2"):  # Linux
        paths = AT_FDCWD, first, AT_FDCWD, second
        return bool(libc.renameat2(*paths, RENAME_EXCHANGE) == 0)
    if hasattr(libc, "renamex_np"):  # macOS
        return bool(libc.renamex_np(first, second, RENAME_SWAP) == 0)
    return False
