"""The journal of the sweep that runs belong to."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import LogdirError
from ..logs import layout
from ..runs import Run
from .journal import JournalContent, read_journal


def journal_of(runs: Sequence[Run]) -> JournalContent | None:
    """Return the journal of the sweep of these runs; None if they have none, or if it cannot be read."""
    first = next((run for run in runs if run.number is not None), None)
    if first is None or not (first.sweep_folder / layout.JOURNAL).is_file():
        return None
    try:
        return read_journal(first.sweep_folder / layout.JOURNAL)
    except LogdirError:
        return None
