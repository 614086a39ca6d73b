"""Find and end all processes that a process has started, also those that have left its session or lost their parent.

Linux only; on other systems, the functions do nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # options of prctl(2)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends, so that they can be found."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def end_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def kill_descendants(marker: bytes = b"") -> None:
    """Kill the children of this process whose environment has the marker, then their children, and wait for them.

    When a child ends, its own children become children of this process, if `adopt_orphans` was called before. An empty
    marker matches all children.
    """
    while children := [child for child in _children() if _has(child, marker)]:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        for child in children:
            with suppress(ChildProcessError):
                os.waitpid(child, 0)


def reap_orphans(running: int) -> None:
    """Remove ended children from the system's table of processes, except the child `running`."""
    for child in _children():
        if child != running:
            with suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)


def _has(child: int, marker: bytes) -> bool:
    """Return whether a process was started with the marker in its environment.

    Also return True for a process that is ending and has no environment any more: its own children become children of
    this process only once it has ended, so the caller has to wait for it.
    """
    try:
        environment = Path(f"/proc/{child}/environ").read_bytes()
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return marker in environment or not environment


def _children() -> list[int]:
    found: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, path.read_text().split())
    return found
