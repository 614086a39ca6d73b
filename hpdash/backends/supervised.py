"""What a driver knows about a worker of any backend: its task, graphs and memory, and whether its task is overdue."""

from __future__ import annotations

from collections import deque

from ..records import Notice, Progress, Reached
from ..training.trainer import GRAPHS_KEPT
from .base import Task
from .worker import AttemptReport

GROWTH = 3 * 2**30  # bytes a worker's memory may grow after its first trial before it is replaced
LONGEST_TICK = 2.0  # seconds; a longer time between two checks counts as this, because the machine may have slept
LONGEST_START = 120.0  # seconds for the imports of a new worker, in addition to the attempt's timeout
HUNG_SECONDS = 10.0  # an attempt that times out counts as hung if it was silent for longer, and for half its timeout
DEATHS_AT_START = 3  # if so many workers in a row die before they can train, no more are started
OUTGROWN = f"its memory use grew by more than {GROWTH / 2**30:.0f} GiB"


class Supervised:
    """One worker, and its attempt at a trial.

    `task` is None while the worker has no task. `compiled` has the keys of the graphs that the worker keeps, the most
    recently used last. `has_sent` says whether the worker has ever sent a message.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.task: Task | None = None
        self.compiled: deque[str] = deque(maxlen=GRAPHS_KEPT)
        self.has_sent = False
        self._last: Progress | None = None
        self._elapsed = self._silent = 0.0  # seconds of this attempt, and since its last message
        self._first_peak: int | None = None
        self._peak = 0

    @property
    def outgrown(self) -> bool:
        """Whether the worker's memory has grown so much that it should be replaced."""
        return self._first_peak is not None and self._peak - self._first_peak > GROWTH

    def begin(self, task: Task) -> None:
        """Record that the worker gets a task: its time starts, and its graph is now the most recently used one."""
        self.task = task
        if task.spec.graph_key in self.compiled:
            self.compiled.remove(task.spec.graph_key)  # `compiled` has the order in which the worker drops graphs
        self.compiled.append(task.spec.graph_key)
        self._last, self._elapsed, self._silent = None, 0.0, 0.0

    def receive(self, message: Progress | Reached | Notice) -> None:
        """Record a message from the worker."""
        self.has_sent, self._silent = True, 0.0
        if isinstance(message, Progress):
            self._elapsed = self._elapsed if self._last else 0.0  # before the first progress, the worker was starting
            self._last = message

    def finish(self, report: AttemptReport) -> None:
        """Record that the worker's attempt has ended, and its peak memory."""
        self.task, self._peak = None, report.peak_memory
        self._first_peak = self._first_peak or report.peak_memory

    def advance(self, seconds: float) -> None:
        """Add to the time that the attempt has taken, and to the time since the worker's last message."""
        self._elapsed += seconds
        self._silent += seconds

    def is_overdue(self, timeout: float) -> bool:
        """Return whether the attempt has taken more than `timeout` seconds.

        Before the first progress message, the worker may still be starting, and gets `LONGEST_START` seconds more.
        """
        return self._elapsed > (timeout if self._last else timeout + LONGEST_START)

    def lateness(self, timeout: float) -> str:
        """Return the error message of an attempt that timed out: its limit, its epoch, and whether it hangs."""
        progress, silent = self._last, f"and had sent no message for {self._silent:.0f} s: it hangs"
        unit = self.task.spec.unit if self.task else "epoch"
        at = f"before its first {unit}"
        if progress:
            at = (
                f"in epoch {progress.epoch + 1} of {progress.epochs}"
                if unit == "epoch"
                else f"at step {progress.epoch}"
            )
        hangs = self._silent > max(HUNG_SECONDS, timeout / 2)
        return f"timed out: it took more than {timeout:g} s, was {at}{f' {silent}' if hangs else ''}"
