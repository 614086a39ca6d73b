"""A histogram: the form in which an array's distribution is stored, and the statistics of that form.

A histogram is treated as a density that is uniform inside each bucket; a bucket of width 0 is a point mass. All results
are exact for this density. So the only error is that of the binning: at most the width of a bucket.
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

NEAR_ZERO = 1e-3  # fixed, so that it is the same for every run; a multiple of the standard deviation would not be

_SINGLE_WIDTH = 1e-6  # width of the single bucket of values that are all alike
_NARROWEST = 1e-300  # a narrower range has buckets too narrow to divide by in float64
_WIDEST = 1e308  # a wider range, or a margin around such a value, can overflow float64
_TINY = 5e-324  # the least positive float64


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts between edges: `edges` float64 [k+1], finite and not decreasing; `counts` float64 [k], none negative.

    `nonfinite` is the number of NaN and infinite values, which are in no bucket. `cumulated` [k+1] is the number of
    values left of each edge.
    Raises ValueError for other arrays.
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
            found = f"{self.counts} and nonfinite = {self.nonfinite}"
            raise ValueError(f"expected finite counts of at least 0 and nonfinite of at least 0, found {found}")
        cumulated.setflags(write=False)
        object.__setattr__(self, "cumulated", cumulated)

    @classmethod
    def of(cls, values: NDArray[Any], buckets: int = 64) -> Histogram:
        """Count an array of any shape and real type in equal buckets from its least to its greatest finite value.

        If the values are too close to be distinguished, or if there are none, one bucket lies around them or around 0.
        Its width is a millionth, or a millionth of the absolute value if that is above 1: wide enough to be drawn, too
        narrow to look like a spread. Values that are too far apart for float64 (1e308) get one bucket too.
        Takes time in proportion to the number of values, and 1 MiB of memory for any number of values.
        """
        flat = np.asarray(values).ravel(order="K")  # in memory order, so that a transposed array is not copied
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
        """The left edge of the first bucket that is not empty, NaN if all are empty."""
        return float(self.edges[np.flatnonzero(self.counts)[0]]) if self.total else math.nan

    @property
    def max(self) -> float:
        """The right edge of the last bucket that is not empty, NaN if all are empty."""
        return float(self.edges[np.flatnonzero(self.counts)[-1] + 1]) if self.total else math.nan

    @property
    def mean(self) -> float:
        """The mean, sum(s m) over shares s and bucket midpoints m; NaN if there are no values."""
        return float(self._shares @ (self.edges[:-1] / 2 + self.edges[1:] / 2)) if self.total else math.nan

    @property
    def std(self) -> float:
        """The standard deviation, sqrt(sum(s ((m - mean)^2 + w^2 / 12))); NaN if there are no values.

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
        """Return the share of the values from `low` to `high`, both included; NaN if there are no values.

        Raises ValueError if low > high.
        """
        if not low <= high:
            raise ValueError(f"expected low <= high, found {low} and {high}")
        below = self.below(np.array([low, high, high]))
        return float((below[-1] - below[0]) / self.total) if self.total else math.nan

    def share_near_zero(self, width: float = NEAR_ZERO) -> float:
        """Return the share of the values within `width` of 0; interpolated if `width` is smaller than a bucket."""
        return self.share(-width, width)

    def quantiles(self, levels: ArrayLike) -> NDArray[np.float64]:
        """Return for each level p in [0, 1] the least x such that a share p of the values does not exceed x.

        This is the inverse of the cumulated distribution, linear inside a bucket, from `min` to `max`; NaN if there are
        no values. Raises ValueError if a level is not in [0, 1].
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
        """Return the quantile of a single level, as `quantiles` does."""
        return float(self.quantiles(level))

    def rebin(self, edges: ArrayLike) -> Histogram:
        """Return the same values counted between other edges; no value is lost.

        The count of a bucket is split in proportion to length. A point mass goes as a whole into the bin [left, right)
        that contains it, or into a bin of width 0 at its position. Values outside the edges go into the first or the
        last bin.
        """
        below = self.below(np.asarray(edges, np.float64))
        below[:1], below[-1:] = 0, self.total
        return Histogram(np.asarray(edges), np.diff(below), self.nonfinite)

    def density(self, edges: ArrayLike) -> NDArray[np.float64]:
        """Return the share of all values per unit of width, in each bin between increasing edges.

        The last bin is closed. The density is meant for drawing: values outside the edges are in no bin. All densities
        are 0 if there are no values. Raises ValueError if the edges do not increase.
        """
        bins = np.asarray(edges, np.float64)
        halves = np.diff(bins / 2)  # the difference of two halves cannot overflow
        if not (halves > 0).all():
            raise ValueError(f"expected edges that increase, found {bins}")
        below = self.below(np.append(bins, bins[-1:]))
        counts = np.diff(np.append(below[:-2], below[-1]))
        return counts / (self.total or 1.0) / halves / 2

    def below(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Count the values below each of the sorted points.

        If a point is repeated, its second and later occurrences count the values up to and including the point. So a
        point mass is a step between two equal points. Over the `union` of the edges of two histograms, both cumulated
        distributions are polylines through these counts.
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
    """Return the edges of `bins` equal bins that hold at least the share `clip` of the histograms' values.

    All histograms have the same weight. Half of the rest is cut off at either end, bucket by bucket, so that an outlier
    does not stretch the axis; with clip = 1.0 nothing is cut off. If the values are too close to be distinguished, all
    bins together are a millionth wide; if there are none, the bins lie around 0.
    Raises ValueError if `bins` or `clip` is out of range.
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
    """Return the greatest position left after cutting at most `cut` of the shares from above, 0 if there is none."""
    places, shares = places[shares > 0], shares[shares > 0]
    if not places.size:
        return 0.0
    order = np.argsort(places)[::-1]
    beyond = int(np.searchsorted(np.cumsum(shares[order]), cut, "right"))
    return float(places[order[min(beyond, places.size - 1)]])


def mixture(histograms: Sequence[Histogram], edges: ArrayLike | None = None) -> Histogram:
    """Return the mean distribution of a group; all members have the same weight, whatever their totals.

    It has the given edges, by default those of all members: exact, but the time grows with the square of their number.
    Its total is the mean of the members' totals. Members without values are left out. Raises ValueError if there is no
    histogram.
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

    Histograms without values are left out; all is 0 if none has values.
    """
    densities = [histogram.density(edges) for histogram in histograms if histogram.total]
    stack = np.array(densities or [np.zeros(np.size(edges) - 1)])
    return np.array([stack.mean(axis=0), stack.min(axis=0), stack.max(axis=0)])


def union(histograms: Sequence[Histogram]) -> NDArray[np.float64]:
    """Return the edges of all histograms, sorted, with repetitions: between two of them every density is constant."""
    return np.sort(np.concatenate([histogram.edges for histogram in histograms]))
