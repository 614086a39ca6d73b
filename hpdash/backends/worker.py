"""The worker's side of the local backend: a process that trains the tasks it is sent until its driver is gone.

It imports nothing heavy before its environment is set: thread counts are read when TensorFlow is imported.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from ..signals import ignore
from ..trial import Notice, Progress, Reached, TrialResult
from .base import Task


@dataclass(frozen=True, slots=True)
class Setup:
    """How a worker starts: its environment, where users' files are, whether trials need TensorFlow, its output.

    `own_code` says whether functions of a user's own will be called.
    """

    environment: Mapping[str, str]
    folder: Path
    keras: bool
    own_code: bool
    output: Path


@dataclass(frozen=True, slots=True)
class Report:
    """A task's result, and the worker's peak memory so far in bytes."""

    result: TrialResult
    peak_memory: int


class PipeHost:
    """Passes a trial's news on through the worker's pipe, on which the driver says when to stop."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._stopped = False
        self.number: int | None = None

    @property
    def stopping(self) -> bool:
        """Whether the sweep stops: while a trial runs, the driver sends nothing else that nobody has asked for.

        Not a flag that processes share: who is killed while he looks at one keeps its lock for ever.
        """
        return self._stopped or self._pipe.poll()

    def goes_on(self, reached: Reached) -> bool:
        """Ask the driver whether the trial goes on after a rung; one that is told to stop goes on until it has."""
        self._pipe.send(reached)
        verdict: bool | None = self._pipe.recv()
        self._stopped |= verdict is None
        return verdict is not False

    def progress(self, progress: Progress) -> None:
        """Send how far the trial is."""
        self._pipe.send(progress)

    def notice(self, text: str) -> None:
        """Send a sentence for the user."""
        self._pipe.send(Notice(text, self.number))


def main(pipe: Connection, setup: Setup) -> None:
    """Train tasks from the pipe until it closes, or None comes, which stops the one that runs."""
    ignore()
    threading.Thread(target=_die_with_driver, daemon=True).start()
    _redirect_output(setup.output)
    os.environ.update(setup.environment)

    from ..train import Trainer  # noqa: PLC0415  numpy and TensorFlow read the environment when imported

    trainer = Trainer(setup.folder)
    if setup.keras:
        trainer.warm_up(setup.own_code)
    host = PipeHost(pipe)
    while True:
        try:
            task: Task | bool | None = pipe.recv()
        except EOFError:
            return
        if not isinstance(task, Task):  # no more of them, or an answer that came too late
            return
        host.number = task.spec.number
        host.progress(Progress(host.number, task.epoch, task.spec.settings["train"]["epochs"], 0.0, phase="starting"))
        result = trainer.run(task.spec, task.run, task.group, host, task.epoch)
        pipe.send(Report(result, _peak_memory()))


def _die_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)


def _redirect_output(path: Path) -> None:
    """Send what TensorFlow, or a user's model, prints to a file, whose end is shown if the worker dies."""
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
