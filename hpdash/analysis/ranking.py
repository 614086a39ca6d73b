"""The tables of `hpdash ls`: one per sweep, with its runs ranked, and the number of trials that have not started."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import Problem, SpecError
from ..records import Scalar
from ..runs import Objective, Run
from .objective import objective_of
from .rows import Row, Stat, by_sweep, caveats, differing, rank, sort_key
from .where import known, select, unknown

_RESULT = ("best", "epoch", "last", "trained", "time", "status")
Value = Scalar | Stat | None


@dataclass(frozen=True, slots=True)
class RankedTable:
    """The table of one sweep, or of the runs that belong to no sweep.

    `columns` are names that `Row.value` knows; `chosen` says that the user named them. `found` is the number of the
    sweep's runs before `--where`; `missing` is the number of its trials that have not started.
    """

    sweep: str | None
    objective: Objective | None
    columns: tuple[str, ...]
    chosen: bool
    rows: tuple[Row, ...]
    caveats: tuple[str, ...]
    found: int
    missing: int = 0

    @property
    def runs(self) -> list[Run]:
        """The runs of all rows."""
        return [run for row in self.rows for run in row.runs]

    @property
    def advice(self) -> str:
        """How to rank runs that have no known metric; empty if there is an objective or no scalar."""
        tags = {tag for run in self.runs for tag in run.scalars}
        if self.objective or not tags:
            return ""
        return f"not ranked: none of {len(tags):,} scalars is a known metric; choose one with --objective and --goal"

    def value(self, row: Row, name: str) -> Value:
        """Return a row's value in a column. Columns such as "best" refer to the table's objective."""
        return row.value(name, self.objective)


def listings(
    runs: Sequence[Run],
    *,
    where: str | None = None,
    sort: str | None = None,
    columns: Sequence[str] = (),
    repeats: bool = False,
    planned: Mapping[str, int] | None = None,
    together: bool = False,
) -> list[RankedTable]:
    """Return a table for each sweep of `runs`: its runs for which the condition `where` holds, ranked by the objective.

    `sort` is a column to sort by instead; with a leading `-`, in descending order. `columns` replace the default ones.
    `repeats` gives each replicate a row of its own. `planned` maps a sweep to its number of trials.
    With `together`, all runs are in one table.
    Raises SpecError if the condition is invalid, or if `sort` or `columns` has a name that no run has.
    """
    selected = select(runs, where)
    key = None if sort is None else sort.removeprefix("-")
    _check(runs, {"--sort": [] if key is None else [key], "--columns": columns})
    made = []
    parts: Mapping[str | None, Sequence[Run]] = {None: runs} if together else by_sweep(runs)
    for sweep, found in parts.items():
        own = [run for run in selected if together or run.sweep == sweep]
        objective = objective_of(own)
        listed = RankedTable(
            sweep=sweep,
            objective=objective,
            columns=tuple(columns) or _columns(own, objective, repeats),
            chosen=bool(columns),
            rows=tuple(rank(own, objective, repeats)),
            caveats=tuple(caveats(own)),
            found=len(found),
            missing=max(0, (planned or {}).get(sweep or "", 0) - len(found)),
        )
        made.append(listed if key is None else _sorted(listed, key, sort != key))
    return made


def _check(runs: Sequence[Run], given: Mapping[str, Sequence[str]]) -> None:
    problems = [
        Problem(option, *unknown(name, runs))
        for option, names in given.items()
        for name in names
        if runs and not known(name, runs)
    ]
    if problems:
        raise SpecError(problems)


def _columns(runs: Sequence[Run], objective: Objective | None, repeats: bool) -> tuple[str, ...]:
    """Return the default columns: the hyperparameters that differ (of a sweep: the swept ones), then the results."""
    swept = {name for run in runs for name in run.swept}
    apart = [name for name in differing(runs) if name in swept or not swept]
    if repeats and len({run.seed for run in runs}) > 1:
        apart.append("seed")
    results = _RESULT if objective else ("trained", "time", "status")
    has_status = any(run.status is not None for run in runs)
    return tuple(dict.fromkeys((*apart, *(name for name in results if name != "status" or has_status))))


def _sorted(listing: RankedTable, key: str, descending: bool) -> RankedTable:
    """Sort by a column. Rows whose value is missing or NaN come last in either direction."""
    keyed = [(sort_key(listing.value(row, key)), row) for row in listing.rows]
    last = (sort_key(math.nan), sort_key(None))
    present = sorted((pair for pair in keyed if pair[0] not in last), key=lambda pair: pair[0], reverse=descending)
    rows = (*present, *(pair for absent in last for pair in keyed if pair[0] == absent))
    return replace(listing, rows=tuple(row for _, row in rows))


def to_json(listings: Sequence[RankedTable], top: int | None = None) -> list[dict[str, Any]]:
    """Return the tables as JSON values: the first `top` rows, each with its runs, hyperparameters and columns."""
    return [
        {
            "sweep": listing.sweep,
            "objective": None if listing.objective is None else asdict(listing.objective),
            "caveats": listing.caveats,
            "found": listing.found,
            "missing": listing.missing,
            "rows": [_row_json(listing, row) for row in listing.rows[:top]],
        }
        for listing in listings
    ]


def _row_json(listing: RankedTable, row: Row) -> dict[str, Any]:
    values = {name: listing.value(row, name) for name in listing.columns}
    return {
        "place": row.place,
        "runs": [{"id": run.id, "name": run.name, "seed": run.seed, "status": run.status} for run in row.runs],
        "hparams": dict(sorted(row.runs[0].hparams.items())),
        "values": {name: asdict(value) if isinstance(value, Stat) else value for name, value in values.items()},
    }
