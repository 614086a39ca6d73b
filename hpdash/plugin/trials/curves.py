"""Curves with no more points than can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runs import Series

_DIGITS = 5  # significant digits of the values of small curves


def thinned(series: Series, most: int) -> dict[str, list[Any]]:
    """Return a curve as steps and values. If it has more than `most` points, only ends and extremes are kept."""
    places = _places(series, most)
    values = series.values[places]
    return {"steps": series.steps[places].tolist(), "values": _listed(values)}


def small(curves: Sequence[Series | None], most: int) -> dict[str, list[Any]]:
    """Return many curves thinned and rounded: the distinct `steps`, and for each curve their index and its `values`."""
    distinct: dict[tuple[int, ...], int] = {}
    at, values = [], []
    for series in curves:
        places = _places(series, most) if series is not None else np.empty(0, np.int64)
        steps = tuple(series.steps[places].tolist()) if series is not None else ()
        at.append(distinct.setdefault(steps, len(distinct)))
        values.append(_listed(_rounded(series.values[places])) if series is not None else [])
    return {"steps": [list(steps) for steps in distinct], "at": at, "values": values}


def _places(series: Series, most: int) -> NDArray[np.int64]:
    """Return the indices of the points to keep: the ends, and the extremes of `most // 2` parts."""
    count = len(series.steps)
    if count <= most:
        return np.arange(count)
    parts = most // 2
    width = -(-count // parts)
    known = np.isfinite(series.values)
    low, high = (np.full(parts * width, end) for end in (np.inf, -np.inf))
    low[:count], high[:count] = np.where(known, series.values, np.inf), np.where(known, series.values, -np.inf)
    firsts = np.arange(parts) * width
    ends = (firsts + low.reshape(parts, width).argmin(1), firsts + high.reshape(parts, width).argmax(1))
    kept = np.unique(np.concatenate((*ends, (0, count - 1))))
    return kept[kept < count]


def _listed(values: NDArray[np.float64]) -> list[float | None]:
    """Return values as a list in which None stands for those that are not finite."""
    found: list[float | None] = values.tolist()
    for place in np.flatnonzero(~np.isfinite(values)).tolist():
        found[place] = None
    return found


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        unit = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(np.abs(values))))
        rounded = np.round(values * unit) / unit
    return np.where(np.isfinite(rounded), rounded, values)
