"""Choose which setting of a sweep that prunes gets another seed: one of the best with the same number of seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from heapq import nlargest

from ..journal.history import History
from ..records import TrialState
from ..spec import Sweep

Means = Mapping[int, float]  # by setting: the mean utility of its trials' best values; larger is better


def next_seed(sweep: Sweep, settings: int, history: History) -> int | None:
    """Return the number of the next trial of a setting that is good enough for another seed; None if there is none.

    Of the n settings whose first k seeds have finished, the best n // reduction_factor by their mean get seed k + 1.
    Settings with the most seeds come first. `settings` is the number of settings so far.
    """
    factor = sweep.pruning.reduction_factor if sweep.pruning else 1
    for seeds in range(sweep.repeats - 1, 0, -1):
        means = _means(sweep, settings, history, seeds)
        for setting in _best(means, len(means) // factor):
            if (trial := setting * sweep.repeats + seeds) not in history.latest:
                return trial
    return None


def leaders_seed(sweep: Sweep, settings: int, history: History) -> int | None:
    """Return the number of the next trial of the setting with the best mean over its finished seeds.

    None if that setting has no seed left, or if no trial has finished.
    """
    means = _means(sweep, settings, history)
    for setting in _best(means, 1):
        trials = range(setting * sweep.repeats, (setting + 1) * sweep.repeats)
        return next((trial for trial in trials if trial not in history.latest), None)
    return None


def _means(sweep: Sweep, settings: int, history: History, seeds: int | None = None) -> Means:
    found = {setting: _values(sweep, setting, history, seeds) for setting in range(settings)}
    return {setting: statistics.fmean(values) for setting, values in found.items() if values}


def _values(sweep: Sweep, setting: int, history: History, seeds: int | None = None) -> list[float]:
    """Return the utility of each finished trial of a setting.

    With `seeds`, only the first `seeds` trials count, and the result is empty unless all of them have finished.
    """
    first = setting * sweep.repeats
    records = [history.latest.get(trial) for trial in range(first, first + (seeds or sweep.repeats))]
    values = [
        sweep.goal.utility(record.result.best.get(sweep.objective, math.nan))
        for record in records
        if record and record.result and record.state is TrialState.FINISHED
    ]
    return values if seeds is None or len(values) == seeds else []


def _best(means: Means, count: int) -> list[int]:
    return nlargest(count, means, key=lambda setting: (means[setting], -setting))
