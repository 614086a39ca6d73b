"""Real drivers of real sweeps as tests see them: how one is started, what it left on the disk, who still lives."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.hparams import metadata

from hpdash import logdir
from hpdash.journal import read_journal
from hpdash.trial import TrialState

# A driver that heeds Ctrl-C even where the tests run as a shell's background job, which ignores it, and that ends with
# 99 where it has loaded TensorFlow or Keras itself.
DRIVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from hpdash.cli import main
try:
    main(sys.argv[1:])
finally:
    if {"tensorflow", "keras"} & set(sys.modules):
        sys.exit(99)
"""


def states(folder: Path) -> dict[int, TrialState]:
    """Return each trial's last state in the journal."""
    return {number: record.state for number, record in read_journal(folder / logdir.JOURNAL).latest.items()}


def snapshot(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Return every file's time of change and bytes."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def trial_folder(folder: Path, number: int) -> Path:
    """Find a trial's run folder."""
    (found,) = folder.glob(f"{number:04d}*")
    return found


def values(run: Path) -> Iterator[tuple[int, Any]]:
    """Yield (step, value) of every summary in a run's event files."""
    for path in logdir.event_files(run):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
            yield from ((event.step, value) for value in event.summary.value)
            at += length + 16


def series(sweep: Path) -> dict[tuple[str, str, int], bytes]:
    """Return all scalars and histograms but those a clock measured: (run, tag, step) -> bytes."""
    found = {}
    for folder in sorted(path for path in sweep.rglob("*") if path.is_dir()):
        for step, value in values(folder):
            plugin = value.metadata.plugin_data.plugin_name
            if plugin in ("scalars", "histograms") and not value.tag.startswith("time/"):
                found[str(folder.relative_to(sweep)), value.tag, step] = value.tensor.SerializeToString()
    return found


def session_ends(run: Path) -> list[int]:
    """Return the statuses with which a run's session ends, which is at most one."""
    ends = [value for _, value in values(run) if value.tag == metadata.SESSION_END_INFO_TAG]
    return [metadata.parse_session_end_info_plugin_data(end.metadata.plugin_data.content).status for end in ends]


def digests(folder: Path) -> dict[int, str | None]:
    """Return each trial's final weights' SHA-256."""
    latest = read_journal(folder / logdir.JOURNAL).latest
    return {number: record.result.weights_sha256 for number, record in latest.items() if record.result}


def drive(path: Path, *options: str) -> subprocess.Popen[str]:
    """Start a driver as a process of its own, at the head of its own group."""
    command = [sys.executable, "-c", DRIVER, "sweep", str(path), "--logdir", str(path.parent / "logs"), *options]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=path.parent, start_new_session=True, **pipes)


def until(happened: Callable[[], object], seconds: float) -> None:
    """Wait until something has happened; fail where it does not in time."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Say whether a process runs; a dead one whose parent has not looked does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def worker_pids(folder: Path) -> list[int]:
    """Return the workers whose training loops have begun."""
    return [int(path.name) for path in (folder / "pids").iterdir()]
