"""Which folders of a logdir are runs, and which of them belong together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from .. import logdir
from ..logdir import VALIDATION

TRAIN = "train"  # where Keras' TensorBoard callback writes what it measures in training
_EVENTS = logdir.EVENT_FILE.rpartition(".")[2]  # in a file's name, it makes TensorBoard read it
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class EventFile:
    """An event file and what changes when it does: size, times of change, inode."""

    path: str
    key: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder by its name in the logdir, "." for the logdir itself, with its event files in the order of their names.

    `names` are those of all that is in it.
    """

    path: str
    name: str
    files: tuple[EventFile, ...]
    names: frozenset[str]

    @property
    def parent(self) -> str:
        """The name of the folder it is in."""
        return self.name.rpartition("/")[0] or "."

    @property
    def leaf(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Part:
    """Event files and their role in a run: "" for those in its own folder, "train" and "validation" for those below."""

    role: str
    files: tuple[EventFile, ...]


def walk(root: Path, warnings: list[str]) -> Iterator[Folder]:
    """Yield the folders of a logdir, each before those in it; a folder that a link leads back to is not entered.

    What cannot be listed is left out and becomes a warning.
    """
    pending = [(str(root), ".", frozenset[tuple[int, int]]())]
    while pending:
        path, name, above = pending.pop()
        try:
            status = os.stat(path)  # noqa: PTH116  a Path for each of thousands of folders takes longer than this
            with os.scandir(path) as listed:
                entries = sorted(listed, key=attrgetter("name"))
        except (OSError, ValueError) as error:  # of a NUL in the path
            warnings.append(f"{path}: expected a folder of logs, found: {getattr(error, 'strerror', error)}")
            continue
        here = (status.st_dev, status.st_ino)
        if here in above:
            continue
        yield Folder(path, name, tuple(_event_files(entries)), frozenset(entry.name for entry in entries))
        prefix = "" if name == "." else f"{name}/"
        pending += [
            (each.path, prefix + each.name, above | {here}) for each in reversed(entries) if _is_folder(each, warnings)
        ]


def _is_folder(entry: os.DirEntry[str], warnings: list[str]) -> bool:
    """Return whether an entry is a folder; a link that leads nowhere, or back to itself, is none and is told."""
    try:
        return entry.is_dir()
    except OSError as error:
        if _EVENTS not in entry.name:  # else who reads it is told why
            warnings.append(f"{entry.path}: expected a folder of logs, found: {error.strerror}")
        return False


def _event_files(entries: Iterable[os.DirEntry[str]]) -> Iterator[EventFile]:
    for entry in entries:
        if _EVENTS in entry.name:
            try:
                if not entry.is_file():
                    continue
                status = entry.stat()
            except FileNotFoundError:  # moved since it was listed
                continue
            except OSError:  # who reads it is told why
                yield EventFile(entry.path, ())
            else:
                key = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
                yield EventFile(entry.path, key)


def parts_of_runs(folders: Iterable[Folder]) -> dict[str, list[Part]]:
    """Sort the folders that have event files into runs: by the run's name, its own folder first.

    Keras writes a run as `<run>/train` and `<run>/validation`, hpdash as `<run>` and `<run>/validation`. A folder of
    such a name that stands beside other runs is one of them.
    """
    filled = {folder.name: folder for folder in folders if folder.files}
    beside: dict[str, set[str]] = {}
    for folder in filled.values():
        beside.setdefault(folder.parent, set()).add(folder.leaf)
    runs: dict[str, list[Part]] = {}
    for name, folder in filled.items():
        parent, leaf = folder.parent, folder.leaf
        if leaf in (TRAIN, VALIDATION) and name != "." and _is_part(leaf, beside[parent], parent in filled):
            runs.setdefault(parent, []).append(Part(leaf, folder.files))
        else:
            runs.setdefault(name, []).append(Part("", folder.files))
    return runs


def _is_part(leaf: str, siblings: set[str], has_parent: bool) -> bool:
    """Say whether a folder named so, beside these and perhaps in a run's folder, is a part of a run."""
    if siblings == {leaf}:
        return True
    return VALIDATION in siblings if leaf == TRAIN else TRAIN in siblings or has_parent


def merged(parts: Iterable[tuple[str, Mapping[str, _Value]]]) -> dict[str, _Value]:
    """Join what a run's parts have under its tags: those in training as they are, `validation/<tag>` of the other.

    A training tag that the run's own folder has too keeps its folder: `train/<tag>`.
    """
    run: dict[str, _Value] = {}
    for role, values in parts:
        for tag, value in values.items():
            is_taken = role == TRAIN and tag in run
            run.setdefault(f"{role}/{tag}" if role == VALIDATION or is_taken else tag, value)
    return run
