"""Tests of the Ray backend with a scripted fake Ray, for cases that a real cluster cannot produce within seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hpdash.backends import ray as backend
from hpdash.backends.actor import WorkerInfo
from hpdash.backends.base import Queue, Task
from hpdash.backends.cluster import Cluster
from hpdash.backends.worker import AttemptReport, WorkerSetup
from hpdash.data import Dataset
from hpdash.errors import BackendError, DataError, HpdashError
from hpdash.goal import Goal
from hpdash.records import Ended, Event, Notice, Progress, Started, TrialResult, TrialSpec, TrialState
from hpdash.system.versions import versions

DATA = Dataset("made", np.zeros((2, 2), np.float32), np.zeros(2, np.int32), classes=1)
SETTINGS = {"data": {"name": "made"}, "model": {}, "train": {"epochs": 1}, "log": {}}
FINISHED = AttemptReport(TrialResult(TrialState.FINISHED), 1)


class RayError(Exception):
    """Represents every exception that Ray raises."""


@dataclass
class Answer:
    """A reference for `ray.get`: a value to return, or an error to raise."""

    value: Any

    __hash__ = object.__hash__


@dataclass
class Fake:
    """An actor that starts, reports its batches of news one after another, and records its orders."""

    batches: Iterator[Any]
    arrives: Any
    orders: list[Any] = field(default_factory=list)

    def __getattr__(self, method: str) -> Any:
        return SimpleNamespace(remote=getattr(self, f"on_{method}"))

    def on_arrived(self) -> Answer:
        """Return the machine of the actor, or the error with which it died at the start."""
        return Answer(self.arrives)

    def on_order(self, number: int, order: Any, _: Any) -> None:
        """Record the order."""
        assert number == len(self.orders) + 1
        self.orders.append(order)

    def on_messages(self, seen: int) -> Answer:
        """Return the next batch of news."""
        found = next(self.batches)
        return Answer(found if isinstance(found, Exception) else (seen + 1, found))

    def on_delete_folder(self) -> Answer:
        """Accept the request."""
        return Answer(None)


class FakeRay:
    """The part of Ray that the backend uses; every awaited reference is ready."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, *actors: Fake) -> None:
        self._coming, self.started = iter(actors), list[Fake]()

    def remote(self, **_: Any) -> Callable[[type], Any]:
        """Return a decorator that makes an actor class, which starts the given actors in order."""

        def begin(*_: Any) -> Fake:
            self.started.append(next(self._coming))
            return self.started[-1]

        return lambda _: SimpleNamespace(remote=begin)

    def method(self, **_: Any) -> Callable[[Any], Any]:
        """Return a decorator that leaves a method unchanged."""
        return lambda method: method

    def wait(self, references: list[Answer], **_: Any) -> tuple[list[Answer], list[Answer]]:
        """Report that all references are ready."""
        return references, []

    def get(self, reference: Answer) -> Any:
        """Return the value of a reference, or raise its error."""
        if isinstance(reference.value, Exception):
            raise reference.value
        return reference.value

    def put(self, value: Any) -> Any:
        """Return a stored object as its own reference."""
        return value

    def nodes(self) -> list[dict[str, Any]]:
        """Describe a single machine that stays alive."""
        return [{"NodeID": "node", "Alive": True, "Resources": {"CPU": 2.0}}]

    def kill(self, actor: Fake) -> None:
        """Do nothing."""

    def shutdown(self) -> None:
        """Do nothing."""


HERE = WorkerInfo("node", "host", versions())


def actor(*news: Any, arrives: Any = HERE) -> Fake:
    """Return an actor that reports the given batches of news, then only empty ones."""
    return Fake(iter([*news, *[[]] * 99]), arrives)


@dataclass
class Stage:
    """A backend on a fake Ray, with its queue of tasks."""

    backend: backend.RayBackend
    queue: Queue

    def run(self, most: int = 60) -> list[Event]:
        """Return the events of the first `most` steps."""
        steps = self.backend.run(self.queue)
        return [event for _, event in zip(range(most), steps, strict=False) if event is not None]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stage]:
    """Return a function that makes a stage of the given actors, by default with one task for each."""

    def make(
        *actors: Fake, tasks: int | None = None, workers: int = 1, load: Callable[[Any], Dataset] = lambda _: DATA
    ) -> Stage:
        connection = SimpleNamespace(ray=FakeRay(*actors), ours=True, is_code_copied=False, answers=lambda: True)
        monkeypatch.setattr(backend, "connect", lambda *_: connection)
        made = backend.RayBackend(WorkerSetup(tmp_path), Cluster(), workers, load, tmp_path)
        specs = [
            TrialSpec(number, number, 0, {}, SETTINGS, "validation/accuracy", Goal.MAX)
            for number in range(len(actors) if tasks is None else tasks)
        ]
        return Stage(made, Queue(Task(spec, 1, tmp_path / f"{spec.number:04d}", "group") for spec in specs))

    return make


def results(events: list[Event]) -> list[TrialResult]:
    """Return the results of all attempts that ended."""
    return [event.result for event in events if isinstance(event, Ended)]


def test_a_trial_is_handed_out_and_ends(stage: Callable[..., Stage]) -> None:
    """A trial starts, reports its progress and ends; then the same actor gets the next trial."""
    progress = Progress(0, 1, 1, 0.0)
    made = stage(actor([progress, FINISHED], [FINISHED]), tasks=2)
    events = made.run()
    assert [type(event) for event in events] == [Started, Progress, Ended, Started, Ended]
    assert results(events) == [FINISHED.result] * 2


def test_a_signal_while_a_trial_is_handed_out_reaches_it(stage: Callable[..., Stage]) -> None:
    """If the driver is interrupted just when a trial starts, the worker is told to stop after it got its task."""
    worker = actor([FINISHED])
    made = stage(worker)
    for event in made.backend.run(made.queue):
        if isinstance(event, Started):
            made.backend.interrupt()
    task, stop = worker.orders
    assert task.task.spec.number == 0
    assert stop is None


def test_a_full_disk_elsewhere_is_that_machines_trouble(stage: Callable[..., Stage]) -> None:
    """If a worker cannot write, only its attempt fails, and the error names the worker's machine.

    The driver must not take it for a full disk of its own.
    """
    full = AttemptReport(TrialResult(TrialState.INTERRUPTED, error="/tmp/x: No space left on device"), 1)
    (result,) = results(stage(actor([full])).run())
    assert result.state is TrialState.KILLED
    assert result.error == "worker 0 on host: /tmp/x: No space left on device"


def test_data_that_do_not_load_fail_their_trial(stage: Callable[..., Stage]) -> None:
    """If a data set cannot be loaded, only the trial that needs it fails."""

    def load(_: Any) -> Dataset:
        raise DataError("it is gone")

    (result,) = results(stage(actor(), load=load).run())
    assert (result.state, result.error) == (TrialState.FAILED, "it is gone")


@pytest.mark.parametrize("reason", ["boom", "connection error code 2. (1) the process was killed by the OOM killer"])
def test_workers_that_die_before_they_can_train(stage: Callable[..., Stage], reason: str) -> None:
    """After three workers in a row have died before training, the sweep ends with the reason.

    The error suggests fewer workers only if Ray reports a lack of memory.
    """
    made = stage(*(actor(arrives=RayError(reason)) for _ in range(3)))
    with pytest.raises(BackendError, match=r"3 workers .*: worker 2 died: ") as error:
        made.run()
    assert "fewer --workers" not in str(error.value)


def test_one_unfit_machine_stops_no_sweep(stage: Callable[..., Stage]) -> None:
    """While other workers train, workers that die before training do not end the sweep.

    They cause a single notice, and no new workers are started for a while.
    """
    unfit = [actor(arrives=RayError("no module named hpdash")) for _ in range(4)]
    made = stage(actor([Progress(0, 0, 1, 0.0)], *[[]] * 20, [FINISHED]), *unfit, tasks=2, workers=2)
    events = made.run()
    (notice,) = [event.text for event in events if isinstance(event, Notice)]
    assert notice.startswith("worker 3 died: no module named hpdash; ")
    assert "60 s" in notice
    assert FINISHED.result in results(events)


def test_a_machine_that_goes_before_its_worker_arrives_is_no_death_of_a_worker(stage: Callable[..., Stage]) -> None:
    """A worker that is lost with its machine does not count as a dead worker.

    However many are lost in this way, the next one is started.
    """
    gone = [actor(arrives=RayError("The actor died because its node has died.")) for _ in range(5)]
    assert results(stage(*gone, actor([FINISHED]), tasks=1).run()) == [FINISHED.result]


def test_a_machine_with_other_versions_is_told(stage: Callable[..., Stage]) -> None:
    """A machine with other package versions causes a notice, because its results may differ in their bits.

    The notice also names packages that the driver does not have.
    """
    other = WorkerInfo("node", "host", {**versions(), "numpy": "0.1", "else": "2"})
    (notice,) = [event for event in stage(actor([FINISHED], arrives=other)).run() if isinstance(event, Notice)]
    assert "worker 0 on host has numpy 0.1 instead of" in notice.text
    assert "else 2 instead of None" in notice.text


def test_a_waiting_driver_can_handle_signals(stage: Callable[..., Stage]) -> None:
    """Even if workers never have news, the backend yields often, so that the driver can handle signals."""
    made = stage(actor())
    steps = made.backend.run(made.queue)
    assert [next(steps) for _ in range(20)][5:] == [None] * 15


def test_an_error_of_rays_is_one_of_ours(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of Ray's object store or network ends the sweep with a message and without a traceback."""
    made = stage(actor())

    def refuse(_: Any) -> Any:
        raise RayError("the object store is full")

    monkeypatch.setattr(FakeRay, "put", lambda _, value: refuse(value))
    with pytest.raises(HpdashError, match=r"Ray cluster .*: the object store is full"):
        made.run()
