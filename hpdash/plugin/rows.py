"""Statistics of many histograms at once, one per row: twenty times as fast as computing them one by one.

The `Histogram` class and `wasserstein` define what is computed; tests check that the results are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..histograms.histogram import NEAR_ZERO

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_TINY = 5e-324  # the least positive float64: keeps 0 / 0 at 0
_NARROWEST = 2 * float(np.finfo(np.float32).eps)  # least width of a bin over its position: edges are sent as float32
_LEAST = 1e-30  # least width of a bin at 0
_SINGLE_WIDTH = 1e-6  # least width of an axis on which all values are alike


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Counts [n, k] between edges [n, k+1], finite and not decreasing; `total` [n] has each row's number of values."""

    edges: Floats
    counts: Floats
    cumulated: Floats = field(init=False, repr=False)
    total: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        cumulated = np.zeros(self.edges.shape)
        np.cumsum(self.counts, axis=1, out=cumulated[:, 1:])
        object.__setattr__(self, "cumulated", cumulated)
        object.__setattr__(self, "total", cumulated[:, -1])

    def __len__(self) -> int:
        return len(self.edges)

    def take(self, rows: Indices) -> Self:
        """Return the given rows."""
        return type(self)(self.edges[rows], self.counts[rows])

    @property
    def shares(self) -> Floats:
        """The share of each bucket in its row [n, k], NaN if the row has no values."""
        shares: Floats = self.counts / _or_nan(self.total)[:, None]
        return shares

    def min(self) -> Floats:
        """Return the left edge of each row's first bucket that is not empty; NaN if the row has no values."""
        return self._where_filled(self.edges[:, :-1], (self.counts > 0).argmax(axis=1))

    def max(self) -> Floats:
        """Return the right edge of each row's last bucket that is not empty; NaN if the row has no values."""
        last = self.counts.shape[1] - 1 - (self.counts[:, ::-1] > 0).argmax(axis=1)
        return self._where_filled(self.edges[:, 1:], last)

    def mean(self) -> Floats:
        """Return each row's mean; NaN if the row has no values."""
        return _dot(self.shares, self._middles())

    def std(self) -> Floats:
        """Return each row's standard deviation; edges are halved as in `Histogram.std`, so that nothing overflows."""
        halves = self.edges / 2
        reach = halves[:, -1] - halves[:, 0]
        scale = np.where(reach > 0, reach, 1)[:, None]
        away = (self._middles() / 2 - self.mean()[:, None] / 2) / scale
        deviations: Floats = np.sqrt(_dot(self.shares, away**2 + (np.diff(halves, axis=1) / scale) ** 2 / 12))
        return reach * (2 * deviations)

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """Return the quantiles [n, levels] of each row; NaN if the row has no values."""
        aims = np.array(levels) * self.total[:, None]
        first = (self.counts > 0).argmax(axis=1)
        found = np.empty(aims.shape)
        rows = np.arange(len(self))
        for at, aim in enumerate(aims.T):
            bucket = np.maximum((self.cumulated < aim[:, None]).sum(axis=1) - 1, first)
            inside = (aim - self.cumulated[rows, bucket]) / _or_nan(self.counts[rows, bucket])
            low, high = self.edges[rows, bucket], self.edges[rows, bucket + 1]
            found[:, at] = np.clip(low * (1 - inside) + high * inside, low, high)
        return found

    def near_zero(self) -> Floats:
        """Return the share of each row's values within `NEAR_ZERO` of 0; NaN if the row has no values."""
        below = self._below(np.array([-NEAR_ZERO, NEAR_ZERO]))
        return (below[:, 1] - below[:, 0]) / _or_nan(self.total)

    def densities(self, edges: Floats) -> Floats:
        """Return the share of values per unit of width, [n, bins], between increasing edges; 0 if a row has no values.

        The last bin is closed.
        """
        counts = np.diff(self._below(edges), axis=1)
        densities: Floats = counts / np.where(self.total > 0, self.total, 1)[:, None] / np.diff(edges)
        return densities

    def distances(self, others: Rows) -> Floats:
        """Return the Wasserstein-1 distance of each row to the same row of `others`; NaN if either has no values."""
        points = np.concatenate([self.edges, others.edges], axis=1)
        order = points.argsort(axis=1, kind="stable")
        points = np.take_along_axis(points, order, axis=1)
        own = (order < self.edges.shape[1]).cumsum(axis=1)
        theirs = np.arange(1, points.shape[1] + 1) - own
        line = self._at(own, points) / _or_nan(self.total)[:, None]
        line -= others._at(theirs, points) / _or_nan(others.total)[:, None]
        left, right = line[:, :-1], line[:, 1:]
        both = np.abs(left) + np.abs(right)
        crossing = np.minimum(left * right, 0) / np.maximum(both, _TINY)
        return _dot(both + 2 * crossing, np.diff(points / 2, axis=1))

    def _below(self, points: Floats) -> Floats:
        """Count in each row the values below each of the increasing points; at the last one, also those equal to it."""
        index = np.array([edges.searchsorted(points) for edges in self.edges]).reshape(len(self), points.size)
        index[:, -1] = (self.edges <= points[-1]).sum(axis=1)
        return self._at(index, np.broadcast_to(points, index.shape))

    def _at(self, index: Indices, points: Floats) -> Floats:
        """Return the cumulated counts at points [n, m]; `index` [n, m] is the number of edges before each point."""
        k = self.counts.shape[1]
        bucket = np.clip(index - 1, 0, k - 1)
        bucket += np.arange(0, len(self) * (k + 1), k + 1)[:, None]  # into the flat array: a faster way to gather
        halves = self.edges.ravel() / 2  # the difference of two halves cannot overflow
        start = halves[bucket]
        with np.errstate(over="ignore"):  # beyond a bucket of width 0
            inside = (points / 2 - start) / np.maximum(halves[bucket + 1] - start, _TINY)
        np.clip(inside, 0, 1, out=inside)
        inside[index > k] = 1
        low = self.cumulated.ravel()[bucket]
        counted: Floats = low + (self.cumulated.ravel()[bucket + 1] - low) * inside
        return counted

    def _middles(self) -> Floats:
        return self.edges[:, :-1] / 2 + self.edges[:, 1:] / 2

    def _where_filled(self, edges: Floats, bucket: Indices) -> Floats:
        return np.where(self.total > 0, edges[np.arange(len(self)), bucket], math.nan)


def shared_edges(batches: Sequence[Rows], bins: int, clip: float) -> Floats:
    """Return the edges of equal bins that hold at least the share `clip` of all rows together.

    This is `histogram.shared_edges` for many histograms. The bins are wide enough for float32 to distinguish their
    edges.
    """
    filled = sum(int((rows.total > 0).sum()) for rows in batches)
    cut = (1 - clip) / 2 * filled
    low = -_outermost([(-rows.edges[:, :-1], rows.shares) for rows in batches], cut)
    high = _outermost([(rows.edges[:, 1:], rows.shares) for rows in batches], cut)
    least, most = float(np.finfo(np.float32).min) / 2, float(np.finfo(np.float32).max) / 2
    low, high = min(max(low, least), most), min(max(high, least), most)
    missing = bins * max(_NARROWEST * max(abs(low), abs(high)), _LEAST) - (high - low)
    if missing > 0:
        margin = max(missing, _SINGLE_WIDTH) / 2
        low, high = low - margin, high + margin
    return np.linspace(low, high, bins + 1)


def _outermost(parts: Sequence[tuple[Floats, Floats]], cut: float) -> float:
    """Return the greatest position left after cutting at most `cut` of the shares from above, 0 if there is none.

    Each part is cut by itself first, and only what is left of the parts is joined, because all parts together can be
    long.
    """
    tails = [_tail(places[shares > 0], shares[shares > 0], cut) for places, shares in parts]
    together, weights = (np.concatenate([np.zeros(0), *(tail[at] for tail in tails)]) for at in (0, 1))
    places, _ = _tail(together, weights, cut)
    return float(places[-1]) if places.size else 0.0


def _tail(places: Floats, shares: Floats, cut: float) -> tuple[Floats, Floats]:
    """Return positions and shares from the greatest down, up to the first at which the summed shares exceed `cut`."""
    order = places.argsort()[::-1]
    end = int(np.cumsum(shares[order]).searchsorted(cut, "right")) + 1
    return places[order[:end]], shares[order[:end]]


def _or_nan(array: Floats) -> Floats:
    return np.where(array > 0, array, math.nan)


def _dot(a: Floats, b: Floats) -> Floats:
    found: Floats = np.einsum("ij,ij->i", a, b)
    return found
