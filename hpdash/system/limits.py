"""Find out what the system allows this process to use: processors, GPUs, folders and open files."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from ..errors import BackendError
from . import disk

OPEN_FILES = 64  # files that a process itself opens, including TensorFlow's
OPEN_FILES_PER_WORKER = 4  # files that the driver opens for each worker


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def has_gpu() -> bool:
    """Return whether NVIDIA's tool finds a GPU on this machine."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False)
    return listed.returncode == 0 and "GPU 0" in listed.stdout


def check_folder(folder: Path) -> None:
    """Check that a folder can be created or written to, without writing; raises LogdirError with the reason if not."""
    with disk.guarded(folder):
        nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(nearest, os.W_OK | os.X_OK):
            why = errno.EROFS if os.statvfs(nearest).f_flag & os.ST_RDONLY else errno.EACCES
            raise OSError(why, os.strerror(why))


def check_files(workers: int) -> None:
    """Check that this process may open the files that a number of workers need.

    Raises BackendError if not; the message has the command that increases the limit.
    """
    import resource  # noqa: PLC0415 - Windows has none; logs are only read there

    needed, (allowed, _) = OPEN_FILES + OPEN_FILES_PER_WORKER * workers, resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != allowed < needed:
        raise BackendError(
            f"hpdash needs to open {needed} files, but the limit is {allowed}. Run `ulimit -n {needed}` first."
        )
