"""The Histogram value: what is kept of an array's distribution.

A histogram is read as a density that is uniform inside each bucket; a bucket of width 0 is a point mass. All that is
computed here is exact for that reading, so the only error is the binning's own: a bucket's width at most.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import binning

NEAR_ZERO = 1e-3  # fixed, to ask the same of every run; one in standard deviations would move with what it measures

_SINGLE_WIDTH = 1e-6  # of the one bucket of values that are all alike
_NARROWEST = 1e-300  # a range below this has no bucket width that float64 can divide by
_WIDEST = 1e308  # a range from here on, or a margin around such a value, can leave float64
_TINY = 5e-324  # the least positive float64


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts between edges: `edges` float64 [k+1], finite and not decreasing; `counts` float64 [k], none negative.

    `nonfinite` is the number of values that are in no bucket because they were NaN or infinite. `cumulated` [k+1] is
    how many are left of each edge.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.float64]
    nonfinite: int = 0
    cumulated: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("edges", "counts"):
            array = np.array(getattr(self, name), np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.counts.ndim != 1 or not self.counts.size or self.edges.shape != (self.counts.size + 1,):
            raise ValueError(f"expected edges [k+1] and counts [k], found {self.edges.shape} and {self.counts.shape}")
        if not np.isfinite(self.edges).all() or (self.edges[1:] < self.edges[:-1]).any():
            raise ValueError(f"expected finite edges that do not decrease, found {self.edges}")
        with np.errstate(over="ignore", invalid="ignore"):
            cumulated = np.concatenate([[0.0], np.cumsum(self.counts)])
        if not (self.counts >= 0).all() or not np.isfinite(cumulated[-1]) or self.nonfinite < 0:
            raise ValueError(f"expected counts of at least 0, found {self.counts} and {self.nonfinite} non-finite")
        cumulated.setflags(write=False)
        object.__setattr__(self, "cumulated", cumulated)

    @classmethod
    def of(cls, values: NDArray[Any], buckets: int = 64) -> Histogram:
        """Count an array of any shape and real type in equal buckets from its least to its greatest finite value.

        Values too alike to be told apart, or none at all, get one bucket, a millionth wide (of the value, from 1 on)
        around them or around 0: wide enough to be drawn, too narrow to look like a spread.
        Takes time in proportion to the values and 1 MiB of memory, however many there are.
        """
        flat = np.asarray(values).ravel(order="K")  # the order in memory: no copy of a transposed array
        low, high, finite = binning.extent(flat)
        if _NARROWEST < high - low < _WIDEST:
            counts = binning.count(flat, low, high, buckets, all_finite=finite == flat.size)
            edges = np.linspace(low, high, buckets + 1)
        else:
            margin = _SINGLE_WIDTH / 2 * max(abs(low), 1.0) if max(-low, high) < _WIDEST else 0.0
            counts, edges = np.array([float(finite)]), np.array([low - margin, high + margin])
        return cls(edges, counts, flat.size - finite)

    @property
    def total(self) -> float:
        """The number of values in buckets."""
        return float(self.cumulated[-1])

    @property
    def min(self) -> float:
        """The left edge of the first bucket that holds something, NaN where none does."""
        return float(self.edges[np.flatnonzero(self.counts)[0]]) if self.total else math.nan

    @property
    def max(self) -> float:
        """The right edge of the last bucket that holds something, NaN where none does."""
        return float(self.edges[np.flatnonzero(self.counts)[-1] + 1]) if self.total else math.nan

    @property
    def mean(self) -> float:
        """The mean, sum(s m) over shares s and bucket middles m; NaN where there is no value."""
        return float(self._shares @ (self.edges[:-1] / 2 + self.edges[1:] / 2)) if self.total else math.nan

    @property
    def std(self) -> float:
        """The standard deviation, sqrt(sum(s ((m - mean)^2 + w^2 / 12))); NaN where there is no value.

        w^2 / 12 is the variance inside a bucket of width w. Divides by n, as np.std does.
        """
        if not self.total:
            return math.nan
        halves = self.edges / 2  # the difference of two halves cannot overflow
        reach = float(halves[-1] - halves[0])
        if not reach:
            return 0.0
        away = (halves[:-1] / 2 + halves[1:] / 2 - self.mean / 2) / reach
        return reach * (2 * math.sqrt(self._shares @ (away**2 + (np.diff(halves) / reach) ** 2 / 12)))

    def share(self, low: float, high: float) -> float:
        """Return the share of the values from low to high, both included; NaN where there is no value."""
        if not low <= high:
            raise ValueError(f"expected low <= high, found {low} and {high}")
        below = self.below(np.array([low, high, high]))
        return float((below[-1] - below[0]) / self.total) if self.total else math.nan

    def share_near_zero(self, width: float = NEAR_ZERO) -> float:
        """Return the share of the values at most `width` away from 0; finer than a bucket it is an interpolation."""
        return self.share(-width, width)

    def quantiles(self, levels: ArrayLike) -> NDArray[np.float64]:
        """Return for each level p in [0, 1] the least x that p of the values do not exceed, from `min` to `max`.

        The inverse of the cumulated distribution, linear inside a bucket; NaN where there is no value.
        """
        p = np.asarray(levels, np.float64)
        if not ((p >= 0) & (p <= 1)).all():
            raise ValueError(f"expected levels from 0 to 1, found {p}")
        if not self.total:
            return np.full(p.shape, math.nan)
        aim = p * self.total
        first = np.flatnonzero(self.counts)[0]
        bucket = np.maximum(np.searchsorted(self.cumulated, aim) - 1, first)
        inside = (aim - self.cumulated[bucket]) / self.counts[bucket]
        low, high = self.edges[bucket], self.edges[bucket + 1]
        found: NDArray[np.float64] = np.clip(low * (1 - inside) + high * inside, low, high)
        return found

    def quantile(self, level: float) -> float:
        """Return one of the `quantiles`."""
        return float(self.quantiles(level))

    def rebin(self, edges: ArrayLike) -> Histogram:
        """Return the same values counted between other edges; none is lost.

        A bucket's count is split by length, a point mass goes whole into the bin [left, right) that it lies in, or
        into a bin of width 0 at its place. What lies outside the edges goes into the first or the last bin.
        """
        below = self.below(np.asarray(edges, np.float64))
        below[:1], below[-1:] = 0, self.total
        return Histogram(np.asarray(edges), np.diff(below), self.nonfinite)

    def density(self, edges: ArrayLike) -> NDArray[np.float64]:
        """Return the share of all values a unit of width in each bin between increasing edges, the last one closed.

        Counts over total over width, to be drawn: what lies outside the edges is in no bin. 0 where there is no value.
        """
        bins = np.asarray(edges, np.float64)
        halves = np.diff(bins / 2)  # which cannot overflow
        if not (halves > 0).all():
            raise ValueError(f"expected edges that increase, found {bins}")
        below = self.below(np.append(bins, bins[-1:]))
        counts = np.diff(np.append(below[:-2], below[-1]))
        return counts / (self.total or 1.0) / halves / 2

    def below(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Count the values below each of the sorted points; at a repeated one, from its second time on, up to it.

        So point masses are steps between two equal points, and over the `union` of their edges two distributions
        are polylines through the values given here.
        """
        index = self.edges.searchsorted(points)
        again = (points[1:] == points[:-1]).nonzero()[0] + 1
        index[again] = self.edges.searchsorted(points[again], "right")
        bucket = np.minimum(np.maximum(index - 1, 0), self.counts.size - 1)  # np.clip takes three times as long
        halves, end = self.edges / 2, self.edges[bucket + 1]  # the difference of two halves cannot overflow
        start = halves[bucket]
        here = np.minimum(np.maximum(points / 2, halves[0]), halves[-1]) - start
        inside: NDArray[np.float64] = here / np.maximum(end / 2 - start, _TINY)
        inside[(index > 0) & (points >= end)] = 1
        return self.cumulated[bucket] + self.counts[bucket] * inside

    @property
    def _shares(self) -> NDArray[np.float64]:
        return self.counts / self.total


def shared_edges(histograms: Sequence[Histogram], bins: int = 60, clip: float = 0.999) -> NDArray[np.float64]:
    """Return equal bins on one axis that holds at least `clip` of the histograms' values, each weighing the same.

    Half of what may be left out is cut from either side, bucket by bucket, so that an outlier does not ruin the axis;
    1.0 keeps all. Values too alike to be told apart get bins a millionth wide together, and none at all bins around 0.
    """
    if bins < 1 or not 0 < clip <= 1:
        raise ValueError(f"expected at least 1 bin and 0 < clip <= 1, found {bins} and {clip}")
    filled = [histogram for histogram in histograms if histogram.total]
    shares = np.concatenate([np.zeros(0), *(histogram._shares / len(filled) for histogram in filled)])
    cut = (1 - clip) / 2
    low = -_outermost(np.concatenate([np.zeros(0), *(-histogram.edges[:-1] for histogram in filled)]), shares, cut)
    high = _outermost(np.concatenate([np.zeros(0), *(histogram.edges[1:] for histogram in filled)]), shares, cut)
    if high / 2 - low / 2 < max(_NARROWEST, 2 * bins * sys.float_info.epsilon * max(abs(low), abs(high))):
        margin = _SINGLE_WIDTH / 2 * max(abs(low), 1.0)
        low, high = max(low - margin, -sys.float_info.max), min(high + margin, sys.float_info.max)
    return np.linspace(low / 4, high / 4, bins + 1) * 4  # a quarter cannot overflow


def _outermost(places: NDArray[np.float64], shares: NDArray[np.float64], cut: float) -> float:
    """Return the greatest place once at most `cut` of the shares, from the greatest down, is left out."""
    places, shares = places[shares > 0], shares[shares > 0]
    if not places.size:
        return 0.0
    order = np.argsort(places)[::-1]
    beyond = int(np.searchsorted(np.cumsum(shares[order]), cut, "right"))
    return float(places[order[min(beyond, places.size - 1)]])


def mixture(histograms: Sequence[Histogram], edges: ArrayLike | None = None) -> Histogram:
    """Return the mean distribution of a group, each member weighing the same whatever its total.

    On the given edges, else on all of the members': exact, but as slow as their number squared. The total is the
    members' mean; those without a value are left out. ValueError where there is no histogram.
    """
    if not histograms:
        raise ValueError("expected at least one histogram, found none")
    points = union(histograms) if edges is None else np.asarray(edges, np.float64)
    filled = [histogram for histogram in histograms if histogram.total] or histograms[:1]
    parts = (histogram.rebin(points).counts / (histogram.total or 1) for histogram in filled)
    shares = sum(parts, start=np.zeros(points.size - 1)) / len(filled)
    total = sum(histogram.total for histogram in filled) / len(filled)
    return Histogram(points, shares * total, round(sum(h.nonfinite for h in histograms) / len(histograms)))


def band(histograms: Sequence[Histogram], edges: ArrayLike) -> NDArray[np.float64]:
    """Return the mean, the least and the greatest density of a group in each bin: [3, bins].

    Those without a value are left out; where nobody has one all is 0.
    """
    densities = [histogram.density(edges) for histogram in histograms if histogram.total]
    stack = np.array(densities or [np.zeros(np.size(edges) - 1)])
    return np.array([stack.mean(axis=0), stack.min(axis=0), stack.max(axis=0)])


def union(histograms: Sequence[Histogram]) -> NDArray[np.float64]:
    """Return all edges of some histograms in order, as often as they have them: between two all densities are flat."""
    return np.sort(np.concatenate([histogram.edges for histogram in histograms]))
