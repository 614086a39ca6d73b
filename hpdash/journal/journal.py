"""Open, read and append to a sweep's journal, the only record of its trials' states; take the sweep's lock.

Each change of a trial's state adds a line with a checksum, which is on the disk before the driver acts on the change.
Pruning decisions, proposed settings and evaluations on the test set have lines of their own, which change no state.
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

from ..errors import LockedError, LogdirError
from ..logs import layout
from ..records import TrialResult, TrialState
from ..system import disk
from ..testset import Evaluation
from .entries import (
    Entry,
    EvaluationEntry,
    NewerError,
    Proposal,
    RungDecision,
    Transition,
    from_line,
    read_within,
    to_line,
)
from .history import History

__all__ = [
    "Entry",
    "EvaluationEntry",
    "Journal",
    "JournalContent",
    "NewerError",
    "Proposal",
    "Transition",
    "from_line",
    "lock",
    "read_journal",
]

_TRIES, _PAUSE = 20, 0.01  # tries to take the lock, seconds between them


@dataclass(frozen=True, slots=True)
class JournalContent:
    """The content of a journal: the entries of good lines in order, and a warning for each bad line.

    `whole` is the number of bytes before a torn last line, or of all bytes if none is torn. `newer` is the number of
    the first line that only a newer version of hpdash can read.
    """

    entries: tuple[Entry, ...]
    warnings: tuple[str, ...]
    whole: int
    newer: int | None = None

    @classmethod
    def of(cls, data: bytes, name: str) -> Self:
        """Parse a journal's bytes. A bad line is left out, except for intact entries inside it.

        `name` is the file's name in the warnings.
        """
        entries: list[Entry] = []
        warnings, whole, newer = [], len(data), None
        *lines, tail = data.split(b"\n")
        for number, line in enumerate([*lines, tail] if tail else lines, 1):
            try:
                entries.append(from_line(line))
            except ValueError as error:
                within = list(read_within(line)) if number <= len(lines) else []
                entries += within
                cost = (
                    f"left out, except for {len(within)} complete {'line' if len(within) == 1 else 'lines'} inside it"
                    if within
                    else "left out"
                )
                warnings.append(f"{name}, line {number}: {error}; {cost}")
                if isinstance(error, NewerError):
                    newer = newer or number
                elif number > len(lines):
                    whole -= len(tail)
        return cls(tuple(entries), tuple(warnings), whole, newer)

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """The transitions."""
        return tuple(entry for entry in self.entries if isinstance(entry, Transition))

    @property
    def evaluations(self) -> tuple[EvaluationEntry, ...]:
        """The evaluations on the test set."""
        return tuple(entry for entry in self.entries if isinstance(entry, EvaluationEntry))

    @property
    def latest(self) -> dict[int, Transition]:
        """The last transition of each trial."""
        return {record.trial: record for record in self.transitions}


def read_journal(path: Path) -> JournalContent:
    """Read a journal without a lock and without writing; a missing file has no entries.

    Raises LogdirError if the file cannot be read.
    """
    with disk.guarded(path):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = b""
        return _replay(path, data)


def _replay(path: Path, data: bytes) -> JournalContent:
    """Parse a journal's bytes; warn that the trial states are lost if there are run folders but no bytes."""
    runs = 0 if data else sum(layout.parse_run_name(each.name) is not None for each in path.parent.glob("[0-9]*"))
    if not runs:
        return JournalContent.of(data, path.name)
    lost = f"missing or empty; the states of {runs} trials are lost, and `hpdash sweep` runs these trials again"
    return JournalContent((), (f"{path.name}: {lost}",), 0)


class Journal:
    """An open journal, for the one driver that holds the sweep's lock.

    `history` is the state computed from all lines, `warnings` says what was damaged.
    """

    def __init__(self, path: Path, file: FileIO, replay: JournalContent, warnings: list[str]) -> None:
        self.path = path
        self.history = History.of(replay.entries)
        self.warnings = warnings
        self._file = file
        self._seq = max((entry.seq for entry in replay.entries), default=0)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create a journal; cut off a torn last line after saving a copy of the damaged file.

        Raises LogdirError if a newer version of hpdash has written to the journal, or if the disk refuses it.
        """
        with disk.guarded(path):
            file = FileIO(path, "a+")
            file.seek(0)
            data = file.readall()
            replay = _replay(path, data)
            if replay.newer:
                file.close()
                by = f"{path}, line {replay.newer} was written by a newer hpdash"
                raise LogdirError(f"{by}. Update hpdash to continue the sweep.")
            warnings = list(replay.warnings)
            if replay.whole < len(data):
                kept = _keep(path, data)
                os.ftruncate(file.fileno(), replay.whole)
                cut = f"the damaged last line was cut off at byte {replay.whole}"
                warnings.append(f"{path.name}: {cut}; the original file was saved as {kept.name}")
            elif data and not data.endswith(b"\n"):
                disk.write_all(file.fileno(), b"\n")  # only the newline is missing
            os.fsync(file.fileno())
            disk.sync(path.parent)
        return cls(path, file, replay, warnings)

    def append(self, trial: int, state: TrialState, attempt: int, result: TrialResult | None = None) -> Transition:
        """Record a transition and return it; when this returns, the line is on the disk.

        Raises LogdirError if the disk refuses it. The line is then not in the journal.
        """
        transition = Transition(self._seq + 1, trial, state, attempt, time.time(), result)
        self._add(transition)
        return transition

    def append_rung(self, trial: int, epoch: int, value: float, goes_on: bool) -> RungDecision:
        """Record the decision about a trial at a rung, with the guarantee of `append`."""
        rung = RungDecision(self._seq + 1, time.time(), trial, epoch, value, goes_on)
        self._add(rung)
        return rung

    @property
    def latest(self) -> dict[int, Transition]:
        """The last transition of each trial."""
        return self.history.latest

    def append_proposal(self, setting: int, point: Mapping[str, Any]) -> Proposal:
        """Record a setting that was proposed from all results so far, with the guarantee of `append`."""
        proposal = Proposal(self._seq + 1, time.time(), setting, point, self._seq)
        self._add(proposal)
        return proposal

    def append_evaluation(self, evaluation: Evaluation) -> EvaluationEntry:
        """Record an evaluation on the test set, with the guarantee of `append`; no trial's state changes."""
        entry = EvaluationEntry(self._seq + 1, time.time(), evaluation)
        self._add(entry)
        return entry

    def _add(self, entry: Entry) -> None:
        with disk.guarded(self.path):
            disk.check_same_file(self.path, self._file.fileno())  # a line added to a deleted file would be lost
            disk.append(self._file.fileno(), to_line(entry), sync=True)
            disk.check_same_file(self.path, self._file.fileno())
        self._seq = entry.seq
        self.history.add(entry)

    def attempts(self, trial: int) -> int:
        """Return how many attempts at a trial have started."""
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
    """Save a damaged journal's bytes next to the journal, under the first free name; return the path."""
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    disk.write_new(kept, data)
    return kept


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a sweep's lock inside a `with` block; the kernel releases it if this process dies.

    Raises LockedError, which names the holder, if another process still holds the lock after a fraction of a second.
    """
    import fcntl  # noqa: PLC0415 - Windows has none; logs are only read there

    path = folder / layout.LOCK
    with disk.guarded(path):
        file = FileIO(path, "a+")  # not truncated before the lock is held: it names the holder
    with file:
        with disk.guarded(path):
            try:
                _take(partial(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError:
                raise LockedError(
                    f"{folder}: another process is using this sweep ({path.read_text() or 'just started'}). "
                    "Wait until it ends, or stop it, then run the same command again."
                ) from None
            os.ftruncate(file.fileno(), 0)
            disk.write_all(file.fileno(), _holder().encode())
        yield


def _take(try_once: Callable[[], None]) -> None:
    """Take a lock; raises BlockingIOError if all tries fail.

    One try is not enough: to find out whether a driver is running, readers hold the lock for microseconds.
    """
    for _ in range(_TRIES - 1):
        with suppress(BlockingIOError):
            return try_once()
        time.sleep(_PAUSE)
    return try_once()


def _holder() -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()} since {now}"
