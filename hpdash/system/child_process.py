"""What a child process of a driver does first."""

from __future__ import annotations

import multiprocessing
import os
import threading
from contextlib import suppress
from pathlib import Path

from . import lazy_imports
from .signals import ignore_signals


def prepare_child(name: str) -> None:
    """Leave signals to the driver, end when the parent process ends, and import Keras faster; `name` is for `ps`."""
    ignore_signals()
    set_process_name(name)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    lazy_imports.install()


def set_process_name(name: str) -> None:
    """Set this process's name, at most 15 characters, if the system lets a process choose it."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
