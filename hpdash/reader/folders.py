"""Find the folders of a logdir that are runs, and those that together are one run."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from ..logs import layout
from ..logs.layout import VALIDATION

TRAIN = "train"  # the folder in which Keras' TensorBoard callback writes training metrics
_EVENTS = layout.EVENT_FILE.rpartition(".")[2]  # TensorBoard reads every file with this in its name
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class EventFileInfo:
    """An event file. `key` changes when the file does: size, mtime (ns), ctime (ns), inode; empty if unknown."""

    path: str
    key: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a logdir, with its event files sorted by name.

    `path` is where the folder is on the disk. `name` is its path relative to the logdir, with slashes; the name of the
    logdir itself is ".". `entries` are the names of all files and folders in it.
    """

    path: str
    name: str
    files: tuple[EventFileInfo, ...]
    entries: frozenset[str]

    @property
    def parent(self) -> str:
        """The name of the parent folder."""
        return self.name.rpartition("/")[0] or "."

    @property
    def leaf(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class RunPart:
    """Some event files of a run: those in its own folder, or those in one of its subfolders.

    `role` is "" for the run's own folder, and else the path of the subfolder in it: "train" or "validation", in the run
    of a program any path.
    """

    role: str
    files: tuple[EventFileInfo, ...]


def walk(root: Path, warnings: list[str]) -> Iterator[Folder]:
    """Yield the folders of a logdir, each before its subfolders; a link to a folder above it is not followed.

    A folder that cannot be listed is left out, and `warnings` gets a message.
    """
    pending = [(str(root), ".", frozenset[tuple[int, int]]())]
    while pending:
        path, name, above = pending.pop()
        try:
            status = os.stat(path)  # noqa: PTH116  thousands of Path objects would take longer
            with os.scandir(path) as listed:
                entries = sorted(listed, key=attrgetter("name"))
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            warnings.append(f"{path}: expected a folder of logs, found: {getattr(error, 'strerror', error)}")
            continue
        here = (status.st_dev, status.st_ino)
        if here in above:
            continue
        yield Folder(path, name, tuple(_event_files(entries)), frozenset(each.name for each in entries))
        prefix = "" if name == "." else f"{name}/"
        pending += [
            (each.path, prefix + each.name, above | {here}) for each in reversed(entries) if _is_folder(each, warnings)
        ]


def _is_folder(entry: os.DirEntry[str], warnings: list[str]) -> bool:
    """Return whether an entry is a folder. If that is unknown, as for a link to itself: add a warning, return False."""
    try:
        return entry.is_dir()
    except OSError as error:
        if _EVENTS not in entry.name:  # the error of an event file is reported when the file is read
            warnings.append(f"{entry.path}: expected a folder of logs, found: {error.strerror}")
        return False


def _event_files(entries: Iterable[os.DirEntry[str]]) -> Iterator[EventFileInfo]:
    for entry in entries:
        if _EVENTS in entry.name:
            try:
                if not entry.is_file():
                    continue
                status = entry.stat()
            except FileNotFoundError:  # moved or deleted since it was listed
                continue
            except OSError:  # reading the file reports the error
                yield EventFileInfo(entry.path, ())
            else:
                key = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
                yield EventFileInfo(entry.path, key)


def parts_of_runs(folders: Iterable[Folder], programs: Collection[str] = ()) -> dict[str, list[RunPart]]:
    """Return the parts of each run, by the run's name; the part in its own folder is the first.

    Keras writes a run as `<run>/train` and `<run>/validation`, hpdash as `<run>` and `<run>/validation`. So a folder
    called "train" or "validation" is a part of its parent in these cases, and otherwise a run itself:

    - the parent contains the other of these two folders,
    - the parent contains no other folder with event files,
    - the folder is called "validation", and the parent has event files of its own.

    `programs` are the run folders of programs: all folders below such a folder are parts of it. Folders without event
    files are left out.
    """
    filled = {folder.name: folder for folder in folders if folder.files}
    siblings: dict[str, set[str]] = {}
    for folder in filled.values():
        siblings.setdefault(folder.parent, set()).add(folder.leaf)
    runs: dict[str, list[RunPart]] = {}
    for name, folder in filled.items():
        parent, leaf = folder.parent, folder.leaf
        if owner := next((each for each in _upwards(name) if each in programs), None):
            runs.setdefault(owner, []).append(RunPart(_role(name, owner), folder.files))
        elif leaf in (TRAIN, VALIDATION) and name != "." and _is_part(leaf, siblings[parent], parent in filled):
            runs.setdefault(parent, []).append(RunPart(leaf, folder.files))
        else:
            runs.setdefault(name, []).append(RunPart("", folder.files))
    return runs


def _upwards(name: str) -> Iterator[str]:
    """Yield the name of a folder and of all folders above it, the logdir's last."""
    while name != ".":
        yield name
        name = name.rpartition("/")[0] or "."
    yield name


def _role(name: str, owner: str) -> str:
    """Return the role of a folder in the run of a program, whose run folder is `owner`: its path in there."""
    return "" if name == owner else name.removeprefix("" if owner == "." else f"{owner}/")


def _is_part(leaf: str, siblings: set[str], has_parent: bool) -> bool:
    """Return whether a folder called "train" or "validation" is a part of its parent, not a run itself.

    `siblings` are the names of the folders with event files in its parent, including its own. `has_parent` says whether
    the parent has event files too. `parts_of_runs` has the rule.
    """
    if siblings == {leaf}:
        return True
    return VALIDATION in siblings if leaf == TRAIN else TRAIN in siblings or has_parent


def merged(parts: Iterable[tuple[str, Mapping[str, _Value]]]) -> dict[str, _Value]:
    """Merge the values of a run's parts by tag; `parts` has the role and the values of each part.

    A tag of a part called "validation" becomes `validation/<tag>`; other tags stay as they are. If an earlier part has
    that tag, it becomes `<role>/<tag>`, such as `train/<tag>`.
    """
    run: dict[str, _Value] = {}
    for role, values in parts:
        prefix = f"{VALIDATION}/" if role.rpartition("/")[2] == VALIDATION else ""
        for tag, value in values.items():
            name = f"{prefix}{tag}"
            run.setdefault(f"{role}/{tag}" if role and name in run else name, value)
    return run
