"""The journal of the sweep that runs belong to."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import LogdirError
from ..logs import layout
from ..runs import Run
from .journal import JournalContent, read_journal


def journal_of(runs: Sequence[Run]) -> JournalContent | None:
    """Return the journal of the sweep of these runs; None if they have none, or if it cannot be read.

    It is in the parent folder of a run's folder. For a trial without a folder of its own, `folder` is the sweep's.
    """
    first = next((run for run in runs if run.number is not None), None)
    for folder in (first.folder.parent, first.folder) if first else ():
        if (folder / layout.JOURNAL).is_file():
            try:
                return read_journal(folder / layout.JOURNAL)
            except LogdirError:
                return None
    return None
