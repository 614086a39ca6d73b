"""The trials of a sweep in a report: the headline, the leaderboard, a table of all trials, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ...analysis.effects import varied
from ...analysis.objective import best, seconds
from ...analysis.ranking import RankedTable
from ...analysis.rows import RANKED, Row, Stat, hparam, value_of
from ...records import Scalar, TrialState
from ...runs import Objective, Run
from ..markup import escaped
from ..terminal.effects import ABSENT, spread
from ..text import duration, number, setting
from .tags import block, collapsible, facts, table

TOP = 25  # rows of the leaderboard
RESULTS = ("best", "epoch", "last", "time")
Cell = tuple[str, object]


def headline(listing: RankedTable) -> str:
    """Show the best trial, the number of finished and of failed trials, and the training time."""
    runs, objective = listing.runs, listing.objective
    states = Counter(run.status for run in runs)
    waiting = listing.missing if len(runs) == listing.found else 0
    finished = sum(states[state] for state in RANKED)
    failed = sum(count for state, count in states.items() if state and (state.is_fault or state is TrialState.DIVERGED))
    numbers = {"trials finished": f"{finished} of {len(runs) + waiting}", "failed or diverged": str(failed)}
    times = [time for run in runs if (time := seconds(run)) is not None]
    spent = {"training time": duration(sum(times))} if times else {}
    return f"{_foremost(listing, objective)}{facts(numbers | spent)}"


def _foremost(listing: RankedTable, objective: Objective | None) -> str:
    first = next((row for row in listing.rows if row.best), None)
    if first is None or first.best is None or objective is None:
        return '<p class="lead">No trial has finished with a value to compare.</p>'
    replicates = f" over {first.best.n} trials" if first.best.n > 1 else ""
    reached = best(first.runs[0], objective)
    epoch = f", at epoch {reached[1]}" if reached and len(first.runs) == 1 else ""
    names = varied(listing.runs)
    pairs = ", ".join(
        f"{name} = {setting(value)}" for name in names if (value := hparam(first.runs[0], name)) is not None
    )
    lead = f"Best {escaped(objective.name)}: <strong>{spread(first.best)}</strong>{replicates}{epoch}"
    which = escaped(trial_names(first.runs) + (f": {pairs}" if pairs else ""))
    return f'<p class="lead">{lead}<br><span class="soft">{which}</span></p>'


def trial_names(runs: Sequence[Run]) -> str:
    """Return the names of runs: `trial 0003`, `trials 0003, 0004`, or `run` and its name for a run of no sweep."""
    numbers = [f"{run.number:04d}" if run.number is not None else run.name for run in runs]
    what = "run" if runs[0].number is None else "trial"
    return f"{what}{'s' if numbers[1:] else ''} {', '.join(numbers)}"


def leaderboard(listing: RankedTable) -> str:
    """Show the best `TOP` rows, one per setting, and all trials in a table that a click unfolds."""
    rows = listing.rows[:TOP]
    names, objective = varied(listing.runs), listing.objective
    status = ["status"] if len({run.status for run in listing.runs}) > 1 else []
    header = ["", "trials" if any(row.runs[1:] for row in rows) else "trial", *names, *status, *RESULTS]
    cells = (
        [("", "") if row.place is None else (str(row.place), row.place), (_numbers(row.runs), _numbers(row.runs)),
         *(_cell(hparam(row.runs[0], name)) for name in names), *(_status(row) for _ in status),
         *(_cell(row.value(name, objective), name) for name in RESULTS)]
        for row in rows
    )  # fmt: skip
    left = 2 + len(names) + len(status)
    more = (
        f'<p class="soft">The best {len(rows)} of {len(listing.rows):,}.</p>' if len(listing.rows) > len(rows) else ""
    )
    unfolded = collapsible(f"All {len(listing.runs):,} trials, sortable", everything(listing))
    return f"{table(header, cells, left, 'leaderboard')}{more}{unfolded}"


def everything(listing: RankedTable) -> str:
    """Show every trial in a table; a click on a column sorts by it."""
    names, objective = varied(listing.runs), listing.objective
    header = ["trial", *names, "seed", "status", *RESULTS]
    rows = [
        [(run.id, run.id), *(_cell(hparam(run, name)) for name in names),
         *(_cell(value_of(run, name, objective), name) for name in ("seed", "status", *RESULTS))]
        for run in sorted(listing.runs, key=lambda run: (run.number is None, run.number, run.name))
    ]  # fmt: skip
    return table(header, rows, 1 + len(names), "sortable")


def _numbers(runs: Sequence[Run]) -> str:
    return trial_names(runs).partition(" ")[2]


def _status(row: Row) -> Cell:
    states = Counter(str(run.status or "") for run in row.runs)
    text = ", ".join(state if count == len(row.runs) else f"{count} {state}" for state, count in states.items())
    return text, text


def _cell(value: Scalar | Stat | None, name: str = "") -> Cell:
    """Return a cell's text and its sort key; `name` is the column if it is one of `RESULTS`."""
    if value is None:
        return ABSENT, ""
    spell: Any = {"time": duration, "best": number, "last": number}.get(name, setting)
    if isinstance(value, Stat):
        return (spread(value) if spell is number else spell(value.mean)), value.mean
    return (setting(value) if isinstance(value, str) else spell(value)), value


def failures(runs: Sequence[Run]) -> Iterator[str]:
    """Yield each reason of failure with its trials, and with a traceback that a click unfolds."""
    reasons: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.status and (run.status.is_fault or run.status is TrialState.DIVERGED):
            error = (run.result.error if run.result else None) or (
                "the loss is no longer finite" if run.status is TrialState.DIVERGED else "no reason was recorded"
            )
            reasons.setdefault((str(run.status), error.strip()), []).append(run)
    for (state, error), own in reasons.items():
        first, *rest = error.splitlines() or [""]
        names = escaped(trial_names(own))
        shown = f'<p><strong class="fault">{escaped(state)}</strong> {names}<br>{escaped(first)}</p>'
        trace = next((run.result.traceback for run in own if run.result and run.result.traceback), None)
        whole = "\n".join(filter(None, ["\n".join(rest), trace]))
        yield shown + (collapsible("traceback", block(whole)) if whole else "")
