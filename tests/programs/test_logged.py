"""Tests of what is taken from a program's logs: best and last values, rungs, and the end of a loss that diverges."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from hpdash.errors import MetricError
from hpdash.goal import Goal
from hpdash.programs.logged import Logged
from hpdash.records import TrialSpec
from hpdash.runs import Series


def logged(values: Sequence[float], steps: Sequence[int] = (), goal: Goal = Goal.MIN, step: int = 0) -> Logged:
    """Return what a program with the rungs 3 and 9 has logged as `loss`."""
    settings = {"data": {}, "model": {}, "train": {"command": ["x"], "steps": 27}, "log": {}}
    made = Logged(TrialSpec(0, 0, 0, {}, settings, "loss", goal, rungs=(3, 9), watch="loss"), step)
    numbers = np.array(steps or range(1, len(values) + 1), np.int64)
    assert made.update({"loss": Series(numbers, np.array(values, float), numbers.astype(float))})
    return made


def test_a_rung_is_reached_at_the_first_step_from_it_on() -> None:
    """A program need not log every step: the value at the first step at or after the rung decides; each rung once."""
    made = logged([5.0, 4.0, 3.0, 2.0], steps=[2, 5, 8, 12])
    assert list(made.reached()) == [(3, 4.0), (9, 2.0)]
    assert list(made.reached()) == []


def test_one_value_is_not_compared_twice() -> None:
    """If the first value comes after several rungs, only the last of them is asked about."""
    made = logged([5.0, 4.0], steps=[10, 20])
    assert list(made.reached()) == [(9, 5.0)]


def test_steps_below_zero_are_left_out() -> None:
    """A journal cannot have them."""
    assert logged([5.0, 1.0, 4.0], steps=[-2, -1, 3]).best_step == 3


def test_what_is_logged_after_the_rung_does_not_count() -> None:
    """A pruned program has the values up to its rung, however far it has gone on."""
    made = logged([5.0, 4.0, 3.0, 2.0, 1.0])
    made.prune(3)
    assert (made.pruned_after, made.metrics, made.best, made.best_step) == (3, {"loss": 3.0}, {"loss": 3.0}, 3)


@pytest.mark.parametrize(
    ("values", "goal", "has_ended", "diverges"),
    [
        pytest.param([2.0, math.nan, 1.0], Goal.MIN, False, True, id="loss"),
        pytest.param([2.0, 1.0], Goal.MIN, True, False, id="finite"),
        pytest.param([math.nan, 1.0], Goal.MAX, True, False, id="score-undefined-at-first"),
        pytest.param([1.0, math.inf], Goal.MAX, False, False, id="score-that-may-recover"),
        pytest.param([1.0, math.inf], Goal.MAX, True, True, id="score-at-the-end"),
    ],
)
def test_a_value_that_is_not_finite(values: list[float], goal: Goal, has_ended: bool, diverges: bool) -> None:
    """One such loss is enough; of a score, only the last value counts."""
    assert logged(values, goal=goal).diverges(has_ended) is diverges


def test_the_step_of_a_diverged_loss_is_that_of_the_first_bad_value() -> None:
    """What the program logged after it is left out, so that the result does not depend on when it was ended."""
    made = logged([2.0, 1.5, math.nan, 1.0])
    assert made.diverges(False)
    assert (made.step, made.best, made.best_step) == (3, {"loss": 1.5}, 2)


def test_a_missing_objective_is_named_with_what_there_is() -> None:
    """The error has the key and the tags that were logged."""
    made = logged([1.0])
    made.update({"los": Series(np.array([1]), np.array([1.0]), np.array([1.0]))})
    with pytest.raises(MetricError, match=r"sweep\.objective.*los"):
        made.require()
