"""Tests of row 21: a logs root that is unwritable, a file or read-only, and a folder that vanishes during a sweep."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from commands import hpdash, own
from driven import alive, drive, states, until, worker_pids

from hpdash.logs import layout
from hpdash.records import TrialState

# Records that it was imported: no worker or child process may import it before the logs root is known to be usable.
LOOPS = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent
(HERE / "pids").mkdir(exist_ok=True)
(HERE / "pids" / str(os.getpid())).touch()

def behave(trial):
    for epoch in range(1, trial.epochs + 1):
        while trial.hparams["does"] == "wait" and not (HERE / "vanished").exists():
            trial.tick(0.5)
            time.sleep(0.02)
        trial.report(epoch, loss=1.0, validation_accuracy=epoch / 4)
"""


def unusable(folder: Path, kind: str) -> str:
    """Make a logs root of a kind that cannot be used; return the name under which a user passes it."""
    (folder / "file").touch()
    locked = folder / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    if kind.startswith("locked") and os.access(locked, os.W_OK):
        pytest.skip("root writes where nobody may")
    return kind


@pytest.mark.parametrize(
    "kind", ["file", "file/deeper", "locked", "locked/deeper", "/proc/self/logs", "/sys/kernel/logs"]
)
def test_a_logs_root_that_cannot_be_used(tmp_path: Path, kind: str) -> None:
    """A logs root that cannot be used ends the sweep with 4, its name and the reason.

    Nothing is written, and no function of the user is loaded before that.
    """
    if kind.startswith("/") and not Path(kind).parent.is_dir():
        pytest.skip("no such file system here")
    name = own(tmp_path, "learn", loops=LOOPS)
    root = unusable(tmp_path, kind)
    shown = hpdash("sweep", name, "--logdir", root, "--workers", "1", cwd=tmp_path)
    assert shown.returncode == 4
    assert f"read or write {root}" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert (tmp_path / "file").read_bytes() == b""
    if not kind.startswith("/"):  # a file system that only claims to be writable fails later
        assert not (tmp_path / "pids").exists()


def test_a_read_only_file_system(tmp_path: Path) -> None:
    """A logs root that is mounted read-only ends a sweep with 4 and the reason; its runs can still be read."""
    name = own(tmp_path, "learn", "learn_too")
    assert hpdash("sweep", name, "--workers", "1", cwd=tmp_path).returncode == 0
    logs = tmp_path / "logs"
    mounted = f"mount --bind {logs} {logs} && mount -o remount,bind,ro {logs} || exit 77;"
    tried = subprocess.run(["unshare", "-m", "sh", "-c", mounted], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("this machine lets nobody mount")
    journal = logs / "own" / layout.JOURNAL
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    before = f"unshare -m sh -c '{mounted} exec \"$@\"' sh"
    assert hpdash("ls", cwd=tmp_path, before=before).returncode == 0
    shown = hpdash("sweep", name, "--workers", "1", cwd=tmp_path, before=before)
    assert shown.returncode == 4
    assert "Read-only file system" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


@pytest.mark.parametrize("gone", ["own", "."], ids=["sweep", "root"])
def test_a_folder_that_vanishes(tmp_path: Path, gone: str) -> None:
    """A sweep whose folder is deleted while it runs exits with 4 and says so; the same command then starts anew."""
    path = tmp_path / own(tmp_path, "wait", "learn", loops=LOOPS)
    folder = tmp_path / "logs" / "own"
    with drive(path, "--workers", "1") as driver:
        until(lambda: list(folder.glob("0000*/*")), 30)  # not while the worker still makes the run's folder
        shutil.rmtree(tmp_path / "logs" / gone)
        (tmp_path / "vanished").touch()
        out, err = driver.communicate(timeout=60)
    assert driver.returncode == 4
    assert f"{folder}/" in err
    assert ": No such file or directory" in err
    assert "moved or deleted" in err
    assert "Traceback" not in out + err
    assert not any(map(alive, worker_pids(tmp_path)))
    assert not folder.exists()
    again = hpdash("sweep", path.name, "--workers", "1", cwd=tmp_path)
    assert (again.returncode, set(states(folder).values())) == (0, {TrialState.FINISHED})


def test_a_folder_that_was_moved(tmp_path: Path) -> None:
    """A folder that is moved away during its sweep keeps all finished trials.

    After the folder is moved back, the sweep continues from there.
    """
    path = tmp_path / own(tmp_path, "learn", "wait", loops=LOOPS)
    folder = tmp_path / "logs" / "own"
    with drive(path, "--workers", "1") as driver:
        until(lambda: list(folder.glob("0001*/*")), 30)
        folder.rename(tmp_path / "elsewhere")
        (tmp_path / "vanished").touch()
        _, err = driver.communicate(timeout=60)
    assert driver.returncode == 4
    assert "moved or deleted" in err
    assert not folder.exists()
    (tmp_path / "elsewhere").rename(folder)
    assert states(folder)[0] is TrialState.FINISHED
    again = hpdash("sweep", path.name, "--workers", "1", cwd=tmp_path)
    assert again.returncode == 0
    assert set(states(folder).values()) == {TrialState.FINISHED}
