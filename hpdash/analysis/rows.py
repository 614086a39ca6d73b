"""Look up a run's hyperparameter, field or metric by name, and rank runs, with a setting's replicates in one row."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..records import Scalar, TrialState
from ..runs import Objective, Run
from .caveats import result_caveats
from .objective import best, last, objective_of, seconds, tag_of, trained

RANKED = (TrialState.FINISHED, None)  # None: the log does not say how the run ended, as is usual in foreign logs
NICKNAMES: Mapping[str, str] = {"lr": "learning_rate"}  # abbreviations that users type
MEASURED = ("best", "epoch", "last", "trained", "time")  # of the objective, except trained (epochs) and time (seconds)
FIELDS = ("run", "id", "sweep", "trial", "group", "seed", "status", "attempt", "error", *MEASURED)


@dataclass(frozen=True, slots=True)
class Stat:
    """The mean of `n` numbers and their sample standard deviation, which is None for a single number."""

    mean: float
    std: float | None
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Stat | None:
        """Return the statistics of the finite values; None if no value is finite."""
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return None
        if len(finite) == 1:
            return cls(float(finite[0]), None, 1)
        with np.errstate(over="ignore", invalid="ignore"):  # values near the largest float: the results are infinite
            return cls(float(np.mean(finite)), float(np.std(finite, ddof=1)), len(finite))


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a ranking: the replicates of a setting, or one run.

    `values` are the finite best values of the runs that count (`ranked`). `best` is their mean and standard deviation,
    None if there is no value. `place` is the rank, from 1; None if `best` is None.
    """

    runs: tuple[Run, ...]
    values: tuple[float, ...]
    best: Stat | None
    place: int | None = None

    @property
    def ranked(self) -> tuple[Run, ...]:
        """The runs that count: those that finished, and those whose log does not say how they ended."""
        return tuple(run for run in self.runs if run.status in RANKED)

    @property
    def pruned_after(self) -> int:
        """The largest number of epochs after which one of the runs was pruned, 0 if none was."""
        pruned = (run.result for run in self.runs if run.status is TrialState.PRUNED)
        return max((result.epochs for result in pruned if result), default=0)

    def value(self, name: str, objective: Objective | None = None) -> Scalar | Stat | None:
        """Return what a name means for this row: the value of its run, or one value for all of its runs.

        Of several runs, a measured value is the mean over those that count, or over all of them if none counts. Any
        other value is the one that they share, or their different values in one text, separated by commas. None if no
        run has a value.
        """
        values = [value_of(run, name, objective) for run in self.runs]
        if len(values) == 1:
            return values[0]
        if _is_measured(name, self.runs):
            counting = [value_of(run, name, objective) for run in self.ranked or self.runs]
            return Stat.of(float(value) for value in counting if isinstance(value, int | float))
        distinct = dict.fromkeys(value for value in values if value is not None)
        return next(iter(distinct)) if len(distinct) == 1 else ", ".join(map(str, distinct)) or None


def _is_measured(name: str, runs: Sequence[Run]) -> bool:
    if any(hparam(run, name) is not None for run in runs):
        return False
    return name not in FIELDS or name in MEASURED


def hparam(run: Run, name: str) -> Scalar | None:
    """Return a hyperparameter of a run, None if the run does not have it; `lr` means learning_rate."""
    value = run.hparams.get(name)
    return run.hparams.get(NICKNAMES[name]) if value is None and name in NICKNAMES else value


def value_of(run: Run, name: str, objective: Objective | None = None) -> Scalar | None:
    """Return what a name means for a run: a hyperparameter, else one of `FIELDS`, else a metric's last value.

    A metric is named by its tag, or as in a sweep's objective: `validation/accuracy` for `validation/epoch_accuracy`.
    The fields about the objective are by default about the run's own. None if the run has nothing of that name.
    """
    value = hparam(run, name)
    if value is not None:
        return value
    if name in FIELDS:
        return field_of(run, name, objective)
    tag = tag_of(run, name)
    return None if tag is None else run.scalars[tag].last


def field_of(run: Run, name: str, objective: Objective | None = None) -> Scalar | None:
    """Return one of a run's `FIELDS`, by default about the run's own objective; None if the run has no such value."""
    if objective is None and name in MEASURED:
        objective = objective_of([run])
    match name:
        case "run":
            return run.name
        case "trial":
            return run.number
        case "best" | "epoch":
            found = best(run, objective)
            return None if found is None else found[name == "epoch"]
        case "last":
            return last(run, objective)
        case "trained":
            return trained(run, objective)
        case "time":
            return seconds(run)
        case "error":
            return run.result.error if run.result else None
    value: Scalar | None = getattr(run, name)
    return str(value) if name == "status" and value is not None else value


def caveats(runs: Iterable[Run]) -> list[str]:
    """Return the caveats that must be shown with the results of these runs."""
    runs = list(runs)
    ours = [run.hparams for run in runs if run.sweep is not None and not run.is_program]
    synthetic = any(hparams.get("name") == "synthetic" for hparams in ours)
    on_test = any(hparams.get("validation") == "test" for hparams in ours)
    accepted = {name: count for run in runs for name, count in run.accepted.items()}
    evaluations = max((evaluation.number for run in runs for evaluation in run.evaluations), default=0)
    return result_caveats(synthetic, on_test, evaluations, accepted)


def differing(runs: Sequence[Run]) -> list[str]:
    """Return the hyperparameters that differ between runs or that some runs do not have.

    Those that are swept come first, in the order of the sweep file, then the others by name.
    """
    swept = dict.fromkeys(name for run in runs for name in run.swept)
    names = dict.fromkeys([*swept, *sorted({name for run in runs for name in run.hparams})])
    return [name for name in names if _differ([run.hparams.get(name) for run in runs])]


def _differ(values: Sequence[Scalar | None]) -> bool:
    """Return whether the values differ; True and 1 differ here, although Python says that they are equal."""
    known = {"NaN" if value != value else value for value in values}  # noqa: PLR0124  every NaN counts as the same value
    return len(known) > 1 or len({type(value) is bool for value in values}) > 1


def by_sweep(runs: Iterable[Run]) -> dict[str | None, list[Run]]:
    """Group runs by sweep, because runs are ranked within a sweep: sweeps by name, runs without a sweep last."""
    sweeps: dict[str | None, list[Run]] = {}
    for run in runs:
        sweeps.setdefault(run.sweep, []).append(run)
    return {sweep: sweeps[sweep] for sweep in sorted(sweeps, key=sort_key)}


def grouped(runs: Iterable[Run], by: str) -> dict[Scalar | None, list[Run]]:
    """Group runs by the value of a name, in the order of `sort_key`: booleans, numbers by size, NaN, text, None."""
    groups: dict[Scalar | None, list[Run]] = {}
    for run in runs:
        value = value_of(run, by)
        groups.setdefault(math.nan if value != value else value, []).append(run)  # noqa: PLR0124  all NaN are one group
    return {value: groups[value] for value in sorted(groups, key=sort_key)}


def sort_key(value: Scalar | Stat | None) -> tuple[int, float, tuple[object, ...]]:
    """Return a sort key for values of any kind: booleans, numbers by size, NaN, text with its numbers by size, None."""
    match value:
        case None:
            return 4, 0.0, ()
        case bool():
            return 0, float(value), ()
        case Stat():
            return 1, value.mean, ()
        case int() | float():
            return (2, 0.0, ()) if math.isnan(value) else (1, float(value), ())
    return 3, 0.0, _text_key(str(value))


@lru_cache(10_000)
def _text_key(text: str) -> tuple[object, ...]:
    parts = re.split(r"0*(\d+)", text)
    return tuple((0, len(part), part) if part.isdecimal() else (1, 0, part) for part in parts)


def rank(runs: Sequence[Run], objective: Objective | None, repeats: bool = False) -> list[Row]:
    """Group replicates into rows, unless `repeats` asks for a row per run, and sort the best first.

    Only a row with a finite best value of a run that counts has a `place`. Rows without one come last; among them,
    those that were pruned after more epochs come first.
    """
    groups: dict[tuple[str, str | None], list[Run]] = {}
    for run in sorted(runs, key=_order):
        alone = repeats or run.group is None
        groups.setdefault((run.name, None) if alone else ("", run.group), []).append(run)
    sign = objective.goal.sign if objective else 1
    rows = [_row(group, objective) for group in groups.values()]
    rows.sort(key=lambda row: (row.best is None, sign * row.best.mean if row.best else -row.pruned_after))
    return [replace(row, place=place) if row.best else row for place, row in enumerate(rows, start=1)]


def _order(run: Run) -> tuple[object, ...]:
    """Return a sort key: runs by sweep, then by number; runs without a number by name."""
    return sort_key(run.sweep), sort_key(run.number), sort_key(run.name) if run.number is None else ()


def _row(runs: Sequence[Run], objective: Objective | None) -> Row:
    found = (best(run, objective) for run in runs if run.status in RANKED)
    values = tuple(pair[0] for pair in found if pair is not None)
    return Row(tuple(runs), values, Stat.of(values))
