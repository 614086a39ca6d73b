"""Curves with no more points than can be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runs import Series

_NONE = Series(np.empty(0, np.int64), np.empty(0), np.empty(0))
_DIGITS = 5  # significant digits of the values of small curves


def thinned(series: Series, most: int) -> dict[str, list[Any]]:
    """Return a curve as steps and values. If it has more than `most` points, only ends and extremes are kept."""
    places = _places(series, most)
    values = series.values[places]
    return {"steps": series.steps[places].tolist(), "values": _listed(values)}


def small(curves: Sequence[Series | None], most: int) -> dict[str, list[Any]]:
    """Return many curves thinned and rounded: the distinct `steps`, and for each curve their index and its `values`.

    Curves of the same length are thinned together, because NumPy takes as long for one of them as for a hundred.
    """
    of_length: dict[int, dict[int, Series]] = {}
    for number, series in enumerate(each or _NONE for each in curves):
        of_length.setdefault(len(series.steps), {})[number] = series
    distinct: dict[tuple[int, ...], int] = {}
    at, values = [0] * len(curves), [list[float | None]() for _ in curves]
    for same in of_length.values():
        whole = np.stack([series.values for series in same.values()])
        for (number, series), kept, rounded in zip(same.items(), _kept(whole, most), _rounded(whole), strict=True):
            at[number] = distinct.setdefault(tuple(series.steps[kept].tolist()), len(distinct))
            values[number] = _listed(rounded[kept])
    return {"steps": [list(steps) for steps in distinct], "at": at, "values": values}


def _places(series: Series, most: int) -> NDArray[np.int64]:
    """Return the indices of the points to keep."""
    return np.flatnonzero(_kept(series.values[None], most)[0])


def _kept(values: NDArray[np.float64], most: int) -> NDArray[np.bool_]:
    """Return which points of curves of one length [curves, points] to keep: ends, and extremes of `most // 2` parts."""
    rows, count = values.shape
    if count <= most:
        return np.ones((rows, count), np.bool_)
    parts = most // 2
    width = -(-count // parts)
    known = np.isfinite(values)
    low, high = (np.full((rows, parts * width), end) for end in (np.inf, -np.inf))
    low[:, :count], high[:, :count] = np.where(known, values, np.inf), np.where(known, values, -np.inf)
    firsts = np.arange(parts) * width
    kept = np.zeros((rows, parts * width), np.bool_)
    for ends in (low.reshape(rows, parts, width).argmin(2), high.reshape(rows, parts, width).argmax(2)):
        np.put_along_axis(kept, firsts + ends, True, 1)
    kept[:, [0, count - 1]] = True
    return kept[:, :count]


def _listed(values: NDArray[np.float64]) -> list[float | None]:
    """Return values as a list in which None stands for those that are not finite."""
    found: list[float | None] = values.tolist()
    return found if np.isfinite(values).all() else [each if math.isfinite(each) else None for each in values.tolist()]


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        unit = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(np.abs(values))))
        rounded = np.round(values * unit) / unit
    return np.where(np.isfinite(rounded), rounded, values)
