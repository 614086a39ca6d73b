"""Prepare a run folder for an attempt, set an earlier attempt's files aside, and end the session of a dead attempt.

Every function can be called again after it was interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from ..system import disk
from . import checkpoint, layout
from .writer import EventFile, session_end


def prepare(run: Path, attempt: int, resume: bool) -> tuple[int, str]:
    """Prepare a run folder for a trial's next attempt; return the epoch from which it resumes, and a message.

    `attempt` is the number of the last attempt; files that are set aside go to `attempts/<attempt>`. With a
    checkpoint, the event files are cut to the sizes that it records. The epoch is 0, and all event files are set aside,
    if there is no checkpoint, if `resume` is false, or if the checkpoint or the event files are damaged. The message
    says what is damaged; it is empty if nothing is.
    """
    damage = ""
    if not run.is_dir():
        return 0, damage
    if resume:
        try:
            saved = checkpoint.read(run / layout.CHECKPOINT)
            _cut(run, saved.marks, attempt)
            return saved.epoch, ""
        except FileNotFoundError:
            pass
        except ValueError as error:
            damage = f"{error}; the trial starts over"
    checkpoint.remove(run)
    set_aside(run, attempt)
    return 0, damage


def _cut(run: Path, marks: Mapping[str, int], attempt: int) -> None:
    """Cut a run's event files to the sizes in `marks`, and set aside the files that were started later.

    If a file is missing or shorter, raise ValueError and change nothing.
    """
    sizes = layout.event_sizes(run)
    for name, mark in marks.items():
        if sizes.get(name, -1) < mark:
            raise ValueError(f"{run / name}: missing, or shorter than when the checkpoint was written ({mark:,} bytes)")
    for name, mark in marks.items():
        if sizes[name] > mark:
            with disk.guarded(run / name):
                os.truncate(run / name, mark)
    set_aside(run, attempt, keep=marks)


def set_aside(run: Path, attempt: int, keep: Iterable[str] = ()) -> None:
    """Move an attempt's event files to `attempts/<attempt>`, under names that TensorBoard does not read.

    Files in `keep`, given by their paths in the run folder, and files that hpdash did not name stay in place.
    """
    with disk.guarded(run):
        names = layout.event_sizes(run).keys() - set(keep)
    for name in sorted(names):
        aside = run / layout.ATTEMPTS / str(attempt) / name
        with disk.guarded(run / name):
            aside.parent.mkdir(parents=True, exist_ok=True)
            (run / name).rename(aside.with_name(aside.name.replace(layout.EVENT_FILE, layout.SET_ASIDE, 1)))


def end_session(run: Path, success: bool, suffix: str = "") -> None:
    """End the HParams session of a run whose own writer is dead; the name of the new event file ends with `suffix`.

    The end is written into a new file, because the last record of the old file may be incomplete.
    """
    with closing(EventFile(run, suffix)) as file:
        file.add(session_end(success), 0)
