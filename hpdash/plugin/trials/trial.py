"""The answer `trial`: everything about one trial, as `hpdash show --json` has it, with its curves and its attempts."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ...analysis.objective import with_objective
from ...errors import SpecError
from ...journal.of_runs import journal_of
from ...logs import layout, outline
from ...runs import Run, Series
from ...sweep_folder import sweep_json
from .curves import thinned
from .logdir import Snapshot

_POINTS = 400  # points of a curve, about as many as the drawer has pixels


def trial_impl(snapshot: Snapshot, name: str, metric: str | None = None, goal: str | None = None) -> dict[str, Any]:
    """Return everything about the trial with an id; raises RefusedError if there is none.

    `metric` and `goal` replace the sweep's objective, by which the best epoch is chosen. They have no effect if the
    trial does not have the metric.
    """
    from ...sweep_folder.recipe import recipe  # noqa: PLC0415  only this route needs them
    from ...views.terminal.show import Page  # noqa: PLC0415
    from ...views.terminal.show_json import to_json  # noqa: PLC0415
    from ...views.text import finite  # noqa: PLC0415

    run = snapshot.run(name)
    with suppress(SpecError):
        (run,) = with_objective([run], metric, goal)
    about = sweep_json.record_of(run)
    again = recipe(run, about) if about else None
    page = Page(run, {}, again, outline.read(run.folder), about)
    curves = {tag: thinned(series, _POINTS) for tag, series in sorted(run.scalars.items()) if _is_drawn(tag, series)}
    place = {} if run.folder.exists() else {"folder": None}
    return {"version": snapshot.version, **finite(to_json(page)), **place, "curves": curves, "history": _history(run)}


def _is_drawn(tag: str, series: Series) -> bool:
    return len(series.steps) > 0 and not tag.startswith((layout.best_tag(""), layout.time_tag("")))


def _history(run: Run) -> list[dict[str, Any]]:
    """Return the attempts of a trial in chronological order, from its sweep's journal; empty without a journal."""
    journal = journal_of([run])
    records = [each for each in journal.transitions if each.trial == run.number] if journal else []
    return [
        {
            "attempt": record.attempt,
            "state": str(record.state),
            "time": record.time,
            "epochs": record.result.epochs if record.result else None,
            "reason": record.result.error if record.result else None,
        }
        for record in records
    ]
