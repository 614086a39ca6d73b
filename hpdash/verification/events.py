"""A run's event files: what is damaged in them, how bad that is, and what the run lacks by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from .. import logdir
from ..reader.assembly import joined
from ..reader.events import Contents, read_file
from ..reader.folders import Part
from ..reader.framing import records
from ..reader.layouts import Layouts
from ..reader.sessions import Session
from ..runs import Damage
from .findings import NOTHING_TO_DO, Finding, Make, Severity, counted


@dataclass(frozen=True, slots=True)
class File:
    """An event file with what it holds."""

    path: Path
    role: str
    contents: Contents


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a file: the places whose bytes are not those that were written, and the values that are none.

    `is_tail` says that nothing good follows, `is_foreign` that nothing good is in it at all.
    """

    file: File
    places: Sequence[Damage]
    values: Sequence[Damage]
    is_tail: bool
    is_foreign: bool

    @property
    def what(self) -> str:
        """Say what is wrong, the first place in full."""
        first, *more = self.places or self.values
        return f"{first.reason}; {counted(len(more), 'more place')} behind it" if more else first.reason

    @property
    def offset(self) -> int:
        """The byte at which the first place begins."""
        return (self.places or self.values)[0].offset


def read_parts(parts: Iterable[Part], layouts: Layouts) -> list[File]:
    """Read a run's event files, every record's checksum looked at; those that were moved since they were listed not."""
    files = (
        File(Path(file.path), part.role, read_file(Path(file.path), layouts)) for part in parts for file in part.files
    )
    return [file for file in files if not file.contents.damage or file.path.exists()]


def by_role(files: Sequence[File]) -> list[tuple[str, Contents]]:
    """Join what the files of each folder of a run hold."""
    roles = dict.fromkeys(file.role for file in files)
    return [(role, joined([file.contents for file in files if file.role == role])) for role in roles]


def session_of(parts: Sequence[tuple[str, Contents]]) -> Session:
    """Return the session that a run's folders tell of."""
    session = Session()
    for _, contents in parts:
        session = session.joined(contents.session)
    return session


def troubles(files: Iterable[File], is_written: bool) -> Iterator[Trouble]:
    """Yield what is wrong with files; where a trial writes them at this moment, their ends are not yet."""
    for file in files:
        if file.contents.damage and (found := _trouble(file)) and not (is_written and found.is_tail):
            yield found


def _trouble(file: File) -> Trouble:
    """Tell damaged bytes from values that were malformed when they were written: their record's checksum fits."""
    damage = sorted(file.contents.damage, key=lambda each: each.offset)
    intact = _intact(file.path)
    is_foreign = file.contents.began is None
    values = [] if is_foreign else [each for each in damage if each.offset in intact]
    places = damage if is_foreign else [each for each in damage if each.offset not in intact]
    is_tail = bool(places) and not any(offset > places[0].offset for offset in intact)
    return Trouble(file, places, values, is_tail, is_foreign)


def _intact(path: Path) -> set[int]:
    """Return where the records begin whose checksums fit."""
    try:
        with FileIO(path) as file:
            return {offset for offset, _ in records(path, file, [], lambda _, at: at)}
    except OSError:
        return set()


def findings_of(
    found: Iterable[Trouble], make: Make, affected: Callable[[Trouble], str], advice: str
) -> Iterator[Finding]:
    """Yield a finding a file; `affected` says what the run lacks by it."""
    for each in found:
        where = {"offset": each.offset}
        if each.places:
            told = f"{affected(each) or 'nothing that is known of'}{_hidden(each)}"
            yield make(each.file.path, each.what, told, _advice(each, advice), **where)
        else:
            said = "these values, which no view can show; the file is whole"
            yield make(each.file.path, each.what, said, NOTHING_TO_DO, **where, severity=Severity.NOTE)


def _hidden(trouble: Trouble) -> str:
    if trouble.is_foreign or trouble.is_tail:
        return ""
    return "; and TensorBoard shows nothing that stands behind it in this file"


def _advice(trouble: Trouble, advice: str) -> str:
    if trouble.is_foreign and not trouble.file.path.name.startswith(logdir.EVENT_FILE):
        return f"If it is no event file, give it a name that is none's. {advice}"
    return advice
