"""Tests of rows 5 and 6 in README.md: Ctrl-C once and twice, SIGTERM, SIGHUP and a terminal that closes.

The signals go to the driver only, or to its process group. After one signal, no further trial starts, a Keras trial
ends its epoch and keeps it, a user's training loop stops at its next tick, and the command says how to resume. After a
second Ctrl-C or a short grace period, the trials end at once. There is no traceback and no orphaned process, and every
sweep can be resumed.
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

# Gives a command a controlling terminal, as for a command that is typed in that terminal.
IN_TERMINAL = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.login_tty(int(sys.argv[1]))
os.execv(sys.argv[2], sys.argv[2:])
"""


def resumes(path: Path, *numbers: int) -> None:
    """Run a sweep again with its trials mended; check that exactly the missing ones start and that it exits with 0."""
    (path.parent / "mended").touch()
    outcome, told = run(path, workers=1)
    assert (outcome.exit_code, started(told)) == (0, list(numbers))


def stopped_by_itself(folder: Path) -> bool:
    """Say whether the only started trial stopped by itself on a signal, and was not ended after the grace period."""
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
    """One signal interrupts the running trial, starts no further one, and leaves the session open.

    The command says how to resume, and the next run finishes the trials.
    """
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
    if goes_on:  # the other cases leave the same files on the disk
        resumes(path, 0, 1)


def test_ctrl_c_twice(tmp_path: Path) -> None:
    """Ctrl-C waits for a trial that does not listen; a second Ctrl-C ends it at once, as interrupted."""
    path = own(tmp_path, "hang")
    with driving(path) as driver:
        until(lambda: worker_pids(tmp_path), 30)
        driver.send_signal(signal.SIGINT)
        time.sleep(1)
        assert driver.poll() is None
        driver.send_signal(signal.SIGINT)
        out, err = driver.communicate(timeout=GRACE_SECONDS - 1)  # at once: there is no grace period
    assert driver.returncode == 130
    assert states(tmp_path / "logs" / "own") == {0: TrialState.INTERRUPTED}
    assert "Traceback" not in out + err
    assert not any(map(alive, worker_pids(tmp_path)))
    resumes(path, 0)


def test_sigterm_waits_a_short_grace_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One SIGTERM is enough: a trial that does not listen is ended after the grace period, as interrupted."""
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
    """Repeated SIGHUP or SIGTERM neither shortens the grace period nor kills the driver while it ends.

    A terminal that closes sends SIGHUP more than once, and some schedulers repeat their signals too.
    """
    path = own(tmp_path, "wait", loops=LOOPS.replace("0.05", "2"))
    with driving(path, "--workers", "1") as driver:
        until(lambda: worker_pids(tmp_path), 30)
        while driver.poll() is None:
            driver.send_signal(number)
            time.sleep(0.01)
        driver.communicate(timeout=60)
    assert stopped_by_itself(tmp_path / "logs" / "own")
    assert driver.returncode == 128 + number


def test_ctrl_c_before_the_first_trial(tmp_path: Path) -> None:
    """Ctrl-C while functions and data are checked exits with 130, writes nothing and shows no child's traceback."""
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


@pytest.mark.usefixtures("one_process")  # for the run that resumes; the stopped one has its own driver and worker
def test_a_keras_trial_ends_its_epoch_and_keeps_it(tmp_path: Path, unharmed: Path) -> None:
    """After Ctrl-C in an epoch, the next run resumes after that epoch and ends with an undisturbed run's bits."""
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
    """SIGHUP stops nothing if the user has started the sweep with `nohup`."""
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
    """A sweep whose terminal closes stops as at any SIGHUP; one that was disowned before continues silently."""
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
