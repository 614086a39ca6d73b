"""Trials that train in the driver's own process, without TensorFlow.

The crash lab uses them instead of workers.
"""

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
from hpdash.backends.worker import WorkerSetup
from hpdash.driver import runner
from hpdash.facts import BuilderUse
from hpdash.records import Ended, Event, Progress, Reached, Started, TrialResult, TrialState
from hpdash.training.attempt import Attempt
from hpdash.training.trainer import Trainer


class Engine:
    """The engine of a trial: its weights depend on the seed and the epoch.

    A trial that does "fail" raises until it is mended. A trial that does "die" kills its worker after the last epoch of
    its first attempt.
    """

    parameters = 4, 4
    is_reusable = False
    metrics = ("loss", "accuracy")
    compilation = SimpleNamespace(xla=False, reason="")
    model = SimpleNamespace(loss="", optimizer=SimpleNamespace(learning_rate=0.1))

    def __init__(self, trial: Attempt, mended: bool) -> None:
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
        """Return the arrays that a checkpoint saves."""
        return {"weights": self._weights}

    def restore(self, state: Mapping[str, np.ndarray[Any, Any]]) -> bool:
        """Restore the arrays of a checkpoint."""
        self._weights = state["weights"]
        return True

    def weights(self) -> Iterator[tuple[str, str, np.ndarray[Any, Any]]]:
        """Yield the weights for the histograms, as layer, variable and values."""
        yield "hidden_1", "kernel", self._weights

    def digest(self) -> str:
        """Return the final weights as a hexadecimal string."""
        return self._weights.tobytes().hex()


class Here:
    """A backend that trains in the driver's own process."""

    def __init__(self, setup: WorkerSetup, *_: Any) -> None:
        self._trainer = Trainer(setup.folder)

    def run(self, queue: Queue) -> Iterator[Event | None]:
        """Run one task after another."""
        while (task := queue.take(set())) is not None:
            yield Started(task.spec, task.attempt, 0, task.epoch)
            host = Host(dies=task.spec.swept["does"] == "die" and task.attempt == 1)
            try:
                result = self._trainer.run(task.spec, task.run, task.group, host, task.epoch, task.mapped)
            except WorkerDeath:
                result = TrialResult(TrialState.KILLED, error="killed")
            yield Ended(task.spec, task.attempt, result)

    def answer(self, *_: Any) -> None:
        """Do nothing: no trial asks whether to continue."""

    def interrupt(self) -> None:
        """Do nothing: no other process runs."""

    def close(self) -> None:
        """Do nothing: there is no process to end."""


class WorkerDeath(BaseException):
    """The death of a worker's process, raised in its trial."""


@dataclass(frozen=True)
class Host:
    """The host that a trial reports to."""

    dies: bool
    stopping: bool = False

    def progress(self, _: Progress) -> None:
        """Ignore the progress."""

    def notice(self, _: str) -> None:
        """Ignore the notice."""

    def ask_to_go_on(self, _: Reached) -> bool:
        """Let every trial continue."""
        return True


def install(mended: Path) -> None:
    """Run the trials of this process's sweeps in this process from now on.

    Trials that do "fail" raise until the file `mended` exists.
    """
    Trainer._engine = lambda _, trial: (Engine(trial, mended.exists()), False)
    runner.LocalBackend = Here
    probe.gather_facts = lambda question, *_: probe._gather_facts(question, lambda _: None)
    probe.examine = lambda *_: Built(BuilderUse())  # in these sweeps no model is built
    probe.count_gpus = lambda _: 0
