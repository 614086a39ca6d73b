"""The commands that go on from what the tab shows. The tab only reads, so the user copies them into a terminal."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...logs import layout
from ...records import DRAWING_STRATEGIES, TABLES, TrialState
from ...runs import Run
from ...sweep_folder.sweep_json import SweepRecord, record_of
from ...system.function_source import MODULE

FILE = "FILE"  # stands for a sweep file that is not where it was


def commands_of(runs: Sequence[Run], planned: int) -> list[tuple[str, str]]:
    """Return what can be done with a sweep, as pairs of a title and a command; empty for runs of another tool.

    `planned` is the number of trials of the sweep. A sweep that was given in Python has neither a file to run again nor
    an evaluation from a terminal.
    """
    record = record_of(runs[0]) if runs else None
    if record is None:
        return []
    folder, has_file = runs[0].sweep_folder, not _is_inline(record)
    finished = any(run.status is TrialState.FINISHED for run in runs)
    found = list(_going_on(runs, record, planned)) if has_file and _is_newest(folder, record.file_name) else []
    if finished and has_file:
        found.append(("Evaluate the best trial on the test set", f"hpdash evaluate {shlex.quote(str(folder))}"))
    if finished:
        found.append(("Write a report", f"hpdash report {shlex.quote(str(folder))}"))
    return found


def _going_on(runs: Sequence[Run], record: SweepRecord, planned: int) -> Iterator[tuple[str, str]]:
    """Yield the commands that train more trials; none while the sweep runs."""
    states = [run.status for run in runs]
    if TrialState.RUNNING in states:
        return
    again = f"hpdash sweep {_file(record)} --logdir {shlex.quote(str(runs[0].sweep_folder.parent))}"
    draws = record.settings.get("strategy") in DRAWING_STRATEGIES
    trials = int(record.settings["trials"]) if draws else 0
    own = f"{again} --set sweep.trials={trials}" if draws else again  # the sweep may have more than its file says
    failed = states.count(TrialState.FAILED)
    ended = sum(state is not None and state.is_result for state in states)
    if ended + failed < planned:
        yield "Continue the sweep", own
    if failed:
        yield f"Train the {failed} that failed again", f"{own} --retry-failed"
    if draws:
        yield "Try as many settings again", f"{again} --set sweep.trials={2 * trials} --extend"


def _is_inline(record: SweepRecord) -> bool:
    """Return whether the sweep got functions or data in Python."""
    return f'"{MODULE}:' in json.dumps([record.settings.get(table) for table in TABLES], default=str)


def _is_newest(folder: Path, name: str) -> bool:
    """Return whether a folder has the newest start of the sweep with a name, which `hpdash sweep` would resume."""
    own = layout.parse_start(folder.name, name)
    others = (layout.parse_start(each.name, name) for each in folder.parent.iterdir() if each.is_dir())
    return own is not None and own == max((number for number in others if number is not None), default=own)


def _file(record: SweepRecord) -> str:
    """Return the path of the sweep file, if it is there under the sweep's name."""
    path = Path(record.folder or "", f"{record.file_name}.toml")
    return shlex.quote(str(path)) if record.folder and path.is_file() else FILE
