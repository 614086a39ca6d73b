"""Rows 5 and 6: Ctrl-C once and twice, SIGTERM, SIGHUP, a terminal that closes; to the driver only, to the group.

Once: nothing more starts, a Keras trial ends its epoch and keeps it, a loop of one's own stops at its next tick, the
command says how to go on. Twice, or after a short grace: now. No traceback, no orphan, and all of it resumes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driven import (
    DRIVER,
    LOOPS,
    alive,
    children,
    digests,
    driving,
    long,
    own,
    run,
    series,
    session_ends,
    started,
    states,
    trial_folder,
    until,
    worker_pids,
)

from hpdash.driver.drive import GRACE_SECONDS
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import Started, TrialState

# What a terminal does to the command that is typed in it: it is its controlling one.
IN_TERMINAL = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.login_tty(int(sys.argv[1]))
os.execv(sys.argv[2], sys.argv[2:])
"""


def resumes(path: Path, *numbers: int) -> None:
    """Run a sweep again, its trials mended: those that are missing are started, and all is well."""
    (path.parent / "mended").touch()
    outcome, told = run(path, workers=1)
    assert (outcome.exit_code, started(told)) == (0, list(numbers))


def stopped_by_itself(folder: Path) -> bool:
    """Say whether the only trial that began was interrupted because it listened, not ended after the grace."""
    (record,) = read_journal(folder / layout.JOURNAL).latest.values()
    return record.state is TrialState.INTERRUPTED and record.result is not None and record.result.error is None


@pytest.mark.parametrize(
    ("number", "send", "exit_code", "goes_on"),
    [
        pytest.param(signal.SIGINT, os.kill, 130, False, id="ctrl-c-to-the-driver"),
        pytest.param(signal.SIGINT, os.killpg, 130, True, id="ctrl-c-to-the-group"),
        pytest.param(signal.SIGTERM, os.killpg, 143, True, id="sigterm-to-the-group"),
        pytest.param(signal.SIGHUP, os.kill, 129, False, id="sighup-to-the-driver"),
    ],
)
def test_once(tmp_path: Path, number: int, send: Callable[[int, int], None], exit_code: int, goes_on: bool) -> None:
    """Trials stop as interrupted, none starts, their sessions stay open, it says how to go on, which finishes them."""
    path = own(tmp_path, "wait", "learn")
    with driving(path, "--workers", "1") as driver:
        until(lambda: worker_pids(tmp_path), 30)
        send(driver.pid, number)
        out, err = driver.communicate(timeout=60)
    folder = tmp_path / "logs" / "own"
    assert driver.returncode == exit_code
    assert stopped_by_itself(folder)
    assert session_ends(trial_folder(folder, 0)) == []
    assert "To continue: hpdash sweep" in out
    assert "Traceback" not in out + err
    assert not any(map(alive, worker_pids(tmp_path)))
    if goes_on:  # the others leave the same on the disk
        resumes(path, 0, 1)


def test_ctrl_c_twice(tmp_path: Path) -> None:
    """A trial that does not listen is waited for, and ended at once by the second one, as interrupted."""
    path = own(tmp_path, "hang")
    with driving(path) as driver:
        until(lambda: worker_pids(tmp_path), 30)
        driver.send_signal(signal.SIGINT)
        time.sleep(1)
        assert driver.poll() is None
        driver.send_signal(signal.SIGINT)
        out, err = driver.communicate(timeout=GRACE_SECONDS - 1)  # at once: it has no grace
    assert driver.returncode == 130
    assert states(tmp_path / "logs" / "own") == {0: TrialState.INTERRUPTED}
    assert "Traceback" not in out + err
    assert not any(map(alive, worker_pids(tmp_path)))
    resumes(path, 0)


def test_sigterm_waits_a_short_grace_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that does not listen to SIGTERM is ended after the grace, as interrupted: one signal is enough."""
    monkeypatch.setattr("hpdash.driver.drive.GRACE_SECONDS", 1.0)
    path = own(tmp_path, "hang")

    def send() -> None:
        until(lambda: worker_pids(tmp_path), 30)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=send)
    thread.start()
    outcome, _ = run(path)
    thread.join()
    assert outcome.exit_code == 143
    assert states(outcome.folder) == {0: TrialState.INTERRUPTED}
    assert not any(map(alive, worker_pids(tmp_path)))
    resumes(path, 0)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=lambda number: number.name)
def test_only_ctrl_c_twice_means_now(tmp_path: Path, number: int) -> None:
    """A terminal that closes hangs up more than once, and so do some schedulers: the grace stays."""
    path = own(tmp_path, "wait", loops=LOOPS.replace("0.05", "2"))
    with driving(path, "--workers", "1") as driver:
        until(lambda: worker_pids(tmp_path), 30)
        for _ in range(3):
            os.kill(driver.pid, number)
            time.sleep(0.3)
        driver.communicate(timeout=60)
    assert stopped_by_itself(tmp_path / "logs" / "own")
    assert driver.returncode == 128 + number


def test_ctrl_c_before_the_first_trial(tmp_path: Path) -> None:
    """While functions and data are looked at: 130, nothing written, no traceback of any child."""
    path = own(tmp_path, "learn")
    with (tmp_path / "loops.py").open("a") as file:
        file.write("\nif not (HERE / 'pids' / '0').exists():\n    (HERE / 'pids' / '0').touch()\n    time.sleep(600)\n")
    with driving(path, "--workers", "1") as driver:
        until(lambda: worker_pids(tmp_path), 30)
        os.killpg(driver.pid, signal.SIGINT)
        out, err = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert not (tmp_path / "logs").exists()
    assert "To continue: hpdash sweep" in out
    assert "Traceback" not in out + err


def test_a_keras_trial_ends_its_epoch_and_keeps_it(tmp_path: Path, unharmed: Path) -> None:
    """Ctrl-C in the middle of training: the next run goes on behind that epoch, to an undisturbed run's bits."""
    path = long(tmp_path)
    path.write_text(path.read_text().replace("checkpoint_epochs = 1", ""))
    folder = tmp_path / "logs" / "long"
    with driving(path, "--workers", "1") as driver:
        until(lambda: list(folder.glob(f"*/{layout.VALIDATION}/*")), 60)  # the first epoch has ended
        workers = children(driver.pid)
        os.killpg(driver.pid, signal.SIGINT)
        _, err = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert states(folder) == {0: TrialState.INTERRUPTED}
    assert "Traceback" not in err
    assert len(workers) == 1
    assert not any(map(alive, workers))
    kept = {step for _, _, step in series(folder)}
    outcome, told = run(path, workers=1)
    assert [event.epoch for event in told if isinstance(event, Started)] == [max(kept)]
    assert outcome.exit_code == 0
    assert digests(folder) == digests(unharmed)
    assert series(folder) == series(unharmed)


def test_under_nohup_a_hangup_is_nothing(tmp_path: Path) -> None:
    """SIGHUP that a user has told us to ignore stops nothing."""
    path = own(tmp_path, "wait")
    with driving(path, "--workers", "1", under=["nohup"]) as driver:
        until(lambda: worker_pids(tmp_path), 30)
        os.killpg(driver.pid, signal.SIGHUP)
        time.sleep(1)
        assert driver.poll() is None
        driver.send_signal(signal.SIGTERM)
        driver.communicate(timeout=60)
    assert driver.returncode == 143


@pytest.mark.parametrize(
    ("under", "exit_code", "state"),
    [
        pytest.param([], 129, TrialState.INTERRUPTED, id="told"),
        pytest.param(["sh", "-c", 'trap "" HUP; exec "$@"', "sh"], 0, TrialState.FINISHED, id="disowned"),
    ],
)
def test_a_terminal_that_closes(tmp_path: Path, under: list[str], exit_code: int, state: TrialState) -> None:
    """With its terminal gone, a sweep stops as at any SIGHUP; one that was disowned before trains on, in silence."""
    path = own(tmp_path, "wait", loops=LOOPS.replace("600", "30"))
    terminal, its_end = os.openpty()
    driver = [sys.executable, "-c", DRIVER, "sweep", str(path), "--logdir", str(tmp_path / "logs"), "--workers", "1"]
    command = [sys.executable, "-c", IN_TERMINAL, str(its_end), "/usr/bin/env", *under, *driver]
    with subprocess.Popen(command, pass_fds=(its_end,), cwd=tmp_path, env=os.environ | {"TERM": "dumb"}) as process:
        os.close(its_end)
        until(lambda: worker_pids(tmp_path), 30)
        os.close(terminal)
        process.wait(timeout=60)
    assert process.returncode == exit_code
    assert states(tmp_path / "logs" / "own") == {0: state}
