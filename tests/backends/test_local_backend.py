"""Tests of the local backend with a scripted worker, for a signal at a moment that a real sweep seldom hits."""

from __future__ import annotations

from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from hpdash.backends import children
from hpdash.backends.base import Queue, Task
from hpdash.backends.local import LocalBackend
from hpdash.backends.worker import AttemptReport, WorkerSetup
from hpdash.goal import Goal
from hpdash.records import Ended, Started, TrialResult, TrialSpec, TrialState

SETTINGS = {"data": {"name": "made"}, "model": {}, "train": {"epochs": 1}, "log": {}}
INTERRUPTED = AttemptReport(TrialResult(TrialState.INTERRUPTED), 1)


class ScriptedWorker:
    """A worker in a thread: it trains until it is told to stop, and ends if it is told so without a task."""

    exitcode = 0

    def __init__(self, dies: bool = False) -> None:
        self.dies = dies  # as soon as it has a task
        self.ours, self._theirs = Pipe()
        self.sentinel, self._end = Pipe(duplex=False)
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(EOFError, OSError):  # the backend is closed
            if self.dies:
                self._theirs.recv()
            elif isinstance(self._theirs.recv(), Task) and self._theirs.recv() is None:
                self._theirs.send(INTERRUPTED)
        self._end.close()
        self._theirs.close()

    def is_alive(self) -> bool:
        """Return whether the worker has not ended."""
        return not self.sentinel.poll()

    def kill(self) -> None:
        """Do nothing: a worker that waits ends with the test."""

    join = kill


def test_a_signal_while_a_trial_is_handed_out_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the driver is interrupted just when a trial starts, that trial is interrupted, and no other one starts."""

    def spawn(*_: Any) -> tuple[Connection, ScriptedWorker]:
        made = ScriptedWorker()
        return made.ours, made

    monkeypatch.setattr(children, "spawn", spawn)
    backend = LocalBackend(WorkerSetup(tmp_path, keras=False), workers=3)
    specs = [TrialSpec(number, number, 0, {}, SETTINGS, "loss", Goal.MIN) for number in range(3)]
    events = []
    for event in backend.run(Queue([Task(spec, 1, tmp_path, "") for spec in specs])):
        events.append(event)
        if isinstance(event, Started):
            backend.interrupt()
    states = [event.result.state for event in events if isinstance(event, Ended)]
    assert [event.spec.number for event in events if isinstance(event, Started)] == [0]
    assert states == [TrialState.INTERRUPTED]
    backend.close()


def test_an_attempt_ends_once_if_its_worker_dies_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies in the moment in which its attempt exceeds the timeout is reported and replaced once."""
    started: list[ScriptedWorker] = []

    def start(*_: Any) -> tuple[Any, ScriptedWorker]:
        worker = ScriptedWorker(dies=not started)
        started.append(worker)
        return worker.ours, worker

    monkeypatch.setattr(children, "spawn", start)
    monkeypatch.setattr("hpdash.backends.supervised.LONGEST_START", 0.0)
    backend = LocalBackend(WorkerSetup(tmp_path, keras=False), workers=1, timeout=1e-9)
    spec = TrialSpec(0, 0, 0, {}, SETTINGS, "loss", Goal.MIN)
    ends = [event for event in backend.run(Queue([Task(spec, 1, tmp_path, "")])) if isinstance(event, Ended)]
    assert [event.result.state for event in ends] == [TrialState.KILLED]
    assert len(started) == 2
    backend.close()
