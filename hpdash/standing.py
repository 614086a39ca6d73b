"""What of a sweep's folder has been decided yet, by its journal: as long as nothing has, more may change."""

from __future__ import annotations

from pathlib import Path

from . import logdir
from .entries import Rung
from .history import History
from .journal import read_journal
from .trial import TrialState


def is_undecided(folder: Path) -> bool:
    """Return whether no trial of a folder has finished an epoch, so that nothing rests on what ranks them."""
    entries = read_journal(folder / logdir.JOURNAL).entries
    latest = History.of(entries).latest.values()
    return not any(isinstance(entry, Rung) for entry in entries) and all(
        record.result is not None and not record.result.epochs and not record.state.is_conclusive for record in latest
    )


def rests_on_nothing(folder: Path) -> bool:
    """Return whether a folder has no result, and no checkpoint, of the code and the data that it was begun with.

    A trial that failed begins anew, if it is run again.
    """
    entries = read_journal(folder / logdir.JOURNAL).entries
    latest = History.of(entries).latest.values()
    return not any(isinstance(entry, Rung) for entry in entries) and all(
        record.state is TrialState.FAILED
        or (record.result is not None and not record.result.epochs and not record.state.is_result)
        for record in latest
    )
