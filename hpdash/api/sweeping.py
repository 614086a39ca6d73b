"""Run a sweep from Python; in a notebook, show its progress and its leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..driver.plan import Outcome, Watcher
from ..driver.runner import Options, drive_sweep
from ..spec import Sweep
from ..views.terminal.leaderboard import leaderboard_html
from ..views.web.notebook import NotebookView, in_notebook


class NotebookOutcome(Outcome):
    """The outcome of a sweep, which a notebook shows as the sweep's leaderboard."""

    @classmethod
    def of(cls, outcome: Outcome) -> NotebookOutcome:
        """Return the same outcome, as a notebook can show it."""
        return cls(**{each.name: getattr(outcome, each.name) for each in fields(outcome)})

    def _repr_html_(self) -> str:
        title = ", ".join([self.sweep.name, *self.caveats])
        return leaderboard_html(self.specs, self.results, title)


def run_sweep(
    source: Path | str | Mapping[str, Any] | Sweep,
    logs: Path | str = "logs",
    options: Options | None = None,
    watcher: Watcher | None = None,
) -> Outcome:
    """Run the missing trials of a sweep and return its outcome.

    If `Options.new` has made several folders of the sweep, the newest one is resumed. A trial that fails is a
    result, not an error. In a notebook the progress is shown, unless a watcher is given.

    Args:
        source: a sweep file, its content as a mapping, or a loaded Sweep.
        logs: the logs root, in which the sweep has its folder.
        options: how to run the sweep; None for the defaults.
        watcher: functions that are called while the sweep runs; None for none.

    Raises HpdashError, before anything is written, if the file, the data or the logs root is invalid.
    """
    if watcher is None and in_notebook():
        with NotebookView() as view:
            return NotebookOutcome.of(drive_sweep(source, logs, options, Watcher.of(view)))
    return NotebookOutcome.of(drive_sweep(source, logs, options, watcher))
