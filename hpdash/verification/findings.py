"""The findings of a verification: where, what is wrong, what is affected, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

_SHOWN = 5  # maximum number of ranges in a sentence

NOTHING_TO_DO = "Nothing has to be done."


class Severity(StrEnum):
    """Damage: data are lost or the user has to act. Note: nothing is lost and nothing has to be done."""

    DAMAGE = "damage"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in a file at a byte (`offset`) or at a line (from 1), or with a folder.

    `sweep` and `run` name the sweep and the run that the finding is about, `run` as in the logdir; None for none.
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
        """Whether data are lost or the user has to act."""
        return self.severity is Severity.DAMAGE

    @property
    def place(self) -> str:
        """The byte or the line as text, with a leading comma; empty if there is neither."""
        return f", byte {self.offset:,}" if self.offset is not None else f", line {self.line}" if self.line else ""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {**asdict(self), "path": str(self.path)}


FindingFactory = Callable[..., Finding]  # makes a Finding whose sweep, and run if there is one, are already set


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The findings of a verification, and how much was read.

    The findings are in order of their sweeps; those about a sweep's own files come before those about its runs.
    `files` is the number of event files, `bytes` their size.
    """

    path: Path
    findings: Sequence[Finding]
    sweeps: int
    runs: int
    files: int
    bytes: int

    @property
    def damage(self) -> list[Finding]:
        """The findings that are damage, not notes."""
        return [each for each in self.findings if each.is_damage]

    @property
    def summary(self) -> str:
        """One line that says how much is damaged and how much was read."""
        damage, notes = self.damage, len(self.findings) - len(self.damage)
        of_runs = {(each.sweep, each.run) for each in damage if each.run is not None}
        outside = {each.sweep for each in damage if each.run is None}
        found = "no damage"
        if damage:
            parts = [f"in {len(of_runs)} of {counted(self.runs, 'run')}"] * bool(of_runs)
            among = f" in {len(outside)} of {counted(self.sweeps, 'sweep')}" if self.sweeps else ""
            parts += [f"outside the runs{among}"] * bool(outside)
            paths = len({each.path for each in damage})
            found = f"damage in {counted(paths, 'file')} or folder{'s' * (paths != 1)}: {', and '.join(parts)}"
        looked_at = f"{counted(self.runs, 'run')}, {counted(self.files, 'event file')}, {self.bytes / 1e6:,.1f} MB read"
        return "; ".join([f"{self.path}: {found}", *[counted(notes, "note")] * bool(notes), looked_at])

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        looked_at = {"sweeps": self.sweeps, "runs": self.runs, "event_files": self.files, "bytes": self.bytes}
        findings = [each.to_json() for each in self.findings]
        return {"path": str(self.path), "damaged": bool(self.damage), **looked_at, "findings": findings}


def counted(number: int, noun: str) -> str:
    """Format a number with its noun: `1 run`, `1,000 runs`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def spans(numbers: Iterable[int | range], noun: str) -> str:
    """Format increasing numbers, and ranges of them, with their noun: `step 5`, `steps 2, 7 to 9`.

    The first few ranges are spelled out, the other numbers are counted. A range may be too long for memory, so it is
    never expanded into a list.
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
    shown = ", ".join(f"{low:,}" if low == high else f"{low:,} to {high:,}" for low, high in found[:_SHOWN])
    hidden += sum(high - low + 1 for low, high in found[_SHOWN:])
    is_plural = len(found) > 1 or hidden or any(low < high for low, high in found)
    return f"{noun}{'s' if is_plural else ''} {shown}{f' and {hidden:,} more' if hidden else ''}"


def size_of(numbers: range) -> int:
    """Return the length of an increasing range, which may be more than `len` can return."""
    return max(0, -((numbers.start - numbers.stop) // numbers.step))
