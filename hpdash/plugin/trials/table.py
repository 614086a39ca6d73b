"""The answers `sweeps`, `trials` and `ranking`: all sweeps, the trials of a sweep, and their ranking.

The numbers are those of `hpdash ls`, from the same functions.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ...analysis.objective import best, last, metric_name, objective_of, ranked_by, seconds, trained, with_objective
from ...analysis.ranking import RankedTable, listings
from ...analysis.rows import caveats, differing
from ...analysis.time_left import seconds_left
from ...analysis.where import select
from ...errors import SpecError
from ...logs import layout
from ...records import Scalar
from ...runs import Objective, Run
from ..arguments import RefusedError
from ..sweeps import ALL_SWEEPS
from .commands import commands_of
from .curves import small
from .logdir import Snapshot

_WARNINGS = 5  # messages about damage in an answer; `hpdash verify` has all of them
_POINTS = 24  # points of a curve in the table
_REASON = 300  # characters of an error in the table; the answer `trial` has the whole error


def sweeps_impl(snapshot: Snapshot) -> dict[str, Any]:
    """Return all sweeps, by the start of their last trial, the latest first; then the runs without a sweep.

    Each has the number of trials in each state; `is_live` says whether any of its trials is running.
    """
    sweeps = [_sweep(name, runs, snapshot) for name, runs in snapshot.sweeps.items()]
    sweeps.sort(key=lambda sweep: (sweep["name"] is None, -(sweep["started"] or 0)))
    warnings = list(snapshot.logdir.warnings[:_WARNINGS])
    return {"version": snapshot.version, "logdir": snapshot.place, "sweeps": sweeps, "warnings": warnings}


def _sweep(name: str | None, runs: Sequence[Run], snapshot: Snapshot) -> dict[str, Any]:
    states = Counter(str(run.status or "unknown") for run in runs)
    started = [run.started for run in runs if run.started is not None and math.isfinite(run.started)]
    planned = max(snapshot.planned.get(name or "", 0), len(runs))
    return {
        "name": name,
        "planned": planned,
        "states": states,
        "is_live": "running" in states,
        "seconds_left": seconds_left(runs, planned),
        "started": max(started, default=None),
    }


def trials_impl(snapshot: Snapshot, sweep: str, metric: str | None, goal: str | None) -> dict[str, Any]:
    """Return every trial of a sweep, in columns, and their ranking.

    `metric` and `goal` are the objective to rank by, instead of the sweep's own.
    """
    runs = chosen_runs(snapshot, sweep, metric, goal)
    objective = objective_of(runs)
    names = {run.name for run in runs}
    whole = {run.name: run for run in snapshot.logdir.runs if run.name in names}  # with all of their hyperparameters
    return {
        "version": snapshot.version,
        "sweep": sweep,
        "objective": asdict(objective) if objective else None,
        "metrics": _metrics(runs),
        "hparams": _hparams(runs),
        "tests": _tests(runs),
        "trials": _columns(runs, objective, whole),
        "caveats": caveats(list(whole.values())),
        "commands": [] if sweep == ALL_SWEEPS else commands_of(runs, max(snapshot.planned.get(sweep, 0), len(runs))),
        "ranking": _ranking(runs, snapshot, None),
    }


def ranking_impl(snapshot: Snapshot, sweep: str, metric: str | None, goal: str | None, where: str) -> dict[str, Any]:
    """Return the ranking of those trials of a sweep that meet the condition `where`.

    While a user types a condition, it is often incomplete. So an invalid condition is not an error of the request:
    `ranking` is None, and `wrong` says what is expected.
    """
    runs = chosen_runs(snapshot, sweep, metric, goal)
    try:
        return {"version": snapshot.version, "ranking": _ranking(runs, snapshot, where), "wrong": ""}
    except SpecError as error:
        return {"version": snapshot.version, "ranking": None, "wrong": _sentence(error)}


def chosen_runs(
    snapshot: Snapshot, sweep: str, metric: str | None, goal: str | None, where: str | None = None
) -> Sequence[Run]:
    """Return the runs of a sweep that meet the condition `where`; `metric` and `goal` replace the sweep's objective.

    Raises RefusedError if there is no such sweep or metric, or if the condition is invalid.
    """
    runs = snapshot.runs_of(sweep)
    if metric is None and goal is None and (usual := objective_of(runs)):
        # else `where` could change it by removing runs
        runs = [run if run.objective == usual else ranked_by(run, usual) for run in runs]
    try:
        return select(with_objective(runs, metric, goal), where)
    except SpecError as error:
        raise RefusedError(_sentence(error)) from error


def _sentence(error: SpecError) -> str:
    """Return the first problem of an error without the name of an option, which the page does not have."""
    _, _, text = str(error.problems[0]).partition(": ")
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


def _metrics(runs: Iterable[Run]) -> list[str]:
    """Return the metrics that the trials can be ranked by, those of validation first."""
    tags = dict.fromkeys(tag for run in runs for tag in run.scalars)
    kept = (tag for tag in tags if not tag.startswith((layout.best_tag(""), layout.time_tag(""))))
    return sorted((metric_name(tag) for tag in kept), key=lambda name: (not name.startswith(layout.VALIDATION), name))


def _hparams(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the hyperparameters with their values by trial: first the swept ones, then those that differ."""
    swept = dict.fromkeys(name for run in runs for name in run.swept)
    apart = dict.fromkeys(differing(runs))
    names = dict.fromkeys((*swept, *apart, *sorted({name for run in runs for name in run.hparams})))
    return [
        {
            "name": name,
            "swept": name in swept,
            "differs": name in apart,
            "values": [_plain(run.hparams.get(name)) for run in runs],
        }
        for name in names
    ]


def _tests(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the metrics on the test set with their values by trial: those of the last evaluation of each trial."""
    found: list[dict[str, float]] = []
    for run in runs:
        scores = [score for evaluation in run.evaluations for score in evaluation.scores if score.trial == run.number]
        found.append(dict(scores[-1].test) if scores else {})
    names = dict.fromkeys(name for test in found for name in test)
    return [{"name": f"test/{name}", "values": [_plain(test.get(name)) for test in found]} for name in names]


def _columns(runs: Sequence[Run], objective: Objective | None, whole: Mapping[str, Run]) -> dict[str, Any]:
    found = [best(run, objective) for run in runs]
    return {
        "id": [run.id for run in runs],
        "run": [run.name for run in runs],
        "number": [run.number for run in runs],
        "seed": [run.seed for run in runs],
        "status": [None if run.status is None else str(run.status) for run in runs],
        "attempt": [run.attempt for run in runs],
        "unit": [run.unit for run in runs],
        "reason": [_reason(run) for run in runs],
        "epochs": [trained(run, objective) for run in runs],
        "planned": [whole[run.name].planned for run in runs],
        "best": [None if pair is None else _plain(pair[0]) for pair in found],
        "at": [None if pair is None else pair[1] for pair in found],
        "last": [_plain(last(run, objective)) for run in runs],
        "seconds": [_plain(seconds(run)) for run in runs],
        "started": [_plain(run.started) for run in runs],
        "curve": small([run.scalars.get(objective.tag) if objective else None for run in runs], _POINTS),
    }


def _reason(run: Run) -> str | None:
    error = run.result.error if run.result else None
    if not error:
        return None
    first = error.strip().splitlines()[0] if error.strip() else error
    return first if len(first) <= _REASON else f"{first[:_REASON]}…"


def _whole(value: Scalar | None) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value)


def _plain(value: Scalar | None) -> Scalar | None:
    """Return a value as JSON allows it: a number that is not finite becomes "NaN", "Infinity" or "-Infinity"."""
    return json.dumps(value) if isinstance(value, float) and not math.isfinite(value) else value


def _ranking(runs: Sequence[Run], snapshot: Snapshot, where: str | None) -> dict[str, Any]:
    from ...views.headline import headline  # noqa: PLC0415  imports rich

    place = {run.name: index for index, run in enumerate(runs)}
    together = len({run.sweep for run in runs}) > 1
    (table,) = listings(runs, where=where or None, planned=snapshot.planned, together=together)
    return {
        "headline": headline(table),
        "advice": table.advice,
        "missing": table.missing,
        "place": [row.place for row in table.rows],
        "mean": [row.best and _plain(row.best.mean) for row in table.rows],
        "std": [row.best and _plain(row.best.std) for row in table.rows],
        "n": [row.best.n if row.best else 0 for row in table.rows],
        "trials": [[place[run.name] for run in row.runs] for row in table.rows],
        "states": _states(table),
    }


def _states(table: RankedTable) -> dict[str, int]:
    return dict(Counter(str(run.status or "unknown") for run in table.runs))
