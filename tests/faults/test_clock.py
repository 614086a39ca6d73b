"""Tests of row 26 in README.md: a clock is set back or forward while a sweep runs.

Durations, the order of the records and the event files stay right.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import hpdash, invoke, own, patched
from driven import session_ends, states, trial_folder
from tensorboard.plugins.hparams import api_pb2

from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.logs.writer import RunWriter
from hpdash.records import TrialState

# The clock of every process is off by the number of seconds in a file, which training loops change while they run.
CLOCK = """
import time
from pathlib import Path

true, skew = time.time, Path({skew!r})
time.time = lambda: true() + float(skew.read_text())
"""
LOOPS = """
import os, signal
from pathlib import Path

SKEWS = {"back": "-86400", "forward": "3e8", "kill": "-86400"}

def behave(trial):
    does = trial.hparams["does"]
    for epoch in range(1, trial.epochs + 1):
        if epoch == 2 and does in SKEWS:
            (Path(__file__).parent / "skew").write_text(SKEWS[does])
        if epoch == 2 and does == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        trial.report(epoch, loss=1.0, validation_accuracy=epoch / 4)
"""


@pytest.fixture
def clock(tmp_path: Path) -> dict[str, str]:
    """Return the environment of processes whose clock the training loops can set."""
    (tmp_path / "skew").write_text("0")
    return patched(tmp_path, CLOCK.format(skew=str(tmp_path / "skew")))


@pytest.mark.parametrize("does", ["back", "forward"])
def test_a_clock_that_is_set(tmp_path: Path, clock: dict[str, str], does: str) -> None:
    """Durations ignore changes of the clock, and the journal's numbers keep the order that its times have lost."""
    name = own(tmp_path, "before", does, "after", loops=LOOPS)
    assert hpdash("sweep", name, "--workers", "1", cwd=tmp_path, environment=clock).returncode == 0
    records = read_journal(tmp_path / "logs" / "own" / layout.JOURNAL).transitions
    assert [record.seq for record in records] == [1, 2, 3, 4, 5, 6]
    assert abs(records[-1].time - records[0].time) > 80_000
    assert all(0 <= record.result.seconds < 60 for record in records if record.result)
    (listed,) = json.loads(hpdash("ls", "--json", cwd=tmp_path).stdout)["sweeps"]
    assert all(0 <= row["values"]["time"] < 60 for row in listed["rows"])
    again = hpdash("sweep", name, cwd=tmp_path, environment=clock)
    assert (again.returncode, again.stderr) == (0, "")


def test_event_files_stay_in_order(tmp_path: Path, clock: dict[str, str]) -> None:
    """Event files written after the clock went back a day sort after the earlier ones, as TensorBoard reads them."""
    name = own(tmp_path, "kill", loops=LOOPS)
    assert hpdash("sweep", name, "--workers", "1", cwd=tmp_path, environment=clock).returncode == 1
    folder = tmp_path / "logs" / "own"
    assert states(folder) == {0: TrialState.KILLED}
    run = trial_folder(folder, 0)
    assert session_ends(run) == [api_pb2.STATUS_FAILURE]
    files = layout.event_files(run)
    assert files == sorted(files, key=lambda path: path.stat().st_ctime_ns)


@pytest.mark.parametrize("time", [1e300, -1e300, 1e12, float("nan"), float("inf"), -1.0], ids=str)
def test_a_time_that_no_calendar_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time: float) -> None:
    """A run with invalid times is listed, shown, exported and compared like any other run."""
    with monkeypatch.context() as patch, RunWriter(tmp_path / "run") as run:
        patch.setattr("time.time", lambda: time)
        run.start({"rate": 0.1}, "group")
        run.scalar("loss", 1.0, 1)
        run.scalar("loss", 0.5, 2)
    logs = str(tmp_path)
    for command in (["ls", logs], ["show", f"{logs}/run"], ["export", logs], ["compare", logs, "--tag", "loss"]):
        shown = invoke(*command)
        assert (shown.exit_code, shown.stderr) == (0, "")
