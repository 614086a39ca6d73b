"""A temporary folder of one process. If that process is killed, the next process that makes one deletes it."""

from __future__ import annotations

import fcntl
import platform
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "hpdash-scratch-"
MARK = ".hpdash-scratch"  # a file that is locked while the process lives; only a scratch folder has one


class Scratch:
    """A temporary folder in `parent`, by default in the system's folder for temporary files.

    Making one deletes those of processes that no longer exist.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        prefix = f"{PREFIX}{re.sub('[^A-Za-z0-9]', '-', platform.node())}-"  # other machines may share the parent
        for left in parent.glob(f"{prefix}*"):
            with suppress(OSError):  # of another user, in use, or deleted meanwhile
                _delete_left(left)
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        unlocked = self.folder / f"{MARK}~"
        self._lock = unlocked.open("wb")
        with suppress(OSError):  # if the file system has no locks, the folder gets no mark, and nobody deletes it
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            unlocked.rename(self.folder / MARK)  # the file is locked before another process can find it

    def close(self) -> None:
        """Delete the folder; further calls do nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def _delete_left(folder: Path) -> None:
    with (folder / MARK).open("r+b") as lock:  # NFS locks exclusively only what is open for writing
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
