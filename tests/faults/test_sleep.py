"""Tests of row 7 in README.md: the machine sleeps longer than a trial may take, and no trial is called dead or late."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from driven import LOOPS, driving, own, until, worker_pids

from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import TrialState

TIMEOUT = 5
SECOND = LOOPS.replace("600", "10")  # a trial that waits takes one second


def test_a_machine_that_sleeps(tmp_path: Path) -> None:
    """If the driver and its workers stop for longer than the time limit, each trial finishes at its first attempt."""
    path = own(tmp_path, "wait", "wait_too", "learn", loops=SECOND, timeout=TIMEOUT)
    with driving(path, "--workers", "2") as driver:
        until(lambda: worker_pids(tmp_path), 30)
        os.killpg(driver.pid, signal.SIGSTOP)
        time.sleep(TIMEOUT + 1)
        os.killpg(driver.pid, signal.SIGCONT)
        _, err = driver.communicate(timeout=60)
    assert (driver.returncode, "Traceback" in err) == (0, False)
    records = read_journal(tmp_path / "logs" / "own" / layout.JOURNAL).transitions
    ended = [record for record in records if record.state is not TrialState.RUNNING]
    assert sorted((record.trial, record.attempt, record.state) for record in ended) == [
        (number, 1, TrialState.FINISHED) for number in range(3)
    ]
