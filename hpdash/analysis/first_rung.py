"""The trials of a sweep that prunes, each with its value at the first rung: after the same number of epochs.

Final values would mislead, because only the trials that are not pruned train beyond the first rung.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..journal.history import History
from ..journal.of_runs import journal_of
from ..records import TrialResult, TrialState
from ..runs import Objective, Run


def first_rung(runs: Sequence[Run]) -> int | None:
    """Return the first epoch after which trials of a sweep were compared; None if none were, or for several sweeps."""
    journal = journal_of(runs) if len({run.sweep for run in runs}) == 1 else None
    return min(History.of(journal.entries).rungs, default=None) if journal else None


def as_of(runs: Sequence[Run], epoch: int, objective: Objective) -> list[Run]:
    """Return the trials as if each had ended after an epoch, with the value of the objective at that epoch.

    A trial without a finite value at that epoch is unchanged, except that it does not count as finished.
    """
    return [_as_of(run, epoch, objective) for run in runs]


def _as_of(run: Run, epoch: int, objective: Objective) -> Run:
    series = run.scalars.get(objective.tag)
    value = series.values[series.steps >= epoch] if series is not None else np.empty(0)  # a program may skip steps
    if not len(value) or not np.isfinite(value[0]):
        return replace(run, status=TrialState.FAILED if run.status is TrialState.FINISHED else run.status)
    result = run.result or TrialResult(TrialState.FINISHED)
    ended = replace(result, best={objective.name: float(value[0])}, best_epoch=epoch)
    return replace(run, status=TrialState.FINISHED, objective=objective, result=ended)
