"""What a backend is: a place where trials run, which asks a queue for the next one and says what happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..trial import Event, TrialSpec


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at a trial: what to train, into which run folder, in which session group, about how long."""

    spec: TrialSpec
    attempt: int
    run: Path
    group: str
    seconds: float = 0.0


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
        """Hand out a task: of a graph the worker has, else of one no worker has, else of any.

        Among graphs, the one with the most work left goes first, so that workers end at about the same time.
        """
        if not self._waiting:
            return None
        keys = {task.spec.graph_key for task in self._waiting}
        candidates = (keys & compiled) or (keys - self._claimed) or keys
        left = dict.fromkeys(candidates, 0.0)
        for task in self._waiting:
            if task.spec.graph_key in left:
                left[task.spec.graph_key] += task.seconds
        most = max(left.values())
        task = next(task for task in self._waiting if left.get(task.spec.graph_key) == most)
        self._waiting.remove(task)
        self._claimed.add(task.spec.graph_key)
        return task
