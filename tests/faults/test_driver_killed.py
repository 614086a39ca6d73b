"""Tests of row 2 in README.md: kill -9 of the driver at random times, and what the driver and its workers leave."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from commands import hpdash, own
from driven import (
    alive,
    children,
    digests,
    driving,
    finished,
    journal_faults,
    long,
    run,
    series,
    session_ends,
    states,
    trial_folder,
    until,
    worker_pids,
)  # fmt: skip
from tensorboard.plugins.hparams import api_pb2

from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import Started, TrialState
from hpdash.system.scratch import PREFIX, Scratch

BENCH = Path(__file__).parents[1] / "bench" / "random_kills.py"
SEED = "13"  # with this seed, the first round kills the driver once, when two thirds of the logs are there
TRIALS, KILLS = 16, 6

LOOPS = """
import os, time
from pathlib import Path
import numpy as np

HERE = Path(__file__).parent

def behave(trial):
    (HERE / "pids" / str(os.getpid())).touch()
    for epoch in range(1, trial.epochs + 1):
        while trial.hparams["does"] in ("wait", "hang") and not (HERE / "mended").exists():
            time.sleep(0.05)
            if trial.hparams["does"] == "wait":
                trial.tick(0.5)
        time.sleep(0.1)
        weights = np.random.default_rng((trial.number, epoch)).normal(size=1000)
        trial.histogram("model/weights", weights, epoch)
        trial.report(epoch, loss=1 / epoch, validation_accuracy=float(weights.mean()))
"""


def written(folder: Path, *does: str) -> Path:
    """Write a sweep of the loops; return its file."""
    (folder / "pids").mkdir(parents=True)
    return folder / own(folder, *does, loops=LOOPS)


def test_workers_go_with_their_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After kill -9 of the driver, no worker is left after five seconds, not even a hung one; the trials run again.

    The next driver deletes the dead driver's scratch folder in the temporary folder. Nobody deletes it while its driver
    is alive.
    """
    path, scratch = written(tmp_path, "wait", "hang"), tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    with driving(path, "--workers", "2") as driver:
        until(lambda: len(worker_pids(tmp_path)) == 2, 30)
        (held,) = scratch.glob("hpdash-*")
        other = "--set", "sweep.name=other", "--set", "hparams.does=['0']"
        assert hpdash("sweep", path.name, *other, cwd=tmp_path).returncode == 0
        assert list(scratch.glob("hpdash-*")) == [held], "of one that lives"
        driver.kill()
        until(lambda: not any(map(alive, worker_pids(tmp_path))), 5)
    (tmp_path / "mended").touch()
    assert held.exists()
    assert hpdash("sweep", path.name, cwd=tmp_path).returncode == 0
    assert list(scratch.glob("hpdash-*")) == []
    folder = tmp_path / "logs" / "own"
    assert set(states(folder).values()) == {TrialState.FINISHED}
    assert [record.attempt for record in read_journal(folder / layout.JOURNAL).latest.values()] == [2, 2]


def test_a_folder_that_is_no_scratch_folder_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that has the name of a scratch folder is kept if it is a sweep's folder, which has a lock too."""
    (sweep := tmp_path / f"{PREFIX}mine").mkdir()
    (sweep / layout.LOCK).touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch = Scratch()
    scratch.close()
    assert list(tmp_path.iterdir()) == [sweep]
    assert (sweep / layout.LOCK).exists()


@pytest.mark.slow
def test_killed_again_and_again(tmp_path: Path) -> None:
    """After several kills, finished trials are the same byte for byte.

    Each trial is finished once, and no series is torn.
    """
    does = [str(number) for number in range(TRIALS)]
    alone, path = written(tmp_path / "alone", *does), written(tmp_path / "killed", *does)
    assert hpdash("sweep", alone.name, cwd=alone.parent).returncode == 0
    folder, chance, kept = path.parent / "logs" / "own", random.Random(0), {}
    for _ in range(KILLS):
        before = set(worker_pids(path.parent))
        with driving(path, "--workers", "2") as driver:
            until(lambda before=before: set(worker_pids(path.parent)) > before, 30)
            time.sleep(chance.uniform(0, 0.4))
            driver.kill()
            until(lambda: not any(map(alive, worker_pids(path.parent))), 5)
        kept = finished(folder) | kept  # keep the files of each trial as they were when first seen
    assert 0 < len(kept) < TRIALS
    assert hpdash("sweep", path.name, cwd=path.parent).returncode == 0
    assert {number: files for number, files in finished(folder).items() if number in kept} == kept
    assert list(journal_faults(folder, TRIALS)) == []
    assert series(folder) == series(alone.parent / "logs" / "own")
    assert all(session_ends(trial_folder(folder, number)) == [api_pb2.STATUS_SUCCESS] for number in range(TRIALS))


@pytest.mark.usefixtures("one_process")  # for the run that resumes; the killed one has a driver and a worker of its own
def test_a_keras_trial_has_an_undisturbed_ones_bits(tmp_path: Path, unharmed: Path) -> None:
    """A trial whose driver is killed after a checkpoint resumes from there and gives an undisturbed trial's bits."""
    path, folder = long(tmp_path), tmp_path / "logs" / "long"
    with driving(path, "--workers", "1") as driver:
        until(lambda: list(folder.glob(f"*/{layout.CHECKPOINT}")), 60)
        workers = children(driver.pid)
        driver.kill()
        until(lambda: not any(map(alive, workers)), 5)
    _, told = run(path)
    assert [event.epoch > 0 for event in told if isinstance(event, Started)] == [True]
    assert (digests(folder), series(folder)) == (digests(unharmed), series(unharmed))


@pytest.mark.slow
def test_a_keras_sweep_has_an_undisturbed_ones_bits() -> None:
    """A sweep killed at random times resumes from its checkpoints and gives an undisturbed sweep's bits.

    That is, it ends with the same scalars, histograms and weights.
    """
    command = [sys.executable, BENCH, "--rounds", "1", "--seed", SEED, "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"1 driver at .*: equal", done.stdout), done.stdout
