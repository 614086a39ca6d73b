"""Helpers that start real drivers of real sweeps and inspect the files and processes that they leave."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from forked_drivers import ForkedDriver, fits
from sweep_files import made_sweep
from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.hparams import metadata

from hpdash import Options, run_sweep
from hpdash.driver.plan import Outcome, Watcher
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import Event, Started, TrialState

# A driver that handles Ctrl-C even if the tests run as a shell's background job, which ignores Ctrl-C, and that exits
# with 99 if the driver's process has loaded TensorFlow or Keras.
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


# A custom training loop that does what the hyperparameter `does` says; its process does not load TensorFlow.
LOOPS = """
import os, signal, sys, time
from pathlib import Path
import numpy as np

HERE = Path(__file__).parent

def behave(trial):
    assert "tensorflow" not in sys.modules
    (HERE / "pids" / str(os.getpid())).touch()
    weights = np.random.default_rng(trial.seed).normal(size=8)
    trial.histogram("model/weights", weights, 0)
    does = "learn" if (HERE / "mended").exists() else trial.hparams["does"]
    for epoch in range(1, trial.epochs + 1):
        weights += trial.data.x_train.mean()
        if does == "raise":
            raise ValueError("an odd [/b] reason")
        if does == "kill" and epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        if does == "exit":
            sys.exit(3)
        while does == "hang":
            time.sleep(1)
        for tick in range(600 if does == "wait" else 0):
            trial.tick(tick / 600)
            time.sleep(0.05)
        loss = float("nan") if does == "diverge" else 1 / epoch
        trial.report(epoch, loss=loss, validation_accuracy=float(abs(weights).sum()) + epoch)
"""


def own(folder: Path, *does: str, loops: str = LOOPS, **keys: int) -> Path:
    """Write a sweep of custom training loops, with further keys of [sweep]; return its file."""
    (folder / "pids").mkdir(exist_ok=True)
    return made_sweep(folder, loop="loops:behave", source=loops, sweep=keys, hparams={"does": does})


def long(folder: Path, **keys: int) -> Path:
    """Write the sweep of one Keras trial, with further keys of [sweep]; return its file.

    The trial trains long enough to be interrupted during an epoch, and keeps a checkpoint after each epoch.
    """
    return made_sweep(
        folder,
        name="long",
        sweep=keys,
        data={"name": "synthetic", "train": 200, "validation": 100},
        model={"hidden": [8], "dropout": 0.2},
        train={"epochs": 80, "optimizer": "adam"},
        log={"checkpoint_epochs": 1},
        hparams={"batchnorm": ["before"]},
    )


def run(path: Path, **options: Any) -> tuple[Outcome, list[Event | None]]:
    """Run a sweep in this process, with logs next to its file and one worker by default; return outcome and events."""
    told: list[Event | None] = []
    watcher = Watcher(event=told.append)
    return run_sweep(path, path.parent / "logs", Options(**{"workers": 1} | options), watcher), told


def started(told: list[Event | None]) -> list[int]:
    """Return the trials that were started, in order."""
    return [event.spec.number for event in told if isinstance(event, Started)]


def states(folder: Path) -> dict[int, TrialState]:
    """Return each trial's last state in the journal."""
    return {number: record.state for number, record in read_journal(folder / layout.JOURNAL).latest.items()}


def snapshot(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Return every file's modification time and bytes, without checkpoints, which are deleted when a trial is done."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(layout.CHECKPOINT))
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def finished(folder: Path) -> dict[int, dict[Path, tuple[int, bytes]]]:
    """Return every file of each trial that is finished according to the journal."""
    done = states(folder).items() if folder.exists() else ()
    return {number: snapshot(trial_folder(folder, number)) for number, state in done if state is TrialState.FINISHED}


def journal_faults(folder: Path, trials: int) -> Iterator[str]:
    """Yield each fault in a completed sweep's journal; each trial must finish exactly once and never run again."""
    replay = read_journal(folder / layout.JOURNAL)
    if replay.warnings:
        yield f"the journal is damaged: {replay.warnings}"
    if [record.seq for record in replay.transitions] != list(range(1, len(replay.transitions) + 1)):
        yield "the journal's numbers have a gap"
    ends = [record for record in replay.transitions if record.state is TrialState.FINISHED]
    if sorted(record.trial for record in ends) != list(range(trials)):
        yield f"finished: {[record.trial for record in ends]}"
    last = {record.trial: record.seq for record in ends}
    if again := [record.trial for record in replay.transitions if record.seq > last.get(record.trial, record.seq)]:
        yield f"finished trials were run again: {again}"


def trial_folder(folder: Path, number: int) -> Path:
    """Return a trial's run folder."""
    (found,) = folder.glob(f"{number:04d}*")
    return found


def values(run: Path) -> Iterator[tuple[int, Any]]:
    """Yield (step, value) of every summary in a run's event files."""
    for path in layout.event_files(run):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
            yield from ((event.step, value) for value in event.summary.value)
            at += length + 16


def series(sweep: Path) -> dict[tuple[str, str, int], bytes]:
    """Return all logged data except HParams and measured times: (run, tag, step) -> bytes; each key must occur once."""
    found: dict[tuple[str, str, int], bytes] = {}
    for folder in sorted(path for path in sweep.rglob("*") if path.is_dir()):
        for step, value in values(folder):
            plugin = value.metadata.plugin_data.plugin_name
            if plugin != metadata.PLUGIN_NAME and not value.tag.startswith("time/"):
                key = str(folder.relative_to(sweep)), value.tag, step
                assert key not in found, f"{key} is there twice"
                found[key] = value.tensor.SerializeToString()
    return found


def session_ends(run: Path) -> list[int]:
    """Return the statuses of a run's session end records; a run has at most one."""
    ends = [value for _, value in values(run) if value.tag == metadata.SESSION_END_INFO_TAG]
    return [metadata.parse_session_end_info_plugin_data(end.metadata.plugin_data.content).status for end in ends]


def digests(folder: Path) -> dict[int, str | None]:
    """Return the SHA-256 of each trial's final weights."""
    latest = read_journal(folder / layout.JOURNAL).latest
    return {number: record.result.weights_sha256 for number, record in latest.items() if record.result}


def drive(path: Path, *options: str, under: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start a driver as the leader of its own process group; `under` is a command that runs it, such as nohup."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    if not under and fits(os.environ):
        arguments = ["sweep", str(path), "--logdir", str(path.parent / "logs"), *options]
        return ForkedDriver(arguments, cwd=path.parent, **pipes)
    driver = [sys.executable, "-c", DRIVER, "sweep", str(path), "--logdir", str(path.parent / "logs")]
    command = [*under, *driver, *options]
    return subprocess.Popen(command, cwd=path.parent, start_new_session=True, preexec_fn=_heed, **pipes)  # noqa: PLW1509


def _heed() -> None:
    """Restore the default SIGHUP handler in case the tests themselves run under `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def driving(path: Path, *options: str, under: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    """Start a driver; at the end kill its whole process group, whatever error has occurred."""
    with drive(path, *options, under=under) as driver:
        try:
            yield driver
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(driver.pid, signal.SIGKILL)


def until(happened: Callable[[], object], seconds: float) -> None:
    """Wait until a condition holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie, which its parent has not yet reaped, does not count."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def children(pid: int) -> list[int]:
    """Return a driver's worker processes: those forked by its server, and spawned ones, which may still be starting."""
    listed = subprocess.run(["ps", "-Aww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [
        (int(child), int(parent), args)
        for child, parent, args in (line.split(maxsplit=2) for line in listed.splitlines())
    ]
    servers = {child for child, parent, args in rows if parent == pid and "fork_server" in args}
    spawned = {child for child, parent, args in rows if parent == pid and "--multiprocessing-fork" in args}
    return [child for child, parent, _ in rows if parent in servers or child in spawned]


def worker_pids(folder: Path) -> list[int]:
    """Return the process ids of the workers whose training loops have started."""
    return [int(path.name) for path in (folder / "pids").iterdir()]
