"""Tests of curves: a group's mean and range over steps, also if its runs have different steps and lengths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpdash.analysis.curves import best, curve, last
from hpdash.analysis.rows import Stat
from hpdash.goal import Goal
from hpdash.runs import Series


def series(values: dict[int, float]) -> Series:
    """Make a series of step -> value."""
    steps = np.array(sorted(values), np.int64)
    return Series(steps, np.array([values[step] for step in sorted(values)], float), np.zeros(len(steps)))


def test_a_group_at_steps_that_its_runs_share() -> None:
    """At each step the curve has the mean, the sample standard deviation, the minimum and the maximum of the runs."""
    found = curve([series({1: 1.0, 2: 4.0}), series({1: 3.0, 2: 8.0})])
    assert found.steps.tolist() == [1, 2]
    assert found.mean.tolist() == [2.0, 6.0]
    assert found.std == pytest.approx([math.sqrt(2), math.sqrt(8)])
    assert (found.low.tolist(), found.high.tolist(), found.count.tolist()) == ([1.0, 4.0], [3.0, 8.0], [2, 2])


def test_runs_with_different_steps() -> None:
    """A run is interpolated linearly between its own steps, and not counted before its first or after its last step."""
    found = curve([series({0: 0.0, 10: 10.0}), series({5: 1.0, 20: 4.0})])
    assert found.steps.tolist() == [0, 5, 10, 20]
    assert found.mean.tolist() == [0.0, 3.0, 6.0, 4.0]
    assert found.count.tolist() == [1, 2, 2, 1]
    assert np.isnan(found.std[[0, 3]]).all()


def test_values_that_are_not_finite_are_left_out() -> None:
    """A run that diverges counts up to its last finite value, so the mean stays finite."""
    found = curve([series({1: 1.0, 2: math.nan, 3: math.inf}), series({1: 3.0, 2: 5.0, 3: 7.0})])
    assert found.mean.tolist() == [2.0, 5.0, 7.0]
    assert found.count.tolist() == [2, 1, 1]


@pytest.mark.parametrize("values", [[], [{}], [{3: math.nan}]], ids=["no-runs", "no-steps", "nothing-finite"])
def test_nothing_to_average(values: list[dict[int, float]]) -> None:
    """Runs without a finite value give a curve without steps, no last value and no best value."""
    found = [series(each) for each in values]
    assert curve(found).steps.size == 0
    assert last(found) is None
    assert best(found, Goal.MAX) is None


SERIES = st.dictionaries(st.integers(0, 30), st.floats(-1e6, 1e6), min_size=1, max_size=8).map(series)


@given(st.lists(SERIES, min_size=1, max_size=5))
def test_the_mean_lies_within_the_range(runs: list[Series]) -> None:
    """At every step low <= mean <= high, at least one run counts, and the range contains every run's own value."""
    found = curve(runs)
    slack = 1e-6
    assert (found.count >= 1).all()
    assert (found.low <= found.mean + slack).all()
    assert (found.mean <= found.high + slack).all()
    for run in runs:
        at = np.searchsorted(found.steps, run.steps)
        assert (found.low[at] <= run.values + slack).all()
        assert (run.values <= found.high[at] + slack).all()


def test_last_and_best_values() -> None:
    """The last and the best value are means over the runs; the best comes with the steps at which it was reached."""
    runs = [series({1: 0.5, 2: 0.9, 3: 0.8}), series({1: 0.7, 2: 0.6, 3: 0.6})]
    assert last(runs) == Stat(pytest.approx(0.7), pytest.approx(math.sqrt(0.02)), 2)
    assert last(runs, step=2) == Stat(pytest.approx(0.75), pytest.approx(math.sqrt(0.045)), 2)
    assert last(runs, step=9) is None
    assert best(runs, Goal.MAX) == (Stat(pytest.approx(0.8), pytest.approx(math.sqrt(0.02)), 2), 1, 2)
    assert best(runs, Goal.MIN) == (Stat(pytest.approx(0.55), pytest.approx(math.sqrt(0.005)), 2), 1, 2)
