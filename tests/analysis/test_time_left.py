"""Tests of the estimate of the time that a running sweep still takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpdash.analysis.time_left import seconds_left
from hpdash.goal import Goal
from hpdash.records import TrialResult, TrialState
from hpdash.runs import Objective, Run, Series

LOSS = Objective("loss", "loss", Goal.MIN)


def run(number: int, state: TrialState, seconds: float = 0.0, epochs: int = 0) -> Run:
    """Return a trial of ten epochs that has trained some of them."""
    steps = np.arange(1, epochs + 1)
    series = {"loss": Series(steps, steps / 1.0, steps / 1.0)} if epochs else {}
    result = None if state is TrialState.RUNNING else TrialResult(state, epochs, seconds=seconds)
    return Run(f"{number}", Path(), {"epochs": 10}, series, status=state, number=number, objective=LOSS, result=result)


def test_the_rest_takes_what_the_ended_trials_took() -> None:
    """Two trials run at a time: three that have not started, and what is left of the running ones."""
    ended = [run(0, TrialState.FINISHED, 10.0), run(1, TrialState.PRUNED, 2.0)]
    running = [run(2, TrialState.RUNNING, epochs=5), run(3, TrialState.RUNNING)]
    assert seconds_left([*ended, *running], 7) == pytest.approx(6.0 * (3 + 0.5 + 1) / 2)


def test_without_a_running_or_an_ended_trial_nothing_is_known() -> None:
    """There is no estimate for a sweep that does not run, nor before the first trial has ended."""
    assert seconds_left([run(0, TrialState.FINISHED, 10.0)], 7) is None
    assert seconds_left([run(0, TrialState.RUNNING)], 7) is None


def test_a_trial_that_timed_out_does_not_run_again() -> None:
    """Only killed and interrupted trials run again while the sweep runs."""
    ended = [run(0, TrialState.FINISHED, 2.0), run(1, TrialState.TIMED_OUT, 9.0), run(2, TrialState.KILLED, 9.0)]
    assert seconds_left([*ended, run(3, TrialState.RUNNING, epochs=5)], 4) == pytest.approx(2.0 * (1 + 0.5))
