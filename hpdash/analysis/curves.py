"""A scalar over steps across runs: the mean of a group of runs, and how much they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..goal import Goal
from ..runs import Series
from .rows import Stat

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Statistics of a group of runs at each step: `steps` int64 [n], increasing, and n values of each statistic.

    `low` and `high` are the least and the greatest value of any run. `std` is the sample standard deviation over runs,
    NaN if only one run has a value. `count` is the number of runs that have a value at the step.
    """

    steps: NDArray[np.int64]
    mean: Floats
    std: Floats
    low: Floats
    high: Floats
    count: NDArray[np.int64]


def curve(series: Sequence[Series]) -> Curve:
    """Average runs at every step that any of them has.

    A run counts from its own first to its own last step. Between two of its steps, its value is interpolated linearly,
    so that the mean does not jump if runs are logged at different steps. Values that are not finite are left out.
    """
    finite = [(each.steps[keep], each.values[keep]) for each in series if (keep := np.isfinite(each.values)).any()]
    steps = np.unique(np.concatenate([own for own, _ in finite])) if finite else np.empty(0, np.int64)
    table = np.full((len(finite), len(steps)), np.nan)
    for row, (own, values) in zip(table, finite, strict=True):
        inside = (steps >= own[0]) & (steps <= own[-1])
        row[inside] = np.interp(steps[inside], own, values)
    count = np.sum(~np.isnan(table), axis=0)
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging loss may overflow
        mean = np.nan_to_num(table).sum(axis=0) / np.maximum(count, 1)
        squares = np.where(np.isnan(table), 0.0, table - mean) ** 2
        spread = np.sqrt(squares.sum(axis=0) / np.maximum(count - 1, 1))
    low = np.where(np.isnan(table), np.inf, table).min(axis=0, initial=np.inf)
    high = np.where(np.isnan(table), -np.inf, table).max(axis=0, initial=-np.inf)
    return Curve(steps, mean, np.where(count > 1, spread, np.nan), low, high, count)


def last(series: Sequence[Series], step: int | None = None) -> Stat | None:
    """Return mean ± std (n) of the runs' last values, or of those at `step`; None if no run has a finite one."""
    if step is None:
        return Stat.of(each.last for each in series)
    return Stat.of(float(value) for each in series for value in each.values[each.steps == step])


def best(series: Sequence[Series], goal: Goal) -> tuple[Stat, int, int] | None:
    """Return mean ± std (n) of the runs' best values, and the earliest and the latest of their steps.

    None if no run has a finite value.
    """
    found = [pair for each in series if (pair := each.best(goal)) is not None]
    stat = Stat.of(value for value, _ in found)
    return (stat, min(step for _, step in found), max(step for _, step in found)) if stat else None
