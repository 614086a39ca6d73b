"""Tests of whole sweeps with real workers that are really killed: what is on the disk, and what runs again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from driven import (
    digests,
    drive,
    own,
    run,
    series,
    session_ends,
    snapshot,
    started,
    trial_folder,
)
from sweep_files import made_sweep
from tensorboard.plugins.hparams import api_pb2

from hpdash import Options, run_sweep
from hpdash.backends.base import Queue
from hpdash.driver.plan import Outcome, Plan, Watcher
from hpdash.errors import LogdirError, SpecError
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import Ended, Event, Notice, Started, TrialResult, TrialState
from hpdash.spec import load_sweep
from hpdash.views.terminal.leaderboard import ranked


@dataclass(frozen=True)
class Ran:
    """A sweep that has run once and that several tests inspect."""

    path: Path
    folder: Path
    outcome: Outcome
    told: list[Event | None]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run a sweep on one worker in which most trials fail, each in a different way."""
    path = own(tmp_path_factory.mktemp("mixed"), "learn", "raise", "kill", "exit", "diverge", "learn_too")
    outcome, told = run(path, workers=1)
    return Ran(path, outcome.folder, outcome, told)


@pytest.fixture(scope="module")
def fine(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run a sweep without failures: two settings with two seeds each, on two workers."""
    path = own(tmp_path_factory.mktemp("fine"), "learn", "learn_too", repeats=2)
    outcome, told = run(path, workers=2)
    return Ran(path, outcome.folder, outcome, told)


@pytest.fixture
def copy(fine: Ran, tmp_path: Path) -> Path:
    """Copy the sweep without failures, so that a test may change it; return its file."""
    shutil.copytree(fine.path.parent, tmp_path / "copy")
    return tmp_path / "copy" / fine.path.name


@pytest.mark.parametrize(
    ("number", "state", "reason", "status"),
    [
        pytest.param(0, TrialState.FINISHED, None, api_pb2.STATUS_SUCCESS, id="finished"),
        pytest.param(1, TrialState.FAILED, "ValueError: an odd [/b] reason", api_pb2.STATUS_FAILURE, id="raised"),
        pytest.param(2, TrialState.KILLED, "killed by signal 9", api_pb2.STATUS_FAILURE, id="kill-9"),
        pytest.param(3, TrialState.KILLED, "exit code 3", api_pb2.STATUS_FAILURE, id="exited"),
        pytest.param(4, TrialState.DIVERGED, None, api_pb2.STATUS_FAILURE, id="diverged"),
        pytest.param(5, TrialState.FINISHED, None, api_pb2.STATUS_SUCCESS, id="the-sweep-goes-on"),
    ],
)
def test_one_bad_trial_stops_no_other(
    mixed: Ran, number: int, state: TrialState, reason: str | None, status: int
) -> None:
    """A failing trial affects only itself: it gets its state, its reason and exactly one end of its session."""
    result = mixed.outcome.results[number]
    assert result.state is state
    assert result.error is None if reason is None else reason in (result.error or "")
    assert session_ends(trial_folder(mixed.folder, number)) == [status]


def test_a_fault_makes_the_exit_code_one(mixed: Ran, fine: Ran) -> None:
    """A sweep with a failed or killed trial exits with 1, one without exits with 0."""
    assert (mixed.outcome.exit_code, fine.outcome.exit_code) == (1, 0)


def test_a_failure_keeps_its_traceback(mixed: Ran) -> None:
    """A failed trial's traceback names the user's own line."""
    assert 'raise ValueError("an odd [/b] reason")' in (mixed.outcome.results[1].traceback or "")


def test_lost_machines_are_forgiven_three_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first three lost machines cost a trial no retry; each further one does, as the trial may be the cause."""

    class Losing:
        def __init__(self, *_: Any) -> None:
            pass

        def run(self, queue: Queue) -> Iterator[Event | None]:
            while task := queue.take(()):
                yield Started(task.spec, task.attempt, 0)
                yield Ended(task.spec, task.attempt, TrialResult(TrialState.KILLED, error="gone"), lost_machine=True)

        def close(self) -> None:
            pass

    monkeypatch.setattr("hpdash.driver.runner.LocalBackend", Losing)
    outcome, told = run(own(tmp_path, "learn", max_retries=1))
    assert started(told) == [0] * (1 + 3 + 1)
    assert outcome.results[0].state is TrialState.KILLED


def test_the_journal_has_a_checked_line_a_transition(mixed: Ran) -> None:
    """The journal has a line for every change of state.

    Lines count from 1, contain the CRC-32C of their own content, and cover each attempt from running to its end.
    """
    lines = (mixed.folder / layout.JOURNAL).read_bytes().splitlines()
    records = []
    for line in lines:
        body, _, tail = line.rpartition(b',"crc":"')
        assert google_crc32c.value(body + b"}") == int(tail[:8], 16)
        records.append(json.loads(line))
    assert [record["seq"] for record in records] == list(range(1, 17))
    for number in range(6):
        own_records = [record for record in records if record["trial"] == number]
        attempts = (1, 2) if number in (2, 3) else (1,)  # killed trials get a second attempt
        for attempt, running, end in zip(attempts, own_records[::2], own_records[1::2], strict=True):
            assert running["attempt"] == end["attempt"] == attempt
            assert running["state"] == "running"
            assert end["state"] == end["result"]["state"] == mixed.outcome.results[number].state


def test_the_disk_holds_what_the_design_says(fine: Ran) -> None:
    """A sweep's folder holds only the sweep file, its record, journal, lock, experiment record and a run per trial."""
    names = {path.name for path in fine.folder.iterdir()}
    runs = {f"{2 * s + r:04d}-does={does},seed={r}" for s, does in enumerate(("learn", "learn_too")) for r in (0, 1)}
    (record,) = names - runs - {layout.SWEEP_TOML, layout.SWEEP_JSON, layout.JOURNAL, layout.LOCK}
    assert record.startswith("hparams-")
    assert runs < names


def test_a_finished_sweep_is_a_no_op(fine: Ran) -> None:
    """A finished sweep that is run again starts nothing and changes no file or time stamp; its outcome is the same."""
    before = snapshot(fine.folder.parent)
    outcome, told = run(fine.path)
    assert told == []
    assert outcome.exit_code == 0
    assert outcome.results == read_results(fine)
    assert snapshot(fine.folder.parent) == before


def read_results(ran: Ran) -> dict[int, Any]:
    """Return the results in the journal."""
    return {number: record.result for number, record in read_journal(ran.folder / layout.JOURNAL).latest.items()}


def test_replicates_are_one_row(fine: Ran) -> None:
    """The seeds of a setting share one row of the leaderboard."""
    rows = ranked(fine.outcome.specs, fine.outcome.results)
    assert [len(row.values) for row in rows] == [2, 2]
    assert all(row.best and row.best.std for row in rows)


def test_resuming_runs_what_is_missing(copy: Path) -> None:
    """If the end of the journal is lost, the sweep redoes only the trials that the rest does not call finished.

    The files of a finished trial stay untouched.
    """
    folder = copy.parent / "logs" / "own"
    journal = folder / layout.JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    keep = next(i for i, line in enumerate(lines) if b'"finished"' in line) + 1
    finished = json.loads(lines[keep - 1])["trial"]
    journal.write_bytes(b"".join(lines[:keep]))
    before, whole = snapshot(trial_folder(folder, finished)), series(folder)
    outcome, told = run(copy, workers=1)
    assert sorted(started(told)) == sorted({0, 1, 2, 3} - {finished})
    assert outcome.exit_code == 0
    assert snapshot(trial_folder(folder, finished)) == before
    assert series(folder) == whole


def test_damage_reaches_the_user(copy: Path) -> None:
    """A bad journal line and an unreadable sweep in the same logs root are reported, and the sweep still finishes."""
    folder = copy.parent / "logs" / "own"
    journal = folder / layout.JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[-1] = lines[-1].replace(b"finished", b"fanished")
    journal.write_bytes(b"".join(lines))
    neighbour = folder.with_name("neighbour")
    neighbour.mkdir()
    (neighbour / layout.SWEEP_JSON).write_text("{")
    outcome, told = run(copy, workers=1)
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert any(f"line {len(lines)}" in text for text in notices)
    assert any("neighbour" in text for text in notices)
    assert len(started(told)) == 1
    assert outcome.exit_code == 0


def test_damage_is_told_where_nothing_is_missing(copy: Path) -> None:
    """A finished sweep with a bad line in its journal reports the line, though it has nothing to run."""
    with (copy.parent / "logs" / "own" / layout.JOURNAL).open("ab") as file:
        file.write(b"odd\n")
    outcome, told = run(copy)
    assert [type(event) for event in told] == [Notice]
    assert outcome.exit_code == 0


def test_failed_trials_wait_to_be_asked_for(tmp_path: Path) -> None:
    """A failed trial runs again only with retry_failed.

    TensorBoard then no longer shows the event files of the first attempt.
    """
    path = own(tmp_path, "raise", "learn")
    assert run(path, workers=1)[0].exit_code == 1
    (tmp_path / "mended").touch()
    outcome, told = run(path, workers=1)
    assert (outcome.exit_code, told) == (1, [])
    outcome, told = run(path, workers=1, retry_failed=True)
    assert (outcome.exit_code, started(told)) == (0, [0])
    run_folder = trial_folder(outcome.folder, 0)
    assert session_ends(run_folder) == [api_pb2.STATUS_SUCCESS]
    assert [path.name[:18] for path in (run_folder / "attempts" / "1").iterdir()] == ["events.out.attempt"]
    assert read_journal(outcome.folder / layout.JOURNAL).latest[0].attempt == 2


def test_fail_fast_stops_at_the_first_fault(tmp_path: Path) -> None:
    """With fail_fast no trial starts after a failure; the others can still be run later."""
    path = own(tmp_path, "raise", "learn", "learn_too")
    outcome, told = run(path, workers=1, fail_fast=True)
    assert started(told) == [0]
    assert outcome.exit_code == 1
    outcome, told = run(path, workers=1)
    assert started(told) == [1, 2]


def test_what_is_wrong_leaves_nothing_behind(tmp_path: Path) -> None:
    """A missing function raises a SpecError before a folder is made or the sweep is planned."""
    path = own(tmp_path, "learn")
    path.write_text(path.read_text().replace("loops:behave", "loops:behaves"))
    plans: list[Plan] = []
    with pytest.raises(SpecError, match="Did you mean loops:behave"):
        run_sweep(path, tmp_path / "logs", watcher=Watcher(plan=plans.append))
    assert not (tmp_path / "logs").exists()
    assert plans == []


def test_a_logs_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A logs root that is a file raises a LogdirError, and the file stays unchanged."""
    (tmp_path / "logs").write_text("mine")
    with pytest.raises(LogdirError, match="logs"):
        run(own(tmp_path, "learn"), workers=1)
    assert (tmp_path / "logs").read_text() == "mine"


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the sweep file for which every run must give the same bits."""
    return made_sweep(
        tmp_path_factory.mktemp("keras"),
        name="keras",
        sweep={"repeats": 2},
        data={"name": "synthetic", "train": 200, "validation": 100},
        model={"hidden": [8], "dropout": 0.2},
        train={"epochs": 3, "optimizer": "adam"},
        hparams={"batchnorm": ["none", "before"]},
    )


@pytest.fixture(scope="module")
def undisturbed(keras_file: Path) -> Path:
    """Run the Keras sweep on one worker; return the sweep's folder.

    The driver must not load TensorFlow.
    """
    with drive(keras_file, "--workers", "1") as driver:
        _, err = driver.communicate(timeout=200)
    assert driver.returncode == 0, err
    return keras_file.parent / "logs" / "keras"


def test_a_keras_sweep_is_whole(undisturbed: Path) -> None:
    """Every trial has its texts, scalars, histograms, best values and digest.

    Scalars start at step 1 and histograms at step 0; each best value is written once.
    """
    found = series(undisturbed)
    for number in range(4):
        name = trial_folder(undisturbed, number).name
        assert {step for run, tag, step in found if (run, tag) == (name, "epoch_loss")} == {1, 2, 3}
        assert {step for run, tag, step in found if (run, tag) == (f"{name}/validation", "epoch_accuracy")} == {1, 2, 3}
        assert {step for run, tag, step in found if (run, tag) == (name, "hidden_1/kernel")} == {0, 1, 2, 3}
        assert {(name, "settings", 0), (name, "model", 0)} <= found.keys()
        assert len([tag for run, tag, _ in found if (run, tag) == (name, "best/accuracy")]) == 1
    assert len(set(digests(undisturbed).values()) - {None}) == 4


def test_workers_and_order_change_no_bit(keras_file: Path, undisturbed: Path, tmp_path: Path) -> None:
    """One worker, and two workers in reverse order, give the same scalars, histograms and weights, bit for bit."""
    outcome = run_sweep(load_sweep(keras_file), tmp_path, Options(workers=2, newest_first=True))
    assert outcome.exit_code == 0
    assert digests(outcome.folder) == digests(undisturbed)
    assert series(outcome.folder) == series(undisturbed)
