"""Replicates as rungs: a setting gets another seed when it is among the best of those that have had as many."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from heapq import nlargest

from ..history import History
from ..spec import Sweep
from ..trial import TrialState

Means = Mapping[int, float]  # by setting, what the mean of its best values is worth; more is better


def next_seed(sweep: Sweep, settings: int, history: History) -> int | None:
    """Return the trial of a setting that deserves another seed, None where none does.

    Of n settings whose first k seeds have finished, the best n // reduction_factor by their mean get seed k + 1: those
    with the most seeds first.
    """
    factor = sweep.pruning.reduction_factor if sweep.pruning else 1
    for seeds in range(sweep.repeats - 1, 0, -1):
        means = _means(sweep, settings, history, seeds)
        for setting in _best(means, len(means) // factor):
            if (trial := setting * sweep.repeats + seeds) not in history.latest:
                return trial
    return None


def leaders_seed(sweep: Sweep, settings: int, history: History) -> int | None:
    """Return the next trial of the best setting, by the mean of what seeds it had; None where it has had them all."""
    means = _means(sweep, settings, history)
    for setting in _best(means, 1):
        trials = range(setting * sweep.repeats, (setting + 1) * sweep.repeats)
        return next((trial for trial in trials if trial not in history.latest), None)
    return None


def _means(sweep: Sweep, settings: int, history: History, seeds: int | None = None) -> Means:
    found = {setting: _values(sweep, setting, history, seeds) for setting in range(settings)}
    return {setting: statistics.fmean(values) for setting, values in found.items() if values}


def _values(sweep: Sweep, setting: int, history: History, seeds: int | None = None) -> list[float]:
    """Return what the finished trials of a setting are worth; of its first so many, none unless all have finished."""
    first = setting * sweep.repeats
    records = [history.latest.get(trial) for trial in range(first, first + (seeds or sweep.repeats))]
    values = [
        sweep.goal.worth(record.result.best.get(sweep.objective, math.nan))
        for record in records
        if record and record.result and record.state is TrialState.FINISHED
    ]
    return values if seeds is None or len(values) == seeds else []


def _best(means: Means, count: int) -> list[int]:
    return nlargest(count, means, key=lambda setting: (means[setting], -setting))
