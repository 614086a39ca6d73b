"""The answer of a sweep in a few sentences: the best setting, its value, and whether it is significantly better."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.objective import last
from ..analysis.ranking import RankedTable
from ..analysis.rows import FIELDS, Row, Stat, hparam
from ..analysis.significance import ALIKE, welch
from .terminal.effects import spread
from .text import number, setting

_NAMES = 3  # trials of a row that the sentence names one by one
_FEW = 3  # replicates: with so few, only a large difference is significant
_VALUES = 8  # hyperparameters that the sentence names


def headline(table: RankedTable) -> str:
    """Return the sentences; for a table without a ranked trial, they say why nothing is ranked."""
    ranked = [row for row in table.rows if row.best]
    if not ranked:
        if table.rows:
            return table.advice or "no trial has a result yet"
        return "no trial meets the filter" if table.found else "no trial has started"
    best = ranked[0]
    assert best.best is not None
    name = f"best {table.objective.name} " if table.objective else ""
    won = f"{name}{_value(best, best.best, table)} ({label(best, whole=table.sweep is None)}), {_against_next(ranked)}"
    settings = _settings(best, table)
    return ". ".join(filter(None, [won, _by_last(ranked, table), f"Its settings: {settings}" if settings else ""]))


def label(row: Row, whole: bool = False) -> str:
    """Return the short name of a row: the numbers of its trials, with `whole` their ids, or the names of its runs."""
    names = [run.name if run.number is None else run.id if whole else f"{run.number:04d}" for run in row.runs]
    return ", ".join(names) if len(names) <= _NAMES else f"{names[0]} … {names[-1]}"


def _settings(row: Row, table: RankedTable) -> str:
    names = [name for name in table.columns if name not in FIELDS][:_VALUES]  # those that differ
    values = {name: hparam(row.runs[0], name) for name in names}
    return ", ".join(f"{name} {setting(value)}" for name, value in values.items() if value is not None)


def _value(row: Row, found: Stat, table: RankedTable) -> str:
    if found.std is not None:
        return f"{spread(found)} over {found.n} trials"
    epoch = row.value("epoch", table.objective) if len(row.runs) == 1 else None
    return f"{number(found.mean)}" + (f" at {row.runs[0].unit} {epoch}" if epoch is not None else "")


def _by_last(ranked: Sequence[Row], table: RankedTable) -> str:
    """Say if the best trial is not the best by its last value: its best one may be a peak by chance."""
    ends = [last(row.runs[0], table.objective) if len(row.runs) == 1 else None for row in ranked]
    own = ends[0]
    if own is None or table.objective is None:
        return ""
    utility = table.objective.goal.utility
    known = [utility(each) for each in ends if each is not None]
    better = sum(each > utility(own) for each in known)
    return f"By its last value, {number(own)}, it is number {better + 1} of {len(known)}" if better else ""


def _against_next(ranked: Sequence[Row]) -> str:
    """Say how much better the best setting is than the next one, and whether that is significant (`welch`)."""
    if len(ranked) == 1:
        return "with nothing to compare it with"
    first, second = ranked[0].best, ranked[1].best
    assert first is not None and second is not None
    lead = f"{number(abs(first.mean - second.mean))} better than the next"
    values = [welch(ranked[0].values, row.values) for row in ranked[1:]]
    if values[0] is None:
        return f"{lead}; without replicates, this may be noise"
    alike = next((count for count, p in enumerate(values) if p is None or p < ALIKE), len(values))
    if not alike:
        return f"{lead}, significantly (p {_p(values[0])}, Welch's t-test)"
    which = "the next" if alike == 1 else f"the next {alike}"
    counts = " and ".join(dict.fromkeys(str(each.n) for each in (first, second)))
    few = f"; with only {counts} trials each, only large differences are" if min(first.n, second.n) <= _FEW else ""
    return f"{lead}, but not significantly better than {which} (p ≥ {ALIKE:g}, Welch's t-test{few})"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"
