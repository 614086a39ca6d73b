"""Checkpoints: a trial's state after an epoch, in one file that is replaced atomically.

The file is an .npz: the arrays of the trial's state, numbered, and `about`, JSON in UTF-8 with their names and the
other fields of `Checkpoint`. Nothing in it is pickled.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TrialError
from ..system import disk
from . import layout, npz
from .kept_weights import KeptWeights, Named, WeightsKeeper
from .npz import Array
from .writer import RunWriter

SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a trial after an epoch.

    `metrics` are the metrics of that epoch, `best` those of the best epoch. `seconds` is the training time. `marks` are
    the sizes in bytes of the event files at that time, by their paths in the run folder. `weights` has the fields of
    `KeptWeights` if weights are kept, else None. `arrays` are the values of everything that training changes.
    """

    epoch: int
    metrics: Mapping[str, float]
    best: Mapping[str, float]
    best_epoch: int | None
    seconds: float
    marks: Mapping[str, int]
    arrays: Mapping[str, Array] = field(default_factory=dict)
    weights: Mapping[str, Any] | None = None


class Checkpointer:
    """Write the checkpoints of one attempt when they are due.

    `log` is the trial's [log] table. `kept` is the checkpoint from which the attempt resumes, None if there is none.
    `begin` is the start of the attempt by the monotonic clock.
    """

    def __init__(self, writer: RunWriter, log: Mapping[str, Any], kept: Checkpoint | None, begin: float) -> None:
        self.kept = kept
        self._writer, self._log, self._begin = writer, log, begin
        self._last = time.monotonic()
        self.weights: WeightsKeeper | None = None

    @property
    def seconds(self) -> float:
        """The seconds that the trial has trained, including those before the checkpoint from which it resumes."""
        return time.monotonic() - self._begin + (self.kept.seconds if self.kept else 0.0)

    def keep_weights(self, source: Callable[[], Named]) -> None:
        """Also keep weights, as `weights` in [log] says; start with those that the checkpoint records."""
        kept = self.kept and self.kept.weights
        self.weights = WeightsKeeper(
            self._writer.folder, self._log["weights"], source, KeptWeights(**kept) if kept else None
        )

    def due(self, epoch: int) -> bool:
        """Return whether a checkpoint is due after an epoch, by [log] `checkpoint_epochs` or `checkpoint_minutes`."""
        every, now = self._log["checkpoint_epochs"], time.monotonic()
        return bool(every and epoch % every == 0) or now - self._last >= 60 * self._log["checkpoint_minutes"]

    def keep(
        self,
        epoch: int,
        metrics: Mapping[str, float],
        best: Mapping[str, float],
        best_epoch: int | None,
        state: Mapping[str, Any],
    ) -> None:
        """Sync everything that has been written to the disk, and write a checkpoint.

        Raises TrialError if `state` has anything but arrays and numbers, LogdirError if the disk refuses.
        """
        self._last = time.monotonic()
        arrays = {name: _array(name, value) for name, value in state.items()}
        marks, kept = self._writer.sync(), self.weights and self.weights.sync()
        weights = asdict(kept) if kept else None
        write(self._writer.folder, Checkpoint(epoch, metrics, best, best_epoch, self.seconds, marks, arrays, weights))
        if self.weights:
            self.weights.settle()


def _array(name: str, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.hasobject:  # NumPy would pickle it
        raise TrialError(f"checkpoint: expected arrays and numbers by name, found {type(value).__name__} at {name!r}")
    return array


def write(run: Path, checkpoint: Checkpoint) -> None:
    """Replace a run's checkpoint on the disk, atomically; raises LogdirError if the disk refuses."""
    path = run / layout.CHECKPOINT
    about = {key.name: getattr(checkpoint, key.name) for key in fields(checkpoint) if key.name != "arrays"}
    text = json.dumps({"schema": SCHEMA, "names": list(checkpoint.arrays), **about}).encode()
    arrays = {f"{index:06d}": array for index, array in enumerate(checkpoint.arrays.values())}
    part = path.with_name(f"{path.name}.part")
    with disk.guarded(path):
        npz.write(part, {"about": np.frombuffer(text, np.uint8), **arrays})
        part.replace(path)
        disk.sync(run)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint, and check every byte of it.

    Raises FileNotFoundError if there is none, ValueError if it is damaged or was written by another version.
    """
    try:
        arrays = npz.read(path)
        about = json.loads(arrays.pop("about").tobytes())
        if about.pop("schema") != SCHEMA:
            raise ValueError("another version of hpdash wrote it")
        names = about.pop("names")
        if len(names) != len(arrays):
            raise ValueError("arrays are missing")
        return Checkpoint(**about, arrays=dict(zip(names, arrays.values(), strict=True)))
    except FileNotFoundError:
        raise
    except npz.DAMAGE as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error


def remove(run: Path) -> None:
    """Delete a run's checkpoint, if there is one: a trial that is done no longer needs it."""
    with disk.guarded(run):
        for name in (layout.CHECKPOINT, f"{layout.CHECKPOINT}.part"):  # a killed process may have left the second
            (run / name).unlink(missing_ok=True)
