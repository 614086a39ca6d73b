"""The only place that records trial states: one checked line a transition, on the disk before anything else happens.

Proposed settings and looks at the test set have lines of their own, which change no state.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, Self

from . import disk, logdir
from .entries import Entry, Looked, NewerError, Proposed, Record, Rung, read_line, read_within
from .errors import LockedError, LogdirError
from .history import History
from .looks import Look
from .trial import TrialResult, TrialState

__all__ = [
    "Entry",
    "Journal",
    "Looked",
    "NewerError",
    "Proposed",
    "Record",
    "Replay",
    "lock",
    "read_journal",
    "read_line",
]

_ATTEMPTS, _PAUSE = 20, 0.01  # at the lock, seconds


@dataclass(frozen=True, slots=True)
class Replay:
    """What a journal's bytes say: the good lines in order, a warning for each bad one, and where a tear begins.

    `whole` counts the bytes before a torn last line: all of them where nothing is torn. `newer` is the number of the
    first line that only a newer version can read.
    """

    entries: tuple[Entry, ...]
    warnings: tuple[str, ...]
    whole: int
    newer: int | None = None

    @classmethod
    def of(cls, data: bytes, name: str) -> Self:
        """Read a journal's bytes; a bad line costs only itself, and not the whole records in it."""
        entries: list[Entry] = []
        warnings, whole, newer = [], len(data), None
        *lines, tail = data.split(b"\n")
        for number, line in enumerate([*lines, tail] if tail else lines, 1):
            try:
                entries.append(read_line(line))
            except ValueError as error:
                within = list(read_within(line)) if number <= len(lines) else []
                entries += within
                cost = f"left out but for {len(within)} records in it" if within else "left out"
                warnings.append(f"{name}, line {number}: {error}; {cost}")
                if isinstance(error, NewerError):
                    newer = newer or number
                elif number > len(lines):
                    whole -= len(tail)
        return cls(tuple(entries), tuple(warnings), whole, newer)

    @property
    def records(self) -> tuple[Record, ...]:
        """The transitions."""
        return tuple(entry for entry in self.entries if isinstance(entry, Record))

    @property
    def looks(self) -> tuple[Looked, ...]:
        """The looks at the test set."""
        return tuple(entry for entry in self.entries if isinstance(entry, Looked))

    @property
    def latest(self) -> dict[int, Record]:
        """The last record of each trial."""
        return {record.trial: record for record in self.records}


def read_journal(path: Path) -> Replay:
    """Read a journal without a lock and without writing; one that does not exist has no records."""
    with disk.guarded(path):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = b""
        return _replay(path, data)


def _replay(path: Path, data: bytes) -> Replay:
    """Read a journal's bytes, all of which may be lost."""
    runs = 0 if data else sum(logdir.parse_run_name(each.name) is not None for each in path.parent.glob("[0-9]*"))
    if not runs:
        return Replay.of(data, path.name)
    lost = f"expected the states of {runs} trials that have left folders, found none; `hpdash sweep` runs them again"
    return Replay((), (f"{path.name}: {lost}",), 0)


class Journal:
    """An open journal, for the one driver that holds the sweep's lock.

    `history` is what its lines add up to, `warnings` what was found damaged.
    """

    def __init__(self, path: Path, file: FileIO, replay: Replay, warnings: list[str]) -> None:
        self.path = path
        self.history = History.of(replay.entries)
        self.warnings = warnings
        self._file = file
        self._seq = max((entry.seq for entry in replay.entries), default=0)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create a journal; a torn last line is cut off, the damaged original kept beside.

        LogdirError where a newer version has written in it.
        """
        with disk.guarded(path):
            file = FileIO(path, "a+")
            file.seek(0)
            data = file.readall()
            replay = _replay(path, data)
            if replay.newer:
                file.close()
                raise LogdirError(f"{path}, line {replay.newer}: of a newer hpdash. Update hpdash to go on with it.")
            warnings = list(replay.warnings)
            if replay.whole < len(data):
                kept = _keep(path, data)
                os.ftruncate(file.fileno(), replay.whole)
                warnings.append(f"{path.name}: cut off at byte {replay.whole}, where it is torn; kept as {kept.name}")
            elif data and not data.endswith(b"\n"):
                disk.write_all(file.fileno(), b"\n")  # whole but for its newline
            os.fsync(file.fileno())
            disk.sync(path.parent)
        return cls(path, file, replay, warnings)

    def append(self, trial: int, state: TrialState, attempt: int, result: TrialResult | None = None) -> Record:
        """Record a transition; when this returns, it is on the disk, and when it raises, it is not in the journal."""
        record = Record(self._seq + 1, trial, state, attempt, time.time(), result)
        self._add(record)
        return record

    def append_rung(self, trial: int, epoch: int, value: float, goes_on: bool) -> Rung:
        """Record what was decided of a trial at a rung, as a transition is recorded."""
        rung = Rung(self._seq + 1, time.time(), trial, epoch, value, goes_on)
        self._add(rung)
        return rung

    @property
    def latest(self) -> dict[int, Record]:
        """The last record of each trial."""
        return self.history.latest

    def append_proposal(self, setting: int, point: Mapping[str, Any]) -> Proposed:
        """Record a setting that is proposed in the light of all results before, as a transition is recorded."""
        proposed = Proposed(self._seq + 1, time.time(), setting, point, self._seq)
        self._add(proposed)
        return proposed

    def append_look(self, look: Look) -> Looked:
        """Record a look at the test set as a transition is recorded; no trial's state changes."""
        looked = Looked(self._seq + 1, time.time(), look)
        self._add(looked)
        return looked

    def _add(self, entry: Entry) -> None:
        with disk.guarded(self.path):
            disk.check_at(self.path, self._file.fileno())  # what is added to a deleted file is lost with it
            disk.append(self._file.fileno(), entry.to_line(), sync=True)
            disk.check_at(self.path, self._file.fileno())
        self._seq = entry.seq
        self.history.add(entry)

    def attempts(self, trial: int) -> int:
        """Return how many attempts at a trial have begun."""
        latest = self.history.latest
        return latest[trial].attempt if trial in latest else 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _keep(path: Path, data: bytes) -> Path:
    """Write a damaged journal's bytes beside it, under the first free name."""
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    disk.write_new(kept, data)
    return kept


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a sweep's lock, which the kernel frees when its owner dies; LockedError names the holder at once."""
    import fcntl  # noqa: PLC0415 - Windows has none; logs are only read there

    path = folder / logdir.LOCK
    with disk.guarded(path):
        file = FileIO(path, "a+")  # never truncated by one who does not hold it: it names the holder
    with file:
        with disk.guarded(path):
            try:
                _take(partial(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError:
                raise LockedError(
                    f"{folder}: another driver runs this sweep ({path.read_text() or 'it has just begun'}). "
                    "Wait for it, or end it and run the same command again."
                ) from None
            os.ftruncate(file.fileno(), 0)
            disk.write_all(file.fileno(), _holder().encode())
        yield


def _take(attempt: Callable[[], None]) -> None:
    """Take a lock; BlockingIOError where a driver has it. One who reads logs has it for microseconds, to ask if any."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(BlockingIOError):
            return attempt()
        time.sleep(_PAUSE)
    return attempt()


def _holder() -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()} since {now}"
