"""A worker on another machine: what travels between it and its driver, so that neither opens the other's disk.

The worker trains into a folder of its own. What it writes there travels with its news, and the driver puts it into the
run folder: a run has one writer, whatever becomes of a machine that nobody hears of any more. Nothing here knows how
messages get from one to the other.
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

from .. import checkpoint, disk, logdir, weights
from ..trial import Notice, Progress, Reached
from .base import Task
from .worker import Report

WHOLE = (logdir.MODEL, logdir.WEIGHTS, logdir.CHECKPOINT)  # files that travel whole, event files by what was added
LEAST_SECONDS = 0.2  # between parcels that are not due
LINGER_SECONDS = 0.03  # to wait for more news after some, of a trial that may be short
MOST_NEWS = 100  # at once


@dataclass(frozen=True, slots=True)
class Errand:
    """A task and what it goes on from: the bytes of each event file of its run, by path in it, and whole files."""

    task: Task
    sizes: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a worker has written since its last one: what follows in each event file from an offset, and whole files.

    `kept_epoch` is that of the weights which a checkpoint in it tells of; `is_last` says that the attempt has ended.
    """

    events: Mapping[str, tuple[int, bytes]]
    files: Mapping[str, bytes]
    kept_epoch: int | None = None
    is_last: bool = False


def pack(task: Task) -> Errand:
    """Return a task with all that an attempt elsewhere needs of its run folder, which a death may have left half-way.

    Raises LogdirError where the disk refuses.
    """
    run = task.run
    if not run.is_dir():
        return Errand(task)
    kept = checkpoint.read(run / logdir.CHECKPOINT) if task.epoch else None
    told = kept.weights if kept else None
    with disk.guarded(run):
        weights.settled(run, weights.Kept(**told) if told else None)
        paths = [run / name for name in WHOLE[1:]] if kept else []
        return Errand(task, logdir.event_sizes(run), {path.name: path.read_bytes() for path in paths if path.exists()})


def deliver(run: Path, parcel: Parcel) -> None:
    """Put what a parcel holds into a run folder, in an order that a death may cut anywhere; LogdirError if refused."""
    settles = parcel.is_last or logdir.CHECKPOINT in parcel.files
    with disk.guarded(run):
        run.mkdir(exist_ok=True)  # but not its sweep's folder, which may have been moved away meanwhile
    for name, (offset, data) in parcel.events.items():
        _append(run / name, offset, data)
    if settles:
        _sync(run)
    files = dict(parcel.files)
    waiting = logdir.new_weights(run, parcel.kept_epoch) if parcel.kept_epoch is not None else None
    if waiting and (kept := files.pop(logdir.WEIGHTS, None)):
        disk.write(waiting, kept)  # until the checkpoint that tells of them is there
    for name in [name for name in WHOLE if name in files]:
        disk.write(run / name, files[name])
    if waiting and waiting.exists():
        with disk.guarded(run):
            waiting.replace(run / logdir.WEIGHTS)
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
    """Put a run's event files on the disk, also what earlier parcels brought."""
    with disk.guarded(run):
        files = [run / name for name in logdir.event_sizes(run)]
        for path in (*files, *{run.parent, run, *(path.parent for path in files)}):
            disk.sync(path)


class Courier:
    """The worker's half: a folder of its own for each attempt, and what was written there since it last asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run: Path | None = None
        self._sent: dict[str, int] = {}
        self._known: dict[str, tuple[int, ...] | None] = {}
        self._last = 0.0

    def unpack(self, errand: Errand) -> Task:
        """Make a run folder as far as an attempt can tell: event files of the right sizes, but empty of content."""
        run = self._run = self._folder / errand.task.run.name
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir(parents=True)
        for name, size in errand.sizes.items():
            (run / name).parent.mkdir(exist_ok=True)
            with (run / name).open("wb") as file:
                file.truncate(size)
        for name, content in errand.files.items():
            (run / name).write_bytes(content)
        self._sent = dict(errand.sizes)
        self._known = {name: _state(run / name) for name in WHOLE}
        return replace(errand.task, run=run)

    def collect(self, is_last: bool = False) -> Parcel | None:
        """Return what is new in the run folder: at the end, with a new checkpoint, or a while after the last parcel."""
        run, now = self._run, time.monotonic()
        assert run is not None
        states = {name: _state(run / name) for name in WHOLE}
        new = [name for name in WHOLE if states[name] not in (None, self._known[name])]
        if not (is_last or logdir.CHECKPOINT in new or now - self._last >= LEAST_SECONDS):
            return None
        self._last, self._known = now, states
        events = {name: (at, _from(run / name, at)) for name, at in self._grown(run)}
        self._sent |= {name: at + len(data) for name, (at, data) in events.items()}
        told = (
            checkpoint.read(run / logdir.CHECKPOINT).weights if {logdir.WEIGHTS, logdir.CHECKPOINT} <= {*new} else None
        )
        files = {name: (run / name).read_bytes() for name in new}
        return Parcel(events, files, told["epoch"] if told else None, is_last)

    def _grown(self, run: Path) -> list[tuple[str, int]]:
        sizes = logdir.event_sizes(run).items()
        return [(name, self._sent.get(name, 0)) for name, size in sizes if size > self._sent.get(name, 0)]

    def clear(self) -> None:
        """Delete the run folder, of which all has travelled."""
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


Order = Errand | bool | None


class Mailbox:
    """A worker's link to a driver on another machine: orders wait in it for the worker, its news for the driver.

    Both are numbered, so that what a network makes a driver say or ask twice counts once.
    """

    def __init__(self, folder: Path) -> None:
        self._courier = Courier(folder)
        self._orders: SimpleQueue[Order] = SimpleQueue()
        self._news: SimpleQueue[Any] = SimpleQueue()
        self._waiting = False  # whether there is a parcel among the news
        self._ordered = 0
        self._lock = threading.Lock()
        self._batch: tuple[int, list[Any]] = (0, [])

    def send(self, message: Any) -> None:
        """Send a message to the driver, and before it what has been written, unless earlier parcels still wait."""
        is_last = isinstance(message, Report)
        if is_last or (isinstance(message, Progress | Reached) and not self._waiting):
            parcel = self._courier.collect(is_last)
            if parcel and (parcel.events or parcel.files or is_last):
                self._waiting = True
                self._news.put(parcel)
        if is_last:
            self._courier.clear()
        self._news.put(message)

    def recv(self) -> Task | bool | None:
        """Wait for the driver's next order; a task's run folder is the worker's own."""
        order = self._orders.get()
        return self._courier.unpack(order) if isinstance(order, Errand) else order

    def poll(self) -> bool:
        """Say whether an order waits."""
        return not self._orders.empty()

    def order(self, number: int, order: Order) -> None:
        """Take the driver's order of that number, from 1 on, once."""
        with self._lock:
            if number > self._ordered:
                self._ordered = number
                self._orders.put(order)

    def news(self, seen: int, seconds: float) -> tuple[int, list[Any]]:
        """Return what is new after the batch `seen`, with its number, waiting so long for it; again where asked again.

        Of several messages of progress in a row only the last counts.
        """
        with self._lock:
            if self._batch[0] > seen:
                return self._batch
        found: list[Any] = []
        with suppress(Empty):
            while True:
                message = self._news.get(timeout=LINGER_SECONDS if found else seconds)
                if found and isinstance(message, Progress) and isinstance(found[-1], Progress):
                    found.pop()
                found.append(message)
                self._waiting &= not isinstance(message, Parcel)
                if not isinstance(message, Progress | Parcel | Notice) or len(found) == MOST_NEWS:
                    break  # the driver is waited for
        with self._lock:
            self._batch = (seen + 1, found)
            return self._batch
