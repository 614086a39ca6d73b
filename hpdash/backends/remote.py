"""What a driver and a worker on another machine exchange; neither needs access to the other's disk.

The worker trains into a temporary folder of its own. What it writes there is sent with its messages, and the driver
writes it into the run folder. So a run folder has only one writer, even if a machine that has lost its connection
continues to train. This module does not depend on how messages are transported.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ..logs import checkpoint, kept_weights, layout
from ..records import Notice, Progress, Reached
from ..system import disk
from .base import Task
from .worker import AttemptReport

WHOLE = (layout.MODEL, layout.WEIGHTS, layout.CHECKPOINT)  # sent whole; of event files, only added bytes are sent
LEAST_SECONDS = 0.2  # between two FileChanges, except after a checkpoint and at the end
LINGER_SECONDS = 0.03  # wait for further messages after the first, because a short trial sends several at once
MOST_MESSAGES = 100  # in a batch


@dataclass(frozen=True, slots=True)
class PackedTask:
    """A task, and what an attempt on another machine needs from its run folder.

    `sizes` are the sizes in bytes of the event files, by their paths in the run folder. `files` are the contents of the
    checkpoint and the kept weights, by file name.
    """

    task: Task
    sizes: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileChanges:
    """What a worker has written since the last `FileChanges`.

    `events` has for each event file an offset and the new bytes from there on. `files` has the contents of whole files.
    If these include new weights and a checkpoint that records them, `kept_epoch` is the epoch of the weights. `is_last`
    says that the attempt has ended.
    """

    events: Mapping[str, tuple[int, bytes]]
    files: Mapping[str, bytes]
    kept_epoch: int | None = None
    is_last: bool = False


def pack(task: Task) -> PackedTask:
    """Return a task with everything from its run folder that an attempt on another machine needs.

    Before the files are read, the kept weights are brought in line with the checkpoint, because a killed process may
    have left them half replaced. Raises LogdirError if the disk refuses.
    """
    task, run = replace(task, mapped=None), task.run  # its files are on this machine only
    if task.spec.is_program:
        return PackedTask(replace(task, run=run.absolute()))
    if not run.is_dir():
        return PackedTask(task)
    kept = checkpoint.read(run / layout.CHECKPOINT) if task.epoch else None
    recorded = kept.weights if kept else None
    with disk.guarded(run):
        kept_weights.settle(run, kept_weights.KeptWeights(**recorded) if recorded else None)
        paths = [run / name for name in WHOLE[1:]] if kept else []
        return PackedTask(
            task, layout.event_sizes(run), {path.name: path.read_bytes() for path in paths if path.exists()}
        )


def write_changes(run: Path, changes: FileChanges) -> None:
    """Write changes into a run folder; raises LogdirError if the disk refuses.

    The order of the steps leaves a consistent run folder if this process is killed between any two of them.
    """
    settles = changes.is_last or layout.CHECKPOINT in changes.files
    with disk.guarded(run):
        run.mkdir(exist_ok=True)  # not parents: the sweep's folder may have been moved away
    for name, (offset, data) in changes.events.items():
        _append(run / name, offset, data)
    if settles:
        _sync(run)
    files = dict(changes.files)
    pending = layout.pending_weights_file(run, changes.kept_epoch) if changes.kept_epoch is not None else None
    if pending and (kept := files.pop(layout.WEIGHTS, None)):
        disk.write(pending, kept)  # becomes `weights.npz` after the checkpoint that records it is written
    for name in [name for name in WHOLE if name in files]:
        disk.write(run / name, files[name])
    if pending and pending.exists():
        with disk.guarded(run):
            pending.replace(run / layout.WEIGHTS)
            disk.sync(run)


def _append(path: Path, offset: int, data: bytes) -> None:
    with disk.guarded(path):
        path.parent.mkdir(exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            if (found := os.fstat(file).st_size) != offset:
                raise OSError(f"{found:,} bytes where a worker had written {offset:,}")
            disk.append(file, data)
        finally:
            os.close(file)


def _sync(run: Path) -> None:
    """Sync a run's event files and folders to the disk, including what earlier changes added."""
    with disk.guarded(run):
        files = [run / name for name in layout.event_sizes(run)]
        for path in (*files, *{run.parent, run, *(path.parent for path in files)}):
            disk.sync(path)


class FolderSync:
    """The worker's side of the exchange: make a run folder for each attempt, and collect what is written there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run: Path | None = None  # None while the task is a program, which logs into the folder of all machines
        self._sent: dict[str, int] = {}
        self._known: dict[str, tuple[int, ...] | None] = {}
        self._last = 0.0

    def unpack(self, packed: PackedTask) -> Task:
        """Make a run folder for an attempt, and return the task with this folder.

        A program logs into the run folder itself, which all machines have to share.
        Earlier event files become files of zeros with the same sizes, because only what is added to them is sent.
        """
        if packed.task.spec.is_program:
            self._run = None
            return packed.task
        run = self._run = self._folder / packed.task.run.name
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir(parents=True)
        for name, size in packed.sizes.items():
            (run / name).parent.mkdir(exist_ok=True)
            with (run / name).open("wb") as file:
                file.truncate(size)
        for name, content in packed.files.items():
            (run / name).write_bytes(content)
        self._sent = dict(packed.sizes)
        self._known = {name: _state(run / name) for name in WHOLE}
        return replace(packed.task, run=run)

    def collect(self, is_last: bool = False) -> FileChanges | None:
        """Return the changes in the run folder since the last call that returned any; None if they are not due.

        Changes are due at the end, with a new checkpoint, or `LEAST_SECONDS` after the last ones.
        """
        run, now = self._run, time.monotonic()
        if run is None:
            return None
        states = {name: _state(run / name) for name in WHOLE}
        new = [name for name in WHOLE if states[name] not in (None, self._known[name])]
        if not (is_last or layout.CHECKPOINT in new or now - self._last >= LEAST_SECONDS):
            return None
        self._last, self._known = now, states
        events = {name: (at, _from(run / name, at)) for name, at in self._grown(run)}
        self._sent |= {name: at + len(data) for name, (at, data) in events.items()}
        recorded = (
            checkpoint.read(run / layout.CHECKPOINT).weights if {layout.WEIGHTS, layout.CHECKPOINT} <= {*new} else None
        )
        files = {name: (run / name).read_bytes() for name in new}
        return FileChanges(events, files, recorded["epoch"] if recorded else None, is_last)

    def _grown(self, run: Path) -> list[tuple[str, int]]:
        sizes = layout.event_sizes(run).items()
        return [(name, self._sent.get(name, 0)) for name, size in sizes if size > self._sent.get(name, 0)]

    def clear(self) -> None:
        """Delete the run folder, once all of it has been sent."""
        if self._run:
            shutil.rmtree(self._run, ignore_errors=True)


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _from(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()


Order = PackedTask | bool | None


class Mailbox:
    """A worker's link to a driver on another machine: a store of orders for the worker and of messages for the driver.

    An order is a task, the answer to a trial at a rung, or None: stop. Orders and batches of messages are numbered, so
    that an order or a request that arrives twice takes effect only once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder_sync = FolderSync(folder)
        self._orders: SimpleQueue[Order] = SimpleQueue()
        self._messages: SimpleQueue[Any] = SimpleQueue()
        self._waiting = False  # whether changes wait among the messages
        self._ordered = 0
        self._lock = threading.Lock()
        self._batch: tuple[int, list[Any]] = (0, [])

    def send(self, message: Any) -> None:
        """Put a message for the driver into the mailbox, after the changes in the run folder if they are due.

        Changes are left out while earlier changes still wait. An AttemptReport ends an attempt: all remaining changes
        are put before it, and the attempt's folder is deleted.
        """
        is_last = isinstance(message, AttemptReport)
        if is_last or (isinstance(message, Progress | Reached) and not self._waiting):
            changes = self._folder_sync.collect(is_last)
            if changes and (changes.events or changes.files or is_last):
                self._waiting = True
                self._messages.put(changes)
        if is_last:
            self._folder_sync.clear()
        self._messages.put(message)

    def recv(self) -> Task | bool | None:
        """Wait for the driver's next order and return it; a task gets a run folder on this machine."""
        order = self._orders.get()
        return self._folder_sync.unpack(order) if isinstance(order, PackedTask) else order

    def poll(self) -> bool:
        """Return whether an order is waiting."""
        return not self._orders.empty()

    def order(self, number: int, order: Order) -> None:
        """Accept the driver's order with this number, from 1; ignore it if it was accepted before."""
        with self._lock:
            if number > self._ordered:
                self._ordered = number
                self._orders.put(order)

    def messages(self, seen: int, seconds: float) -> tuple[int, list[Any]]:
        """Return the number of the next batch and its messages; wait up to `seconds` for the first message.

        `seen` is the number of the last batch that the driver has received. If the driver asks for the same batch
        again, it gets the same messages. Of several Progress messages in a row, only the last is returned.
        """
        with self._lock:
            if self._batch[0] > seen:
                return self._batch
        found: list[Any] = []
        with suppress(Empty):
            while True:
                message = self._messages.get(timeout=LINGER_SECONDS if found else seconds)
                if found and isinstance(message, Progress) and isinstance(found[-1], Progress):
                    found.pop()
                found.append(message)
                self._waiting &= not isinstance(message, FileChanges)
                if not isinstance(message, Progress | FileChanges | Notice) or len(found) == MOST_MESSAGES:
                    break  # the worker waits for the driver
        with self._lock:
            self._batch = (seen + 1, found)
            return self._batch
