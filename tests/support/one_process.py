"""Sweeps whose trials train in the process of the test, which imports TensorFlow only once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hpdash.backends import probe
from hpdash.backends.base import Queue
from hpdash.backends.worker import WorkerSetup
from hpdash.driver import runner
from hpdash.records import Ended, Event, Notice, Progress, Reached, Started
from hpdash.system import user_functions
from hpdash.training.trainer import Trainer


class OneProcessBackend:
    """A backend that trains one task after another in the driver's own process."""

    def __init__(self, setup: WorkerSetup, *_: Any) -> None:
        user_functions.register(setup.functions)
        self._trainer = Trainer(setup.folder, changed=lambda: setup.changed(setup.folder))

    def run(self, queue: Queue) -> Iterator[Event | None]:
        """Run the queue's tasks; a trial's messages are yielded after it has ended."""
        queue.fill()
        while (task := queue.take(set())) is not None:
            yield Started(task.spec, task.attempt, 0, task.epoch)
            host = _Host(task.spec.number)
            result = self._trainer.run(task.spec, task.run, task.group, host, task.epoch, task.mapped)
            yield from host.messages
            yield Ended(task.spec, task.attempt, result)
            queue.fill()

    def answer(self, number: int, goes_on: bool) -> None:
        """Do nothing: in these sweeps no trial asks."""

    def interrupt(self) -> None:
        """Do nothing: no other process runs."""

    def close(self) -> None:
        """Do nothing: there is no process to end."""


class _Host:
    """The host of a trial: it keeps the messages."""

    stopping = False

    def __init__(self, number: int) -> None:
        self._number = number
        self.messages: list[Event] = []

    def progress(self, progress: Progress) -> None:
        """Keep the progress."""
        self.messages.append(progress)

    def notice(self, text: str) -> None:
        """Keep the message for the user."""
        self.messages.append(Notice(text, self._number))

    def ask_to_go_on(self, _: Reached) -> bool:
        """Let every trial go on."""
        return True


def in_this_process(
    work: Callable[..., Any],
    argument: Any,
    _: Any,
    on_message: Callable[[Any], None] = lambda _: None,
    functions: Mapping[str, bytes] | None = None,
    keras: bool = False,
) -> Any:
    """Do what `probe.in_child` does, without a child."""
    user_functions.register(functions or {})
    return work(argument, on_message)


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Run the sweeps of one test in this process; afterwards, forget the user's modules that are in `folder`."""
    before = dict(os.environ)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(runner, "LocalBackend", OneProcessBackend)
    monkeypatch.setattr(probe, "in_child", in_this_process)
    monkeypatch.setattr(probe, "count_gpus", lambda _: 0)
    monkeypatch.setattr("hpdash.evaluation.in_child", in_this_process)
    monkeypatch.setattr(user_functions, "_inline", {})
    yield
    os.environ.clear()  # what a child sets stays in its process; here it is undone
    os.environ.update(before)
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and Path(path).is_relative_to(folder):
            del sys.modules[name]
