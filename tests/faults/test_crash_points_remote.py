"""Tests of row 3 in README.md for a worker on another machine, and of the messages between worker and driver.

Everything that the worker writes reaches the run folder, no matter which process dies on the way.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from deaths import DIED, Change, Point, in_fork, watch
from driven import series

from hpdash.backends.base import Task
from hpdash.backends.remote import FileChanges, FolderSync, Mailbox, PackedTask, pack, write_changes
from hpdash.backends.worker import AttemptReport
from hpdash.errors import LogdirError
from hpdash.goal import Goal
from hpdash.logs import checkpoint, kept_weights, layout
from hpdash.logs.checkpoint import Checkpointer
from hpdash.logs.run_folder import prepare
from hpdash.logs.writer import RunWriter
from hpdash.records import Notice, Progress, TrialResult, TrialSpec, TrialState
from hpdash.system import disk

EPOCHS = 3
WHEN = ("before", "middle", "after")
SPEC = TrialSpec(0, 0, 0, {}, {"data": {}, "model": {}, "train": {}, "log": {}}, "validation/accuracy", Goal.MAX)
LOG = {"checkpoint_epochs": 1, "checkpoint_minutes": 60, "weights": "best"}


def task(run: Path, epoch: int = 0) -> Task:
    """Return the task of an attempt that writes into a run folder."""
    return Task(SPEC, 1, run, "sweep/0000", epoch=epoch)


def attempt(folder_sync: FolderSync, packed: PackedTask) -> Iterator[FileChanges]:
    """Train as on another machine and yield the file changes; each epoch has new weights and a checkpoint."""
    run = folder_sync.unpack(packed).run
    kept = checkpoint.read(run / layout.CHECKPOINT) if packed.task.epoch else None
    with RunWriter(run) as writer:
        checkpointer = Checkpointer(writer, LOG, kept, 0.0)
        state = kept.arrays["state"] if kept else np.zeros(4)
        checkpointer.keep_weights(lambda: [("hidden/kernel", state)])
        for epoch in range(packed.task.epoch + 1, EPOCHS + 1):
            state += epoch
            writer.scalar("epoch_loss", 1 / epoch, epoch)
            writer.scalar("epoch_loss", 2 / epoch, epoch, validation=True)
            assert checkpointer.weights
            checkpointer.weights.after_best(epoch)
            checkpointer.keep(epoch, {}, {}, epoch, {"state": state})
            changes = folder_sync.collect()
            assert changes
            yield changes
        writer.scalar("best/epoch", EPOCHS, EPOCHS)
        checkpointer.weights.end(EPOCHS, EPOCHS)
    last = folder_sync.collect(is_last=True)
    assert last
    yield last


def delivered(run: Path, scratch: Path) -> int:
    """Train into a run folder from its last checkpoint, as a driver would; return the epoch from which it resumed."""
    epoch, trouble = prepare(run, 1, resume=True)
    assert not trouble
    for changes in attempt(FolderSync(scratch), pack(task(run, epoch))):
        write_changes(run, changes)
    return epoch


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train once without a death; return the sweep's folder."""
    folder = tmp_path_factory.mktemp("undisturbed")
    delivered(folder / "0000", folder.parent / "elsewhere")
    return folder


def test_all_that_is_written_elsewhere_arrives(undisturbed: Path) -> None:
    """The run folder gets the event files of training and validation, the weights and the last checkpoint, no more."""
    run = undisturbed / "0000"
    assert {(tag, step) for _, tag, step in series(undisturbed)} == {
        *(("epoch_loss", epoch) for epoch in range(1, EPOCHS + 1)),
        ("best/epoch", EPOCHS),
    }
    assert checkpoint.read(run / layout.CHECKPOINT).epoch == EPOCHS
    assert kept_weights.read(run / layout.WEIGHTS)["hidden/kernel"].tolist() == [6.0] * 4
    assert layout.pending_weights_files(run) == []


def test_the_driver_dies_at_every_change(undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the driver dies at any change of the disk, the next one resumes and ends with the same result."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # only for power cuts: the kernel keeps what a dead process wrote
    all_changes = list(attempt(FolderSync(tmp_path / "first"), PackedTask(task(tmp_path / "0000"))))
    changes: list[Change] = []

    def delivering(run: Path, point: Point | None) -> int:
        watch(point, changes)
        for each in all_changes:
            write_changes(run, each)
        (tmp_path / "changes.txt").write_text(str(len(changes)))
        return 0

    error = tmp_path / "error.txt"
    assert in_fork(lambda: delivering(tmp_path / "0000", None), error) == 0
    resumed = set()
    for number, when in product(range(int((tmp_path / "changes.txt").read_text())), WHEN):
        run = tmp_path / f"{number}-{when}" / "0000"
        run.parent.mkdir()
        assert in_fork(partial(delivering, run, Point(number, when)), error) == DIED
        resumed.add(delivered(run, tmp_path / "second"))
        assert series(run.parent) == series(undisturbed)
        for name in (layout.WEIGHTS, layout.CHECKPOINT):
            assert arrays(run / name) == arrays(undisturbed / "0000" / name)
        assert layout.pending_weights_files(run) == []
    assert resumed == set(range(EPOCHS + 1))


def arrays(path: Path) -> dict[str, list[float]]:
    """Return the arrays of a checkpoint or of kept weights."""
    read = checkpoint.read(path).arrays if path.name == layout.CHECKPOINT else kept_weights.read(path)
    return {name: array.tolist() for name, array in read.items()}


def test_a_gap_is_refused(tmp_path: Path) -> None:
    """Bytes that do not continue the file are refused with an error that names the file, and nothing changes."""
    run = tmp_path / "0000"
    write_changes(run, FileChanges({"events.out.tfevents.1": (0, b"abc")}, {}))
    with pytest.raises(LogdirError, match=r"events.out.tfevents.1.*3 bytes where a worker had written 7"):
        write_changes(run, FileChanges({"events.out.tfevents.1": (7, b"defg")}, {}))
    assert (run / "events.out.tfevents.1").read_bytes() == b"abc"


def test_a_full_disk_takes_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk is full, the file stays as it was, no part of a new one is left, and the error says so."""
    run = tmp_path / "0000"
    write_changes(run, FileChanges({}, {layout.MODEL: b"old"}))

    def full(path: Path, data: bytes, mode: str = "xb") -> None:
        path.write_bytes(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write_new", full)
    with pytest.raises(LogdirError, match=r"No space left on device.*bytes free"):
        write_changes(run, FileChanges({}, {layout.MODEL: b"new"}))
    assert {path.name: path.read_bytes() for path in run.iterdir()} == {layout.MODEL: b"old"}


def test_few_events_wait_for_the_next_changes(tmp_path: Path) -> None:
    """Events that quickly follow other changes wait for the next ones, which contain them."""
    folder_sync = FolderSync(tmp_path)
    run = folder_sync.unpack(PackedTask(task(tmp_path / "logs" / "0000"))).run
    with RunWriter(run) as writer:
        assert folder_sync.collect()
        writer.scalar("epoch_loss", 1.0, 1)
        writer.flush()
        assert folder_sync.collect() is None
        writer.scalar("epoch_loss", 1.0, 2)
    changes = folder_sync.collect(is_last=True)
    assert changes
    ((name, (offset, data)),) = changes.events.items()
    assert (run / name).read_bytes()[offset:] == data


def progress(epoch: int) -> Progress:
    """Return the progress of a trial after an epoch."""
    return Progress(0, epoch, EPOCHS, 0.0)


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    """Return a mailbox whose worker has received a task."""
    box = Mailbox(tmp_path)
    box.order(1, PackedTask(task(tmp_path / "0000")))
    box.recv()
    return box


def test_what_is_said_twice_counts_once(mailbox: Mailbox) -> None:
    """A repeated order is ignored; news that got lost are sent again, and newer ones after them."""
    mailbox.order(1, None)
    assert not mailbox.poll()
    mailbox.order(2, None)
    assert mailbox.poll()
    assert mailbox.recv() is None
    mailbox.send(Notice("a"))
    assert mailbox.messages(0, 0.1) == (1, [Notice("a")])
    mailbox.send(Notice("b"))
    assert mailbox.messages(0, 0.1) == (1, [Notice("a")])
    assert mailbox.messages(1, 0.1) == (2, [Notice("b")])


def test_only_the_last_progress_counts(mailbox: Mailbox) -> None:
    """Of several progress messages in a row, only the last is sent; all other messages stay complete and in order."""
    for message in (progress(1), progress(2), Notice("a"), progress(3), progress(4)):
        mailbox.send(message)
    assert mailbox.messages(0, 0.1)[1] == [progress(2), Notice("a"), progress(4)]


def test_news_are_waited_for(mailbox: Mailbox) -> None:
    """A request for news waits until there are some; if none come in time, the answer contains none."""
    threading.Timer(0.1, mailbox.send, [Notice("late")]).start()
    assert mailbox.messages(0, 30) == (1, [Notice("late")])
    assert mailbox.messages(1, 0.01) == (2, [])


def test_the_end_brings_all_and_leaves_nothing(tmp_path: Path) -> None:
    """A report follows the last changes, and after that the worker's own folder is gone."""
    box = Mailbox(tmp_path / "scratch")
    box.order(1, PackedTask(task(tmp_path / "logs" / "0000")))
    given = box.recv()
    assert isinstance(given, Task)
    with RunWriter(given.run) as writer:
        writer.scalar("epoch_loss", 1.0, 1)
    report = AttemptReport(TrialResult(TrialState.FINISHED), 1)
    box.send(report)
    _, (changes, last) = box.messages(0, 1)
    assert (last, changes.is_last) == (report, True)
    assert not given.run.exists()
