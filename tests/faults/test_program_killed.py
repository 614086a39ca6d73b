"""Tests of programs that are killed or ignore signals, or whose worker or driver is killed: nothing outlives them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from driven import alive, children, driving, run, session_ends, states, trial_folder, until
from programs import COMMAND, SOURCE, noted_pids, program_sweep

from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import TrialState
from hpdash.system.signals import WATCHED

FILLS = """
import sys
from pathlib import Path

if not (Path(__file__).parent / "mended").exists():
    with (Path(__file__).parent / "logs" / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    sys.stdout.write("x" * 100_000)
"""
RESUMABLE = (*COMMAND, "--state", "{state}")


def waiting(folder: Path, does: str = "wait", command: tuple[str, ...] = COMMAND) -> Path:
    """Write the sweep of one program that logs two steps and then waits."""
    return program_sweep(folder, {"does": [does]}, command=command)


def has_logged(folder: Path) -> bool:
    """Return whether the program has logged its first steps, and the worker has had time to see them."""
    runs = list((folder / "logs" / "programs").glob("0000*"))
    return bool(runs) and len(layout.event_files(runs[0])) > 1 and len(noted_pids(folder)) > 0


def parent(pid: int) -> int:
    """Return the process id of a process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def attempts(folder: Path) -> list[TrialState]:
    """Return the states of the trial in the journal, in their order."""
    return [each.state for each in read_journal(folder / "logs" / "programs" / layout.JOURNAL).transitions]


@pytest.mark.parametrize("who", ["driver", "worker"])
def test_no_program_outlives_its_driver_or_worker(tmp_path: Path, who: str) -> None:
    """After kill -9 of the driver or of the worker, the program and its children are gone, and the sweep goes on."""
    path = waiting(tmp_path, "leave")
    with driving(path, "--workers", "1") as driver:
        until(lambda: has_logged(tmp_path) and len(noted_pids(tmp_path)) == 3, 60)
        (tmp_path / "mended").touch()
        os.kill(driver.pid if who == "driver" else children(driver.pid)[0], signal.SIGKILL)
        first = noted_pids(tmp_path)[:3]
        until(lambda: not any(map(alive, first)), 20)
        driver.communicate(timeout=60)
    outcome, _ = run(path)
    assert outcome.exit_code == 0
    folder = tmp_path / "logs" / "programs"
    assert states(folder) == {0: TrialState.FINISHED}
    assert session_ends(trial_folder(folder, 0)) == [1]
    assert [each.name for each in (trial_folder(folder, 0) / layout.ATTEMPTS / "1").iterdir()]


def test_a_killed_program_is_tried_again(tmp_path: Path) -> None:
    """kill -9 of a program kills its attempt; the next one starts over, with the first one's logs set aside."""
    path = program_sweep(tmp_path, {"does": ["die"]}, sweep={"max_retries": 1})
    outcome, _ = run(path)
    assert outcome.results[0].state is TrialState.KILLED
    assert "SIGKILL" in str(outcome.results[0].error) and "memory" in str(outcome.results[0].error)
    assert attempts(tmp_path) == [TrialState.RUNNING, TrialState.KILLED] * 2
    (tmp_path / "mended").touch()
    outcome, _ = run(path)
    assert outcome.results[0].best == {"score": 4.0}
    assert session_ends(trial_folder(tmp_path / "logs" / "programs", 0)) == [1]


def test_a_program_with_a_state_goes_on(tmp_path: Path) -> None:
    """With {state}, the next attempt goes on where the program was killed: its logs stay, no step is there twice."""
    path = program_sweep(tmp_path, {"does": ["die"]}, command=RESUMABLE, sweep={"max_retries": 0})
    run(path)
    (tmp_path / "mended").touch()
    outcome, _ = run(path)
    assert (outcome.results[0].epochs, outcome.results[0].best) == (4, {"score": 4.0})
    folder = trial_folder(tmp_path / "logs" / "programs", 0)
    assert "going on after step 2" in (folder / layout.OUTPUT).read_text()
    assert session_ends(folder) == [1]
    assert not (folder / layout.ATTEMPTS).exists()


@pytest.mark.parametrize(
    ("does", "number"),
    [*(pytest.param("wait", each, id=each.name) for each in WATCHED), pytest.param("hang", signal.SIGTERM, id="hung")],
)
def test_a_signal_ends_the_program(tmp_path: Path, number: signal.Signals, does: str) -> None:
    """Ctrl-C, SIGTERM and SIGHUP end the program, also one that ignores SIGTERM; the trial runs again later."""
    path = waiting(tmp_path, does)
    with driving(path, "--workers", "1") as driver:
        until(lambda: has_logged(tmp_path), 60)
        os.kill(driver.pid, number)
        driver.communicate(timeout=60)
    assert driver.returncode == 128 + number
    assert not any(map(alive, noted_pids(tmp_path)))
    assert attempts(tmp_path) == [TrialState.RUNNING, TrialState.INTERRUPTED]
    (tmp_path / "mended").touch()
    outcome, _ = run(path)
    assert outcome.exit_code == 0


def test_a_killed_guard_takes_its_program_along(tmp_path: Path) -> None:
    """After kill -9 of the guard, the program and what it has started are killed, and the trial is tried again."""
    path = waiting(tmp_path, "leave")
    with driving(path, "--workers", "1") as driver:
        until(lambda: has_logged(tmp_path) and len(noted_pids(tmp_path)) == 3, 60)
        first = noted_pids(tmp_path)
        (tmp_path / "mended").touch()
        os.kill(parent(first[0]), signal.SIGKILL)
        driver.communicate(timeout=60)
    assert driver.returncode == 0
    assert not any(map(alive, first))
    states = attempts(tmp_path)
    assert states == [TrialState.RUNNING, TrialState.KILLED, TrialState.RUNNING, TrialState.FINISHED]


def test_a_full_disk_stops_the_sweep(disk: Path, tmp_path: Path) -> None:
    """If what a program prints cannot be written, the sweep stops with the path and the reason, and goes on later."""
    path = program_sweep(tmp_path, {"does": ["fill"]}, source=FILLS + SOURCE)
    with driving(path, "--workers", "1") as driver:
        _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 4 and str(disk) in errors and "No space left" in errors
    (disk / "filler").unlink()
    (tmp_path / "mended").touch()
    outcome, _ = run(path)
    assert outcome.exit_code == 0


def test_a_hung_program_times_out(tmp_path: Path) -> None:
    """A program that takes too long is ended, and its message says how far it got."""
    path = program_sweep(tmp_path, {"does": ["hang"]}, sweep={"timeout": 2.0})
    outcome, _ = run(path)
    assert outcome.results[0].state is TrialState.TIMED_OUT
    assert not any(map(alive, noted_pids(tmp_path)))


def test_a_failed_program_runs_again_on_request(tmp_path: Path) -> None:
    """A failed program runs again only with --retry-failed; its output and its logs are set aside."""
    path = program_sweep(tmp_path, {"does": ["refuse"]}, sweep={"max_consecutive_failures": 5})
    run(path)
    (tmp_path / "mended").touch()
    assert run(path)[0].results[0].state is TrialState.FAILED
    outcome, _ = run(path, retry_failed=True)
    assert outcome.results[0].state is TrialState.FINISHED
    folder = trial_folder(tmp_path / "logs" / "programs", 0)
    assert "a reason" in (folder / layout.ATTEMPTS / "1" / layout.OUTPUT).read_text()
    assert "a reason" not in (folder / layout.OUTPUT).read_text()


def test_event_files_in_the_state_are_set_aside_with_it(tmp_path: Path) -> None:
    """A program that logs into {state} can be started over, too."""
    source = SOURCE.replace(
        "first, saved = 1", "EventFile(flags.state).close()\nif does == 'late': sys.exit(3)\nfirst, saved = 1"
    )
    path = program_sweep(tmp_path, {"does": ["late"]}, command=RESUMABLE, source=source)
    run(path)
    (tmp_path / "mended").touch()
    outcome, _ = run(path, retry_failed=True)
    assert outcome.results[0].state is TrialState.FINISHED
    aside = trial_folder(tmp_path / "logs" / "programs", 0) / layout.ATTEMPTS / "1"
    assert not layout.all_event_files(aside) and any((aside / layout.STATE).iterdir())


def test_more_trials_are_added(tmp_path: Path) -> None:
    """--extend adds values; the programs that have ended do not run again."""
    path = program_sweep(tmp_path, {"x": [1.0]})
    run(path)
    program_sweep(tmp_path, {"x": [1.0, 2.0]})
    outcome, _ = run(path, extend=True)
    assert {number: result.best for number, result in outcome.results.items()} == {0: {"score": 4.0}, 1: {"score": 8.0}}
    assert len(noted_pids(tmp_path)) == 2


def test_an_edited_program_is_noticed(tmp_path: Path) -> None:
    """If the script that the command names has changed, the sweep does not go on without a word."""
    path = program_sweep(tmp_path, {"does": ["learn", "die"]}, sweep={"max_retries": 0})
    run(path)
    (tmp_path / "program.py").write_text((tmp_path / "program.py").read_text() + "# edited\n")
    with driving(path) as driver:
        _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 2 and "program.py" in errors and "--accept-changes" in errors
