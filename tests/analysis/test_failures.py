"""Tests of what bad ends have in common, and of trials as they were at the first rung."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import fisher_exact

from hpdash.analysis.failures import patterns
from hpdash.analysis.first_rung import as_of
from hpdash.analysis.objective import best
from hpdash.goal import Goal
from hpdash.records import TrialResult, TrialState
from hpdash.runs import Objective, Run, Series

ACCURACY = Objective("accuracy", "accuracy", Goal.MAX)


def runs(fails: dict[str, int], each: int = 20) -> list[Run]:
    """Return `each` trials for every optimizer, so many of which have failed; `width` has nothing to do with it."""
    made = []
    for name, failed in fails.items():
        for at in range(each):
            state = TrialState.FAILED if at < failed else TrialState.FINISHED
            made.append(Run(f"{name}{at}", Path(), {"optimizer": name, "width": at % 3}, status=state))
    return made


def test_the_value_that_failures_share_is_found() -> None:
    """The optimizer with which trials fail is reported with its counts, and the p-value of Fisher's exact test."""
    (found,) = patterns(runs({"sgd": 12, "adam": 1, "rmsprop": 0}))
    assert (found.state, found.name, found.low, found.high) == (TrialState.FAILED, "optimizer", "sgd", "sgd")
    assert (found.inside, found.trials, found.total, found.others) == (12, 20, 13, 40)
    expected = fisher_exact([[12, 8], [1, 39]], alternative="greater").pvalue * 6  # 3 optimizers and 3 widths
    assert found.p == pytest.approx(expected)


def test_chance_is_no_pattern() -> None:
    """Failures that are spread over all values, no failure at all, and failures everywhere are not reported."""
    assert patterns(runs({"sgd": 4, "adam": 5, "rmsprop": 3})) == []
    assert patterns(runs({"sgd": 0, "adam": 0})) == []
    assert patterns(runs({"sgd": 20, "adam": 20})) == []


def test_a_trial_counts_as_of_an_epoch() -> None:
    """A pruned trial counts with its value at the rung, a finished one with that value and not its best."""
    steps = np.arange(1, 5)
    whole = Series(steps, np.array([0.1, 0.2, 0.9, 0.8]), steps / 1.0)
    short = Series(steps[:2], np.array([0.3, 0.4]), steps[:2] / 1.0)
    made = [
        Run("a", Path(), {}, {"accuracy": whole}, status=TrialState.FINISHED, objective=ACCURACY,
            result=TrialResult(TrialState.FINISHED, 4, best={"accuracy": 0.9}, best_epoch=3)),
        Run("b", Path(), {}, {"accuracy": short}, status=TrialState.PRUNED, objective=ACCURACY),
        Run("c", Path(), {}, {}, status=TrialState.FAILED, objective=ACCURACY),
    ]  # fmt: skip
    found = as_of(made, 2, ACCURACY)
    assert [best(run, ACCURACY) for run in found] == [(0.2, 2), (0.4, 2), None]
    assert [run.status for run in found] == [TrialState.FINISHED, TrialState.FINISHED, TrialState.FAILED]
