"""Tests of row 16: every trial fails.

The sweep stops soon, prints the reason once and keeps all its results.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from driven import driving, own, run, started, states

from hpdash.records import TrialState

FAIL = tuple(f"fail_{number}" for number in range(8))
LOOPS = """
from pathlib import Path

def behave(trial):
    if trial.hparams["does"].startswith("fail") and not (Path(__file__).parent / "mended").exists():
        raise ValueError(f"no luck in trial {trial.number}")
    for epoch in range(1, trial.epochs + 1):
        trial.report(epoch, loss=1.0, validation_accuracy=1.0)
"""


@pytest.mark.parametrize(
    ("keys", "trials"),
    [pytest.param({}, 3, id="by-default"), pytest.param({"max_consecutive_failures": 5}, 5, id="five")],
)
def test_it_stops(tmp_path: Path, keys: dict[str, int], trials: int) -> None:
    """A sweep stops after a number of failures without a success, and exits with 1.

    It keeps the states, and prints the reason, the first traceback once and how to continue.
    """
    path = own(tmp_path, *FAIL, loops=LOOPS, **keys)
    with driving(path, "--workers", "1") as driver:
        out, err = driver.communicate(timeout=60)
    assert driver.returncode == 1
    assert states(tmp_path / "logs" / "own") == dict.fromkeys(range(trials), TrialState.FAILED)
    assert f"stopped: {trials} trials have failed" in out
    assert (out + err).count("Traceback") == 1
    assert out.count('raise ValueError(f"no luck in trial {trial.number}")') == 1
    assert "ValueError: no luck in trial 0" in out
    assert "To continue: hpdash sweep" in out


def test_what_was_not_begun_can_be(tmp_path: Path) -> None:
    """A stopped sweep that is run again starts the remaining trials; failed trials run again only with retry_failed."""
    path = own(tmp_path, *FAIL, loops=LOOPS)
    assert started(run(path, workers=1)[1]) == [0, 1, 2]
    (tmp_path / "mended").touch()
    assert started(run(path, workers=1)[1]) == [3, 4, 5, 6, 7]
    outcome, told = run(path, workers=1, retry_failed=True)
    assert (outcome.exit_code, started(told)) == (0, [0, 1, 2])


@pytest.mark.parametrize("first_run", [True, False], ids=["in-this-run", "in-an-earlier-run"])
def test_one_that_finishes_means_it_goes_on(tmp_path: Path, first_run: bool) -> None:
    """Once a trial has finished, in this run or an earlier one, the sweep does not stop, and all other trials run."""
    path = own(tmp_path, "learn", *FAIL, loops=LOOPS, max_consecutive_failures=1)
    if not first_run:
        assert started(run(path, workers=1, fail_fast=True)[1]) == [0, 1]
    outcome, _ = run(path, workers=1)
    assert outcome.exit_code == 1
    assert not outcome.stopped
    assert [outcome.results[number].state for number in range(9)] == [TrialState.FINISHED, *[TrialState.FAILED] * 8]
