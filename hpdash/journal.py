"""The only place that records trial states: one checked line a transition, on the disk before anything else happens.

A line is `{…,"crc":"8 hex digits"}` in JSON with sorted keys; the CRC-32C is of the same line without "crc".
"""

from __future__ import annotations

import json
import math
import os
import re
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

import google_crc32c

from . import disk, logdir
from .errors import LockedError, LogdirError
from .trial import TrialResult, TrialState

_ATTEMPTS, _PAUSE = 20, 0.01  # at the lock, seconds
_LINE = re.compile(rb'(\{.*),"crc":"([0-9a-f]{8})"\}', re.DOTALL)
_BEGIN = rb'\{"attempt":'
_WITHIN = re.compile(_BEGIN + rb"(?:(?!" + _BEGIN + rb').)*?,"crc":"[0-9a-f]{8}"\}', re.DOTALL)


class NewerError(ValueError):
    """Say that a record is whole and its checksum right, but this version of hpdash cannot read it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One transition: the `seq`-th of its sweep, from 1; `attempt` counts from 1; `time` is in unix seconds."""

    seq: int
    trial: int
    state: TrialState
    attempt: int
    time: float
    result: TrialResult | None = None

    def to_line(self) -> bytes:
        """Return the journal's line for this record, with its newline."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in ("seq", "trial", "state", "attempt", "time")}
        if self.result is not None:
            fields["result"] = _finite(self.result.to_json())
        body = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
        return body[:-1] + b',"crc":"%08x"}\n' % google_crc32c.value(body)

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read a line without its newline; ValueError says what is wrong with it, NewerError where nothing is."""
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("not a whole record")
        body = match[1] + b"}"
        if google_crc32c.value(body) != int(match[2], 16):
            raise ValueError("its checksum does not match")
        try:
            fields = json.loads(body)
            result = TrialResult.from_json(_floats(fields.pop("result"))) if "result" in fields else None
            return cls(**{**fields, "state": TrialState(fields["state"]), "result": result})
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise NewerError(f"not a record of this version ({error})") from error


def _finite(value: Any) -> Any:
    """Spell NaN and the infinities as strings, which JSON has no numbers for."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)  # NaN, Infinity or -Infinity
    return value


def _floats(result: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {key: {name: float(value) for name, value in result[key].items()} for key in ("metrics", "best")}
    return {**result, **numbers, "seconds": float(result["seconds"])}


@dataclass(frozen=True, slots=True)
class Replay:
    """What a journal's bytes say: the good records in order, a warning for each bad line, and where a tear begins.

    `whole` counts the bytes before a torn last line: all of them where nothing is torn. `newer` is the number of the
    first line that only a newer version can read.
    """

    records: tuple[Record, ...]
    warnings: tuple[str, ...]
    whole: int
    newer: int | None = None

    @classmethod
    def of(cls, data: bytes, name: str) -> Self:
        """Read a journal's bytes; a bad line costs only itself, and not the whole records in it."""
        records, warnings, whole, newer = [], [], len(data), None
        *lines, tail = data.split(b"\n")
        for number, line in enumerate([*lines, tail] if tail else lines, 1):
            try:
                records.append(Record.from_line(line))
            except ValueError as error:
                within = list(_within(line)) if number <= len(lines) else []
                records += within
                cost = f"left out but for {len(within)} records in it" if within else "left out"
                warnings.append(f"{name}, line {number}: {error}; {cost}")
                if isinstance(error, NewerError):
                    newer = newer or number
                elif number > len(lines):
                    whole -= len(tail)
        return cls(tuple(records), tuple(warnings), whole, newer)

    @property
    def latest(self) -> dict[int, Record]:
        """The last record of each trial."""
        return {record.trial: record for record in self.records}


def _within(line: bytes) -> Iterator[Record]:
    """Yield the whole records in a bad line: two, where what is damaged is the end of the line between them."""
    for match in _WITHIN.finditer(line):
        with suppress(ValueError):
            yield Record.from_line(match[0])


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

    `latest` has the last record of each trial, `warnings` what was found damaged.
    """

    def __init__(self, path: Path, file: FileIO, replay: Replay, warnings: list[str]) -> None:
        self.path = path
        self.latest = replay.latest
        self.warnings = warnings
        self._file = file
        self._seq = max((record.seq for record in replay.records), default=0)

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
            disk.sync_folder(path.parent)
        return cls(path, file, replay, warnings)

    def append(self, trial: int, state: TrialState, attempt: int, result: TrialResult | None = None) -> Record:
        """Record a transition; when this returns, it is on the disk, and when it raises, it is not in the journal."""
        record = Record(self._seq + 1, trial, state, attempt, time.time(), result)
        with disk.guarded(self.path):
            disk.check_at(self.path, self._file.fileno())  # what is added to a deleted file is lost with it
            disk.append(self._file.fileno(), record.to_line(), sync=True)
            disk.check_at(self.path, self._file.fileno())
        self._seq = record.seq
        self.latest[trial] = record
        return record

    def attempts(self, trial: int) -> int:
        """Return how many attempts at a trial have begun."""
        return self.latest[trial].attempt if trial in self.latest else 0

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
