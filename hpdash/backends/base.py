"""What a backend is: a place where trials run, which asks a queue for the next one and says what happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..trial import Event, TrialSpec


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at a trial: what to train, into which run folder, in which session group."""

    spec: TrialSpec
    attempt: int
    run: Path
    group: str


class Backend(Protocol):
    """A place where trials run."""

    def run(self, queue: Queue) -> Iterator[Event | None]:
        """Run the queue's tasks until none is left, yielding what happens, and None when nothing did for a while."""

    def interrupt(self) -> None:
        """Start nothing more; running trials stop as soon as they can and end as interrupted."""

    def close(self) -> None:
        """End every worker now."""


class Queue:
    """The tasks still to run, handed out so that trials of one graph go to the worker that has compiled it."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._waiting = list(tasks)
        self._claimed: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, compiled: Set[str]) -> Task | None:
        """Hand out a task: of a graph the worker has, else of one no worker has, else of the longest line."""
        if not self._waiting:
            return None
        mine = (task for task in self._waiting if task.spec.graph_key in compiled)
        unclaimed = (task for task in self._waiting if task.spec.graph_key not in self._claimed)
        task = next(mine, None) or next(unclaimed, None) or self._longest_line()
        self._waiting.remove(task)
        self._claimed.add(task.spec.graph_key)
        return task

    def _longest_line(self) -> Task:
        keys = [task.spec.graph_key for task in self._waiting]
        return self._waiting[keys.index(max(keys, key=keys.count))]

    def clear(self) -> None:
        """Forget what is waiting."""
        self._waiting.clear()
