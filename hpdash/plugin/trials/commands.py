"""The commands that go on from what the tab shows. The tab only reads, so the user copies them into a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ...records import DRAWING_STRATEGIES, TrialState
from ...runs import Run
from ...sweep_folder.sweep_json import SweepRecord, record_of

FILE = "FILE"  # stands for a sweep file that is not where it was


def commands_of(runs: Sequence[Run], planned: int) -> list[tuple[str, str]]:
    """Return what can be done with a sweep, as pairs of a title and a command; empty for runs of another tool.

    `planned` is the number of trials of the sweep.
    """
    record = record_of(runs[0]) if runs else None
    if record is None:
        return []
    folder = runs[0].sweep_folder
    again = f"hpdash sweep {_file(record)} --logdir {shlex.quote(str(folder.parent))}"
    states = [run.status for run in runs]
    failed = sum(state is TrialState.FAILED for state in states)
    ended = sum(state is not None and state.is_result for state in states)
    found = []
    if TrialState.RUNNING not in states and ended + failed < planned:
        found.append(("Continue the sweep", again))
    if TrialState.RUNNING not in states and failed:
        found.append((f"Train the {failed} that failed again", f"{again} --retry-failed"))
    if record.settings.get("strategy") in DRAWING_STRATEGIES:
        more = 2 * int(record.settings["trials"])
        found.append(("Try as many settings again", f"{again} --set sweep.trials={more} --extend"))
    if TrialState.FINISHED in states:
        found.append(("Evaluate the best trial on the test set", f"hpdash evaluate {shlex.quote(str(folder))}"))
        found.append(("Write a report", f"hpdash report {shlex.quote(str(folder))}"))
    return found


def _file(record: SweepRecord) -> str:
    """Return the path of the sweep file, if it is there under the sweep's name."""
    path = Path(record.folder or "", f"{record.settings['name']}.toml")
    return shlex.quote(str(path)) if record.folder and path.is_file() else FILE
