"""What was found: where, what is wrong, what is affected by it, what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

_SHOWN = 5  # ranges of numbers in a sentence

NOTHING_TO_DO = "Nothing has to be done."


class Severity(StrEnum):
    """Damage is what is lost or waits for somebody; of a note nothing is lost and nothing has to be done."""

    DAMAGE = "damage"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: a file at a byte or a line (from 1), or a folder.

    `sweep` and `run` are the names it is told under, `run` as in the logdir; None where it belongs to none.
    """

    path: Path
    what: str
    affected: str
    advice: str
    sweep: str | None = None
    run: str | None = None
    offset: int | None = None
    line: int | None = None
    severity: Severity = Severity.DAMAGE

    @property
    def is_damage(self) -> bool:
        """Whether something is lost or waits for somebody."""
        return self.severity is Severity.DAMAGE

    @property
    def place(self) -> str:
        """Where in the file it is, with a comma before it."""
        return f", byte {self.offset:,}" if self.offset is not None else f", line {self.line}" if self.line else ""

    def to_json(self) -> dict[str, Any]:
        """Return the one JSON form."""
        return {**asdict(self), "path": str(self.path)}


Make = Callable[..., Finding]  # a Finding of a sweep or a run


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, in numbers, and what was found, sweep by sweep, each sweep's own files before its runs."""

    path: Path
    findings: Sequence[Finding]
    sweeps: int
    runs: int
    files: int
    bytes: int

    @property
    def damage(self) -> list[Finding]:
        """What is more than a note."""
        return [each for each in self.findings if each.is_damage]

    @property
    def summary(self) -> str:
        """Say in a line how bad it is and how much was looked at."""
        damage, notes = self.damage, len(self.findings) - len(self.damage)
        of_runs = {(each.sweep, each.run) for each in damage if each.run is not None}
        beside = {each.sweep for each in damage if each.run is None}
        found = "no damage"
        if damage:
            parts = [f"in {len(of_runs)} of {counted(self.runs, 'run')}"] * bool(of_runs)
            parts += [f"beside the runs in {len(beside)} of {counted(self.sweeps, 'sweep')}"] * bool(beside)
            found = f"damage in {counted(len({each.path for each in damage}), 'place')}: {' and '.join(parts)}"
        looked_at = f"{counted(self.runs, 'run')}, {counted(self.files, 'event file')}, {self.bytes / 1e6:,.1f} MB read"
        return "; ".join([f"{self.path}: {found}", *[counted(notes, "note")] * bool(notes), looked_at])

    def to_json(self) -> dict[str, Any]:
        """Return the one JSON form."""
        looked_at = {"sweeps": self.sweeps, "runs": self.runs, "event_files": self.files, "bytes": self.bytes}
        findings = [each.to_json() for each in self.findings]
        return {"path": str(self.path), "damaged": bool(self.damage), **looked_at, "findings": findings}


def counted(number: int, noun: str) -> str:
    """Say how many: `1 run`, `1,000 runs`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def spans(numbers: Iterable[int | range], noun: str) -> str:
    """Say which, from increasing numbers and ranges of them: `step 5`, `steps 2, 7 to 9`.

    A range may hold more numbers than memory does: it is never listed.
    """
    found: list[list[int]] = []
    hidden = 0
    for part in numbers:
        each = range(part, part + 1) if isinstance(part, int) else part
        if each.step == 1:
            pieces = [(each[0], each[-1])]
        else:
            pieces = [(number, number) for number in each[:_SHOWN]]
            hidden += size_of(each) - len(pieces)
        for low, high in pieces:
            if found and low == found[-1][1] + 1:
                found[-1][1] = high
            else:
                found.append([low, high])
    told = ", ".join(f"{low:,}" if low == high else f"{low:,} to {high:,}" for low, high in found[:_SHOWN])
    hidden += len(found[_SHOWN:])
    is_plural = len(found) > 1 or hidden or any(low < high for low, high in found)
    return f"{noun}{'s' if is_plural else ''} {told}{f' and {hidden:,} more' if hidden else ''}"


def size_of(numbers: range) -> int:
    """Return how many numbers an increasing range has, which may be more than `len` can say."""
    return max(0, -((numbers.start - numbers.stop) // numbers.step))
