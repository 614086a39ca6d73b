"""A trial's state on the disk, one file that is there whole or as it was before; and its event files, cut to fit it.

The file is an .npz: the arrays of the engine's state in order, and `about`, JSON in UTF-8. Nothing in it is unpickled.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from . import disk, logdir
from .writer import set_aside

SCHEMA = 1
_DAMAGE = (  # what NumPy, zip files and JSON raise on bytes that are not theirs
    OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, MemoryError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a trial stood after an epoch.

    `metrics` are that epoch's and `best` the best epoch's; `seconds` it has trained; `marks` are the bytes of each
    event file, by its path in the run folder, that were written by then. `arrays` are the engine's state.
    """

    epoch: int
    metrics: Mapping[str, float]
    best: Mapping[str, float]
    best_epoch: int | None
    seconds: float
    marks: Mapping[str, int]
    arrays: Sequence[Array] = ()


def write(run: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint on the disk in place of the one before; LogdirError where the disk refuses it."""
    path = run / logdir.CHECKPOINT
    about = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint) if field.name != "arrays"}
    text = json.dumps({"schema": SCHEMA, "count": len(checkpoint.arrays), **about}).encode()
    arrays = {f"{index:06d}": array for index, array in enumerate(checkpoint.arrays)}
    part = path.with_name(f"{path.name}.part")
    with disk.guarded(path):
        try:
            with part.open("wb") as file:  # as it is written: a copy in memory could be too much
                np.savez(file, about=np.frombuffer(text, np.uint8), **arrays)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            part.unlink(missing_ok=True)  # the journal needs the room that is left
            raise
        part.replace(path)
        disk.sync_folder(run)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint, every byte of it checked; ValueError says what is wrong with it."""
    try:
        if not zipfile.is_zipfile(path):  # NumPy would speak of pickles
            path.stat()
            raise ValueError("it is cut off or no checkpoint")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in sorted(archive.files)}
        about = json.loads(arrays.pop("about").tobytes())
        if about.pop("schema") != SCHEMA:
            raise ValueError("it is of another version of hpdash")
        if about.pop("count") != len(arrays):
            raise ValueError("arrays are missing")
        return Checkpoint(**about, arrays=tuple(arrays.values()))
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
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
    """Cut a run's event files at their marks, and set aside those that were begun later."""
    sizes = logdir.event_sizes(run)
    for name, mark in marks.items():
        if sizes.get(name, -1) < mark:
            raise ValueError(f"{run / name}: expected {mark} bytes, as when the checkpoint was written")
    for name, mark in marks.items():
        if sizes[name] > mark:
            with disk.guarded(run / name):
                os.truncate(run / name, mark)
    set_aside(run, attempt, keep=marks)
