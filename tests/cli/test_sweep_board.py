"""Tests of `hpdash sweep --board`: TensorBoard runs during the sweep, and stops with it even if it is killed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from commands import hpdash, own, patched
from driven import until

from hpdash.logs import layout
from hpdash.plugin.sweep_board import sweep_board


@contextmanager
def sweeping(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a sweep with `--board` whose trial waits; give its process and TensorBoard's address."""
    path = own(folder, "wait")
    command = [sys.executable, "-m", "hpdash", "sweep", path, "--workers", "1", "--board"]
    output = folder / "output"
    with output.open("wb") as file, subprocess.Popen(command, cwd=folder, stdout=file, stderr=file) as process:
        try:
            until(lambda: "hpdash_trials" in output.read_text() or process.poll() is not None, 60)
            found = re.search(r"TensorBoard: (http://\S+)/#hpdash_trials", output.read_text())
            assert found, output.read_text()
            yield process, found.group(1)
        finally:
            process.kill()


def boards(folder: Path) -> list[int]:
    """Return the processes of TensorBoard that were started in a folder."""
    found = []
    for process in (path for path in Path("/proc").iterdir() if path.name.isdigit()):
        with suppress(OSError):
            if b"hpdash.plugin.start" in (process / "cmdline").read_bytes() and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


def test_the_trials_are_seen_while_they_run(tmp_path: Path) -> None:
    """The address is printed before the first trial, and shows it; after kill -9 of the sweep, TensorBoard ends."""
    with sweeping(tmp_path) as (process, url):

        def running() -> bool:
            with urllib.request.urlopen(f"{url}/data/plugin/{layout.TRIALS_PLUGIN}/sweeps") as answer:
                sweeps = json.load(answer)["sweeps"]
            return [each["states"] for each in sweeps] == [{"running": 1}]

        until(running, 30)
        assert len(boards(tmp_path)) == 1
        process.kill()
        process.wait()
        until(lambda: not boards(tmp_path), 15)


def test_it_ends_with_the_sweep(tmp_path: Path) -> None:
    """In a pipe, the command ends when the sweep does, with its exit code, and TensorBoard with it."""
    shown = hpdash("sweep", own(tmp_path, "learn", "raise"), "--workers", "1", "--board", cwd=tmp_path)
    assert shown.returncode == 1
    assert re.search(r"TensorBoard: (http://\S+)/#hpdash_trials", shown.stderr)
    assert not boards(tmp_path)
    assert "best validation/accuracy" in shown.stdout


def test_a_port_that_another_program_takes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard looks for a free port and then binds it; if another program was faster, it is started again."""
    slow = tmp_path / "python"
    slow.write_text(
        f"""#!/bin/sh
if [ ! -e {tmp_path}/tried ]; then
    touch {tmp_path}/tried
    echo "Address already in use. Port 6006 is in use by another program." >&2
    exit 1
fi
exec {sys.executable} "$@"
"""
    )
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    with sweep_board(tmp_path / "logs") as board, urllib.request.urlopen(board.url) as answer:
        assert answer.status == 200
    assert (tmp_path / "tried").exists()


def test_a_dry_run_has_nothing_to_show(tmp_path: Path) -> None:
    """`--dry-run --board` is refused."""
    shown = hpdash("sweep", own(tmp_path, "learn"), "--dry-run", "--board", cwd=tmp_path)
    assert (shown.returncode, "--board" in shown.stderr) == (2, True)


def test_a_tensorboard_that_does_not_start_stops_the_sweep(tmp_path: Path) -> None:
    """If TensorBoard does not start, the sweep is not run, and the error says how to go on without it."""
    broken = patched(tmp_path, "import sys; sys.modules['tensorboard.main_lib'] = None")
    shown = hpdash("sweep", own(tmp_path, "learn"), "--board", cwd=tmp_path, environment=broken)
    assert shown.returncode == 4
    assert "without --board" in shown.stderr and "main_lib" in shown.stderr
    assert not (tmp_path / "logs").exists()
