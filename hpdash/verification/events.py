"""Find damage in a run's event files, and describe how severe it is and what the run lacks because of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from ..logs import layout
from ..reader.assembly import joined
from ..reader.events import Contents, read_file
from ..reader.folders import RunPart
from ..reader.framing import records
from ..reader.layouts import Layouts
from ..reader.sessions import HParamsSession
from ..runs import Damage
from .findings import NOTHING_TO_DO, Finding, FindingFactory, Severity, counted


@dataclass(frozen=True, slots=True)
class File:
    """An event file, its role in the run ("", "train" or "validation") and its contents."""

    path: Path
    role: str
    contents: Contents


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with an event file: `places` have damaged bytes, `values` were malformed when they were written.

    `is_tail` says that no intact record follows the first place, `is_foreign` that the file has no valid event.
    """

    file: File
    places: Sequence[Damage]
    values: Sequence[Damage]
    is_tail: bool
    is_foreign: bool

    @property
    def what(self) -> str:
        """What is wrong: the first place in full, and the number of others."""
        first, *more = self.places or self.values
        return f"{first.reason}; {counted(len(more), 'more place')} after it" if more else first.reason

    @property
    def offset(self) -> int:
        """The byte at which the first place, or else the first value, begins."""
        return (self.places or self.values)[0].offset


def read_parts(parts: Iterable[RunPart], layouts: Layouts) -> list[File]:
    """Read a run's event files and check the checksum of every record.

    Files that were moved since they were listed are left out.
    """
    files = (
        File(Path(file.path), part.role, read_file(Path(file.path), layouts)) for part in parts for file in part.files
    )
    return [file for file in files if not file.contents.damage or file.path.exists()]


def join_by_role(files: Sequence[File]) -> list[tuple[str, Contents]]:
    """Return the joined contents of the files of each of a run's folders, by the folder's role."""
    roles = dict.fromkeys(file.role for file in files)
    return [(role, joined([file.contents for file in files if file.role == role])) for role in roles]


def joined_session(parts: Sequence[tuple[str, Contents]]) -> HParamsSession:
    """Return the HParams session that is logged in a run's folders."""
    session = HParamsSession()
    for _, contents in parts:
        session = session.joined(contents.session)
    return session


def troubles(files: Iterable[File], is_written: bool) -> Iterator[Trouble]:
    """Yield what is wrong with files.

    If a trial is writing them now (`is_written`), a damaged tail is left out: it may be an incomplete record.
    """
    for file in files:
        if file.contents.damage and (found := _trouble(file)) and not (is_written and found.is_tail):
            yield found


def _trouble(file: File) -> Trouble:
    """Separate damaged bytes from values that were malformed when they were written.

    The record of such a value has a matching checksum.
    """
    damage = sorted(file.contents.damage, key=lambda each: each.offset)
    intact = _intact(file.path)
    is_foreign = file.contents.first_time is None
    values = [] if is_foreign else [each for each in damage if each.offset in intact]
    places = damage if is_foreign else [each for each in damage if each.offset not in intact]
    is_tail = bool(places) and not any(offset > places[0].offset for offset in intact)
    return Trouble(file, places, values, is_tail, is_foreign)


def _intact(path: Path) -> set[int]:
    """Return the offsets of the records with matching checksums; none if the file cannot be read."""
    try:
        with FileIO(path) as file:
            return {offset for offset, _ in records(path, file, [], lambda _, at: at)}
    except OSError:
        return set()


def trouble_findings(
    found: Iterable[Trouble], make: FindingFactory, affected: Callable[[Trouble], str], advice: str
) -> Iterator[Finding]:
    """Yield a finding for each trouble; `affected` returns what the run lacks because of it."""
    for each in found:
        where = {"offset": each.offset}
        if each.places:
            effect = f"{affected(each) or 'nothing known to be missing'}{_hidden(each)}"
            yield make(each.file.path, each.what, effect, _advice(each, advice), **where)
        else:
            effect = "only these values, which cannot be shown; the rest of the file is intact"
            yield make(each.file.path, each.what, effect, NOTHING_TO_DO, **where, severity=Severity.NOTE)


def _hidden(trouble: Trouble) -> str:
    if trouble.is_foreign or trouble.is_tail:
        return ""
    return "; TensorBoard shows nothing after this place in the file"


def _advice(trouble: Trouble, advice: str) -> str:
    if trouble.is_foreign and not trouble.file.path.name.startswith(layout.EVENT_FILE):
        mark = layout.EVENT_FILE.rpartition(".")[2]  # TensorBoard reads every file with it in its name
        return f'If it is not an event file, rename it so that its name does not contain "{mark}". {advice}'
    return advice
