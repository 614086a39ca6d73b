"""Truths of the Ray backend that no cluster shows in seconds, with one that does what a test has written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hpdash.backends import ray as backend
from hpdash.backends.actor import Arrived
from hpdash.backends.base import Queue, Task
from hpdash.backends.cluster import Cluster
from hpdash.backends.worker import Report, Setup
from hpdash.data import Dataset
from hpdash.errors import BackendError, DataError, HpdashError
from hpdash.goal import Goal
from hpdash.records import Ended, Event, Notice, Progress, Started, TrialResult, TrialSpec, TrialState
from hpdash.system.versions import versions

DATA = Dataset("made", np.zeros((2, 2), np.float32), np.zeros(2, np.int32), classes=1)
SETTINGS = {"data": {"name": "made"}, "model": {}, "train": {"epochs": 1}, "log": {}}
FINISHED = Report(TrialResult(TrialState.FINISHED), 1)


class RayError(Exception):
    """Stands for every error of Ray's."""


@dataclass
class Answer:
    """What `ray.get` finds at a reference: a value, or an error to raise."""

    value: Any

    __hash__ = object.__hash__


@dataclass
class Fake:
    """An actor that arrives, and answers with its news in turn; what it was ordered is kept."""

    batches: Iterator[Any]
    arrives: Any
    orders: list[Any] = field(default_factory=list)

    def __getattr__(self, method: str) -> Any:
        return SimpleNamespace(remote=getattr(self, f"on_{method}"))

    def on_arrived(self) -> Answer:
        """Say where it is, or die before."""
        return Answer(self.arrives)

    def on_order(self, number: int, order: Any, _: Any) -> None:
        """Keep the order."""
        assert number == len(self.orders) + 1
        self.orders.append(order)

    def on_news(self, seen: int) -> Answer:
        """Give the next news."""
        found = next(self.batches)
        return Answer(found if isinstance(found, Exception) else (seen + 1, found))

    def on_leave(self) -> Answer:
        """Leave."""
        return Answer(None)


class FakeRay:
    """Ray, as far as the backend uses it: everything that is awaited is there."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, *actors: Fake) -> None:
        self._coming, self.begun = iter(actors), list[Fake]()

    def remote(self, **_: Any) -> Callable[[type], Any]:
        """Make an actor class."""

        def begin(*_: Any) -> Fake:
            self.begun.append(next(self._coming))
            return self.begun[-1]

        return lambda _: SimpleNamespace(remote=begin)

    def method(self, **_: Any) -> Callable[[Any], Any]:
        """Leave a method as it is."""
        return lambda method: method

    def wait(self, references: list[Answer], **_: Any) -> tuple[list[Answer], list[Answer]]:
        """All is there."""
        return references, []

    def get(self, reference: Answer) -> Any:
        """Return it, or raise."""
        if isinstance(reference.value, Exception):
            raise reference.value
        return reference.value

    def put(self, value: Any) -> Any:
        """Keep a data set."""
        return value

    def nodes(self) -> list[dict[str, Any]]:
        """One machine, that stays."""
        return [{"NodeID": "node", "Alive": True, "Resources": {"CPU": 2.0}}]

    def kill(self, actor: Fake) -> None:
        """End an actor."""

    def shutdown(self) -> None:
        """End."""


HERE = Arrived("node", "host", versions())


def actor(*news: Any, arrives: Any = HERE) -> Fake:
    """Return an actor with so many batches of news, and none after them."""
    return Fake(iter([*news, *[[]] * 99]), arrives)


@dataclass
class Stage:
    """A backend on a fake Ray, and the queue of its tasks."""

    backend: backend.RayBackend
    queue: Queue

    def run(self, most: int = 60) -> list[Event]:
        """Return what happens in so many steps."""
        steps = self.backend.run(self.queue)
        return [event for _, event in zip(range(most), steps, strict=False) if event is not None]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stage]:
    """Return what makes a stage of actors, by default with one task for each."""

    def make(
        *actors: Fake, tasks: int | None = None, workers: int = 1, load: Callable[[Any], Dataset] = lambda _: DATA
    ) -> Stage:
        connection = SimpleNamespace(ray=FakeRay(*actors), ours=True, is_sent=False, answers=lambda: True)
        monkeypatch.setattr(backend, "connect", lambda *_: connection)
        made = backend.RayBackend(Setup(tmp_path), Cluster(), workers, load, tmp_path)
        specs = [
            TrialSpec(number, number, 0, {}, SETTINGS, "validation/accuracy", Goal.MAX)
            for number in range(len(actors) if tasks is None else tasks)
        ]
        return Stage(made, Queue(Task(spec, 1, tmp_path / f"{spec.number:04d}", "group") for spec in specs))

    return make


def results(events: list[Event]) -> list[TrialResult]:
    """Return how attempts ended."""
    return [event.result for event in events if isinstance(event, Ended)]


def test_a_trial_is_handed_out_and_ends(stage: Callable[..., Stage]) -> None:
    """It starts, tells how far it is, and ends; one actor takes the next trial too."""
    progress = Progress(0, 1, 1, 0.0)
    made = stage(actor([progress, FINISHED], [FINISHED]), tasks=2)
    events = made.run()
    assert [type(event) for event in events] == [Started, Progress, Ended, Started, Ended]
    assert results(events) == [FINISHED.result] * 2


def test_a_signal_while_a_trial_is_handed_out_reaches_it(stage: Callable[..., Stage]) -> None:
    """A driver that is stopped at the very moment a trial starts tells it so after its task."""
    worker = actor([FINISHED])
    made = stage(worker)
    for event in made.backend.run(made.queue):
        if isinstance(event, Started):
            made.backend.interrupt()
    task, stop = worker.orders
    assert task.task.spec.number == 0
    assert stop is None


def test_a_full_disk_elsewhere_is_that_machines_trouble(stage: Callable[..., Stage]) -> None:
    """What a worker could not write costs its attempt, with the machine's name, and is not taken for our disk."""
    full = Report(TrialResult(TrialState.INTERRUPTED, error="/tmp/x: No space left on device"), 1)
    (result,) = results(stage(actor([full])).run())
    assert result.state is TrialState.KILLED
    assert result.error == "worker 0 on host: /tmp/x: No space left on device"


def test_data_that_do_not_load_fail_their_trial(stage: Callable[..., Stage]) -> None:
    """A data set that is not there when it is needed costs its trial, and no other."""

    def load(_: Any) -> Dataset:
        raise DataError("it is gone")

    (result,) = results(stage(actor(), load=load).run())
    assert (result.state, result.error) == (TrialState.FAILED, "it is gone")


@pytest.mark.parametrize("reason", ["boom", "connection error code 2. (1) the process was killed by the OOM killer"])
def test_workers_that_die_before_they_can_train(stage: Callable[..., Stage], reason: str) -> None:
    """After three in a row it is given up, with the reason, which is no want of memory unless Ray says so."""
    made = stage(*(actor(arrives=RayError(reason)) for _ in range(3)))
    with pytest.raises(BackendError, match=r"3 workers .*: worker 2 died: ") as error:
        made.run()
    assert "fewer --workers" not in str(error.value)


def test_one_unfit_machine_stops_no_sweep(stage: Callable[..., Stage]) -> None:
    """Where others train, workers that die before they can are told once, and no more are begun for a while."""
    unfit = [actor(arrives=RayError("no module named hpdash")) for _ in range(4)]
    made = stage(actor([Progress(0, 0, 1, 0.0)], *[[]] * 20, [FINISHED]), *unfit, tasks=2, workers=2)
    events = made.run()
    (notice,) = [event.text for event in events if isinstance(event, Notice)]
    assert notice.startswith("worker 3 died: no module named hpdash; ")
    assert "60 s" in notice
    assert FINISHED.result in results(events)


def test_a_machine_that_goes_before_its_worker_arrives_is_no_death_of_a_worker(stage: Callable[..., Stage]) -> None:
    """However many are lost with their machines, the next one is begun."""
    gone = [actor(arrives=RayError("The actor died because its node has died.")) for _ in range(5)]
    assert results(stage(*gone, actor([FINISHED]), tasks=1).run()) == [FINISHED.result]


def test_a_machine_with_other_versions_is_told(stage: Callable[..., Stage]) -> None:
    """Its bits may be others, and it may know of a package that the driver does not."""
    other = Arrived("node", "host", {**versions(), "numpy": "0.1", "else": "2"})
    (notice,) = [event for event in stage(actor([FINISHED], arrives=other)).run() if isinstance(event, Notice)]
    assert "worker 0 on host has numpy 0.1 instead of" in notice.text
    assert "else 2 instead of None" in notice.text


def test_whoever_waits_for_a_moment_has_it(stage: Callable[..., Stage]) -> None:
    """However often workers answer that there is nothing new, the driver gets to look at its signals."""
    made = stage(actor())
    steps = made.backend.run(made.queue)
    assert [next(steps) for _ in range(20)][5:] == [None] * 15


def test_an_error_of_rays_is_one_of_ours(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the object store or the network refuses ends the sweep in words, without a traceback."""
    made = stage(actor())

    def refuse(_: Any) -> Any:
        raise RayError("the object store is full")

    monkeypatch.setattr(FakeRay, "put", lambda _, value: refuse(value))
    with pytest.raises(HpdashError, match=r"Ray cluster .*: the object store is full"):
        made.run()
