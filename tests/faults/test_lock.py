"""Tests of row 12 in README.md: two drivers on one sweep, and a driver that is killed while it holds the lock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from commands import hpdash, own
from driven import driving, journal_faults, snapshot, states, until

from hpdash.journal.journal import lock
from hpdash.records import TrialState

AT_ONCE = 10.0  # seconds on a busy machine; without the lock, the second driver would wait like the first

LOOPS = """
import time
from pathlib import Path

def behave(trial):
    (Path(__file__).parent / "started").touch()
    for epoch in range(1, trial.epochs + 1):
        while not (Path(__file__).parent / "go").exists():
            trial.tick(0.5)
            time.sleep(0.05)
        trial.report(epoch, loss=1.0, validation_accuracy=epoch / 4)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a sweep of two trials that wait until they may continue; return its file."""
    return tmp_path / own(tmp_path, "learn", "learn_too", loops=LOOPS)


def test_the_second_driver_ends_at_once(path: Path) -> None:
    """The second driver exits with 3 at once, names the holder of the lock and what to do, and changes nothing.

    Readers need no lock, and the first driver continues.
    """
    root = path.parent / "logs"
    with driving(path, "--workers", "1") as driver:
        until((path.parent / "started").exists, 30)
        before, start = snapshot(root), time.monotonic()
        second = hpdash("sweep", path.name, cwd=path.parent)
        assert time.monotonic() - start < AT_ONCE
        assert second.returncode == 3
        assert f"(process {driver.pid} on " in second.stderr and "run the same command again" in second.stderr
        assert len(second.stderr.splitlines()) == 1
        assert "running" in hpdash("ls", "--json", cwd=path.parent).stdout
        assert snapshot(root) == before
        (path.parent / "go").touch()
        driver.communicate(timeout=60)
    assert driver.returncode == 0
    assert list(journal_faults(root / "own", 2)) == []


def test_a_finished_sweep_needs_no_lock(path: Path) -> None:
    """A sweep with nothing to run exits with 0, even while another process holds its lock."""
    (path.parent / "go").touch()
    assert hpdash("sweep", path.name, "--workers", "1", cwd=path.parent).returncode == 0
    with lock(path.parent / "logs" / "own"):
        assert hpdash("sweep", path.name, cwd=path.parent).returncode == 0


def test_a_killed_holders_lock_is_free_at_once(path: Path) -> None:
    """After kill -9 of the holder, the lock can be taken at once, and the same command completes the sweep."""
    folder = path.parent / "logs" / "own"
    with driving(path, "--workers", "1") as driver:
        until((path.parent / "started").exists, 30)
        driver.kill()
    with lock(folder):
        pass
    (path.parent / "go").touch()
    assert hpdash("sweep", path.name, cwd=path.parent).returncode == 0
    assert list(journal_faults(folder, 2)) == []


def test_two_drivers_begin_at_once(path: Path) -> None:
    """If two drivers start one sweep at the same time, one runs it and the other exits with 3; no trial runs twice."""
    with driving(path, "--workers", "1") as one, driving(path, "--workers", "1") as other:
        until(lambda: one.poll() is not None or other.poll() is not None, 30)
        (path.parent / "go").touch()
        told = [driver.communicate(timeout=60) for driver in (one, other)]
    assert sorted((one.returncode, other.returncode)) == [0, 3]
    assert not any("Traceback" in out + err for out, err in told)
    folder = path.parent / "logs" / "own"
    assert set(states(folder).values()) == {TrialState.FINISHED}
    assert list(journal_faults(folder, 2)) == []
