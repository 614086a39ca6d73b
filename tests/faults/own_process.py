"""Trials that train in the driver's own process, without TensorFlow: what a lab puts in place of workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from hpdash.backends import probe
from hpdash.backends.base import Queue
from hpdash.backends.builders import Built
from hpdash.backends.worker import Setup
from hpdash.driver import runner
from hpdash.facts import BuilderUse
from hpdash.records import Ended, Event, Progress, Reached, Started, TrialResult, TrialState
from hpdash.training.session import Session
from hpdash.training.trainer import Trainer


class Engine:
    """What a trial trains: weights that depend on the seed and the epoch.

    "fail" raises until all is mended; "die" takes the worker with it after the last epoch of its first attempt.
    """

    parameters = 4, 4
    reusable = False
    metrics = ("loss", "accuracy")
    compilation = SimpleNamespace(xla=False, reason="")
    model = SimpleNamespace(loss="", optimizer=SimpleNamespace(learning_rate=0.1))

    def __init__(self, trial: Session, mended: bool) -> None:
        self._fails, self._dies = trial.spec.hparams["does"] == "fail" and not mended, trial.host.dies
        self._weights = np.random.default_rng(trial.spec.seed).normal(size=4)

    def fit(
        self, seed: int, epochs: int, _: list[Any], on_call: Callable[[float], None], initial_epoch: int
    ) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield each epoch's number and metrics."""
        for epoch in range(initial_epoch + 1, epochs + 1):
            if self._fails:
                raise ValueError("not yet")
            self._weights += np.random.default_rng((seed, epoch)).normal(size=4)
            on_call(1.0)
            yield epoch, {"loss": 1 / epoch, "validation/accuracy": float(self._weights.sum())}
        if self._dies:
            raise WorkerDeath

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return what a checkpoint keeps."""
        return {"weights": self._weights}

    def restore(self, state: Mapping[str, np.ndarray[Any, Any]]) -> bool:
        """Take up what a checkpoint has kept."""
        self._weights = state["weights"]
        return True

    def weights(self) -> Iterator[tuple[str, str, np.ndarray[Any, Any]]]:
        """Yield what goes into histograms."""
        yield "hidden_1", "kernel", self._weights

    def digest(self) -> str:
        """Return what the final weights are."""
        return self._weights.tobytes().hex()


class Here:
    """A backend that trains in the driver's own process."""

    def __init__(self, setup: Setup, *_: Any) -> None:
        self._trainer = Trainer(setup.folder)

    def run(self, queue: Queue) -> Iterator[Event | None]:
        """Train task after task."""
        while (task := queue.take(set())) is not None:
            yield Started(task.spec, task.attempt, 0, task.epoch)
            host = Host(dies=task.spec.swept["does"] == "die" and task.attempt == 1)
            try:
                result = self._trainer.run(task.spec, task.run, task.group, host, task.epoch)
            except WorkerDeath:
                result = TrialResult(TrialState.KILLED, error="killed")
            yield Ended(task.spec, task.attempt, result)

    def answer(self, *_: Any) -> None:
        """Nobody asks."""

    def interrupt(self) -> None:
        """Nothing runs beside."""

    def close(self) -> None:
        """Nothing to end."""


class WorkerDeath(BaseException):
    """The end of a worker's process, as its trial sees it."""


@dataclass(frozen=True)
class Host:
    """What a trial talks to."""

    dies: bool
    stopping: bool = False

    def progress(self, _: Progress) -> None:
        """Nobody looks."""

    def notice(self, _: str) -> None:
        """Nobody listens."""

    def ask_to_go_on(self, _: Reached) -> bool:
        """Nobody prunes."""
        return True


def install(mended: Path) -> None:
    """Let sweeps of this process run here from now on; trials that "fail" do so until a file is there."""
    Trainer._engine = lambda _, trial: (Engine(trial, mended.exists()), False)
    runner.LocalBackend = Here
    probe.look = lambda question, _: probe._look(question, lambda _: None)
    probe.examine = lambda *_: Built(BuilderUse())  # no model is built here
    probe.count_gpus = lambda _: 0
