"""A journal line by line: its records, and of a line that is bad why it is, and whose it may have been."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..entries import LOOK, PROPOSAL, RUNG
from ..journal import Entry, NewerError, Record, Replay, read_line
from .own_files import read_bytes, said

LOST = {  # by what a line begins with
    LOOK: "a look at the test set: it counts as never taken",
    PROPOSAL: "a setting that was proposed: it is worked out again",
    RUNG: "whether a trial went on after an epoch: it is decided again if the trial comes there again",
}
_TRIAL = re.compile(rb'"trial":(\d{1,9})[,}]')


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a journal, from 1: the records that are read from it, and what is wrong with it.

    `is_torn` says that it is a last one with no end, `is_newer` that nothing is wrong but its version. `trials` are
    those it tells of without a record of theirs, as far as it can be read; `lost` says what is lost with a line that
    told no trial's state.
    """

    number: int
    records: Sequence[Entry] = ()
    reason: str = ""
    is_torn: bool = False
    is_newer: bool = False
    trials: frozenset[int] = frozenset()
    lost: str = ""


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
        return Line(number, (read_line(data),))
    except ValueError as error:
        replay, lost = Replay.of(data + end, ""), next((LOST[begin] for begin in LOST if data.startswith(begin)), "")
        told = frozenset() if lost else frozenset(map(int, _TRIAL.findall(data)))
        trials = told - {record.trial for record in replay.records}
        is_newer = isinstance(error, NewerError)
        return Line(number, replay.entries, str(error), not end, is_newer, trials, lost)


def numbered(lines: Sequence[Line]) -> Iterator[tuple[int, Record]]:
    """Yield each transition with the number of its line."""
    return ((line.number, entry) for line in lines for entry in line.records if isinstance(entry, Record))
