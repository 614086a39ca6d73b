"""Tests of row 29 in README.md: few file descriptors, no terminal, closed streams, pipes that are closed early.

The tests also cover odd terminals and languages.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import hpdash, own
from driven import states

from hpdash.records import TrialState

COMMANDS = [
    "ls", "show 0 --json", "compare --tag model/weights", "export --what series", "sweep own.toml --dry-run",
    "sweep own.toml",
]  # fmt: skip
LOOPS = """
import numpy as np

def behave(trial):
    trial.histogram("model/weights", np.arange(8.0), 0)
    for epoch in range(1, trial.epochs + 1):
        trial.report(epoch, loss=1.0, validation_accuracy=epoch / 4)
    if trial.hparams["does"] == "fail":
        raise ValueError("as it was told")
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a sweep to its end, so that commands can read it; return its folder."""
    folder = tmp_path_factory.mktemp("ran")
    shown = hpdash("sweep", own(folder, "größe", "learn", loops=LOOPS), "--workers", "1", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    return folder


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Write a sweep of two trials, one of which fails, without running it; return its folder."""
    own(tmp_path, "learn", "fail", loops=LOOPS)
    return tmp_path


@pytest.mark.parametrize("limit", [10, 71])
def test_too_few_file_descriptors(new: Path, limit: int) -> None:
    """A sweep that could not open all its files exits with 4 before anything is written, and says what to type."""
    shown = hpdash("sweep", "own.toml", "--workers", "2", cwd=new, before=f"ulimit -n {limit};")
    assert shown.returncode == 4
    assert all(fact in shown.stderr for fact in ("72 files", f"limit is {limit}.", "`ulimit -n 72`")), shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert not (new / "logs").exists()


def test_as_many_file_descriptors_as_asked_for(new: Path) -> None:
    """A sweep runs if it may open as many files as its error message asks for."""
    assert hpdash("sweep", "own.toml", "--workers", "2", cwd=new, before="ulimit -n 72;").returncode == 1
    assert states(new / "logs" / "own") == {0: TrialState.FINISHED, 1: TrialState.FAILED}


@pytest.mark.parametrize("command", ["ls", "report"])
def test_reading_needs_few(ran: Path, command: str) -> None:
    """Reading commands need only a few file descriptors, however many files a logdir has."""
    shown = hpdash(*command.split(), cwd=ran, before="ulimit -n 12;")
    assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_files(new: Path, closed: str) -> None:
    """A sweep runs to its end with its error output or all its standard streams closed, as under some job launchers."""
    shown = hpdash("sweep", "own.toml", "--workers", "2", cwd=new, before=f"exec {closed};")
    assert shown.returncode == 1
    assert states(new / "logs" / "own") == {0: TrialState.FINISHED, 1: TrialState.FAILED}
    assert "Traceback" not in shown.stdout + shown.stderr


@pytest.fixture
def left() -> Iterator[int]:
    """Yield the write end of a pipe whose read end is closed."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_reader_that_leaves(ran: Path, left: int, arguments: str) -> None:
    """A reader that closes the pipe early, such as `| head`, is no error: the command is quiet and exits with 0."""
    shown = hpdash(*arguments.split(), cwd=ran, stdout=left)
    assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.parametrize("arguments", ["sweep own.toml", "sweep own.toml --json"])
def test_a_sweep_whose_reader_leaves(new: Path, left: int, arguments: str) -> None:
    """A sweep whose output and progress nobody reads any longer trains all trials and exits with its own code."""
    shown = hpdash(*arguments.split(), "--workers", "1", cwd=new, stdout=left, stderr=left)
    assert shown.returncode == 1
    assert states(new / "logs" / "own") == {0: TrialState.FINISHED, 1: TrialState.FAILED}


@pytest.mark.parametrize(
    "environment",
    [
        {"TERM": "dumb", "COLUMNS": "20"},
        {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
    ids=str,
)
def test_odd_environments(ran: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """In any terminal and language, a sweep runs, its logs are drawn, and an error names the file."""
    name = own(tmp_path, "größe", loops=LOOPS)
    assert hpdash("sweep", name, "--workers", "1", cwd=tmp_path, environment=environment).returncode == 0
    drawn = hpdash("compare", "--tag", "model/weights", cwd=ran, environment=environment)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    wrong = hpdash("check", "größe.toml", cwd=ran, environment=environment)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
    assert "gr" in wrong.stderr


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_terminals(tmp_path: Path, term: str) -> None:
    """A terminal without control sequences shows progress as plain lines; on others, the progress leaves no trace."""
    if shutil.which("script") is None:
        pytest.skip("no script(1) to make a terminal")
    name = own(tmp_path, "learn", loops=LOOPS)
    before = f'TERM={term} script -qec "$1 -m hpdash sweep {name} --workers 1" /dev/null; exit;'
    shown = hpdash(cwd=tmp_path, before=before)
    assert "0.5000" in shown.stdout
    assert ("\x1b[" in shown.stdout) == (term == "xterm")
