"""Whether anything in a sweep's folder depends on its objective, code or data yet; if not, they may still change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..journal.entries import Entry, RungDecision
from ..journal.history import History
from ..journal.journal import read_journal
from ..logs import layout
from ..records import TrialState


def is_undecided(folder: Path) -> bool:
    """Return whether nothing in a folder depends on the objective: no trial has failed or may have kept an epoch."""
    entries = read_journal(folder / layout.JOURNAL).entries
    latest = History.of(entries).latest.values()
    return not _is_anything_kept(folder, entries) and all(
        record.result is not None and not record.result.epochs and not record.state.is_conclusive for record in latest
    )


def nothing_depends_on_code(folder: Path) -> bool:
    """Return whether a folder has no result and no checkpoint that depends on the code and data it was started with.

    Failed trials do not count, because they start from the beginning if they run again.
    """
    entries = read_journal(folder / layout.JOURNAL).entries
    latest = History.of(entries).latest.values()
    return not _is_anything_kept(folder, entries) and all(
        record.state is TrialState.FAILED
        or (record.result is not None and not record.result.epochs and not record.state.is_result)
        for record in latest
    )


def _is_anything_kept(folder: Path, entries: Sequence[Entry]) -> bool:
    """Return whether a folder has a decision at a rung, or a checkpoint, from which a trial continues.

    The result of an attempt that was killed or timed out does not say whether it left a checkpoint.
    """
    is_any_decided = any(isinstance(entry, RungDecision) for entry in entries)
    return is_any_decided or any(folder.glob(f"*/{layout.CHECKPOINT}"))
