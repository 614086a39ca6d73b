"""Read the runs of a logdir without TensorFlow: those of hpdash, Keras and PyTorch, and any other event files.

Reading writes nothing into the logdir and does not wait for a driver. Damage is reported; only the damaged records are
left out.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import LogdirError
from ..logs import layout
from ..logs.layout import VALIDATION
from ..runs import Damage, HistogramSeries, Logdir, Run
from . import cache
from .assembly import histograms_of, hparams_by_run, joined, make_run, merge_hparams_runs, runs_without_folders
from .attribution import parent_of
from .events import Contents, read_file
from .folders import TRAIN, EventFileInfo, Folder, parts_of_runs, walk
from .layouts import Layouts
from .processes import read_files
from .program_runs import parts_of_program
from .sweeps import MARKS, SweepState, read_sweep, stamp


def read(path: Path | str, cached: bool = True) -> Logdir:
    """Read all runs of a logs root, of a sweep's folder, or of a run's folder.

    What is damaged or cannot be read is left out and named in the warnings. With `cached`, only event files that
    changed since they were last read are read. Raises LogdirError if the folder does not exist.
    """
    return LogdirReader(path, cached).read()


class LogdirReader:
    """Read a logdir again and again; an event file is read again only if it has changed.

    `path` and `cached` are those of `read`. Threads must not share one instance.
    """

    def __init__(self, path: Path | str, cached: bool = True) -> None:
        self._path, self._cached = Path(path), cached
        self._root = Path(os.path.abspath(path))  # noqa: PTH100  links are not resolved: runs are named as users see them
        self._contents: dict[EventFileInfo, Contents] = {}
        self._sweeps: dict[str, tuple[Hashable, SweepState]] = {}
        self._state: object = None
        self._logdir = Logdir(self._path, ())

    def read(self) -> Logdir:
        """Return the logdir as it is now: the same object as in the call before if no file has changed since then.

        Raises LogdirError if the folder does not exist.
        """
        with _without_collector():
            return self._current()

    def _current(self) -> Logdir:
        warnings: list[str] = []
        folders = list(walk(self._root, warnings))
        if not folders:
            raise LogdirError(f"{warnings[0]}. Run a sweep first, or name another logs root.")
        self._sweeps = {name: self._sweep(name, *place) for name, place in _sweep_folders(self._root, folders).items()}
        state = (folders, [stamp for stamp, _ in self._sweeps.values()], warnings)
        if state != self._state:
            self._logdir, self._state = self._read(folders, warnings), state
        return self._logdir

    def sweeps_changed(self) -> bool:
        """Return whether `sweep.json`, the journal or the lock of a known sweep has changed since the last `read`.

        This takes much less time than `read`, but it notices neither changed event files nor new folders.
        """
        return any(stamp(sweep.folder) != before for before, sweep in self._sweeps.values())

    def _sweep(self, key: str, folder: Path, name: str) -> tuple[Hashable, SweepState]:
        """Return a sweep as it is now, with a stamp that changes with `sweep.json`, the journal and the lock."""
        current = stamp(folder)
        before = self._sweeps.get(key)
        return before if before and before[0] == current else (current, read_sweep(folder, name))

    def _read(self, folders: Sequence[Folder], warnings: Sequence[str]) -> Logdir:
        sweeps = {name: sweep for name, (_, sweep) in self._sweeps.items()}
        folders = [
            each for each in folders if not (each.leaf.startswith(layout.HPARAMS_PREFIX) and each.parent in sweeps)
        ]
        self._read_files([file for folder in folders for file in folder.files])
        runs = _runs(folders, sweeps, {file.path: contents for file, contents in self._contents.items()})
        of_sweeps = [warning for sweep in sweeps.values() for warning in sweep.warnings]
        damage = [str(each) for contents in self._contents.values() for each in contents.damage]
        return Logdir(self._path, tuple(runs), (*warnings, *of_sweeps, *damage))

    def _read_files(self, files: Sequence[EventFileInfo]) -> None:
        """Bring the contents of event files up to date: from memory, else from the files.

        The cache is asked only if nothing is in memory yet.
        """
        known = {file: self._contents[file] for file in files if file.key and file in self._contents}
        missing = [file for file in files if file not in known]
        loaded = cache.load(self._root, missing) if self._cached and missing and not known else {}
        fresh = read_files([file for file in missing if file.path not in loaded])
        self._contents = {file: known.get(file) or loaded.get(file.path) or fresh[file.path] for file in files}
        if self._cached and fresh:
            cache.save(self._root, files, {file.path: contents for file, contents in self._contents.items()})


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause the garbage collector in a `with` block: all that is read is kept, so the collector would find nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _sweep_folders(root: Path, folders: Sequence[Folder]) -> dict[str, tuple[Path, str]]:
    """Return the folder and the name of each sweep, by the name of its folder in the logdir.

    If the root is a run, ".." is the sweep in its parent folder.
    """
    own = [folder for folder in folders if not folder.entries.isdisjoint(MARKS)]
    found = {each.name: (Path(each.path), root.name if each.name == "." else each.name) for each in own}
    if layout.parse_run_name(root.name) and any((root.parent / mark).is_file() for mark in MARKS):
        found[".."] = (root.parent, root.parent.name)
    return found


def _runs(folders: Sequence[Folder], sweeps: Mapping[str, SweepState], by_file: Mapping[str, Contents]) -> list[Run]:
    """Return all runs, sorted by name: those of folders, and those of trials that have no folder."""
    programs = _program_folders(folders, sweeps)
    contents = {
        name: parts_of_program(parts, by_file)
        if name in programs
        else [(part.role, joined([by_file[file.path] for file in part.files])) for part in parts]
        for name, parts in parts_of_runs(folders, programs).items()
    }
    foreign = {name for name in contents if _sweep_of(name, sweeps) is None}
    merge_hparams_runs(contents, foreign)
    hparams = hparams_by_run(contents, foreign & contents.keys())
    runs = []
    for folder in folders:
        sweep, path = _sweep_of(folder.name, sweeps), Path(folder.path)
        if folder.name not in contents and not (sweep and sweep.knows(path.name)):
            continue
        run = make_run(folder.name, path, contents.get(folder.name, ()), sweep, hparams.get(folder.name))
        if run:
            runs.append(run)
    for name, sweep in sweeps.items():
        if name != "..":
            runs += runs_without_folders(sweep, "" if name == "." else f"{name}/", runs)
    return sorted(runs, key=lambda run: run.name)


def _program_folders(folders: Sequence[Folder], sweeps: Mapping[str, SweepState]) -> set[str]:
    """Return the names of the run folders in which programs log."""
    owners = {name: sweep for name, sweep in sweeps.items() if sweep.settings and sweep.settings.is_program}
    return {
        folder.name
        for folder in folders
        if _sweep_of(folder.name, owners) and layout.parse_run_name(Path(folder.path).name)
    }


def _sweep_of(name: str, sweeps: Mapping[str, SweepState]) -> SweepState | None:
    """Return the sweep whose folder contains a run's folder, None if there is none."""
    return sweeps.get(".." if name == "." else parent_of(name))


def runs_of_contents(contents: Mapping[str, Contents]) -> list[Run]:
    """Return the runs of contents that were not read from the disk.

    The keys of `contents` are the names of runs, with slashes. As in `read`, the runs of one trial are merged, and
    hyperparameters come from HParams sessions or from the names. The `folder` of a run is a path that does not exist.
    """
    files = {name: EventFileInfo(name, ()) for name in contents}
    folders = [Folder(f"{os.devnull}/{name}", name, (file,), frozenset()) for name, file in files.items()]
    return _runs(folders, {}, contents)


def read_histograms(run: Run, tags: Collection[str], damage: list[Damage] | None = None) -> dict[str, HistogramSeries]:
    """Read the histograms of a run that are among `tags`; malformed ones are left out and reported in `damage`."""
    parts = _histograms_of_program(run, tags) if run.is_program else _histograms_of_roles(run, tags)
    if damage is not None:
        damage += [each for _, contents in parts for each in contents.damage]
    return {tag: series for tag, series in histograms_of(parts).items() if tag in tags and tag in run.histograms}


def _histograms_of_roles(run: Run, tags: Collection[str]) -> list[tuple[str, Contents]]:
    layouts, parts = Layouts(), []
    for role, folder in (("", run.folder), (TRAIN, run.folder / TRAIN), (VALIDATION, run.folder / VALIDATION)):
        own = {tag.removeprefix(f"{role}/") for tag in tags} | set(tags)
        if files := [read_file(file, layouts, own) for file in layout.event_files(folder)]:
            parts.append((role, joined(files)))
    return parts


def _histograms_of_program(run: Run, tags: Collection[str]) -> list[tuple[str, Contents]]:
    """Return the contents of all folders in the run of a program, with histograms of tags with or without a role."""
    layouts, parts = Layouts(), parts_of_runs(walk(run.folder, []), (".",)).get(".", ())
    own = {tag.split("/", skipped)[skipped] for tag in tags for skipped in range(tag.count("/") + 1)}
    by_file = {file.path: read_file(Path(file.path), layouts, own) for part in parts for file in part.files}
    return parts_of_program(parts, by_file)
