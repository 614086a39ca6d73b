"""When the attempts of a sweep's trials ran, from its journal."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..journal.entries import Transition
from ..journal.journal import JournalContent
from ..journal.of_runs import journal_of
from ..logs import layout
from ..records import TrialState
from ..runs import Run, Series


@dataclass(slots=True)
class Attempt:
    """One attempt at a trial; what is known only at its end is None before.

    `begin` and `end` are in unix seconds. `end` is None while the attempt runs, and if its driver died before it could
    record the end. `compiling` is how much longer its first epoch took than the median of the others; it is None with
    fewer than two logged epochs. `training` is the seconds of the logged epochs without `compiling`, or the time in the
    worker if no epoch was logged, as in a custom loop. The rest of the attempt went into the start of a worker, data
    and writing. `epochs` counts the trial's epochs, those of earlier attempts included. Attempts at the same time have
    different lanes, which count from 0.
    """

    id: str
    attempt: int
    state: str
    begin: float
    end: float | None = None
    training: float | None = None
    compiling: float | None = None
    epochs: int | None = None
    reason: str | None = None
    lane: int = 0

    def finish(self, record: Transition, epoch_seconds: Series | None, before: float) -> None:
        """Take the end from the journal.

        Args:
            record: the journal line that records the end.
            epoch_seconds: the seconds that each epoch of the trial took, None if they were not logged.
            before: the seconds of earlier attempts that the trial's result includes.
        """
        self.state, self.end = str(record.state), record.time
        if result := record.result:
            self.epochs, self.reason = result.epochs, result.error
            own = result.seconds - before
            worked = own if own >= 0 else result.seconds  # negative: it started from the first epoch again
            # not longer than the attempt: after an attempt that died, `before` may be too small
            self.training = min(worked, max(record.time - self.begin, 0.0))
        if epoch_seconds is not None:
            times = epoch_seconds.times
            own_epochs = epoch_seconds.values[(times >= self.begin) & (times <= record.time)]
            if len(own_epochs):  # none if the attempt's logs were set aside because the trial started over
                self.training = float(own_epochs.sum())
            if len(own_epochs) > 1:
                self.compiling = max(0.0, float(own_epochs[0] - np.median(own_epochs[1:])))
                self.training = float(own_epochs.sum()) - self.compiling


def attempts(runs: Sequence[Run]) -> list[Attempt] | None:
    """Return the attempts at the trials of a sweep, sorted by their begin; None if the runs have no journal."""
    journal = journal_of(runs)
    if journal is None:
        return None
    found = sorted(_attempts(journal, runs), key=lambda attempt: attempt.begin)
    _give_lanes(found)
    return found


def _attempts(journal: JournalContent, runs: Sequence[Run]) -> list[Attempt]:
    """Return the attempts in the order of the journal."""
    run_of = {run.number: run for run in runs if run.number is not None}
    found: list[Attempt] = []
    unfinished: dict[int, Attempt] = {}  # by trial, its last attempt until its end is found in the journal
    before: dict[int, float] = {}  # by trial, the seconds in the worker that its result includes so far
    for record in journal.transitions:
        trial = record.trial
        if trial not in run_of:
            continue
        if record.state is TrialState.RUNNING:
            if trial in unfinished:  # its driver was killed before it could write the end
                unfinished[trial].state = str(TrialState.INTERRUPTED)
            unfinished[trial] = Attempt(run_of[trial].id, record.attempt, str(record.state), record.time)
            found.append(unfinished[trial])
        elif trial in unfinished:
            epochs = run_of[trial].scalars.get(layout.time_tag("epoch"))
            unfinished.pop(trial).finish(record, epochs, before.get(trial, 0.0))
            if record.state in (TrialState.FAILED, TrialState.DIVERGED):  # it starts over if it runs again
                before.pop(trial, None)
            elif record.result and record.result.seconds:  # an attempt that died reports 0
                before[trial] = record.result.seconds
    for trial, attempt in unfinished.items():
        attempt.state = str(run_of[trial].status or TrialState.RUNNING)
    return found


def _give_lanes(found: Sequence[Attempt]) -> None:
    """Give each attempt the first lane that is free when it begins."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []  # the end of the last attempt of each lane that is in use
    count = 0
    for attempt in found:
        while busy and busy[0][0] <= attempt.begin:
            heapq.heappush(free, heapq.heappop(busy)[1])
        attempt.lane = heapq.heappop(free) if free else count
        count = max(count, attempt.lane + 1)
        is_running = attempt.state == TrialState.RUNNING
        end = attempt.end if attempt.end is not None else math.inf if is_running else attempt.begin
        heapq.heappush(busy, (end, attempt.lane))


def lanes(found: Sequence[Attempt]) -> int:
    """Return how many attempts ran at a time at most."""
    return max((attempt.lane + 1 for attempt in found), default=0)


def shares(found: Sequence[Attempt]) -> tuple[float, float] | None:
    """Return the shares of the attempts' time that were training and compiling; None if they are not known."""
    whole = training = compiling = 0.0
    for each in found:
        if each.end is not None and each.training is not None:
            whole += max(0.0, each.end - each.begin)
            training += each.training
            compiling += each.compiling or 0.0
    return (min(training / whole, 1.0), min(compiling / whole, 1.0)) if whole > 0 else None
