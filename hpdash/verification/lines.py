"""Read a journal line by line: the entries of each line and, if it is bad, the reason and the affected trials."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..journal.entries import EVALUATION, PROPOSAL, RUNG, kind_of
from ..journal.journal import Entry, JournalContent, NewerError, Transition, from_line
from .own_files import error_text, read_bytes

LOST = {  # what is lost if a line is bad, by the kind of the line
    EVALUATION: "an evaluation on the test set: it is no longer counted",
    PROPOSAL: "a proposed setting: it is computed again",
    RUNG: "a pruning decision: it is made again if the trial reaches that epoch again",
}
_TRIAL = re.compile(rb'"trial":(\d{1,9})[,}]')


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A line of a journal, with its number (from 1), the entries read from it, and the reason why it is bad, if it is.

    `is_torn` says that it is the last line and has no newline, `is_newer` that it is intact but written by a newer
    version. `trials` are the trials that a bad line names, except those whose entries could be read from it. `lost`
    says what is lost if the bad line is not about a trial's state.
    """

    number: int
    entries: Sequence[Entry] = ()
    reason: str = ""
    is_torn: bool = False
    is_newer: bool = False
    trials: frozenset[int] = frozenset()
    lost: str = ""


def read_lines(path: Path) -> tuple[list[JournalLine], str | None]:
    """Return a journal's lines, and the reason why it cannot be read, None if it can be."""
    try:
        *whole, tail = read_bytes(path).split(b"\n")
    except OSError as error:
        return [], error_text(error)
    lines = [_line(number, data, b"\n") for number, data in enumerate(whole, 1)]
    return [*lines, _line(len(lines) + 1, tail, b"")] if tail else lines, None


def _line(number: int, data: bytes, end: bytes) -> JournalLine:
    try:
        return JournalLine(number, (from_line(data),))
    except ValueError as error:
        replay, lost = JournalContent.of(data + end, ""), LOST.get(kind_of(data), "")
        named = frozenset() if lost else frozenset(map(int, _TRIAL.findall(data)))
        trials = named - {each.trial for each in replay.transitions}
        is_newer = isinstance(error, NewerError)
        return JournalLine(number, replay.entries, str(error), not end, is_newer, trials, lost)


def numbered(lines: Sequence[JournalLine]) -> Iterator[tuple[int, Transition]]:
    """Yield each transition of a trial with its line number, as (number, transition)."""
    return ((line.number, entry) for line in lines for entry in line.entries if isinstance(entry, Transition))
