"""Signals as a driver sees them: counted, never raised, so that nothing is left half done."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Count SIGINT, SIGTERM and SIGHUP while entered; elsewhere than in the main thread, count none."""

    def __init__(self) -> None:
        self.count = 0
        self.last: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in WATCHED}
        return self

    def _note(self, number: int, _: FrameType | None) -> None:
        self.count += 1
        self.last = number

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
