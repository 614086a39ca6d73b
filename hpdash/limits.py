"""What the operating system grants this process: processors, a place to write to, enough open files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from . import disk
from .errors import BackendError

FILES = 64  # that a process opens by itself, TensorFlow and all
FILES_A_WORKER = 4  # that its driver opens for each


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_folder(folder: Path) -> None:
    """Make sure that a folder can be made or written to; LogdirError says why not. Nothing is written."""
    with disk.guarded(folder):
        nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(nearest, os.W_OK | os.X_OK):
            why = errno.EROFS if os.statvfs(nearest).f_flag & os.ST_RDONLY else errno.EACCES
            raise OSError(why, os.strerror(why))


def check_files(workers: int) -> None:
    """Make sure that this process may open the files that so many workers need; BackendError says what to type."""
    import resource  # noqa: PLC0415 - Windows has none; logs are only read there

    needed, (allowed, _) = FILES + FILES_A_WORKER * workers, resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != allowed < needed:
        raise BackendError(
            f"expected room for {needed} open files, found a limit of {allowed}. Type ulimit -n {needed} first."
        )
