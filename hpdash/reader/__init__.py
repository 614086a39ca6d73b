"""Read the runs of a logdir: of hpdash, Keras, HParams or PyTorch, or any folder of event files. No TensorFlow needed.

Reading writes nothing into the logdir and does not wait for a driver. Damage is reported; only the damaged records are
left out.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
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
from .sweeps import MARKS, SweepState, read_sweep


def read(path: Path | str, cached: bool = True) -> Logdir:
    """Read all runs of a logs root, of a sweep's folder, or of a run's folder.

    What is damaged or cannot be read is left out and named in the warnings. With `cached`, only event files that
    changed since they were last read are read. Raises LogdirError if the folder does not exist.
    """
    root = Path(os.path.abspath(path))  # noqa: PTH100  links are not resolved: runs are named as the user sees them
    warnings: list[str] = []
    folders = list(walk(root, warnings))
    if not folders:
        raise LogdirError(f"{warnings[0]}. Run a sweep first, or name another logs root.")
    sweeps = _sweeps(root, folders)
    folders = [each for each in folders if not (each.leaf.startswith(layout.HPARAMS_PREFIX) and each.parent in sweeps)]
    by_file = _contents_by_file(root, [file for folder in folders for file in folder.files], cached)
    runs = _runs(folders, sweeps, by_file)
    warnings += [warning for sweep in sweeps.values() for warning in sweep.warnings]
    warnings += [str(damage) for contents in by_file.values() for damage in contents.damage]
    return Logdir(Path(path), tuple(runs), tuple(warnings))


def _sweeps(root: Path, folders: Sequence[Folder]) -> dict[str, SweepState]:
    """Return the sweeps by the names of their folders; if the root is a run, ".." is the sweep in its parent folder."""
    own = (folder for folder in folders if not folder.names.isdisjoint(MARKS))
    sweeps = {each.name: read_sweep(Path(each.path), root.name if each.name == "." else each.name) for each in own}
    if layout.parse_run_name(root.name) and any((root.parent / mark).is_file() for mark in MARKS):
        sweeps[".."] = read_sweep(root.parent, root.parent.name)
    return sweeps


def _contents_by_file(root: Path, files: Sequence[EventFileInfo], cached: bool) -> dict[str, Contents]:
    """Return the contents of event files by path, from the cache if possible; add what was read to the cache."""
    known = cache.load(root, files) if cached else {}
    fresh = read_files([file for file in files if file.path not in known])
    found = {file.path: known.get(file.path) or fresh[file.path] for file in files}
    if cached and len(known) < len(found):
        cache.save(root, files, found)
    return found


def _runs(folders: Sequence[Folder], sweeps: Mapping[str, SweepState], by_file: Mapping[str, Contents]) -> list[Run]:
    """Return all runs, sorted by name: those of folders, and those of trials that have no folder."""
    contents = {
        name: [(part.role, joined([by_file[file.path] for file in part.files])) for part in parts]
        for name, parts in parts_of_runs(folders).items()
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


def _sweep_of(name: str, sweeps: Mapping[str, SweepState]) -> SweepState | None:
    """Return the sweep whose folder contains a run's folder, None if there is none."""
    return sweeps.get(".." if name == "." else parent_of(name))


def read_histograms(run: Run, tags: Collection[str], damage: list[Damage] | None = None) -> dict[str, HistogramSeries]:
    """Read the histograms of a run that are among `tags`; malformed ones are left out and added to `damage`."""
    layouts, parts = Layouts(), []
    for role, folder in (("", run.folder), (TRAIN, run.folder / TRAIN), (VALIDATION, run.folder / VALIDATION)):
        own = {tag.removeprefix(f"{role}/") for tag in tags} | set(tags)
        if files := [read_file(file, layouts, own) for file in layout.event_files(folder)]:
            parts.append((role, joined(files)))
    if damage is not None:
        damage += [each for _, contents in parts for each in contents.damage]
    return {tag: series for tag, series in histograms_of(parts).items() if tag in tags and tag in run.histograms}
