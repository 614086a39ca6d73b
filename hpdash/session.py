"""`hpdash.Trial`, the handle a training loop gets: its settings and data, and where it reports to.

What it knows: which metrics were last and which best, and when a trial has to stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from . import logdir
from .checkpoint import Checkpoint
from .data import Dataset, Scaling, Split
from .errors import TrialError
from .histogram import Histogram
from .trial import Progress, Scalar, TrialSpec
from .writer import RunWriter

VALIDATION = "validation/"
Array = np.ndarray[Any, np.dtype[Any]]


class Interrupted(Exception):
    """End a trial because the sweep stops; not an error."""


class Diverged(Exception):
    """End a trial because its loss is no longer finite; not an error."""


class Host(Protocol):
    """What a trial can ask of the process it runs in."""

    @property
    def stopping(self) -> bool:
        """Whether the trial is to stop as soon as it can."""

    def progress(self, progress: Progress) -> None:
        """Pass on how far the trial is."""

    def notice(self, text: str) -> None:
        """Pass on a sentence for the user."""


@dataclass(frozen=True, slots=True)
class TrialData:
    """The data of a training loop of one's own, scaled: x float32 [n, ...], y int32 (classes) or float32 [n]."""

    x_train: Array
    y_train: Array
    x_validation: Array
    y_validation: Array


class Trial:
    """One trial as its training loop sees it: `hparams`, `seed`, `data`; `scalar`, `histogram`, `report`."""

    def __init__(self, spec: TrialSpec, loaded: tuple[Dataset, Split, Scaling], writer: RunWriter, host: Host) -> None:
        self.spec, self.host = spec, host
        self.dataset, self.split, self.scaling = loaded
        self._writer = writer
        self.epoch = 0
        self.metrics: Mapping[str, float] = {}
        self.best: Mapping[str, float] = {}
        self.best_epoch: int | None = None
        self.keep: Callable[[bool], None] | None = None  # keeps what to go on from after an epoch; if it stops, surely

    @property
    def number(self) -> int:
        """The trial's number in its sweep, from 0."""
        return self.spec.number

    @property
    def seed(self) -> int:
        """The seed that all of the trial's random numbers come from."""
        return self.spec.seed

    @property
    def hparams(self) -> dict[str, Scalar]:
        """Every resolved setting as TensorBoard shows it; `settings` has lists and tables as the file wrote them."""
        return self.spec.hparams

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The resolved tables "data", "model", "train" and "log"."""
        return self.spec.settings

    @property
    def epochs(self) -> int:
        """How many epochs the trial is set to train."""
        return int(self.spec.settings["train"]["epochs"])

    @property
    def classes(self) -> int | None:
        """The number of classes, or None where the data are for a regression."""
        return self.dataset.classes

    @cached_property
    def data(self) -> TrialData:
        """The training and the validation part, scaled as [data] says; made at the first use."""
        dataset, split, scaling = self.dataset, self.split, self.scaling
        held_out = (dataset.x_test, dataset.y_test) if split.validation_is_test else (dataset.x_train, dataset.y_train)
        assert held_out[0] is not None
        assert held_out[1] is not None
        train, validation = _slice(split.train), _slice(split.validation)

        def scaled(x: Array) -> Array:
            return (x.astype(np.float32) - scaling.offset) / scaling.divisor

        return TrialData(
            scaled(dataset.x_train[train]), dataset.y_train[train],
            scaled(held_out[0][validation]), held_out[1][validation],
        )  # fmt: skip

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Write one point of a series; `step` is the number of epochs finished."""
        name = tag.removeprefix(VALIDATION)
        self._writer.scalar(name, float(value), step, validation=name != tag)

    def histogram(self, tag: str, values: Array, step: int) -> None:
        """Write the distribution of an array of any shape; step 0 is before training.

        Values that are NaN or infinite are in no bucket; their share is written as a scalar of its own.
        """
        histogram = Histogram.of(np.asarray(values))
        self._writer.histogram(tag, histogram, step)
        if histogram.nonfinite:
            self._writer.scalar(logdir.nonfinite_tag(tag), histogram.nonfinite / np.size(values), step)

    def tick(self, fraction: float, phase: str = "training") -> None:
        """Say that a share of the running epoch is done; raises Interrupted where the trial has to stop.

        One that can go on from where it stops ends its epoch first.
        """
        self._tell(fraction, phase)
        if self.host.stopping and not self.keep:
            raise Interrupted

    def _tell(self, fraction: float, phase: str = "training") -> None:
        self.host.progress(Progress(self.number, self.epoch, self.epochs, fraction, self.metrics, phase))

    def report(self, epoch: int, **metrics: float) -> None:
        """Finish an epoch (from 1) with its metrics: `loss=…, accuracy=…`, validation as `validation_accuracy=…`.

        Writes them as `epoch_<metric>`, keeps the last and the best, and ends the trial where it has to stop or where
        a loss is no longer finite. Raises TrialError where the sweep's objective is not among them.
        """
        named = {_metric_name(name): float(value) for name, value in metrics.items()}
        for name, value in named.items():
            base = name.removeprefix(VALIDATION)
            self._writer.scalar(logdir.epoch_tag(base), value, epoch, validation=base != name)
        self.epoch, self.metrics = epoch, named
        self._keep_best()
        self._writer.flush()
        if not all(math.isfinite(value) for name, value in named.items() if name.removeprefix(VALIDATION) == "loss"):
            raise Diverged
        if epoch < self.epochs:
            stopping = self.host.stopping
            if self.keep:
                self.keep(stopping)
            self._tell(0.0)
            if stopping:
                raise Interrupted

    def go_on(self, kept: Checkpoint) -> None:
        """Take up where a checkpoint was written."""
        self.epoch, self.metrics, self.best, self.best_epoch = kept.epoch, kept.metrics, kept.best, kept.best_epoch

    def _keep_best(self) -> None:
        objective, goal = self.spec.objective, self.spec.goal
        if objective not in self.metrics:
            raise TrialError(f"sweep.objective: expected one of {', '.join(self.metrics)}; found {objective}")
        value, best = self.metrics[objective], self.best.get(objective)
        better = best is None or (value > best if goal == "max" else value < best)
        if better and math.isfinite(value):
            self.best, self.best_epoch = self.metrics, self.epoch

    def write_best(self) -> None:
        """Write the best epoch and its metrics once, because the HParams table shows last values only."""
        if self.best_epoch is None:
            return
        prefix = VALIDATION if self.spec.objective.startswith(VALIDATION) else ""
        for name, value in self.best.items():
            if name.startswith(VALIDATION) == bool(prefix) and name != logdir.LEARNING_RATE:
                self._writer.scalar(logdir.best_tag(name.removeprefix(prefix)), value, self.epoch)
        self._writer.scalar(logdir.BEST_EPOCH, float(self.best_epoch), self.epoch)


def _metric_name(keyword: str) -> str:
    for prefix in ("validation_", "val_"):
        if keyword.startswith(prefix):
            return VALIDATION + keyword.removeprefix(prefix)
    return keyword


def _slice(part: range) -> slice:
    return slice(part.start, part.stop)
