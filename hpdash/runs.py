"""The runs of a logdir as the reader returns them, with their hyperparameters, series, status and damage."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .goal import Goal
from .histograms.histogram import Histogram
from .records import STEPS, Scalar, TrialResult, TrialState
from .testset import Evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A scalar over steps: `steps` int64 [n], increasing; `values` float64 [n]; `times` float64 [n] in unix seconds."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    times: NDArray[np.float64]

    @property
    def last(self) -> float:
        """The value at the last step, NaN if there is none."""
        return float(self.values[-1]) if len(self.values) else math.nan

    def best(self, goal: Goal) -> tuple[float, int] | None:
        """Return the best finite value and the first step with it; None if no value is finite."""
        finite = np.flatnonzero(np.isfinite(self.values))
        if not finite.size:
            return None
        at = finite[np.argmin(goal.sign * self.values[finite])]
        return float(self.values[at]), int(self.steps[at])


@dataclass(frozen=True, slots=True, eq=False)
class HistogramSeries:
    """A distribution over steps: `steps` int64 [n], increasing, and one histogram per step."""

    steps: NDArray[np.int64]
    histograms: tuple[Histogram, ...]


@dataclass(frozen=True, slots=True)
class Damage:
    """What could not be read: the file, the offset in bytes at which the damage begins, and the reason."""

    file: Path
    offset: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, byte {self.offset:,}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Objective:
    """What runs are ranked by: a scalar's tag (`validation/epoch_accuracy`) and the direction in which it improves.

    `name` is its short name, `validation/accuracy`. `reason` says why it was chosen, if no sweep set it.
    """

    name: str
    tag: str
    goal: Goal
    reason: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Run:
    """One run: a folder of event files, including its training and validation sub-runs.

    `name` is its path below the logdir, with slashes. `hparams` is everything that its session logged. `scalars` has
    the training tags as they are, and those of the validation sub-run as `validation/<tag>`. `histograms` has the tags
    that `reader.read_histograms` can read, each with its number of steps. `swept` are the names that its sweep varies;
    a run that hpdash did not make has none. Runs with the same `group` are replicates. `started` is in unix seconds.
    `evaluations` are those of its sweep on the test set. `accepted` has the user's files and data functions whose
    changes were accepted during its sweep, each with the number of changes. `is_program` says that hpdash started a
    program that trained it. What was not recorded is None.
    """

    name: str
    folder: Path
    hparams: Mapping[str, Scalar] = field(default_factory=dict)
    scalars: Mapping[str, Series] = field(default_factory=dict)
    histograms: Mapping[str, int] = field(default_factory=dict)
    status: TrialState | None = None
    sweep: str | None = None
    number: int | None = None
    seed: int | None = None
    group: str | None = None
    swept: tuple[str, ...] = ()
    objective: Objective | None = None
    attempt: int | None = None
    started: float | None = None
    result: TrialResult | None = None
    damage: tuple[Damage, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    accepted: Mapping[str, int] = field(default_factory=dict)
    is_program: bool = False

    @property
    def unit(self) -> str:
        """The unit of the run's steps: epochs if hpdash trained it."""
        return "step" if self.sweep is None or self.is_program else "epoch"

    @property
    def planned(self) -> int | None:
        """How many epochs, or steps of a program, it is set to train; None if that is unknown."""
        count = self.hparams.get(STEPS if self.is_program else "epochs")
        return int(count) if isinstance(count, int | float) and not isinstance(count, bool) else None

    @property
    def looks(self) -> tuple[Evaluation, ...]:
        """The old name of `evaluations`."""
        warnings.warn("Run.looks is now called Run.evaluations", DeprecationWarning, stacklevel=2)
        return self.evaluations

    @property
    def sweep_folder(self) -> Path:
        """The folder of its sweep. `folder` is a folder in it or, for a trial without a folder, the sweep's itself."""
        has_own = self.name in (".", self.folder.name) or self.name.endswith(f"/{self.folder.name}")
        return self.folder.parent if has_own else self.folder

    @property
    def id(self) -> str:
        """The shortest name that is unique in the logdir: `mnist_batchnorm/0003`, or the run's whole name."""
        return f"{self.sweep}/{self.number:04d}" if self.sweep is not None and self.number is not None else self.name


@dataclass(frozen=True, slots=True)
class Logdir:
    """A logdir's runs, sorted by name, and messages for the user about what was damaged or left out."""

    path: Path
    runs: tuple[Run, ...]
    warnings: tuple[str, ...] = ()
