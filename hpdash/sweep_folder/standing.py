"""Whether anything in a sweep's folder depends on its objective, code or data yet; if not, they may still change."""

from __future__ import annotations

from pathlib import Path

from ..journal.entries import RungDecision
from ..journal.history import History
from ..journal.journal import read_journal
from ..logs import layout
from ..records import TrialState


def is_undecided(folder: Path) -> bool:
    """Return whether no trial of a folder has finished an epoch or failed, so that nothing depends on the objective."""
    entries = read_journal(folder / layout.JOURNAL).entries
    latest = History.of(entries).latest.values()
    return not any(isinstance(entry, RungDecision) for entry in entries) and all(
        record.result is not None and not record.result.epochs and not record.state.is_conclusive for record in latest
    )


def nothing_depends_on_code(folder: Path) -> bool:
    """Return whether a folder has no result and no checkpoint that depends on the code and data it was started with.

    Failed trials do not count, because they start from the beginning if they run again.
    """
    entries = read_journal(folder / layout.JOURNAL).entries
    latest = History.of(entries).latest.values()
    return not any(isinstance(entry, RungDecision) for entry in entries) and all(
        record.state is TrialState.FAILED
        or (record.result is not None and not record.result.epochs and not record.state.is_result)
        for record in latest
    )
