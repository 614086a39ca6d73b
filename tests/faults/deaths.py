"""Deaths of a process: a fork that ends itself before, during or after its n-th change of the disk.

A change is a call of `os` that alters the disk or waits for it.
"""

from __future__ import annotations

import fcntl
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGES = ("write", "fsync", "replace", "rename", "ftruncate", "truncate", "mkdir", "unlink", "rmdir")
DIED = 137
RAISED = 99


@dataclass(frozen=True)
class Point:
    """Where to die: the index of a change, and "before" it, in its "middle" or "after" it."""

    change: int
    when: str


@dataclass(frozen=True)
class Change:
    """One change: the name of the `os` function, and the path that it changes."""

    name: str
    path: str


def in_fork(work: Callable[[], int], errors: Path) -> int:
    """Return the exit code of a fork that does the work, or RAISED if the work raises."""
    pid = os.fork()
    if not pid:
        try:
            os._exit(work())
        except BaseException:
            errors.write_text(traceback.format_exc())
            os._exit(RAISED)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def watch(point: Point | None, seen: list[Change]) -> None:
    """Record every change from now on, and die at the point."""
    for name in CHANGES:
        setattr(os, name, _watched(name, getattr(os, name), point, seen))


def _watched(name: str, change: Callable[..., Any], point: Point | None, seen: list[Change]) -> Callable[..., Any]:
    def watched(*arguments: Any, **options: Any) -> Any:
        here = point is not None and point.change == len(seen)
        seen.append(Change(name, _path(arguments[0])))
        if here and point.when == "middle" and name == "write":
            change(arguments[0], arguments[1][: len(arguments[1]) // 2])
        if here and point.when != "after":
            os._exit(DIED)
        try:  # the kernel keeps what a dead process wrote; fsync only protects from power cuts, and it is slow
            return None if name == "fsync" else change(*arguments, **options)
        finally:
            if here:
                os._exit(DIED)

    return watched


def _path(target: Any) -> str:
    if not isinstance(target, int):
        return os.fspath(target)
    if sys.platform == "darwin":
        return fcntl.fcntl(target, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0").decode()
    return str(Path(f"/proc/self/fd/{target}").readlink())
