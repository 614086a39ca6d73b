"""Tests of row 17 in README.md: the time limit, for workers that hang, are stopped, ignore SIGTERM or are only slow.

The trial gets the state `timed_out` and an error that says so. The sweep continues and exits with 1, and the next run
trains the missing trials.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from driven import alive, own, run, session_ends, started, states, trial_folder, worker_pids
from tensorboard.plugins.hparams import api_pb2

from hpdash.driver.plan import Outcome
from hpdash.records import TrialState

LOOPS = """
import os, signal, time
from pathlib import Path

HERE = Path(__file__).parent

def behave(trial):
    (HERE / "pids" / str(os.getpid())).touch()
    does = "learn" if (HERE / "mended").exists() else trial.hparams["does"]
    trial.report(1, loss=1.0, validation_accuracy=1.0)
    if does == "sleep":
        time.sleep(600)
    if does == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if does == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            pass
    while does == "tick":
        trial.tick(0.5)
        time.sleep(0.1)
    trial.report(2, loss=1.0, validation_accuracy=1.0)
"""
HUNG = ("sleep", "stop", "ignore", "tick")


@dataclass(frozen=True)
class Ran:
    """A sweep that has run once: its file, its outcome and its workers."""

    path: Path
    outcome: Outcome
    workers: list[int]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run trials that do not end, and one that does, with a time limit of two seconds."""
    folder = tmp_path_factory.mktemp("hung")
    path = own(folder, *HUNG, "learn", loops=LOOPS, timeout=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpdash.backends.supervised.HUNG_SECONDS", 1.0)
        outcome, _ = run(path, workers=2)
    return Ran(path, outcome, worker_pids(folder))


@pytest.mark.parametrize("number", range(len(HUNG)), ids=HUNG)
def test_it_has_timed_out(ran: Ran, number: int) -> None:
    """A trial over the time limit is ended, whatever it does; its session has failed, and the error names its epoch."""
    result = ran.outcome.results[number]
    assert result.state is TrialState.TIMED_OUT
    assert (result.error or "").startswith("timed out: it took more than 2 s, was in epoch 2 of 2")
    assert session_ends(trial_folder(ran.outcome.folder, number)) == [api_pb2.STATUS_FAILURE]


def test_hanging_and_slow_are_told_apart(ran: Ran) -> None:
    """The error says that a trial hangs if the trial sends nothing any more, but not if it still ticks."""
    hangs = ["it hangs" in (ran.outcome.results[number].error or "") for number in range(len(HUNG))]
    assert hangs == [True, True, True, False]


def test_the_sweep_goes_on(ran: Ran) -> None:
    """The trial after the hung ones is trained, the sweep exits with 1, and no worker is left."""
    assert ran.outcome.results[len(HUNG)].state is TrialState.FINISHED
    assert ran.outcome.exit_code == 1
    assert not any(map(alive, ran.workers))


def test_run_again_it_is_redone(ran: Ran) -> None:
    """The next run starts exactly the trials that timed out, and exits with 0 if they finish."""
    (ran.path.parent / "mended").touch()
    outcome, told = run(ran.path, workers=1)
    assert (outcome.exit_code, started(told)) == (0, list(range(len(HUNG))))
    assert set(states(outcome.folder).values()) == {TrialState.FINISHED}
    assert session_ends(trial_folder(outcome.folder, 0)) == [api_pb2.STATUS_SUCCESS]


SLOW_START = """
import sys, time

if "--multiprocessing-fork" in sys.orig_argv:
    time.sleep(2)
"""


def test_a_workers_start_is_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's start does not count against the time limit, because importing TensorFlow may take longer."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_START)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcome, _ = run(own(tmp_path, "sleep", "learn", loops=LOOPS, timeout=1), workers=1)
    assert states(outcome.folder) == {0: TrialState.TIMED_OUT, 1: TrialState.FINISHED}
