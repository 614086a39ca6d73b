"""Tests of row 8 in README.md: the disk is full for the journal, event files or a checkpoint, and later has room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from commands import hpdash, own
from driven import alive, driving, journal_faults, series, session_ends, snapshot, states, trial_folder, worker_pids
from small_disk import CHECKPOINT_SIZE, ROOM, large, size
from tensorboard.plugins.hparams import api_pb2

from hpdash.journal.journal import read_journal
from hpdash.logs import checkpoint, layout
from hpdash.records import TrialState

# The loops "journal" and "events" fill the disk in their second epoch, while "wait" runs at the same time. After that,
# they need more room than the last page of a file has left: for the error text in the journal, or for histograms.
LOOPS = """
import os, time
from pathlib import Path
import numpy as np

HERE = Path(__file__).parent

def fill():
    with (HERE / "logs" / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass

def behave(trial):
    (HERE / "pids").mkdir(exist_ok=True)
    (HERE / "pids" / str(os.getpid())).touch()
    does = "learn" if (HERE / "room").exists() else trial.hparams["does"]
    for epoch in range(1, trial.epochs + 1):
        while does == "wait":
            (HERE / "waits").touch()
            trial.tick(0.5)
            time.sleep(0.05)
        if epoch == 2 and does in ("journal", "events"):
            while not (HERE / "waits").exists():
                time.sleep(0.05)
            fill()
        if epoch == 2 and does == "journal":
            raise ValueError("an odd reason " * 10_000)
        for number in range(100):
            values = np.random.default_rng((trial.number, epoch, number)).normal(size=1000)
            trial.histogram(f"model/weights_{number}", values, epoch)
        trial.report(epoch, loss=1.0, validation_accuracy=epoch / 4)
"""


def undisturbed(folder: Path, *does: str) -> dict[tuple[str, str, int], bytes]:
    """Run the sweep in a folder with enough room; return its series."""
    folder.mkdir()
    (folder / "room").touch()
    assert hpdash("sweep", own(folder, *does, loops=LOOPS), cwd=folder).returncode == 0
    return series(folder / "logs" / "own")


def ended_full(path: Path, workers: int) -> str:
    """Run a sweep until the disk is full; check that it exits with 4 and no traceback, and return the error output."""
    with driving(path, "--workers", str(workers)) as driver:
        out, err = driver.communicate(timeout=90)
    assert driver.returncode == 4, out + err
    assert "No space left on device (" in err
    assert "bytes free). Make room" in err
    assert "Traceback" not in out + err
    return err


@pytest.mark.parametrize(("kind", "named"), [("journal", layout.JOURNAL), ("events", layout.EVENT_FILE)])
def test_full_in_a_trial(tmp_path: Path, disk: Path, kind: str, named: str) -> None:
    """If the disk fills up during a trial, the sweep exits with 4 and names the file and the bytes free.

    The finished trials stay. Once there is room, the same command completes the sweep.
    """
    does = ("learn", kind, "wait")
    path, folder = tmp_path / own(tmp_path, *does, loops=LOOPS), disk / "own"
    assert named in ended_full(path, workers=2)
    assert not any(map(alive, worker_pids(tmp_path)))
    state = TrialState.RUNNING if kind == "journal" else TrialState.INTERRUPTED
    assert states(folder) == {0: TrialState.FINISHED, 1: state, 2: state}
    replay = read_journal(folder / layout.JOURNAL)
    assert replay.warnings == ()
    if kind == "events":
        assert "No space left on device" in str(replay.latest[1].result)
        assert hpdash("verify", "logs", cwd=tmp_path).returncode == 0  # no file ends with a torn record
    before = snapshot(trial_folder(folder, 0))
    (disk / "filler").unlink()
    (tmp_path / "room").touch()
    again = hpdash("sweep", path.name, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert snapshot(trial_folder(folder, 0)) == before
    assert list(journal_faults(folder, 3)) == []
    assert series(folder) == undisturbed(tmp_path / "undisturbed", *does)
    assert all(session_ends(trial_folder(folder, number)) == [api_pb2.STATUS_SUCCESS] for number in range(3))
    assert hpdash("verify", "logs", cwd=tmp_path).returncode == 0


def test_full_before_the_start(tmp_path: Path, disk: Path) -> None:
    """A sweep that finds the disk full exits with 4; once there is room, the same command runs it."""
    path = tmp_path / own(tmp_path, "learn", loops=LOOPS)
    with (disk / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, ROOM - 4096)
    ended_full(path, workers=1)
    (disk / "filler").unlink()
    assert hpdash("sweep", path.name, cwd=tmp_path).returncode == 0
    assert list(journal_faults(disk / "own", 1)) == []


def test_full_for_a_checkpoint(tmp_path: Path, disk: Path) -> None:
    """If a checkpoint does not fit, the previous one stays whole and no part of the new one takes up room.

    Once there is room, the trial resumes from the previous checkpoint.
    """
    path, folder = large(tmp_path), disk / "own"
    size(disk, 2 * CHECKPOINT_SIZE)  # room for one checkpoint and the other files, but not for a second checkpoint
    assert layout.CHECKPOINT in ended_full(path, workers=1)
    run = trial_folder(folder, 0)
    assert states(folder) == {0: TrialState.INTERRUPTED}
    assert checkpoint.read(run / layout.CHECKPOINT).epoch == 1
    assert list(run.glob(f"{layout.CHECKPOINT}.*")) == []
    files = layout.event_files(run)
    size(disk, ROOM)
    again = hpdash("sweep", path.name, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert {step for _, tag, step in series(folder) if tag == "epoch_loss"} == {1, 2, 3}
    assert {step for _, tag, step in series(folder) if tag == "model/weights"} == {1, 2, 3}
    assert set(files) < set(layout.event_files(run))
    assert list(disk.rglob("*.part")) == []
    assert hpdash("verify", "logs", cwd=tmp_path).returncode == 0
