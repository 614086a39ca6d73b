"""What a file system may refuse, as one clear error; and what must be on the disk before work goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LogdirError


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn an OSError inside into a LogdirError that names the path, the cause and the bytes free."""
    try:
        yield
    except OSError as error:
        raise LogdirError(
            f"{path}: expected to read and write here, found: {error.strerror or error} ({_free(path)} bytes free). "
            "Make room or give another --logdir, then run the same command again: what is finished is kept."
        ) from error


def _free(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free:,}"
    except OSError:
        return "unknown"


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk, so that a file created in it is still there after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(path: Path, data: bytes) -> None:
    """Write a file so that, whatever dies, it is there whole or as it was before."""
    part = path.with_name(f"{path.name}.part")
    with guarded(path):
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
