"""The state of a sweep, computed from its journal's lines: each trial's state, rungs and promotions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from ..records import TrialResult, TrialState
from .entries import Entry, RungDecision, Transition


class History:
    """The state on which a sweep's decisions are based; the same lines always give the same state.

    `latest[trial]` is the last transition of the trial. `rungs[epoch][trial]` is the decision whether the trial goes on
    after the epoch. `promoted[trial]` are the epochs after which the trial was pruned but resumed later.
    """

    def __init__(self) -> None:
        self.latest: dict[int, Transition] = {}
        self.rungs: dict[int, dict[int, RungDecision]] = {}
        self.promoted: dict[int, set[int]] = {}

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """Build the state from journal lines in their order."""
        history = cls()
        for entry in entries:
            history.add(entry)
        return history

    def add(self, entry: Entry) -> None:
        """Add one more line to the state."""
        if isinstance(entry, RungDecision):
            self.rungs.setdefault(entry.epoch, {})[entry.trial] = entry
        elif isinstance(entry, Transition):
            epoch = self.pruned_after(entry.trial)
            if entry.state is TrialState.RUNNING and epoch is not None:
                self.promoted.setdefault(entry.trial, set()).add(epoch)
            self.latest[entry.trial] = entry

    def pruned_after(self, trial: int) -> int | None:
        """Return the epoch after which a trial was pruned, None if the trial is not pruned now."""
        record = self.latest.get(trial)
        return record.result.epochs if record and record.state is TrialState.PRUNED and record.result else None

    def decision_after(self, trial: int, epoch: int) -> bool | None:
        """Return whether a trial goes on after an epoch, None if that has not been decided."""
        rung = self.rungs.get(epoch, {}).get(trial)
        return None if rung is None else rung.goes_on or epoch in self.promoted.get(trial, ())

    @property
    def results(self) -> dict[int, TrialResult]:
        """The results that a search learns from; a trial that was killed, timed out or was interrupted has none yet."""
        return {n: record.result for n, record in self.latest.items() if record.result and record.state.is_conclusive}
