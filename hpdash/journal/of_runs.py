"""Read the journals of sweeps again and again, as live pages do, without parsing one again that has not changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ..errors import LogdirError
from ..logs import layout
from ..runs import Run
from .journal import JournalContent, read_journal

_KEPT = 4  # journals whose content is kept in memory


def journal_of(runs: Sequence[Run]) -> JournalContent | None:
    """Return the journal of the sweep of these runs; None if they have none, or if it cannot be read."""
    first = next((run for run in runs if run.number is not None), None)
    if first is None or not (first.sweep_folder / layout.JOURNAL).is_file():
        return None
    try:
        return current_journal(first.sweep_folder / layout.JOURNAL)
    except LogdirError:
        return None


def current_journal(path: Path) -> JournalContent:
    """Return a journal as `read_journal` does: the same object as before if the file has not changed since then."""
    try:
        status = path.stat()
    except OSError:
        return read_journal(path)  # raises the error, with its remedy
    return _parsed(path, (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))


@lru_cache(_KEPT)
def _parsed(path: Path, _: tuple[int, ...]) -> JournalContent:
    return read_journal(path)
