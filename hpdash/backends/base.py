"""The interface of a backend, and the queue of tasks from which a backend takes what it runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Protocol

from ..data import MappedDataset
from ..records import Event, TrialSpec


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at a trial.

    Attributes:
        spec: the trial to train.
        attempt: the number of the attempt, from 1.
        run: the run folder; it may not exist yet.
        group: the HParams session group of the run.
        seconds: the estimated training time, by which the queue ranks graphs.
        epoch: if not 0, the attempt resumes from the checkpoint in the run folder, after this many finished epochs.
        mapped: the trial's data set in files, if a function of the user has returned it; otherwise None.
    """

    spec: TrialSpec
    attempt: int
    run: Path
    group: str
    seconds: float = 0.0
    epoch: int = 0
    mapped: MappedDataset | None = None


class Backend(Protocol):
    """Where trials run: a backend starts workers when it is made, and trains the tasks of a queue on them.

    tests/README.md has a recipe for a new backend, with all that the driver expects of these methods.
    """

    def run(self, queue: Queue) -> Iterator[Event | None]:
        """Run the queue's tasks until none is left; yield each event, and None if nothing has happened for a while."""

    def answer(self, number: int, goes_on: bool) -> None:
        """Tell the running trial `number`, which waits at a rung (`Reached`), whether it goes on."""

    def interrupt(self) -> None:
        """Start no more trials; running trials stop as soon as they can, and end as `INTERRUPTED`."""

    def close(self) -> None:
        """End every worker now."""


@dataclass(slots=True)
class _Graph:
    """The waiting tasks of one graph, each with its index in the queue, and their total work in microseconds."""

    tasks: deque[tuple[int, Task]] = field(default_factory=deque)
    work: int = 0
    claimed: bool = False

    @property
    def rank(self) -> tuple[bool, int, int]:
        """The sort key of graphs: those that no worker has taken first, then by most work left, then by index."""
        return self.claimed, -self.work, self.tasks[0][0]


class Queue:
    """The tasks still to run; `take` gives trials of one graph to the worker that has compiled it.

    If no task is waiting, `fill` calls `more`, which may put new tasks that depend on the results so far.
    """

    def __init__(self, tasks: Iterable[Task], more: Callable[[], None] = lambda: None) -> None:
        self._more = more
        self._graphs: dict[str, _Graph] = {}
        self._ranks: list[tuple[tuple[bool, int, int], str]] = []  # a heap; outdated ranks stay until they are on top
        self._indices = count()
        self._waiting = 0
        for task in tasks:
            self.put(task)

    def __len__(self) -> int:
        return self._waiting

    def fill(self) -> None:
        """Call `more` if no task is waiting."""
        if not self._waiting:
            self._more()

    def put(self, task: Task) -> None:
        """Add a task at the end of the queue."""
        graph = self._graphs.setdefault(task.spec.graph_key, _Graph())
        graph.tasks.append((next(self._indices), task))
        graph.work += _work(task)
        self._waiting += 1
        heappush(self._ranks, (graph.rank, task.spec.graph_key))

    def take(self, compiled: Collection[str]) -> Task | None:
        """Remove and return a task: of a graph in `compiled`, else of one that no worker has taken, else of any graph.

        Among several graphs, the one with the most work left is chosen, so that all workers end at about the same
        time. Returns None if no task is waiting.
        """
        known = [(self._graphs[key].rank, key) for key in compiled if key in self._graphs]
        key = min(known)[1] if known else self._first()
        if key is None:
            return None
        graph = self._graphs[key]
        _, task = graph.tasks.popleft()
        graph.work -= _work(task)
        graph.claimed = True
        self._waiting -= 1
        if graph.tasks:
            heappush(self._ranks, (graph.rank, key))
        else:
            del self._graphs[key]
        return task

    def _first(self) -> str | None:
        while self._ranks:
            rank, key = self._ranks[0]
            if key in self._graphs and self._graphs[key].rank == rank:
                return key
            heappop(self._ranks)
        return None


def _work(task: Task) -> int:
    return round(task.seconds * 1e6)  # integers, whose sums do not depend on their order
