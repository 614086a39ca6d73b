"""The Histogram value: what is kept of an array's distribution, and how it is counted without copying the array."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 32_768  # values binned at once: 256 KiB of float64 stay in a core's cache
_SINGLE_WIDTH = 1e-6  # of the one bucket of values that are all alike
_NARROWEST = 1e-300  # a range below this has no bucket width that float64 can divide by


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts between edges: `edges` float64 [k+1], finite and not decreasing; `counts` float64 [k], none negative.

    `nonfinite` is the number of values that are in no bucket because they were NaN or infinite.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.float64]
    nonfinite: int = 0

    def __post_init__(self) -> None:
        for name in ("edges", "counts"):
            array = np.array(getattr(self, name), np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.counts.ndim != 1 or not self.counts.size or self.edges.shape != (self.counts.size + 1,):
            raise ValueError(f"expected edges [k+1] and counts [k], found {self.edges.shape} and {self.counts.shape}")
        if not np.isfinite(self.edges).all() or (self.edges[1:] < self.edges[:-1]).any():
            raise ValueError(f"expected finite edges that do not decrease, found {self.edges}")
        if not (np.isfinite(self.counts) & (self.counts >= 0)).all() or self.nonfinite < 0:
            raise ValueError(f"expected counts of at least 0, found {self.counts} and {self.nonfinite} non-finite")

    @classmethod
    def of(cls, values: NDArray[Any], buckets: int = 64) -> Histogram:
        """Count an array of any shape and real type in equal buckets from its least to its greatest finite value.

        Values too alike to be told apart, or none at all, get one bucket, a millionth wide (of the value, from 1 on)
        around them or around 0: wide enough to be drawn, too narrow to look like a spread.
        Takes time in proportion to the values and 1 MiB of memory, however many there are.
        """
        flat = np.asarray(values).ravel(order="K")  # the order in memory: no copy of a transposed array
        low, high, finite = _extent(flat)
        if _NARROWEST < high - low < np.inf:
            blocks = _blocks(flat) if finite < flat.size else _slices(flat)
            counts, edges = _count(blocks, low, high, buckets), np.linspace(low, high, buckets + 1)
        else:
            margin = _SINGLE_WIDTH / 2 * max(abs(low), 1.0) if high - low < np.inf else 0.0
            counts, edges = np.array([float(finite)]), np.array([low - margin, high + margin])
        return cls(edges, counts, flat.size - finite)


def _blocks(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the finite values block by block."""
    for block in _slices(flat):
        finite = np.isfinite(block)
        yield block if finite.all() else block[finite]


def _slices(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (flat[start : start + _BLOCK] for start in range(0, flat.size, _BLOCK))


def _extent(flat: NDArray[Any]) -> tuple[float, float, int]:
    """Return the least and the greatest finite value, 0 where there is none, and how many are finite."""
    if flat.size:
        low, high = float(flat.min()), float(flat.max())
        if math.isfinite(low) and math.isfinite(high):  # a NaN would be both
            return low, high, flat.size
    extents = [(float(block.min()), float(block.max()), block.size) for block in _blocks(flat) if block.size]
    lows, highs, sizes = zip(*extents, strict=True) if extents else ((0.0,), (0.0,), (0,))
    return min(lows), max(highs), sum(sizes)


def _count(blocks: Iterable[NDArray[Any]], low: float, high: float, buckets: int) -> NDArray[np.float64]:
    counts = np.zeros(buckets + 1)
    scale = buckets / (high - low)
    place, index = np.empty(_BLOCK), np.empty(_BLOCK, np.intp)
    for block in blocks:
        here, there = place[: block.size], index[: block.size]
        np.subtract(block, low, out=here, dtype=np.float64, casting="unsafe")
        np.multiply(here, scale, out=there, casting="unsafe")  # cut to a whole bucket number
        counts += np.bincount(there, minlength=buckets + 1)
    counts[-2] += counts[-1]  # the greatest value belongs to the last bucket
    return counts[:-1]
