"""What a file system may refuse, as one clear error; and what must be on the disk before work goes on.

Whatever changes the disk is a call of `os` (pathlib's are), one at a time, so that tests can die at each.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import LogdirError


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn an OSError inside into a LogdirError that names the path, the cause and the bytes free."""
    try:
        yield
    except OSError as error:
        found = f"{path}: expected to read and write here, found: {error.strerror or error}"
        if isinstance(error, FileNotFoundError):
            raise LogdirError(
                f"{found}. It was moved or deleted: put it back to go on from there, "
                "or run the same command again to begin anew."
            ) from error
        raise LogdirError(
            f"{found} ({_free(path)} bytes free). "
            "Make room or give another --logdir, then run the same command again: what is finished is kept."
        ) from error


def _free(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free:,}"
    except OSError:
        return "unknown"


def sync(path: Path) -> None:
    """Put a file's bytes on the disk, or a folder's entries, so that what was made in it survives a power cut."""
    if os.name == "nt":
        return  # Windows, where logs are only read, opens no folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write bytes to a file's descriptor, in as many calls as it takes; where it fails, a part may be there."""
    left = memoryview(data)
    while left:  # once, unless the disk is full
        left = left[os.write(descriptor, left) :]


def append(descriptor: int, data: bytes, sync: bool = False) -> None:
    """Add bytes to a file's end, with `sync` onto the disk; where it fails, none of them is there."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    try:
        write_all(descriptor, data)
        if sync:
            os.fsync(descriptor)
    except OSError:
        with suppress(OSError):  # what cannot be cut now is a torn tail for the next reader
            os.ftruncate(descriptor, end)
        raise


def check_at(path: Path, descriptor: int) -> None:
    """Make sure that a path still leads to an open file; FileNotFoundError where it was moved, deleted or replaced."""
    if not os.path.samestat(path.stat(), os.fstat(descriptor)):
        raise FileNotFoundError(errno.ENOENT, "another file")


def write_new(path: Path, data: bytes, mode: str = "xb") -> None:
    """Write a file and put its bytes on the disk; only its folder's entry is not yet there."""
    with path.open(mode, buffering=0) as file:
        write_all(file.fileno(), data)
        os.fsync(file.fileno())


def write(path: Path, data: bytes) -> None:
    """Write a file so that, whatever dies, it is there whole or as it was before."""
    part = path.with_name(f"{path.name}.part")
    with guarded(path):
        try:
            write_new(part, data, mode="wb")  # over what a death in here has left
        except OSError:
            part.unlink(missing_ok=True)  # others need the room that is left
            raise
        part.replace(path)
        sync(path.parent)
