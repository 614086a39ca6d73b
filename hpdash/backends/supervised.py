"""A worker as its driver sees it, wherever it runs: what it has compiled, and how its attempt at a trial goes."""

from __future__ import annotations

from collections import deque

from ..train import GRAPHS_KEPT
from ..trial import Notice, Progress, Reached
from .base import Task
from .worker import Report

GROWTH = 3 * 2**30  # bytes a worker's memory may grow after its first trial before it is replaced
LONGEST_TICK = 2.0  # seconds that count at most between two looks: the machine may have slept
LONGEST_START = 120.0  # seconds a worker may take to import what it needs, before an attempt's time begins
HUNG_SECONDS = 10.0  # of silence, from which an attempt that timed out is said to hang
DEATHS_AT_START = 3  # workers that may die in a row before they are ready to train
OUTGROWN = f"its memory had grown by more than {GROWTH / 2**30:.0f} GiB"


class Supervised:
    """One worker, and the attempt it makes: `task` is None while it waits for one."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.task: Task | None = None
        self.compiled: deque[str] = deque(maxlen=GRAPHS_KEPT)
        self.spoke = False
        self._last: Progress | None = None
        self._elapsed = self._silent = 0.0  # seconds of this attempt, and since it was last heard of
        self._first_peak: int | None = None
        self._peak = 0

    @property
    def outgrown(self) -> bool:
        """Whether its memory has grown so much that it is better replaced."""
        return self._first_peak is not None and self._peak - self._first_peak > GROWTH

    def begin(self, task: Task) -> None:
        """Note that it has been given a task."""
        self.task = task
        if task.spec.graph_key in self.compiled:
            self.compiled.remove(task.spec.graph_key)  # the worker, too, drops the one used longest ago
        self.compiled.append(task.spec.graph_key)
        self._last, self._elapsed, self._silent = None, 0.0, 0.0

    def heard(self, message: Progress | Reached | Notice) -> None:
        """Note that it has been heard of."""
        self.spoke, self._silent = True, 0.0
        if isinstance(message, Progress):
            self._elapsed = self._elapsed if self._last else 0.0  # what came before was its start
            self._last = message

    def finish(self, report: Report) -> None:
        """Note that its attempt has ended."""
        self.task, self._peak = None, report.peak_memory
        self._first_peak = self._first_peak or report.peak_memory

    def overdue(self, tick: float, timeout: float) -> bool:
        """Count the seconds of a tick; say whether the attempt has taken more than it may, its worker's start apart."""
        self._elapsed += tick
        self._silent += tick
        return self._elapsed > (timeout if self._last else timeout + LONGEST_START)

    def lateness(self, timeout: float) -> str:
        """Say in words how far an attempt got that took too long."""
        progress, silent = self._last, f"and was last heard of {self._silent:.0f} s before: it hangs"
        at = f"in epoch {progress.epoch + 1} of {progress.epochs}" if progress else "before its first epoch"
        hangs = self._silent > max(HUNG_SECONDS, timeout / 2)
        return f"timed out: it took more than {timeout:g} s, was {at}{f' {silent}' if hangs else ''}"
