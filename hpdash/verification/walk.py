"""Verify a whole logdir: its sweeps, its runs, and files left over."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from ..errors import LogdirError
from ..logs import layout
from ..logs.hparams_record import outdated_sweeps
from ..reader.folders import Folder, RunPart, parts_of_runs, walk
from ..reader.layouts import Layouts
from ..reader.sweeps import MARKS
from . import journals, trials
from .events import join_by_role, joined_session, read_parts, trouble_findings, troubles
from .findings import NOTHING_TO_DO, Finding, Severity, VerifyResult
from .journals import SweepFolder
from .trials import RunFolder

Sweeps = Mapping[str, SweepFolder]  # by the names of their folders
_ABOVE = ".."  # the name of the sweep's folder if the logdir is a run's folder
_PART = ".part"


def find_damage(path: Path | str) -> VerifyResult:
    """Verify every file in a logs root, a sweep's folder or a run's folder, and return the findings.

    What a live driver has not finished writing is not damage. Raises LogdirError if the folder cannot be listed.
    """
    root = Path(path)
    sweeps = _sweeps(root, _folders(root, []))
    warnings: list[str] = []
    # list the folders after reading the journals: the files of trials that a journal has as finished are then complete
    folders = _folders(root, warnings)
    records = {each.name for each in folders if each.leaf.startswith(layout.HPARAMS_PREFIX) and each.parent in sweeps}
    runs = _runs(root, [each for each in folders if each.name not in records], sweeps)
    layouts, findings, size = Layouts(), list(_unlisted(warnings)), 0
    for run in runs:
        found, read = trials.verify_run(run, layouts)
        findings += found
        size += read
    for name, sweep in sweeps.items():
        if name != _ABOVE:
            findings += [*sweep.findings, *_of_folders(sweep, runs, "" if name == "." else f"{name}/")]
    for folder in folders:
        findings += _leftovers(folder, sweeps)
        if folder.name in records:
            findings += _experiment(folder, sweeps[folder.parent], layouts)
    findings += _stale(root, sweeps)
    files = sum(len(part.files) for run in runs for part in run.parts)
    own = [sweep for name, sweep in sweeps.items() if name != _ABOVE]
    count = len(runs) + sum(len(_without_folder(sweep, runs)) for sweep in own)
    return VerifyResult(root, sorted(findings, key=_order), len(sweeps), count, files, size)


def _stale(root: Path, sweeps: Sweeps) -> Iterator[Finding]:
    """Yield a note for each sweep whose HParams record does not describe exactly the sweeps in the logs root."""
    by_path = {_absolute(sweep.folder): sweep for name, sweep in sweeps.items() if name not in (".", _ABOVE)}
    if any(sweep.is_live for sweep in by_path.values()):
        return  # a live driver is about to write the records
    for folder in outdated_sweeps(root):
        if sweep := by_path.get(_absolute(folder)):
            what = (
                "its HParams experiment record does not match the sweeps here, or is missing: a sweep was copied, moved"
                " or renamed"
            )
            affected = "TensorBoard's HParams page: filters and columns of some sweeps"
            advice = "`hpdash board`, or the next sweep under this logs root, writes it again."
            yield Finding(folder, what, affected, advice, sweep=sweep.name, severity=Severity.NOTE)


def _folders(root: Path, warnings: list[str]) -> list[Folder]:
    problems: list[str] = []
    folders = list(walk(root, problems))
    if not folders:
        raise LogdirError(f"{problems[0]}. Give the path of a logs root, of a sweep's folder or of a run's folder.")
    warnings += problems
    return folders


def _order(finding: Finding) -> tuple[str, str, str, int]:
    return finding.sweep or "", finding.run or "", str(finding.path), finding.offset or finding.line or 0


def _unlisted(warnings: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each folder that cannot be listed."""
    for warning in warnings:
        path, _, reason = warning.rpartition(": expected a folder of logs, found: ")
        if os.path.lexists(path):  # otherwise, it was moved meanwhile
            advice = "Make it readable or delete it, then verify again."
            yield Finding(Path(path), f"cannot be listed: {reason}", "everything in it: it was not verified", advice)


def _sweeps(root: Path, folders: Sequence[Folder]) -> dict[str, SweepFolder]:
    """Verify the own files of all sweeps; return the sweeps by folder name."""
    here = _absolute(root)
    parents = {each.parent for each in folders if each.name != "." and layout.parse_run_name(each.leaf)}
    sweeps = {}
    for each in folders:
        has_runs = each.name in parents
        if not each.entries.isdisjoint(MARKS) or (has_runs and layout.SWEEP_TOML in each.entries):
            name = here.name if each.name == "." else each.name
            sweeps[each.name] = journals.verify_sweep_folder(Path(each.path), name, each.entries, has_runs)
    above = here.parent
    if layout.parse_run_name(here.name) and (marks := [mark for mark in MARKS if (above / mark).is_file()]):
        sweeps[_ABOVE] = journals.verify_sweep_folder(above, above.name, marks, has_runs=True)
    return sweeps


def _absolute(root: Path) -> Path:
    return Path(os.path.abspath(root))  # noqa: PTH100  links are not resolved: runs are named as the user sees them


def _runs(root: Path, folders: Sequence[Folder], sweeps: Sweeps) -> list[RunFolder]:
    """Return the runs: folders with event files, and folders of trials with or without them."""
    programs = {each.name for each in folders if (found := _sweep_of(each, sweeps)) and found.is_program}
    parts = parts_of_runs(folders, programs)
    runs = []
    for each in folders:
        sweep = _sweep_of(each, sweeps)
        parsed = layout.parse_run_name(_absolute(root).name if each.name == "." else each.leaf) if sweep else None
        if each.name in parts or parsed:
            runs.append(_run(each, parts.get(each.name, ()), sweep if parsed else None, parsed[0] if parsed else None))
    return runs


def _sweep_of(folder: Folder, sweeps: Sweeps) -> SweepFolder | None:
    return sweeps.get(_ABOVE if folder.name == "." else folder.parent)


def _run(folder: Folder, parts: Sequence[RunPart], sweep: SweepFolder | None, number: int | None) -> RunFolder:
    return RunFolder(folder.name, Path(folder.path), parts, sweep, number, layout.CHECKPOINT in folder.entries)


def _of_folders(sweep: SweepFolder, runs: Sequence[RunFolder], prefix: str) -> Iterator[Finding]:
    """Yield a finding for each trial of a sweep that is done but has no folder, or that has several."""
    yield from trials.trials_without_folder(sweep, _without_folder(sweep, runs), prefix)
    folders: dict[int, list[Path]] = {}
    for run in runs:
        if run.sweep is sweep and run.number is not None:
            folders.setdefault(run.number, []).append(run.folder)
    yield from (trials.duplicate_folders(sweep, number, found) for number, found in folders.items() if len(found) > 1)


def _without_folder(sweep: SweepFolder, runs: Sequence[RunFolder]) -> list[int]:
    return sorted(sweep.latest.keys() - {run.number for run in runs if run.sweep is sweep})


def _leftovers(folder: Folder, sweeps: Sweeps) -> Iterator[Finding]:
    """Yield a note for each unfinished file of a sweep, left by a process that died while writing it."""
    sweep = sweeps.get(folder.name) or sweeps.get(_ABOVE if folder.name == "." else folder.parent)
    if sweep is None or sweep.is_live:
        return
    for name in sorted(folder.entries):
        if name.endswith(_PART):
            what, affected = (
                "unfinished: the process that wrote it died",
                "nothing: it has not replaced the file that it was written for",
            )
            make = partial(Finding, Path(folder.path) / name, what, affected, sweep=sweep.name)
            yield make(f"{NOTHING_TO_DO} It can be deleted.", severity=Severity.NOTE)


def _experiment(folder: Folder, sweep: SweepFolder, layouts: Layouts) -> Iterator[Finding]:
    """Yield what is wrong with a sweep's HParams experiment record."""
    make = partial(Finding, sweep=sweep.name)
    affected = "TensorBoard's HParams table: domains, columns and metrics"
    advice = f"Delete the folder {folder.leaf}: the next sweep that trains under this logs root writes it again."
    files = read_parts([RunPart("", folder.files)], layouts)
    found = list(troubles(files, is_written=False))
    yield from trouble_findings(found, make, lambda _: affected, advice)
    if not found and not joined_session(join_by_role(files)).has_experiment and not sweep.is_live:
        yield make(Path(folder.path), "an empty HParams experiment record", affected, advice)
