"""A scalar over steps across runs: what a group's runs have in common, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..goal import Goal
from ..runs import Series
from .folds import Stat

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A group's mean over steps: `steps` int64 [n], increasing, and as many values of each statistic.

    `low` and `high` are the least and the greatest run, `std` the sample standard deviation over runs (NaN where there
    is one), `count` the runs that have a value at the step.
    """

    steps: NDArray[np.int64]
    mean: Floats
    std: Floats
    low: Floats
    high: Floats
    count: NDArray[np.int64]


def curve(series: Sequence[Series]) -> Curve:
    """Average runs over all the steps that any of them has, from the first to the last step of each.

    Between two of its own steps a run counts with the straight line between them, so that runs logged at different
    steps do not make their mean jump; at its own steps its values are exact. Values that are not finite are left out.
    """
    finite = [(each.steps[keep], each.values[keep]) for each in series if (keep := np.isfinite(each.values)).any()]
    steps = np.unique(np.concatenate([own for own, _ in finite])) if finite else np.empty(0, np.int64)
    table = np.full((len(finite), len(steps)), np.nan)
    for row, (own, values) in zip(table, finite, strict=True):
        inside = (steps >= own[0]) & (steps <= own[-1])
        row[inside] = np.interp(steps[inside], own, values)
    count = np.sum(~np.isnan(table), axis=0)
    with np.errstate(over="ignore", invalid="ignore"):  # a loss on its way to infinity
        mean = np.nan_to_num(table).sum(axis=0) / np.maximum(count, 1)
        squares = np.where(np.isnan(table), 0.0, table - mean) ** 2
        spread = np.sqrt(squares.sum(axis=0) / np.maximum(count - 1, 1))
    low = np.where(np.isnan(table), np.inf, table).min(axis=0, initial=np.inf)
    high = np.where(np.isnan(table), -np.inf, table).max(axis=0, initial=-np.inf)
    return Curve(steps, mean, np.where(count > 1, spread, np.nan), low, high, count)


def last(series: Sequence[Series], step: int | None = None) -> Stat | None:
    """Fold the runs' last values, or those at a step, into mean ± std (n); None where no run has a finite one."""
    if step is None:
        return Stat.of(each.last for each in series)
    return Stat.of(float(value) for each in series for value in each.values[each.steps == step])


def best(series: Sequence[Series], goal: Goal) -> tuple[Stat, int, int] | None:
    """Fold the runs' best values into mean ± std (n), with the earliest and the latest step a run reached it at."""
    found = [pair for each in series if (pair := each.best(goal)) is not None]
    stat = Stat.of(value for value, _ in found)
    return (stat, min(step for _, step in found), max(step for _, step in found)) if stat else None
