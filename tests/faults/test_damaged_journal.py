"""Tests of row 4 in README.md: a journal that is torn, ends with NULs, has a flipped byte, is empty or is missing.

The next run and readers report the damage. It costs at most the trials of the damaged lines, and the original bytes are
kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from driven import digests, series, snapshot, states, trial_folder
from sweep_files import made_sweep

from hpdash import Options, cli, run_sweep
from hpdash.driver.plan import Watcher
from hpdash.logs import layout
from hpdash.records import Event, Notice, Started, TrialState

LOOP = """
def learn(trial):
    for epoch in range(1, trial.epochs + 1):
        trial.histogram("net/kernel", [trial.seed, trial.hparams["rate"], epoch], epoch)
        trial.report(epoch, loss=1 / epoch, validation_accuracy=epoch / 10 + trial.hparams["rate"])
"""
TRIALS = 3


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a sweep of three trials, one after the other; return its sweep file."""
    folder = tmp_path_factory.mktemp("ran")
    path = made_sweep(folder, loop="loops:learn", source=LOOP, hparams={"rate": [0.1, 0.2, 0.3]})
    assert run_sweep(path, folder / "logs", Options(workers=1)).exit_code == 0
    return path


@pytest.fixture
def path(ran: Path, tmp_path: Path) -> Path:
    """Copy the sweep with its logs, so that a test can damage them; return the copy's sweep file."""
    return Path(shutil.copytree(ran.parent, tmp_path / "copy")) / ran.name


def again(path: Path) -> tuple[list[int], list[str]]:
    """Run the sweep again to its end; return the trials that it started and the notices about damage."""
    told: list[Event | None] = []
    outcome = run_sweep(path, path.parent / "logs", Options(workers=1), Watcher(event=told.append))
    assert outcome.exit_code == 0
    assert len(outcome.results) == TRIALS
    started = [event.spec.number for event in told if isinstance(event, Started)]
    return started, [event.text for event in told if isinstance(event, Notice)]


def ls(path: Path) -> Result:
    """List the sweep; check that the command exits with 0 and changes nothing in the logs."""
    logs = path.parent / "logs"
    before = snapshot(logs)
    result = CliRunner().invoke(cli.main, ["ls", str(logs)])
    assert result.exit_code == 0, result.output
    assert snapshot(logs) == before
    return result


Lines = list[bytes]  # the lines of a journal, each with its newline


def torn(share: float) -> Callable[[Lines], bytes]:
    """Return a function that keeps only a share of the last line."""
    return lambda lines: b"".join(lines[:-1]) + lines[-1][: int(len(lines[-1]) * share)]


def flipped(line: int, place: int) -> Callable[[Lines], bytes]:
    """Return a function that flips one bit in a byte of a line."""

    def flip(lines: Lines) -> bytes:
        at = place % len(lines[line])
        changed = lines[line][:at] + bytes([lines[line][at] ^ 2]) + lines[line][at + 1 :]
        return b"".join([*lines[:line], changed, *lines[line + 1 :]])

    return flip


# How the lines (each trial's start and end) are damaged, which trials run again, and what the warning contains
DAMAGE = {
    "torn behind its first bytes": (torn(0.01), [2], "line 6"),
    "torn in the middle": (torn(0.5), [2], "line 6"),
    "torn in the checksum": (torn(0.99), [2], "line 6"),
    "torn before the newline": (lambda lines: b"".join(lines)[:-1], [], None),
    "torn in a trial's first line": (lambda lines: b"".join(lines[:-1])[:-9], [2], "line 5"),
    "NULs at the end": (lambda lines: b"".join(lines) + bytes(4096), [], "line 7"),
    "NULs over the last line": (lambda lines: b"".join(lines[:-1]) + bytes(len(lines[-1])), [2], "line 6"),
    "NULs over the first line": (
        lambda lines: bytes(99) + b"\n" + b"".join(lines[1:]),
        [],
        "line 1: not a complete line",
    ),
    "NULs alone": (lambda lines: bytes(8192), [0, 1, 2], "line 1"),
    "empty": (lambda lines: b"", [0, 1, 2], "states of 3 trials"),
    "gone": (lambda lines: None, [0, 1, 2], "states of 3 trials"),
    "another text": (lambda lines: b"These are my notes.\n", [0, 1, 2], "line 1: not a complete line"),
    "a flipped byte in a start": (flipped(2, 9), [], "line 3: its checksum does not match"),
    "a flipped byte in an end": (flipped(1, 50), [0], "line 2: its checksum does not match"),
    "a flipped byte in a checksum": (flipped(3, -4), [1], "line 4: "),
    "a flipped newline": (flipped(1, -1), [], "line 2: its checksum does not match"),
    "the last newline flipped": (flipped(5, -1), [2], "line 6: not a complete line"),
}


@pytest.mark.parametrize(("damage", "lost", "told"), DAMAGE.values(), ids=DAMAGE.keys())
def test_the_next_run_goes_on(
    path: Path, ran: Path, damage: Callable[[Lines], bytes | None], lost: list[int], told: str | None
) -> None:
    """The next run reports the damage, keeps the original bytes, and runs only the affected trials again."""
    folder, original = (each.parent / "logs" / "own" for each in (path, ran))
    journal = folder / layout.JOURNAL
    data = damage(journal.read_bytes().splitlines(keepends=True))
    journal.unlink()
    if data is not None:
        journal.write_bytes(data)
    listed = ls(path)
    finished = [number for number in range(TRIALS) if number not in lost]
    before = [snapshot(trial_folder(folder, number)) for number in finished]
    started, notices = again(path)
    assert started == lost
    assert [snapshot(trial_folder(folder, number)) for number in finished] == before
    assert states(folder) == dict.fromkeys(range(TRIALS), TrialState.FINISHED)
    assert (digests(folder), series(folder)) == (digests(original), series(original))
    assert told is None or (told in notices[0] and told in listed.stderr)
    assert bool(notices) == bool(listed.stderr) == bool(told)
    kept = [file.read_bytes() for file in folder.glob(f"{layout.JOURNAL}.damaged-*")]
    assert kept == [data] if ".damaged-1" in " ".join(notices) else journal.read_bytes().startswith(data or b"")
    assert bool(ls(path).stderr) == (bool(data and told) and not kept)
    assert again(path)[0] == []


def test_every_byte_of_a_journal(path: Path) -> None:
    """Whichever byte is changed, `hpdash ls` names its line and knows the ends of all trials except at most one."""
    journal = path.parent / "logs" / "own" / layout.JOURNAL
    data = journal.read_bytes()
    for place in range(0, len(data), 37):
        journal.write_bytes(data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :])
        result, line = ls(path), data.count(b"\n", 0, place) + 1
        assert f"line {line}: " in result.stderr
        assert result.stdout.count("finished") >= TRIALS - 1
