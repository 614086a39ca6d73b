"""How long a running sweep will still take, from what its trials have taken so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..records import TrialState
from ..runs import Run
from .objective import objective_of, trained


def seconds_left(runs: Sequence[Run], planned: int) -> float | None:
    """Estimate the seconds until all `planned` trials of a sweep have ended; None if this is unknown.

    It is unknown if no trial is running, or if none has finished, failed, diverged or been pruned yet. The estimate
    assumes that each remaining trial takes their mean time, and that as many trials run at a time as run now. Of a
    running trial, only the epochs that are left count. A trial that was killed or interrupted counts as remaining, as
    if it ran again; one that timed out does not run again while the sweep runs.
    """
    running = [run for run in runs if run.status is TrialState.RUNNING]
    taken = [run.result.seconds for run in runs if run.result and run.status and run.status.is_conclusive]
    if not running or not taken:
        return None
    objective = objective_of(runs)
    again = sum(run.status in (TrialState.KILLED, TrialState.INTERRUPTED) for run in runs)
    waiting = max(0, planned - len(runs)) + again + sum(1.0 - _share(trained(run, objective), run) for run in running)
    return float(np.mean(taken)) * waiting / len(running)


def _share(epochs: int | None, run: Run) -> float:
    """Return how much of its epochs a trial has trained, from 0 to 1."""
    whole = run.planned
    if not epochs or not whole or whole < 0:
        return 0.0
    return min(epochs / whole, 1.0)
