"""What a journal's lines add up to: how each trial stands, what it has reached, where it was pruned and promoted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from .entries import Entry, Record, Rung
from .trial import TrialResult, TrialState


class History:
    """The state that a sweep's decisions are made from; the same lines always add up to the same.

    `latest` has each trial's last transition; `rungs` by epoch the trials that were compared after it; `promoted` the
    epochs after which a trial was pruned and went on all the same.
    """

    def __init__(self) -> None:
        self.latest: dict[int, Record] = {}
        self.rungs: dict[int, dict[int, Rung]] = {}
        self.promoted: dict[int, set[int]] = {}

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """Add up lines in their order."""
        history = cls()
        for entry in entries:
            history.add(entry)
        return history

    def add(self, entry: Entry) -> None:
        """Take one more line in."""
        if isinstance(entry, Rung):
            self.rungs.setdefault(entry.epoch, {})[entry.trial] = entry
        elif isinstance(entry, Record):
            epoch = self.pruned_after(entry.trial)
            if entry.state is TrialState.RUNNING and epoch is not None:
                self.promoted.setdefault(entry.trial, set()).add(epoch)
            self.latest[entry.trial] = entry

    def pruned_after(self, trial: int) -> int | None:
        """Return the epoch after which a trial stopped that stands as pruned, None where it does not."""
        record = self.latest.get(trial)
        return record.result.epochs if record and record.state is TrialState.PRUNED and record.result else None

    def went_on(self, trial: int, epoch: int) -> bool | None:
        """Say whether a trial goes on after an epoch, None where that was not decided."""
        rung = self.rungs.get(epoch, {}).get(trial)
        return None if rung is None else rung.goes_on or epoch in self.promoted.get(trial, ())

    @property
    def results(self) -> dict[int, TrialResult]:
        """The results a search learns from: who was killed or interrupted has none yet."""
        return {n: record.result for n, record in self.latest.items() if record.result and record.state.is_conclusive}
