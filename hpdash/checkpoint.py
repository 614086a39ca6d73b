"""A trial's state on the disk, one file that is there whole or as it was before; and its event files, cut to fit it.

The file is an .npz: the arrays of the trial's state, numbered, and `about`, JSON in UTF-8, which has their names.
Nothing in it is unpickled.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from . import disk, logdir, npz
from .errors import TrialError
from .npz import Array
from .weights import Kept, Named, Weights
from .writer import RunWriter, set_aside

SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a trial stood after an epoch.

    `metrics` are that epoch's and `best` the best epoch's; `seconds` it has trained; `marks` are the bytes of each
    event file, by its path in the run folder, that were written by then; `weights` the fields of `Kept` where weights
    are kept beside it. `arrays` are the values of everything that training changes.
    """

    epoch: int
    metrics: Mapping[str, float]
    best: Mapping[str, float]
    best_epoch: int | None
    seconds: float
    marks: Mapping[str, int]
    arrays: Mapping[str, Array] = field(default_factory=dict)
    weights: Mapping[str, Any] | None = None


class Keeper:
    """Keep one attempt's checkpoints: it knows when they are due, and what an earlier attempt has kept.

    `log` is the trial's [log] table; `begin` is when the attempt began, on the monotonic clock.
    """

    def __init__(self, writer: RunWriter, log: Mapping[str, Any], kept: Checkpoint | None, begin: float) -> None:
        self.kept = kept
        self._writer, self._log, self._begin = writer, log, begin
        self._last = time.monotonic()
        self.weights: Weights | None = None

    @property
    def seconds(self) -> float:
        """How long the trial has trained, before the checkpoint too."""
        return time.monotonic() - self._begin + (self.kept.seconds if self.kept else 0.0)

    def keep_weights(self, source: Callable[[], Named]) -> None:
        """Keep weights too, as [log] weights says, going on with those that the checkpoint tells of."""
        kept = self.kept and self.kept.weights
        self.weights = Weights(self._writer.folder, self._log["weights"], source, Kept(**kept) if kept else None)

    def due(self, epoch: int) -> bool:
        """Say whether a checkpoint is to follow that epoch: every so many of them, or so many minutes."""
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
        """Put all written so far and a checkpoint on the disk; TrialError where the state is no arrays and numbers."""
        self._last = time.monotonic()
        arrays = {name: _array(name, value) for name, value in state.items()}
        marks, kept = self._writer.sync(), self.weights and self.weights.sync()
        weights = asdict(kept) if kept else None
        write(self._writer.folder, Checkpoint(epoch, metrics, best, best_epoch, self.seconds, marks, arrays, weights))
        if self.weights:
            self.weights.settle()


def _array(name: str, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.hasobject:  # it would be pickled
        raise TrialError(f"checkpoint: expected arrays and numbers by name, found {type(value).__name__} at {name!r}")
    return array


def write(run: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint on the disk in place of the one before; LogdirError where the disk refuses it."""
    path = run / logdir.CHECKPOINT
    about = {key.name: getattr(checkpoint, key.name) for key in fields(checkpoint) if key.name != "arrays"}
    text = json.dumps({"schema": SCHEMA, "names": list(checkpoint.arrays), **about}).encode()
    arrays = {f"{index:06d}": array for index, array in enumerate(checkpoint.arrays.values())}
    part = path.with_name(f"{path.name}.part")
    with disk.guarded(path):
        npz.write(part, {"about": np.frombuffer(text, np.uint8), **arrays})
        part.replace(path)
        disk.sync(run)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint, every byte of it checked; ValueError says what is wrong with it."""
    try:
        arrays = npz.read(path)
        about = json.loads(arrays.pop("about").tobytes())
        if about.pop("schema") != SCHEMA:
            raise ValueError("it is of another version of hpdash")
        names = about.pop("names")
        if len(names) != len(arrays):
            raise ValueError("arrays are missing")
        return Checkpoint(**about, arrays=dict(zip(names, arrays.values(), strict=True)))
    except FileNotFoundError:
        raise
    except npz.DAMAGE as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error


def remove(run: Path) -> None:
    """Delete a run's checkpoint, which a trial that is done needs no more."""
    with disk.guarded(run):
        for name in (logdir.CHECKPOINT, f"{logdir.CHECKPOINT}.part"):  # a death may have left the second
            (run / name).unlink(missing_ok=True)


def prepare(run: Path, attempt: int, resume: bool) -> tuple[int, str]:
    """Make a run folder ready for the attempt after `attempt`; return the epoch it goes on from, and any trouble.

    From a checkpoint its event files are cut to what had been written by then. Without one, or where `resume` is
    false, or where the checkpoint or the event files are damaged, it is epoch 0: all of them are set aside.
    Interrupted, it can be called again.
    """
    trouble = ""
    if not run.is_dir():
        return 0, trouble
    if resume:
        try:
            kept = read(run / logdir.CHECKPOINT)
            _cut(run, kept.marks, attempt)
            return kept.epoch, ""
        except FileNotFoundError:
            pass
        except ValueError as error:
            trouble = f"{error}; it starts over"
    remove(run)
    set_aside(run, attempt)
    return 0, trouble


def _cut(run: Path, marks: Mapping[str, int], attempt: int) -> None:
    """Cut a run's event files at their marks, and set aside the files that were started later."""
    sizes = logdir.event_sizes(run)
    for name, mark in marks.items():
        if sizes.get(name, -1) < mark:
            raise ValueError(f"{run / name}: expected {mark} bytes, as when the checkpoint was written")
    for name, mark in marks.items():
        if sizes[name] > mark:
            with disk.guarded(run / name):
                os.truncate(run / name, mark)
    set_aside(run, attempt, keep=marks)
