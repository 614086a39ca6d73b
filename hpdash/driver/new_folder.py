"""Make and lock the folder in which a sweep starts."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from ..errors import LockedError
from ..journal.journal import lock
from ..spec import Sweep
from ..sweep_folder import folder as sweep_folder
from ..system import disk


def start_folder(folder: Path, sweep: Sweep, new: bool, stack: ExitStack) -> Path:
    """Make and lock the folder of a sweep, and return its path. The lock is released when `stack` closes.

    With `new`, take the first unused folder `NAME-2`, `NAME-3`, … instead.
    """
    if new:
        free = sweep_folder.free_folders(folder.parent, sweep)
        return next(each for each in free if _lock_if_free(each, stack))
    stack.enter_context(_make_and_lock(folder))
    return folder


def _lock_if_free(folder: Path, stack: ExitStack) -> bool:
    with ExitStack() as held:
        try:
            held.enter_context(_make_and_lock(folder))
        except LockedError:
            return False
        if free := sweep_folder.is_free(folder):  # again: another driver may have started and ended there
            stack.push(held.pop_all())
        return free


def _make_and_lock(folder: Path) -> AbstractContextManager[None]:
    with disk.guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)  # another driver may just have made it; the lock decides
        disk.sync(folder.parent)
    return lock(folder)
