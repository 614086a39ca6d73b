"""A journal line by line: its records, and of a line that is bad why it is, and whose it may have been."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..journal import NewerError, Record, Replay
from .own_files import read_bytes, said

_TRIAL = re.compile(rb'"trial":(\d{1,9})[,}]')


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a journal, from 1: the records that are read from it, and what is wrong with it.

    `is_torn` says that it is a last one with no end, `is_newer` that nothing is wrong but its version. `trials` are
    those it tells of without a record of theirs, as far as it can be read.
    """

    number: int
    records: Sequence[Record] = ()
    reason: str = ""
    is_torn: bool = False
    is_newer: bool = False
    trials: frozenset[int] = frozenset()


def read_lines(path: Path) -> tuple[list[Line], str | None]:
    """Return a journal's lines, and why it cannot be read where it cannot."""
    try:
        *whole, tail = read_bytes(path).split(b"\n")
    except OSError as error:
        return [], said(error)
    lines = [_line(number, data, b"\n") for number, data in enumerate(whole, 1)]
    return [*lines, _line(len(lines) + 1, tail, b"")] if tail else lines, None


def _line(number: int, data: bytes, end: bytes) -> Line:
    try:
        return Line(number, (Record.from_line(data),))
    except ValueError as error:
        records = Replay.of(data + end, "").records  # those that are whole in it count
        trials = frozenset(map(int, _TRIAL.findall(data))) - {record.trial for record in records}
        return Line(number, records, str(error), not end, isinstance(error, NewerError), trials)


def numbered(lines: Sequence[Line]) -> Iterator[tuple[int, Record]]:
    """Yield each record with the number of its line."""
    return ((line.number, record) for line in lines for record in line.records)
