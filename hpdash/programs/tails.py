"""Cut the incomplete last record from the event files of a program that was ended in the middle of writing it."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from ..logs import layout
from ..logs.tfrecord import HEAD, SUM
from ..reader.framing import records
from ..runs import Damage
from ..system import disk


def cut_tails(run: Path) -> None:
    """Cut the event files below a run folder to their last whole record; the program must have ended.

    A file without a whole record, or with damage before its end, stays as it is. Raises LogdirError if the disk
    refuses.
    """
    for path in layout.all_event_files(run):
        with disk.guarded(path):
            end = _end_of_records(path)
            if end is not None:
                os.truncate(path, end)


def _end_of_records(path: Path) -> int | None:
    """Return the offset at which an incomplete last record begins; None if there is none, or other damage."""
    damage: list[Damage] = []
    end = 0
    with FileIO(path) as file:
        for offset, body in records(path, file, damage, lambda _, at: at):
            end = offset + HEAD + len(body) + SUM
    return end if end and [each.offset for each in damage] == [end] else None
