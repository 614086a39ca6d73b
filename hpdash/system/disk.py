"""Write files so that they survive a crash, and convert the errors of a file system into `LogdirError`.

Every change of the disk is one call of a function of `os`, made directly or by pathlib. So tests can simulate a crash
at each change.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import LogdirError


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Convert an OSError inside this context into a LogdirError with the path, the cause and the bytes free."""
    try:
        yield
    except OSError as error:
        found = f"Cannot read or write {path}: {error.strerror or error}"
        if isinstance(error, FileNotFoundError):
            raise LogdirError(
                f"{found}. If it was moved or deleted, put it back, then run the same command again "
                "to resume. Otherwise the same command starts over."
            ) from error
        raise LogdirError(
            f"{found} ({_free(path)} bytes free). "
            "Make room and run the same command again (finished trials are kept), or give another --logdir."
        ) from error


def _free(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free:,}"
    except OSError:
        return "unknown"


def sync(path: Path) -> None:
    """Flush a file's bytes, or a folder's entries, to the disk, so that they survive a power cut."""
    if os.name == "nt":
        return  # Windows cannot open folders; logs are only read there
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write bytes to a file descriptor, in as many calls as needed; if this fails, a part may have been written."""
    left = memoryview(data)
    while left:  # one call writes all, unless the disk is full
        left = left[os.write(descriptor, left) :]


def append(descriptor: int, data: bytes, sync: bool = False) -> None:
    """Append bytes to a file, and with `sync` flush it to the disk; if this fails, remove the bytes again."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    try:
        write_all(descriptor, data)
        if sync:
            os.fsync(descriptor)
    except OSError:
        with suppress(OSError):  # if this fails too, the next reader finds an incomplete end
            os.ftruncate(descriptor, end)
        raise


def check_same_file(path: Path, descriptor: int) -> None:
    """Raise FileNotFoundError if an open file is no longer at its path: it was moved, deleted or replaced."""
    if not os.path.samestat(path.stat(), os.fstat(descriptor)):
        raise FileNotFoundError(errno.ENOENT, "replaced by another file")


def write_new(path: Path, data: bytes, mode: str = "xb") -> None:
    """Write a file and flush its bytes to the disk, but not its folder's entry; by default the file must be new."""
    with path.open(mode, buffering=0) as file:
        write_all(file.fileno(), data)
        os.fsync(file.fileno())


def write(path: Path, data: bytes) -> None:
    """Write a file atomically: after a crash it is either complete or as it was before.

    Raises LogdirError if the file system refuses.
    """
    part = path.with_name(f"{path.name}.part")
    with guarded(path):
        try:
            write_new(part, data, mode="wb")  # overwrite a part that a crash has left
        except OSError:
            part.unlink(missing_ok=True)  # other files need the space
            raise
        part.replace(path)
        sync(path.parent)
