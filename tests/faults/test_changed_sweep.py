"""Tests of row 27 in README.md: a sweep is run again after its file was edited, or started anew with `--new`.

The tests use the real command.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from driven import DRIVER, drive, session_ends, snapshot, states, trial_folder, until, values, worker_pids
from sweep_files import made_sweep
from tensorboard.plugins.hparams import metadata

import hpdash
from hpdash.errors import SpecError
from hpdash.journal.journal import lock
from hpdash.logs import layout
from hpdash.records import TrialState
from hpdash.search import trials
from hpdash.spec import parse_sweep

LOOP = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent

def train(trial):
    (HERE / "pids" / str(os.getpid())).touch()
    for epoch in range(1, trial.epochs + 1):
        while (HERE / "wait").exists() and trial.hparams["rate"] == 0.2:
            trial.tick(0.5)
            time.sleep(0.05)
        trial.report(epoch, loss=1 / epoch, validation_accuracy=trial.hparams["rate"])
"""
NEXT = "Undo the change to resume this sweep, start anew with --new, or add trials or values with --extend."


def ran(path: Path, *options: str) -> tuple[int, str, str]:
    """Run a sweep on one worker to its end; return its exit code, its output and its error output."""
    with drive(path, "--workers", "1", *options) as driver:
        out, err = driver.communicate(timeout=60)
    assert "Traceback" not in out + err
    return driver.returncode, out, err


def kept(sweep: Path) -> dict[Path, tuple[int, bytes]]:
    """Return all files of a sweep except TensorBoard's HParams record, which covers every sweep of the logs root."""
    return {
        path: file for path, file in snapshot(sweep).items() if not path.parent.name.startswith(layout.HPARAMS_PREFIX)
    }


def edit(path: Path, *edits: tuple[str, str]) -> None:
    """Replace parts of a file's text."""
    text = path.read_text()
    for before, now in edits:
        assert before in text
        text = text.replace(before, now)
    path.write_text(text)


def groups(sweep: Path) -> set[str]:
    """Return the HParams session groups of a sweep's runs."""
    starts = [
        metadata.parse_session_start_info_plugin_data(value.metadata.plugin_data.content)
        for run in sweep.glob("0*")
        for _, value in values(run)
        if value.tag == metadata.SESSION_START_INFO_TAG
    ]
    return {start.group_name for start in starts}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a sweep of two trials; return its file."""
    folder = tmp_path_factory.mktemp("once")
    (folder / "pids").mkdir()
    path = made_sweep(folder, loop="loops:train", source=LOOP, hparams={"rate": [0.1, 0.2]})
    code, out, err = ran(path)
    assert code == 0, err
    assert out.startswith("own")
    return path


@pytest.fixture
def path(once: Path, tmp_path: Path) -> Path:
    """Copy the finished sweep with its logs, so that a test can change it; return the copy's sweep file."""
    shutil.copytree(once.parent, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "pids")
    (tmp_path / "copy" / "pids").mkdir()
    return tmp_path / "copy" / once.name


def test_harmless_keys_pass(path: Path) -> None:
    """A finished sweep stays untouched if only its description, retries, limits or checkpoint keys change."""
    keys = 'description = "new words"\nmax_retries = 7\ntimeout = 60\nmax_consecutive_failures = 9\n'
    edit(
        path,
        ("[data]", f"{keys}[data]"),
        ("[hparams]", "[log]\ncheckpoint_epochs = 3\ncheckpoint_minutes = 5\n[hparams]"),
    )
    before = snapshot(path.parent / "logs")
    code, out, err = ran(path)
    assert (code, err) == (0, "")
    assert "best validation/accuracy" in out
    assert snapshot(path.parent / "logs") == before


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        pytest.param([("epochs = 2", "epochs = 3")], ["train.epochs  2       3"], id="epochs"),
        pytest.param([("[data]", "seed = 7\n[data]")], ["sweep.seed  0       7"], id="seed"),
        pytest.param([("train = 20", "train = 30")], ["data.train  20      30"], id="data"),
        pytest.param(
            [("[0.1, 0.2]", "[0.2, 0.3]")],
            ["hparams.rate  [0.1, 0.2]  [0.2, 0.3]  added 0.3; removed 0.1"],
            id="swept-values",
        ),
        pytest.param(
            [("[0.1, 0.2]", '[0.1, 0.2]\nnoise = ["a"]'), ("[hparams]", "[log]\nhistograms = 2\n[hparams]")],
            ["log.histograms  1       2", 'hparams.noise   (none)  ["a"]  added'],
            id="space-and-log",
        ),
    ],
)
def test_any_other_change_is_refused(path: Path, edits: list[tuple[str, str]], told: list[str]) -> None:
    """Any other change exits with 2, lists each changed key under `before` and `now`, and writes nothing.

    The last line says what to do.
    """
    edit(path, *edits)
    before = snapshot(path.parent / "logs")
    code, out, err = ran(path)
    assert (code, out) == (2, "")
    first, heads, *changed, last = err.splitlines()
    assert first.startswith(f"{path.parent / 'logs' / 'own'}: ") and "differs" in first
    assert heads.split() == ["before", "now"]
    assert [line.strip() for line in changed] == told
    assert last == NEXT
    assert snapshot(path.parent / "logs") == before


def test_a_sweep_begun_anew(path: Path) -> None:
    """`--new` trains all trials again in a folder with a new name, whether or not the file has changed.

    Without `--new`, the command resumes the newest sweep that matches the file.
    """
    logs = path.parent / "logs"
    first = kept(logs / "own")
    code, out, err = ran(path, "--new")
    assert code == 0, err
    assert f"anew in {logs / 'own-2'}" in err
    assert out.startswith("own-2")
    assert states(logs / "own-2") == dict.fromkeys((0, 1), TrialState.FINISHED)
    assert groups(logs / "own-2") == {"own-2/0000", "own-2/0001"}
    assert groups(logs / "own") == {"own/0000", "own/0001"}

    edit(path, ("epochs = 2", "epochs = 3"))
    assert hpdash.run_sweep(path, logs, hpdash.Options(workers=1, new=True)).sweep.name == "own-3"
    assert kept(logs / "own") == first
    done = snapshot(logs)
    code, out, _ = ran(path)
    assert (code, out.split()[0]) == (0, "own-3")
    edit(path, ("epochs = 3", "epochs = 2"))
    assert hpdash.run_sweep(path, logs).sweep.name == "own-2"
    edit(path, ("epochs = 2", "epochs = 4"))
    with pytest.raises(SpecError, match=r"train.epochs  3       4"):  # compared with the newest sweep
        hpdash.run_sweep(path, logs)
    assert snapshot(logs) == done


def test_a_sweep_begun_anew_is_read(path: Path) -> None:
    """Reading commands distinguish `own` from `own-2`, and `show` gives a file that trains an `own-2` trial again."""
    assert hpdash.run_sweep(path, path.parent / "logs", hpdash.Options(workers=1, new=True)).folder.name == "own-2"
    assert {run.id for run in hpdash.read_runs(path.parent / "logs")} == {
        f"{sweep}/{number:04d}" for sweep in ("own", "own-2") for number in (0, 1)
    }
    command = [sys.executable, "-c", DRIVER, "show", "own-2/1"]
    shown = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=60, check=True).stdout
    assert 'name = "own-2-0001"' in shown
    (again,) = trials(parse_sweep(shown[shown.index("[sweep]") :], name="again", folder=path.parent))
    assert again.swept == {"rate": 0.2}


def test_a_sweep_of_that_very_name(path: Path) -> None:
    """A sweep whose own file names it own-2 is not a new start of own, and neither sweep changes the other."""
    logs, other = path.parent / "logs", path.with_name("other.toml")
    shutil.copy(path, other)
    edit(other, ('"own"', '"own-2"'))
    assert ran(other)[0] == 0
    before = kept(logs / "own"), kept(logs / "own-2")
    code, out, _ = ran(path, "--new")
    assert (code, out.split()[0]) == (0, "own-3")
    assert [hpdash.run_sweep(each, logs).sweep.name for each in (path, other)] == ["own-3", "own-2"]
    assert (kept(logs / "own"), kept(logs / "own-2")) == before


def test_two_begin_anew_at_once(path: Path) -> None:
    """Two drivers that start with `--new` at the same moment each complete a sweep in their own folder."""
    with drive(path, "--workers", "1", "--new") as one, drive(path, "--workers", "1", "--new") as other:
        ends = [driver.communicate(timeout=60) for driver in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), ends
    assert sorted(out.split()[0] for out, _ in ends) == ["own-2", "own-3"]
    for folder in (path.parent / "logs" / "own-2", path.parent / "logs" / "own-3"):
        assert states(folder) == dict.fromkeys((0, 1), TrialState.FINISHED)
        assert [session_ends(trial_folder(folder, number)) for number in (0, 1)] == [[1], [1]]


def test_what_another_driver_begins_is_passed_by(path: Path) -> None:
    """A folder that another driver has made and locked, but not written to yet, is not used."""
    taken = path.parent / "logs" / "own-2"
    taken.mkdir()
    with lock(taken):
        outcome = hpdash.run_sweep(path, path.parent / "logs", hpdash.Options(workers=1, new=True))
    assert (outcome.folder.name, outcome.exit_code) == ("own-3", 0)
    assert [each.name for each in taken.iterdir()] == [layout.LOCK]


def test_stopped_before_it_began(path: Path) -> None:
    """Ctrl-C before the new folder exists writes nothing, and the hint contains `--new`."""
    before = snapshot(path.parent / "logs")
    with (path.parent / "loops.py").open("a") as file:
        file.write("\n(HERE / 'pids' / '0').touch()\ntime.sleep(600)\n")
    with drive(path, "--workers", "1", "--new") as driver:
        until(lambda: worker_pids(path.parent), 30)
        driver.send_signal(signal.SIGINT)
        out, err = driver.communicate(timeout=60)
    assert driver.returncode == 130, err
    assert "--workers 1 --new\n" in out
    assert snapshot(path.parent / "logs") == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_was_begun_anew_resumes(path: Path, number: signal.Signals) -> None:
    """A sweep started with `--new` and stopped in a trial resumes without `--new`, as the hint after Ctrl-C says."""
    folder = path.parent / "logs" / "own-2"
    (path.parent / "wait").touch()
    with drive(path, "--workers", "1", "--new") as driver:
        until(lambda: folder.exists() and states(folder).get(1) is TrialState.RUNNING, 30)
        until(lambda: worker_pids(path.parent), 30)
        os.kill(driver.pid, number)
        out, err = driver.communicate(timeout=60)
    hint = f"To continue: hpdash sweep {path} --logdir {path.parent / 'logs'} --workers 1\n"
    assert (hint in out) == (number == signal.SIGINT), err
    finished = snapshot(trial_folder(folder, 0))
    (path.parent / "wait").unlink()
    code, out, err = ran(path)
    assert (code, out.split()[0]) == (0, "own-2")
    assert "0001" in err and "0000" not in err
    assert snapshot(trial_folder(folder, 0)) == finished
    assert groups(folder) == {"own-2/0000", "own-2/0001"}
