"""Tests of row 1 in README.md: kill -9 of a worker costs its trial at most what came after its last checkpoint.

The worker is killed in an epoch, and no other trial loses anything. The trial gets the state `killed` and a reason, is
tried again as often as the sweep allows, and ends with the bits of an undisturbed run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from driven import alive, children, digests, driving, long, own, series, session_ends, states, trial_folder, until
from tensorboard.plugins.hparams import api_pb2

from hpdash.backends.children import can_fork
from hpdash.journal.journal import Transition, read_journal
from hpdash.logs import layout
from hpdash.records import TrialState


@dataclass(frozen=True)
class Ended:
    """A driver that has ended: its exit code and output, the journal's records and the trial's session ends."""

    exit_code: int
    out: str
    err: str
    records: tuple[Transition, ...]
    session_ends: list[int]


def killed_in_an_epoch(path: Path) -> Ended:
    """Run a sweep of one trial and kill its worker once, after its next checkpoint."""
    run = path.parent / "logs" / "long"
    before = {path: path.stat().st_mtime_ns for path in run.glob(f"*/{layout.CHECKPOINT}")}
    with driving(path, "--workers", "1") as driver:
        until(lambda: {path: path.stat().st_mtime_ns for path in run.glob(f"*/{layout.CHECKPOINT}")} != before, 60)
        (worker,) = children(driver.pid)
        os.kill(worker, signal.SIGKILL)
        out, err = driver.communicate(timeout=60)
    records = read_journal(run / layout.JOURNAL).transitions
    return Ended(driver.returncode, out, err, records, session_ends(trial_folder(run, 0)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder of the sweep file."""
    return tmp_path_factory.mktemp("killed")


@pytest.fixture(scope="module")
def first(folder: Path) -> Ended:
    """Run a sweep without retries, and kill its worker."""
    return killed_in_an_epoch(long(folder, max_retries=0))


@pytest.fixture(scope="module")
def second(folder: Path, first: Ended) -> Ended:
    """Run the sweep again, now with one retry, and kill its worker again."""
    return killed_in_an_epoch(long(folder, max_retries=1))


def test_without_retries_it_is_killed(first: Ended) -> None:
    """Without retries, the trial is `killed` with a reason, its session has failed, and the sweep exits with 1.

    The command says how to resume.
    """
    last = first.records[-1]
    assert [record.state for record in first.records] == [TrialState.RUNNING, TrialState.KILLED]
    assert last.result is not None
    assert "killed by signal 9 (SIGKILL" in (last.result.error or "")
    assert "memory" in (last.result.error or "")
    assert first.session_ends == [api_pb2.STATUS_FAILURE]
    assert first.exit_code == 1
    assert "To continue: hpdash sweep" in first.out
    assert "Traceback" not in first.out + first.err


def test_the_next_run_tries_again_and_a_retry_follows_at_once(second: Ended) -> None:
    """The next run resumes the trial; if it is killed again, a retry in that run resumes from a named epoch."""
    attempts = [(record.attempt, record.state) for record in second.records]
    assert attempts == [
        (1, TrialState.RUNNING), (1, TrialState.KILLED),
        (2, TrialState.RUNNING), (2, TrialState.KILLED),
        (3, TrialState.RUNNING), (3, TrialState.FINISHED),
    ]  # fmt: skip
    assert re.search(r"killed by signal 9 .*; trying again from epoch [1-9]", second.err)
    assert second.exit_code == 0


def test_twice_killed_it_ends_with_the_same_bits(folder: Path, second: Ended, unharmed: Path) -> None:
    """After two kills, the scalars, histograms and final weights are those of an undisturbed run.

    Each step is there once, and the session ends once.
    """
    killed = folder / "logs" / "long"
    assert digests(killed) == digests(unharmed)
    assert series(killed) == series(unharmed)
    assert second.session_ends == [api_pb2.STATUS_SUCCESS]


def test_what_it_went_on_from_is_gone(folder: Path, second: Ended) -> None:
    """A finished trial leaves no checkpoint; what came after earlier ones is set aside, one folder per attempt."""
    run = trial_folder(folder / "logs" / "long", 0)
    assert not (run / layout.CHECKPOINT).exists()
    assert {path.name for path in (run / layout.ATTEMPTS).iterdir()} <= {"1", "2"}


@pytest.mark.skipif(not can_fork(), reason="workers are forked only on Linux without a GPU")
def test_the_process_that_forks_the_workers_is_killed(tmp_path: Path, unharmed: Path) -> None:
    """Its worker ends with it, a new one takes the trial from its checkpoint, and the bits are the same."""
    path = long(tmp_path, max_retries=1)
    run = tmp_path / "logs" / "long"
    with driving(path, "--workers", "1") as driver:
        until(lambda: list(run.glob(f"*/{layout.CHECKPOINT}")), 60)
        (worker,) = children(driver.pid)
        server = int(subprocess.run(["ps", "-o", "ppid=", "-p", str(worker)], capture_output=True, check=True).stdout)
        assert server != driver.pid
        os.kill(server, signal.SIGKILL)
        _, err = driver.communicate(timeout=60)
    assert re.search(r"killed by signal 9 .*; trying again from epoch [1-9]", err)
    assert driver.returncode == 0
    assert not alive(worker)
    assert digests(run) == digests(unharmed)


# Kills its process at the n-th step of finding out whether the trial has to stop.
LOOK = """
import os, signal, sys
from itertools import count

def behave(trial):
    steps, last = count(), int(trial.hparams["does"])
    def step(*_):
        if next(steps) == last:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(step)
    trial.should_stop
    sys.setprofile(None)
    for epoch in range(1, trial.epochs + 1):
        trial.report(epoch, loss=1.0, validation_accuracy=1.0)
"""
NEVER = 1000  # more steps than the check takes


def test_a_worker_killed_at_a_bad_moment_takes_nobody_along(tmp_path: Path) -> None:
    """Workers share nothing: if one is killed at any moment, the others still get trials and send their results."""
    path = own(tmp_path, *map(str, (1, 6, 9, 12, NEVER)), loops=LOOK, max_retries=0)
    with driving(path, "--workers", "2") as driver:
        driver.communicate(timeout=60)
    killed = dict.fromkeys(range(4), TrialState.KILLED)
    assert states(tmp_path / "logs" / "own") == {**killed, 4: TrialState.FINISHED}
    assert driver.returncode == 1
