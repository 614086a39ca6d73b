"""The Histogram value: what is kept of an array's distribution, and how it is counted without copying the array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 65_536  # values binned at once: 512 KiB of float64 stay in a core's cache
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

        Values too alike to be told apart, or none at all, get one bucket, 1 wide around them or around 0.
        Takes time in proportion to the values and 1 MiB of memory, however many there are.
        """
        flat = np.asarray(values).ravel(order="K")  # the order in memory: no copy of a transposed array
        low, high, finite = _extent(flat)
        if _NARROWEST < high - low < np.inf:
            counts, edges = _count(flat, low, high, buckets), np.linspace(low, high, buckets + 1)
        else:
            counts, edges = np.array([float(finite)]), np.array([low - 0.5, high + 0.5])
        return cls(edges, counts, flat.size - finite)


def _blocks(flat: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """Yield the finite values block by block as float64, in a buffer that the next block overwrites."""
    buffer = np.empty(min(_BLOCK, flat.size))
    for start in range(0, flat.size, _BLOCK):
        part = flat[start : start + _BLOCK]
        block = buffer[: part.size]
        block[:] = part
        finite = np.isfinite(block)
        yield block if finite.all() else block[finite]


def _extent(flat: NDArray[Any]) -> tuple[float, float, int]:
    """Return the least and the greatest finite value, 0 where there is none, and how many are finite."""
    extents = [(float(block.min()), float(block.max()), block.size) for block in _blocks(flat) if block.size]
    lows, highs, sizes = zip(*extents, strict=True) if extents else ((0.0,), (0.0,), (0,))
    return min(lows), max(highs), sum(sizes)


def _count(flat: NDArray[Any], low: float, high: float, buckets: int) -> NDArray[np.float64]:
    counts = np.zeros(buckets)
    scale = buckets / (high - low)
    for block in _blocks(flat):
        np.subtract(block, low, out=block)
        np.multiply(block, scale, out=block)
        index = block.astype(np.intp)
        np.minimum(index, buckets - 1, out=index)  # the greatest value belongs to the last bucket
        counts += np.bincount(index, minlength=buckets)
    return counts
