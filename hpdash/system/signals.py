"""Signal handling of a driver: signals are counted and raise no exception, so that no step is left half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType, TracebackType
from typing import Any

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """End a sweep that was asked to stop before its first trial; not an error."""


class Signals:
    """Count SIGINT, SIGTERM and SIGHUP inside a `with` block; outside the main thread, count nothing.

    A signal that is already ignored stays ignored, because `nohup` and a shell's background jobs ask for that.

    Args:
        ends_program: whether the program ends after the block. If a signal has arrived by then, SIGTERM and SIGHUP are
            ignored after the block, because a repeated one would kill the program before it prints its results.
    """

    def __init__(self, ends_program: bool = False) -> None:
        self._ends_program = ends_program
        self.count = 0
        self.last: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def check(self) -> None:
        """Raise Stopped if a signal has arrived."""
        if self.count:
            raise Stopped

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            heard = (number for number in WATCHED if signal.getsignal(number) != signal.SIG_IGN)
            self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def _note(self, number: int, _: FrameType | None) -> None:
        self.count += 1
        self.last = number

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        ends = self._ends_program and self.count > 0
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if ends and number != signal.SIGINT else handler)


@contextmanager
def blocked_signals() -> Iterator[None]:
    """Block signals while a child process starts; the child inherits the block until it calls `ignore_signals`.

    A terminal signals the whole process group, and a child that is still importing would print a traceback.
    """
    resource_tracker.ensure_running()  # before signals are blocked, because starting it unblocks them
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)


def ignore_signals() -> None:
    """Ignore the signals in a child process, which only its driver may stop; also those that arrived while blocked."""
    for number in WATCHED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
